"""A run of `up`: take over, watch, restore, linger."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, assert_never
from urllib.parse import urlsplit

from devhook import system
from devhook.capture import CaptureServer
from devhook.config import Settings
from devhook.core.account_api import mask_url
from devhook.core.clock import Clock
from devhook.core.marker import marked_root
from devhook.core.model import Account, Event, Setting, Source, Stage, Takeover
from devhook.core.origin import Origin
from devhook.core.takeover import ENDS, Ending, Restored, with_setting
from devhook.core.taking import Who
from devhook.errors import TakeoverError, TunnelError
from devhook.send import Sender
from devhook.session.options import Options
from devhook.session.standstill import Standstill
from devhook.session.stop import Loops, Stop, Why
from devhook.session.watch import (
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
        origin: Origin,
        abandoned: bool,
    ) -> None:
        self.account = account
        self.origin = origin
        self.abandoned = abandoned
        self.proven_seconds = 0.0
        self.published: Published | None = None
        self.lock_warning: str | None = None
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
        self._standstill = Standstill(
            prove=self.proven,
            take=self._take,
            hold=hold,
            watchdog=watchdog,
            journal=journal,
            stop=stop,
            clock=clock,
        )

    @property
    def root(self) -> Setting:
        """What is restored at the end."""
        return self.origin.root

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
    def is_guarded(self) -> bool:
        """Whether a guardian will go on with a restore that we do not wait for."""
        record = self._hold.record
        refused = record is not None and record.stage is Stage.UNRESOLVED
        # As process 1 of a container we take everybody with us.
        return not (refused or self._watchdog.lost.is_set() or os.getpid() == 1)

    @property
    def trouble(self) -> str | None:
        """What kept the last try to restore from its end."""
        return self._hold.error

    async def take_over(self) -> Ready:
        """Point the account here; from now on an end of any kind restores it.

        Asked to end before the PUT leaves, it is cancelled; in a hurry after that, it
        raises TakeoverError.
        """
        await self._hold.prepare(self.account, self.webhook_uri, self._who(), self.root)
        if self._stop.is_asked():
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
        await self._reached_as(record.mine)
        self.start(watch_account(self._hold, self.journal, self._stop, self._clock))
        self.start(watch_guardian(self._watchdog, self._stop))
        self.start(watch_sleep(self.journal, self._clock))
        self.start(self._standstill.watch())
        if self.published is not None and not self._stop.is_asked():
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
            marked=_is_readable(record),
            warnings=tuple(filter(None, (self.lock_warning, self._tunnel.warning))),
        )
        system.fault("up.ready")
        return self.ready

    async def _reached_as(self, uri: str) -> None:
        """An API may keep our URI in a form of its own: that one has to lead here."""
        if uri.partition("#")[0] == self.webhook_uri:
            return
        try:
            await self.proven(uri)
        except TunnelError as exc:
            raise TunnelError(
                f"the API keeps our URL as {mask_url(uri)}, which does not lead here",
                hint="choose a public URL in the form that the API keeps",
            ) from exc

    async def proven(self, uri: str | None = None) -> float:
        """Seconds a challenge took through the public URL and back to this process.

        `uri` is the form of it that is tried, None our own. Raises TunnelError when
        whoever answers there is not us.
        """
        tried = uri or self.webhook_uri
        deadline = self._clock.monotonic() + PROVEN_WITHIN
        while True:
            started = self._clock.monotonic()
            nonce, within = system.new_secret(), deadline - started
            if await challenge(self._sender, tried, nonce, within=within):
                return self._clock.monotonic() - started
            if self._clock.monotonic() + 1.0 > deadline:
                host = urlsplit(tried).netloc
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
        if self.restored is not None:
            return self.restored
        try:
            waiting = self._stop.patiently(self._options.patience)
            async with waiting, self._standstill.changing:
                if self.holds:
                    system.fault("up.ending")
                    self.restored = await self._hold.end()
                else:
                    self.restored = self._standstill.ended
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
                    with suppress(TimeoutError):
                        async with self._stop.patiently(None):
                            await self._hold.repeat()
                    await self._wait()
            case _:
                assert_never(restored.ending)

    async def stand_still(self, say: Callable[[bool], Awaitable[None]]) -> None:
        """Ctrl-Z: put the root back, stop, and once continued take the account again.

        Before the account was taken there is nothing to put back.
        """
        if self.ready is not None and self.holds:
            await self._standstill.park(say)
        else:
            os.kill(os.getpid(), signal.SIGSTOP)

    async def _take(self) -> None:
        """Take an account that says the root again. Raises as `take_over` does."""
        account = with_setting(self.account, self.root)
        await self._hold.prepare(account, self.webhook_uri, self._who(), self.root)
        await self._hold.point()

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


def _is_readable(record: Takeover) -> bool:
    """Whether the marker came through whole, for whoever has no record."""
    try:
        return marked_root(record.mine) == record.root
    except TakeoverError:
        return False
