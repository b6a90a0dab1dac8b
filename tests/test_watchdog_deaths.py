"""Guardians that die, hang or never start: another follows, or none."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import uvloop

from devhook.core.guarding import BEAT_EVERY
from devhook.core.model import Stage
from devhook.core.takeover import Ending
from devhook.watchdog import (
    BUSY_FOR,
    DEATHS,
    GuardianLost,
    Watchdog,
)
from tests.clock import ManualClock
from tests.guarded import ACME, record
from tests.running import until
from tests.watched import rig


async def test_a_guardian_that_is_killed_is_followed_by_another(tmp_path: Path) -> None:
    """Which holds the newest record: what follows is restored as ever."""
    async with rig(tmp_path) as r:
        await r.hold()
        r.guardians[0].kill()
        await r.follower(2)
        assert (await r.watchdog.restore()).ending is Ending.RESTORED
        assert r.fields == ACME.fields()


async def test_one_that_is_killed_while_it_restores_is_followed_too(
    tmp_path: Path,
) -> None:
    """The run goes on waiting for one and the same restore."""
    async with rig(tmp_path) as r:
        await r.hold()
        r.sandbox.fault(status=503, retry_after=60)
        async with asyncio.TaskGroup() as group:
            restoring = group.create_task(r.watchdog.restore())
            await until(lambda: r.watchdog.trouble)
            assert r.stage() is Stage.RESTORING  # what the next one is told
            r.guardians[0].kill()
        assert restoring.result().ending is Ending.RESTORED
        assert len(r.guardians) == 2


async def test_one_that_is_killed_while_it_parks_is_followed_too(
    tmp_path: Path,
) -> None:
    """The run, which lives again, would else take a half put back account for ours."""
    clock = ManualClock()
    async with rig(tmp_path, clock=clock, silence=1.0) as r:
        await r.hold()
        r.sandbox.fault(status=503, retry_after=60)
        await until(lambda: r.watchdog.trouble)
        r.guardians[0].kill()
        async with asyncio.timeout(10):
            while not r.watchdog.parked.is_set():
                clock.advance(BEAT_EVERY)
                await asyncio.sleep(0.1)
        assert r.stage() is Stage.PARKED
        assert len(r.guardians) == 2


async def test_one_that_is_stopped_is_given_up_for_another(tmp_path: Path) -> None:
    """It hears no order; the next one does."""
    async with rig(tmp_path) as r:
        await r.hold()
        r.guardians[0].send_signal(signal.SIGSTOP)
        assert (await r.watchdog.restore()).ending is Ending.RESTORED
        assert r.guardians[0].poll() == -signal.SIGKILL


async def test_one_that_says_nothing_for_long_is_given_up(tmp_path: Path) -> None:
    """Long before anything is wanted of it."""
    clock = ManualClock()
    async with rig(tmp_path, clock=clock) as r:
        await r.watchdog.ready()
        r.guardians[0].send_signal(signal.SIGSTOP)
        await until(lambda: advanced(clock, BEAT_EVERY) and len(r.guardians) == 2)
        r.guardians[0].wait()


async def test_what_was_said_while_the_run_stood_still_is_read_first(
    tmp_path: Path,
) -> None:
    """After a Ctrl-Z the beat comes before what the guardian said meanwhile."""
    clock = ManualClock()
    async with rig(tmp_path, clock=clock) as r:
        await r.hold()
        for _ in range(DEATHS):
            clock.advance(BUSY_FOR + 1)
            await r.watchdog.keep(record(r.sandbox, Stage.ACTIVE))
        assert len(r.guardians) == 1


def advanced(clock: ManualClock, seconds: float) -> bool:
    clock.advance(seconds)
    return True


async def test_after_some_deaths_there_is_none(tmp_path: Path) -> None:
    """Whoever waits for it is told, and whoever asks from then on."""
    async with rig(tmp_path) as r:
        await r.hold()
        r.sandbox.fault(status=503, retry_after=60, times=None)
        async with asyncio.TaskGroup() as group:
            restoring = group.create_task(refused(r.watchdog))
            for number in range(DEATHS):
                await r.follower(number + 1)
                r.guardians[number].kill()
        assert restoring.done()
        assert r.watchdog.lost.is_set()
        with pytest.raises(GuardianLost):
            await r.watchdog.keep(record(r.sandbox, Stage.ACTIVE))
        await r.watchdog.repeat()


def test_a_guardian_leaves_no_descriptor_behind(tmp_path: Path) -> None:
    """On the loop that a run has: a session of weeks may see many of them."""

    async def follow() -> None:
        async with rig(tmp_path) as r:
            await r.follower(1)
            before = open_files()
            for number in range(2):
                r.guardians[number].kill()
                await r.follower(number + 2)
            await until(lambda: open_files() == before)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(follow())


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_deaths_count_in_quick_succession_alone(tmp_path: Path) -> None:
    """A guardian a day is no reason to end a session of weeks."""
    clock = ManualClock()
    async with rig(tmp_path, clock=clock) as r:
        for number in range(DEATHS + 1):
            await r.follower(number + 1)
            clock.advance(3600.0)
            r.guardians[number].kill()
        await r.follower(DEATHS + 2)
        assert not r.watchdog.lost.is_set()


async def refused(watchdog: Watchdog) -> None:
    with pytest.raises(GuardianLost):
        await watchdog.restore()


async def test_a_system_that_starts_no_process_is_told_of(tmp_path: Path) -> None:
    """By its own word: whoever has no guardian changes no account."""

    def unable(_: tuple[int, ...]) -> "subprocess.Popen[bytes]":
        raise BlockingIOError(11, "Resource temporarily unavailable")

    clock = ManualClock()
    async with rig(tmp_path, start=unable, clock=clock) as r:
        with pytest.raises(GuardianLost, match="Resource temporarily unavailable"):
            await r.watchdog.ready()
        clock.advance(BUSY_FOR + 1)
        await asyncio.sleep(0)
        assert r.guardians == []


async def test_guardians_that_fail_say_by_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours, which is to be told to us."""
    monkeypatch.setenv("DEVHOOK_FAULT", "guardian.ready:fail")
    async with rig(tmp_path) as r:
        await r.watchdog.lost.wait()
        with pytest.raises(GuardianLost, match="the guardian failed: OSError"):
            await r.watchdog.ready()


async def test_a_program_that_is_no_guardian_is_given_up(tmp_path: Path) -> None:
    """It ends at once, again and again."""

    def wrong(_: tuple[int, ...]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    async with rig(tmp_path, start=wrong) as r:
        with pytest.raises(GuardianLost, match="it ends at once"):
            await r.watchdog.keep(record(r.sandbox, Stage.PREPARED))
        assert len(r.guardians) == DEATHS
