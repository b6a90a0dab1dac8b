"""B, the guardian: killed, stopped, never started; and a machine that sleeps."""

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from devhook.core.model import Gap
from devhook.session.stop import open_loops
from devhook.session.watch import watch_sleep
from devhook.store.journal import Journal
from devhook.store.store import Store
from devhook.system import SystemClock, this_process
from tests.clock import ManualClock
from tests.matrix.bench import KILLED, alone, home, open_short
from tests.matrix.second import second_program
from tests.running import Running, until
from tests.upbench import Bench

Seen = Callable[[str], None]

COLLEAGUE = "https://colleague.example/hook"
SILENT_FOR = 26.0
"""Seconds: longer than any silence that a guardian takes for a short one."""


async def next_guardian(b: Bench) -> int:
    """Kill the guardian, and wait until another has taken its place."""
    gone = b.guardian()
    os.kill(gone, signal.SIGKILL)
    await until(lambda: b.guardian() != gone)
    return b.guardian()


@pytest.mark.case(
    35, "guardian killed alone", "another within 1 s; original at the end"
)
async def test_35_a_killed_guardian_is_followed_by_another(
    tmp_path: Path, seen: Seen
) -> None:
    """Which status knows, and which restores when the run is killed after it."""
    clock = SystemClock()
    async with open_short(tmp_path) as b, b.up() as up:
        killed = clock.monotonic()
        await next_guardian(b)
        took = clock.monotonic() - killed
        assert took < 1
        status = (await b.terminal("status", "--json")).objects()[0]
        assert (status["state"], status["guardian"]) == ("live", "watching")
        assert await up.end(signal.SIGKILL) == KILLED
        await alone(b)
    seen(f"another after {took * 1000:.0f} ms, which restored")


@pytest.mark.slow
@pytest.mark.case(36, "guardian killed four times", "restored by the run, error")
async def test_36_a_run_without_a_guardian_ends_itself(
    tmp_path: Path, seen: Seen
) -> None:
    """Nobody would clean up after it: 1, and the reason."""
    async with open_short(tmp_path) as b, b.up() as up:
        for _ in range(3):
            await next_guardian(b)
        os.kill(b.guardian(), signal.SIGKILL)
        assert await up.over() == 1
        assert "The guardian ended again and again" in up.screen
        record = b.takeovers.history()[0]
        last = b.takeovers.steps(record.id)[-1]
        assert (last.stage, last.process) == ("restored", record.process)
    seen("original by the run itself, exit 1")


@pytest.mark.slow
@pytest.mark.case(37, "guardian stopped, then the run ends", "original all the same")
async def test_37_a_stopped_guardian_keeps_nobody_from_restoring(
    tmp_path: Path, seen: Seen
) -> None:
    """A run that is asked to end finds another; one that is killed waits for this."""

    async def asked(folder: Path) -> None:
        async with open_short(folder) as b, b.up() as up:
            os.kill(b.guardian(), signal.SIGSTOP)
            assert await up.end() == 0

    async def killed(folder: Path) -> None:
        async with open_short(folder) as b, b.up() as up:
            os.kill(b.guardian(), signal.SIGSTOP)
            await up.end(signal.SIGKILL)
            os.kill(b.guardian(), signal.SIGCONT)
            await alone(b)

    await asyncio.gather(asked(home(tmp_path, "asked")), killed(home(tmp_path, "kill")))
    seen("original: ended by the run and followed by another; or once continued")


@pytest.mark.slow
@pytest.mark.case(38, "suspended for 8 h", "still ours or left alone; no blind PUT")
async def test_38_a_machine_that_slept_sends_nothing_blindly(
    tmp_path: Path, seen: Seen
) -> None:
    """Run and guardian stopped together, since no test can suspend a machine.

    It is the harder of the two: the clock that a guardian counts silence by goes on.
    """
    await asyncio.gather(
        slept(home(tmp_path, "ours"), None),
        slept(home(tmp_path, "colleague"), COLLEAGUE),
        a_sleep_is_kept(tmp_path),
    )
    seen("ours, or left alone; gap of 8 h kept (a clock by hand: no real suspend)")


async def slept(folder: Path, colleague: str | None) -> None:
    async with open_short(folder) as b:
        before = b.fields()
        async with b.up() as up:
            both = (up.pid, b.guardian())
            for pid in both:
                os.kill(pid, signal.SIGSTOP)
            await SystemClock().sleep(SILENT_FOR)
            if colleague:
                b.sandbox.change(webhook_uri=colleague)
            shown = b.fields()
            for pid in reversed(both):
                os.kill(pid, signal.SIGCONT)
            await goes_on(b, up, colleague)
            assert (b.fields(), len(b.puts())) == (shown, 1)
            assert await up.end() == (3 if colleague else 0)
        if colleague:
            assert b.fields() == shown
            b.sandbox.change(webhook_uri=before["webhook_uri"])
            b.sandbox.change(webhook_method=before["webhook_method"])


async def goes_on(b: Bench, up: Running, colleague: str | None) -> None:
    if colleague:
        await up.line("conflict")
    else:
        delivery = await b.sandbox.emit("call_hangup")
        await up.line("event")
        assert delivery.attempts[-1].status == 200


async def a_sleep_is_kept(folder: Path) -> None:
    """In process: the boot clock is eight hours ahead of the monotonic one."""
    clock = ManualClock()
    with Store(folder / "events.db") as store:
        async with Journal(store, clock) as journal, open_loops() as loops:
            await journal.begin(
                profile="p", account=None, source="up", process=this_process()
            )
            loops.start(watch_sleep(journal, clock))
            await asyncio.sleep(0)
            began = clock.now()
            clock.suspend(8 * 3600)
            clock.advance(1.0)
            gap = await anext(journal.follow())
            assert isinstance(gap, Gap)
            assert (gap.reason, gap.started_at) == ("asleep", began)
            assert gap.ended_at == began + timedelta(hours=8, seconds=1)


@pytest.mark.slow
@pytest.mark.case(44, "guardian cannot be started", "original; no PUT was made")
async def test_44_without_a_guardian_nothing_is_begun(
    tmp_path: Path, seen: Seen
) -> None:
    """As root no limit of processes holds: the interpreter is gone instead."""
    second = await second_program(tmp_path)
    async with open_short(tmp_path) as b:
        b.sandbox.fault(method="GET", drip=0.002)
        async with b.up(ready=False, program=second.command, PYTHONPATH="") as up:
            await until(lambda: b.sandbox.requests)
            second.interpreter.unlink()
            assert await up.over() == 1
            assert "no guardian could be started" in up.screen
        assert b.puts() == []
    seen("exit 1, no PUT (its interpreter is gone)")
