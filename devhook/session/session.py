"""A run of `up`: take over, watch, restore, linger."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from devhook import system
from devhook.capture import CaptureServer
from devhook.config import Settings
from devhook.core import takeover as core
from devhook.core.account_api import mask_url
from devhook.core.clock import Clock
from devhook.core.model import Account, Setting
from devhook.errors import ProviderError
from devhook.session.options import Options
from devhook.session.stop import Loops, Stop, Why
from devhook.store.journal import Journal
from devhook.store.live import Published
from devhook.store.takeovers import ENDS
from devhook.takeover import Ending, Hold, Restored
from devhook.tunnel import Down, Tunnel

LOOK_EVERY = 10.0
"""Seconds between looks at the account, so that a foreign change shows within 15."""

UNSTORED_FOR = 10.0
TUNNEL_AWAY_FOR = 60.0
UNATTENDED_WITHIN = 30.0
"""Seconds a restore is waited for when nobody sits at a terminal."""


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
    stripped: bool
    warning: str | None


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
        loops: Loops,
        clock: Clock,
        stop: Stop,
        abandoned: bool,
    ) -> None:
        self.account = account
        self.abandoned = abandoned
        self.proven_seconds = 0.0
        self.published: Published | None = None
        self.root = core.root_of(account)
        self.journal = journal
        self.restored: Restored | None = None
        self.ready: Ready | None = None
        self._settings = settings
        self._options = options
        self._capture = capture
        self._tunnel = tunnel
        self._hold = hold
        self._loops = loops
        self._clock = clock
        self._stop = stop

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

    async def take_over(self) -> Ready:
        """Point the account here; from now on an end of any kind restores it."""
        self._stop.cancels(None)
        await self._hold.begin(
            self.account,
            self.webhook_uri,
            api_url=self._settings.api_url,
            profile=self._settings.profile,
            session_id=self.journal.session_id,
            process=system.this_process(),
        )
        self.start(self._watch_account())
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
            stripped=self._hold.stripped,
            warning=self._tunnel.warning,
        )
        return self.ready

    async def ended(self) -> Why:
        """Wait until somebody or something ends the session."""
        return await self._stop.asked()

    async def restore(self) -> Restored | None:
        """Put the root back; None when nothing was changed. Later calls do nothing."""
        record = self._hold.record
        if record is None or record.stage in ENDS or self.restored is not None:
            return self.restored
        within = None if self._options.attended else UNATTENDED_WITHIN
        try:
            async with self._stop.patiently(within):
                self.restored = await self._hold.end()
        except TimeoutError:
            error = self._hold.error or "the API did not answer in time"
            self.restored = Restored(Ending.UNCONFIRMED, None, error)
        return self.restored

    async def linger(self) -> None:
        """Keep the tunnel open for deliveries that were already on their way."""
        if self.restored is None or self.restored.ending is Ending.UNCONFIRMED:
            return
        try:
            async with self._stop.patiently(self._settings.linger):
                await asyncio.Event().wait()
        except TimeoutError:
            return

    # --- the loops -------------------------------------------------------------------

    async def watch_tunnel(self) -> None:
        """Say and keep when it is away; end the session when it stays away."""
        since = None
        deadline: asyncio.TimerHandle | None = None
        loop = asyncio.get_running_loop()
        async for state in self._tunnel.changes():
            if isinstance(state, Down):
                if since is None:
                    since = state.since
                    deadline = loop.call_later(
                        TUNNEL_AWAY_FOR, self._stop.ask, Why.TUNNEL
                    )
                await self.journal.tell(
                    "reconnecting",
                    what="tunnel",
                    reason=state.reason,
                    attempt=state.attempt,
                    in_seconds=state.in_seconds,
                )
            elif since is not None:
                if deadline is not None:
                    deadline.cancel()
                await self.journal.missed("tunnel", since, self._clock.now())
                await self.journal.tell("reconnected", what="tunnel")
                since = None

    async def watch_storage(self) -> None:
        """An account that points at a disk that keeps nothing is better given back."""
        while True:
            await self._clock.sleep(1.0)
            since = self._capture.failing_since
            if since is not None and self._clock.monotonic() - since > UNSTORED_FOR:
                self._stop.ask(Why.STORAGE)

    async def _watch_account(self) -> None:
        """Say it when somebody else's setting shows; leave it alone."""
        told: Setting | None = None
        while True:
            await self._clock.sleep(LOOK_EVERY)
            if self._stop.why is not None:
                continue
            try:
                found = await self._hold.look()
            except ProviderError:
                continue
            if found is not None and found != told:
                await self.journal.tell(
                    "conflict",
                    found={
                        "webhook_uri": mask_url(found.uri),
                        "webhook_method": found.method,
                    },
                )
            told = found
