"""B, the host: memory, pipes, files and terminals that go while a run goes on."""

import asyncio
import os
import resource
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.matrix.bench import KILLED, alone, home, open_short
from tests.matrix.second import second_program
from tests.running import DEVHOOK, Running, until
from tests.upbench import Bench

Seen = Callable[[str], None]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
@pytest.mark.case(39, "out of memory, then killed", "original")
async def test_39_a_run_out_of_memory_is_restored(tmp_path: Path, seen: Seen) -> None:
    """It gets no more memory, and is killed as the kernel would do it."""
    async with open_short(tmp_path) as b, b.up() as up:
        give_no_more_memory(up.pid)
        delivery = await b.sandbox.deliver(b"x" * 12_000_000)
        assert {attempt.status for attempt in delivery.attempts} <= {None, 500, 503}
        if up.code is None:
            up.send(signal.SIGKILL)
        how = await up.over()
        await alone(b)
    seen(f"original by the guardian, run ended with {how}")


def give_no_more_memory(pid: int) -> None:
    used = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    limit = used * resource.getpagesize()
    resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))


@pytest.mark.slow
@pytest.mark.case(41, "standard output closed (| head)", "original")
async def test_41_a_reader_that_left_ends_nothing(tmp_path: Path, seen: Seen) -> None:
    """It goes on recording, and restores at its end."""
    async with open_short(tmp_path) as b, b.up() as up:
        up.stop_reading()
        delivery = await b.sandbox.emit("call_hangup")
        assert delivery.attempts[-1].status == 200
        await until(lambda: b.app.requests)
        assert await up.end() == 0
    seen("original, exit 0, events recorded meanwhile")


@pytest.mark.slow
@pytest.mark.case(42, "virtual environment deleted while running", "original")
async def test_42_a_lost_environment_keeps_nobody_from_restoring(
    tmp_path: Path, seen: Seen
) -> None:
    """What a restore needs was loaded before: by the guardian, and by the run."""

    async def asked(_: Bench, up: Running) -> None:
        assert await up.end() == 0

    async def killed(_: Bench, up: Running) -> None:
        assert await up.end(signal.SIGKILL) == KILLED

    async def unguarded(b: Bench, up: Running) -> None:
        os.kill(b.guardian(), signal.SIGKILL)  # and none can follow
        assert await up.over() == 1

    async def lost(end: Callable[[Bench, Running], Awaitable[None]]) -> None:
        folder = home(tmp_path, end.__name__)
        second = await second_program(folder)
        async with open_short(folder) as b:
            program = second.command
            async with b.up(program=program, PYTHONPATH="") as up:
                second.lose()
                await end(b, up)
                await alone(b)

    await asyncio.gather(lost(asked), lost(killed), lost(unguarded))
    seen("original: asked to end, killed, and with its guardian killed too")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("setsid"), reason="no setsid here")
@pytest.mark.case(43, "under nohup and setsid, without a terminal", "never prompts")
async def test_43_without_a_terminal_nobody_is_asked(
    tmp_path: Path, seen: Seen
) -> None:
    """It works with --yes and outlives a hang-up; without it nothing is begun: 2."""
    detached = ("setsid", "nohup", *DEVHOOK)
    async with open_short(tmp_path) as b:
        async with b.up(yes=False, ready=False, program=detached) as up:
            assert await up.over() == 2
            assert "add --yes" in up.screen
        assert b.puts() == []
        async with b.up(program=detached) as up:
            up.send(signal.SIGHUP)
            delivery = await b.sandbox.emit("call_hangup")
            assert delivery.attempts[-1].status == 200
            assert await up.end() == 0
    seen("works, original; refused without --yes (2)")
