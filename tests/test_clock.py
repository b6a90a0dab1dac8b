"""The clock of the tests keeps the promises of the real one."""

import asyncio
from datetime import UTC

import pytest

from devhook.core.clock import Clock
from devhook.system import SystemClock
from tests.clock import ManualClock
from tests.values import START, at

clocks = pytest.mark.parametrize(
    "clock", [SystemClock(), ManualClock(tick=0.001)], ids=["system", "manual"]
)


@clocks
def test_a_clock_tells_the_time_in_utc(clock: Clock) -> None:
    """Aware, so that no zone of a machine enters a row."""
    assert clock.now().tzinfo is UTC


@clocks
def test_a_clock_never_goes_back(clock: Clock) -> None:
    """Durations are not negative."""
    looks = [clock.monotonic() for _ in range(100)]
    assert looks == sorted(looks)


@clocks
async def test_a_clock_lets_others_work_while_one_sleeps(clock: Clock) -> None:
    """No time at all is still a turn of the loop."""
    async with asyncio.timeout(5):
        await clock.sleep(0)


async def test_a_sleeper_wakes_when_the_clock_was_advanced_enough() -> None:
    """Not before."""
    clock = ManualClock()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        sleeper = group.create_task(clock.sleep(2))
        await asyncio.sleep(0)
        clock.advance(1.5)
        await asyncio.sleep(0)
        assert not sleeper.done()
        clock.advance(0.5)
    assert (START, clock.now()) == (at(0), at(2))
