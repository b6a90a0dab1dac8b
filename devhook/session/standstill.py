"""A run that stands still, by Ctrl-Z or stopped from outside, and goes on again.

Meanwhile the root is back and the record is parked. The account is taken again by the
rule of any takeover, never blindly: the record is ended first, and the account must say
the root.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

from devhook.core.clock import Clock
from devhook.core.takeover import SPACING, Ending, Restored
from devhook.errors import (
    ChangedElsewhere,
    ProviderError,
    StoreError,
    TakeoverError,
    TunnelError,
)
from devhook.session.stop import Stop, Why
from devhook.session.watch import LOOK_EVERY, TUNNEL_AWAY_FOR
from devhook.store.journal import Journal
from devhook.takeover import Hold
from devhook.watchdog import Watchdog

PARKED_WITHIN: Final = 5.0
"""Seconds that a Ctrl-Z waits for the restore before it stands still all the same."""


class Standstill:
    """`prove` asks whether the tunnel leads here, `take` takes the account again.

    Whoever else changes the account holds `changing` meanwhile.
    """

    def __init__(
        self,
        *,
        prove: Callable[[], Awaitable[object]],
        take: Callable[[], Awaitable[None]],
        hold: Hold,
        watchdog: Watchdog,
        journal: Journal,
        stop: Stop,
        clock: Clock,
    ) -> None:
        self.changing = asyncio.Lock()
        self.ended: Restored | None = None
        """How the takeover ended, when the account was not taken again."""
        self._prove = prove
        self._take = take
        self._hold = hold
        self._watchdog = watchdog
        self._journal = journal
        self._stop = stop
        self._clock = clock
        self._is_parking = False

    async def park(self, say: Callable[[bool], Awaitable[None]]) -> None:
        """Put the root back, stop this process, and once continued go on.

        An API that is away does not keep us from stopping: the guardian goes on. `say`
        shows whether the root is back, before everything stands still.
        """
        if self._is_parking or self._stop.is_asked():
            return
        self._is_parking = True
        since, is_back = self._clock.now(), False
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PARKED_WITHIN), self.changing:
                    is_back = (await self._hold.park()).ending is Ending.RESTORED
            if self._stop.is_asked():  # nobody would type `fg` any more
                return
            await self._journal.tell("parked", reason="stopped", restored=is_back)
            await say(is_back)
            os.kill(os.getpid(), signal.SIGSTOP)
            await self._resume(since)
        finally:
            self._is_parking = False

    async def watch(self) -> None:
        """Go on when the guardian has put the root back, for we had stood still."""
        while True:
            await self._watchdog.parked.wait()
            self._watchdog.parked.clear()
            if not self._stop.is_asked() and not self._is_parking:
                await self._journal.tell("parked", reason="stood still", restored=True)
                await self._resume(self._clock.now())

    async def _resume(self, since: datetime) -> None:
        """Events of the time from `since` on went elsewhere."""
        is_told = False
        give_up = self._clock.monotonic() + TUNNEL_AWAY_FOR
        while not self._stop.is_asked():
            try:
                await self._prove()
                async with self.changing:
                    if not self._stop.is_asked():
                        await self._take_again(since)
                return
            except TunnelError:
                if self._clock.monotonic() > give_up:
                    self._stop.ask(Why.TUNNEL)
            except (ProviderError, StoreError) as exc:
                if not is_told:
                    is_told = True
                    await self._tell_away(exc.message)
                await self._clock.sleep(LOOK_EVERY)

    async def _tell_away(self, why: str) -> None:
        await self._journal.tell(
            "reconnecting", what="API", reason=why, attempt=1, in_seconds=LOOK_EVERY
        )

    async def _take_again(self, since: datetime) -> None:
        restored = self.ended = await self._hold.end()
        if restored.ending is Ending.RESTORED:
            await self._clock.sleep(SPACING)  # the root's PUT may be of just now
            if self._stop.is_asked():
                return
            try:
                await self._take()
            except TakeoverError as exc:
                restored = await self._hold.end()
                if isinstance(exc, ChangedElsewhere):
                    restored = Restored(Ending.FOREIGN, None)
            else:
                self.ended = None
                with suppress(StoreError):
                    await self._journal.missed("stopped", since, self._clock.now())
                await self._journal.tell("resumed")
                return
        self.ended = restored
        self._stop.ask(Why.PARKED)
