"""A run of `up`: take over, watch, restore, linger."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, assert_never
from urllib.parse import urlsplit

from devhook import system
from devhook.capture import CaptureServer
from devhook.config import Settings
from devhook.core import marker
from devhook.core.account_api import mask_url
from devhook.core.clock import Clock
from devhook.core.model import Account, Event, Setting, Source
from devhook.core.takeover import ENDS, Ending, Restored, with_setting
from devhook.core.taking import Who
from devhook.errors import ChangedElsewhere, ProviderError, TakeoverError, TunnelError
from devhook.send import Sender
from devhook.session.options import Options
from devhook.session.stop import Loops, Stop, Why
from devhook.session.watch import (
    LOOK_EVERY,
    TUNNEL_AWAY_FOR,
    watch_account,
    watch_guardian,
    watch_sleep,
)
from devhook.store import entries
from devhook.store.journal import Journal
from devhook.store.live import Published
from devhook.takeover import Hold, challenge
from devhook.tunnel import Tunnel
from devhook.watchdog import Watchdog

LATE_AFTER = timedelta(seconds=2)
"""Seconds after a restore: time enough for the sender to hear of it."""

PROVEN_WITHIN = 5.0
PARKED_WITHIN = 5.0
"""Seconds that a Ctrl-Z waits for the restore before it stands still all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What a session that has taken over says of itself."""

    session: int
    account: Account = field(repr=False)
    tunnel: str
    public_url: str
    capture_url: str
    webhook_uri: str
    original: Setting
    target: str | None
    db: str
    proven_seconds: float
    marked: bool
    warnings: tuple[str, ...]


class Session:
    """A run of `up`, opened as far as a tunnel that was proved to lead here."""

    def __init__(
        self,
        *,
        settings: Settings,
        options: Options,
        account: Account,
        journal: Journal,
        capture: CaptureServer,
        tunnel: Tunnel,
        hold: Hold,
        watchdog: Watchdog,
        sender: Sender,
        loops: Loops,
        clock: Clock,
        stop: Stop,
        abandoned: bool,
    ) -> None:
        self.account = account
        self.abandoned = abandoned
        self.proven_seconds = 0.0
        self.published: Published | None = None
        self.lock_warning: str | None = None
        self.root = marker.root_of(account)
        self.journal = journal
        self.restored: Restored | None = None
        self.ready: Ready | None = None
        self._settings = settings
        self._options = options
        self._capture = capture
        self._tunnel = tunnel
        self._hold = hold
        self._watchdog = watchdog
        self._sender = sender
        self._loops = loops
        self._clock = clock
        self._stop = stop
        self._lingered = False
        self._is_parking = False
        self._changing = asyncio.Lock()

    @property
    def public_url(self) -> str:
        return self._tunnel.public_url

    @property
    def target(self) -> str | None:
        return self._options.routes.target

    @property
    def control_key(self) -> str:
        return self._capture.door.control_key

    @property
    def webhook_uri(self) -> str:
        return f"{self._tunnel.public_url}/{self._capture.door.path_secret}"

    @property
    def capture_url(self) -> str:
        return f"{self._capture.url}/{self._capture.door.path_secret}"

    def start(self, loop: Coroutine[Any, Any, None]) -> None:
        """Run it for as long as the session lasts."""
        self._loops.start(loop)

    @property
    def holds(self) -> bool:
        """Whether the account was changed, or may have been, and is not settled."""
        record = self._hold.record
        return record is not None and record.stage not in ENDS

    @property
    def trouble(self) -> str | None:
        """What kept the last try to restore from its end."""
        return self._hold.error

    async def take_over(self) -> Ready:
        """Point the account here; from now on an end of any kind restores it.

        Asked to end before the PUT leaves, it is cancelled; in a hurry after that, it
        raises TakeoverError.
        """
        await self._hold.prepare(self.account, self.webhook_uri, self._who())
        if self._stop.why is not None:
            raise asyncio.CancelledError
        self._stop.cancels(None)
        try:
            async with self._stop.patiently(None):
                record = await self._hold.point()
        except TimeoutError as exc:
            raise TakeoverError(
                "the API did not say in time whether it changed the account",
                hint="devhook status tells whether it is settled",
            ) from exc
        self.start(watch_account(self._hold, self.journal, self._stop, self._clock))
        self.start(watch_guardian(self._watchdog, self._stop))
        self.start(watch_sleep(self.journal, self._clock))
        self.start(self._unpark())
        if self.published is not None:
            self.published.ready()
        self.ready = Ready(
            session=self.journal.session_id,
            account=self.account,
            tunnel=self._tunnel.kind,
            public_url=self._tunnel.public_url,
            capture_url=self.capture_url,
            webhook_uri=self.webhook_uri,
            original=self.root,
            target=self._options.routes.target,
            db=str(self._settings.db),
            proven_seconds=self.proven_seconds,
            marked=marker.is_marked(record.mine),
            warnings=tuple(filter(None, (self.lock_warning, self._tunnel.warning))),
        )
        system.fault("up.ready")
        return self.ready

    async def proven(self) -> float:
        """Seconds a challenge took through the public URL and back to this process.

        Raises TunnelError when whoever answers there is not us.
        """
        deadline = self._clock.monotonic() + PROVEN_WITHIN
        while True:
            started = self._clock.monotonic()
            nonce, within = system.new_secret(), deadline - started
            if await challenge(self._sender, self.webhook_uri, nonce, within=within):
                return self._clock.monotonic() - started
            if self._clock.monotonic() + 1.0 > deadline:
                host = urlsplit(self.webhook_uri).netloc
                raise TunnelError(
                    f"the public URL at {host} does not lead here: its challenge"
                    " failed",
                    hint="check where that URL points to, then start again",
                )
            await self._clock.sleep(0.5)

    async def ended(self) -> Why:
        """Wait until somebody or something ends the session."""
        return await self._stop.asked()

    async def restore(self) -> Restored | None:
        """Put the root back; None when nothing was changed. Later calls do nothing."""
        if self.restored is not None or not self.holds:
            return self.restored
        system.fault("up.ending")
        try:
            async with self._stop.patiently(self._options.patience), self._changing:
                self.restored = await self._hold.end()
        except TimeoutError:
            error = self._hold.error or "the API did not answer in time"
            self.restored = Restored(Ending.UNCONFIRMED, None, error)
        return self.restored

    async def linger(self) -> None:
        """Keep the tunnel open for deliveries that were already on their way.

        One that comes late shows a sender that did not hear of the restore: it is told
        once more. Later calls do nothing.
        """
        restored = self.restored
        if self._lingered or restored is None:
            return
        self._lingered = True
        match restored.ending:
            case Ending.UNCONFIRMED:
                return
            case Ending.FOREIGN:
                await self._wait()
            case Ending.RESTORED:
                if await self._late_event():
                    await self._hold.repeat()
                    await self._wait()
            case _:
                assert_never(restored.ending)

    async def stand_still(self) -> None:
        """Ctrl-Z: put the root back, stop, and once continued take the account again.

        An API that is away does not keep the process from stopping: the guardian goes
        on with the restore.
        """
        if self._is_parking or self._stop.why is not None:
            return
        if self.ready is None or not self.holds:
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        self._is_parking = True
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PARKED_WITHIN):
                    await self._hold.park()
            await self._tell_parked("stopped")
            os.kill(os.getpid(), signal.SIGSTOP)
            await self._resume()
        finally:
            self._is_parking = False

    async def _unpark(self) -> None:
        """The guardian put the root back, for the run stood still: take it again."""
        while True:
            await self._watchdog.parked.wait()
            self._watchdog.parked.clear()
            if self._stop.why is None and not self._is_parking:
                await self._tell_parked("stood still")
                await self._resume()

    async def _resume(self) -> None:
        """Take the account again, unless somebody else has set it since.

        Never blindly: the record is ended first, then it is a takeover as any other,
        of an account that must say the root.
        """
        give_up = self._clock.monotonic() + TUNNEL_AWAY_FOR
        while self._stop.why is None:
            try:
                await self.proven()
                async with self._changing:
                    if self._stop.why is None:
                        await self._take_again()
                return
            except TunnelError:
                if self._clock.monotonic() > give_up:
                    self._stop.ask(Why.TUNNEL)
            except ProviderError:
                await self._clock.sleep(LOOK_EVERY)

    async def _take_again(self) -> None:
        restored = await self._hold.end()
        if restored.ending is Ending.RESTORED:
            account = with_setting(self.account, self.root)
            try:
                await self._hold.prepare(account, self.webhook_uri, self._who())
                await self._hold.point()
            except TakeoverError as exc:
                restored = await self._hold.end()
                if isinstance(exc, ChangedElsewhere):
                    restored = Restored(Ending.FOREIGN, None)
            else:
                await self.journal.tell("resumed", webhook_uri=self.public_url)
                return
        self.restored = restored
        self._stop.ask(Why.PARKED)

    async def _tell_parked(self, why: str) -> None:
        shown = mask_url(self.root.uri)
        await self.journal.tell("parked", webhook_uri=shown, reason=why)

    def _who(self) -> Who:
        return Who(
            api_url=self._settings.api_url,
            profile=self._settings.profile,
            session_id=self.journal.session_id,
            process=system.this_process(),
            guardian=self._watchdog.mark,
        )

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with self._stop.patiently(self._settings.linger):
                await asyncio.Event().wait()

    async def _late_event(self) -> bool:
        """Whether one came when the sender should have known better for a while."""
        late = self._clock.now() + LATE_AFTER
        after = entries.newest(self.journal.store)
        with suppress(TimeoutError):
            async with self._stop.patiently(self._settings.linger):
                async for entry in self.journal.follow(after):
                    match entry:
                        case Event(source=Source.WEBHOOK) if entry.received_at > late:
                            return True
        return False
