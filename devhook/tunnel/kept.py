"""A relay tunnel once it is open: a lost connection is made anew, for ever."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from devhook.core.clock import Clock
from devhook.core.relay import Farewell, Hello, Welcome
from devhook.core.relay_link import Link
from devhook.errors import DevhookError
from devhook.tunnel import Change, Down, Up
from devhook.tunnel.carrier import Carrier, Socket
from devhook.tunnel.local import Local

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 15.0
_STEADY: Final = 5.0  # seconds after which a connection counts as a good one


@dataclass(frozen=True, slots=True)
class Connection:
    """A socket on which the greetings have been exchanged."""

    socket: Socket
    hello: Hello
    welcome: Welcome


class KeptTunnel:
    """First `use`, then `keep`; `leave` at the end, whatever came between.

    `connect` is for every later connection, and raises a DevhookError when the relay
    cannot be had now. `heartbeat` and `patience` are the link's, in seconds.
    """

    kind = "relay"

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        local: str,
        *,
        warning: str | None,
        clock: Clock,
        chance: Callable[[], float],
        heartbeat: float,
        patience: float,
    ) -> None:
        self.public_url = ""
        self.warning = warning
        self._connect = connect
        self._local = Local(local)
        self._clock = clock
        self._chance = chance
        self._heartbeat = heartbeat
        self._patience = patience
        self._carrier: Carrier
        self._attempt = 0
        self._changes: asyncio.Queue[Change] = asyncio.Queue()

    async def changes(self) -> AsyncIterator[Change]:
        while True:
            yield await self._changes.get()

    def use(self, connection: Connection) -> None:
        self.public_url = connection.welcome.public_url
        link = Link(
            opens=False,
            window=connection.hello.window,
            credit=connection.welcome.window,
            requests=connection.hello.requests,
            at=self._clock.monotonic(),
            heartbeat=self._heartbeat,
            patience=self._patience,
        )
        self._carrier = Carrier(
            connection.socket,
            link,
            self._local,
            self._clock,
            look_every=self._heartbeat / 3,
        )

    async def keep(self) -> None:
        """Serve this connection and every later one, until cancelled."""
        while True:
            begun = self._clock.monotonic()
            reason = await self._carrier.run()
            if self._clock.monotonic() - begun >= _STEADY:
                self._attempt = 0
            silence = timedelta(seconds=self._carrier.silent_for)
            await self._again(reason, self._clock.now() - silence)

    async def leave(self) -> None:
        """Say goodbye, so that the relay waits for nobody."""
        await self._carrier.leave(Farewell.DONE)
        self._local.close()

    async def _again(self, reason: str, since: datetime) -> None:
        """Connect anew, for as long as it takes."""
        while True:
            self._attempt += 1
            pause = pause_before(self._attempt, self._chance())
            self._changes.put_nowait(
                Down(
                    reason=reason, attempt=self._attempt, in_seconds=pause, since=since
                )
            )
            await self._clock.sleep(pause)
            try:
                self.use(await self._connect())
            except DevhookError as exc:
                reason = exc.message
            else:
                return self._changes.put_nowait(Up(public_url=self.public_url))


def pause_before(attempt: int, chance: float) -> float:
    """Seconds: doubled with every attempt, up to a bound, and half of it by chance."""
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * float(2 ** min(attempt - 1, 16)))
    return longest * (1 + chance) / 2
