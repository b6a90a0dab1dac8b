"""A clock that tests advance: nobody waits."""

import asyncio
from datetime import datetime, timedelta

from typing_extensions import override

from devhook.core.clock import Moment
from tests.values import START


class ManualClock:
    """Stands still until it is advanced; `tick` seconds pass at each look at it."""

    def __init__(self, start: datetime = START, *, tick: float = 0.0) -> None:
        self.tick = tick
        self._start = start
        self._passed = self._asleep = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed + self._asleep)

    def monotonic(self) -> float:
        self._passed += self.tick
        return self._passed

    def moment(self) -> Moment:
        return Moment(self.now(), self._passed + self._asleep, "boot")

    def suspend(self, seconds: float) -> None:
        """The machine sleeps: durations do not notice, the other clocks go on."""
        self._asleep += seconds

    def set(self, days: float) -> None:
        """Somebody sets the wall clock, forward or back."""
        self._start += timedelta(days=days)

    async def sleep(self, seconds: float) -> None:
        waking = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._passed + seconds, waking))
        self.advance(0)
        await waking

    def advance(self, seconds: float) -> None:
        self._passed += seconds
        for until, waking in self._sleepers:
            if until <= self._passed and not waking.done():
                waking.set_result(None)
        self._sleepers = [s for s in self._sleepers if not s[1].done()]


class SkippingClock(ManualClock):
    """Whoever sleeps wakes at once, so many seconds later by this clock."""

    @override
    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)
