"""B, the run: what a keyboard, a terminal and a shell do to it."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devhook.system import SystemClock
from tests.matrix.bench import KILLED, alone, any_command, home, open_short
from tests.running import CTRL_BACKSLASH, CTRL_C, Running, until

Seen = Callable[[str], None]


async def settled_after(
    folder: Path, end: Callable[[Running], object], code: int = KILLED
) -> None:
    """A run at a terminal, a session of its own, that ends without a word."""
    async with open_short(folder) as b, b.up(attended=True) as up:
        end(up)
        assert await up.over() == code
        await alone(b)


# --- the keyboard --------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.case(25, "Ctrl-C", "original, exit 0 within 2 s")
async def test_25_ctrl_c_restores(tmp_path: Path, seen: Seen) -> None:
    """The key at a terminal, not the signal."""
    clock = SystemClock()
    async with open_short(tmp_path) as b:
        before = b.fields()
        async with b.up(attended=True) as up:
            typed = clock.monotonic()
            up.type(CTRL_C)
            await until(lambda: b.fields() == before)
            took = clock.monotonic() - typed
            assert await up.over() == 0
        assert took < 2
    seen(f"original after {took * 1000:.0f} ms, exit 0")


@pytest.mark.slow
@pytest.mark.case(26, "Ctrl-C three times within 100 ms", "original, waited for")
async def test_26_an_impatient_ctrl_c_waits(tmp_path: Path, seen: Seen) -> None:
    """They are one wish; the screen says how to leave without waiting."""
    async with open_short(tmp_path) as b, b.up(attended=True) as up:
        b.sandbox.fault(status=503, times=2)
        for _ in range(3):
            up.type(CTRL_C)
            await SystemClock().sleep(0.03)  # the rule is one of time
        await up.shown("Ctrl-C again, in a second, leaves without waiting")
        assert await up.over() == 0
    seen("original after two 503, exit 0, says how to leave")


@pytest.mark.slow
@pytest.mark.case(27, "Ctrl-\\", "original")
async def test_27_a_quit_is_restored(tmp_path: Path, seen: Seen) -> None:
    """It ends the run at once, and reaches no guardian."""
    await settled_after(tmp_path, lambda up: up.type(CTRL_BACKSLASH), -signal.SIGQUIT)
    seen("original by the guardian")


@pytest.mark.slow
@pytest.mark.case(28, "SIGTERM to the process, to its group", "original")
async def test_28_a_termination_restores(tmp_path: Path, seen: Seen) -> None:
    """0, whoever of the two was meant."""

    async def ended(name: str, end: Callable[[Running], object]) -> None:
        await settled_after(home(tmp_path, name), end, 0)

    await asyncio.gather(
        ended("process", lambda up: up.send(signal.SIGTERM)),
        ended("group", lambda up: os.killpg(up.pid, signal.SIGTERM)),
    )
    seen("original, exit 0")


# --- the terminal and the shell ------------------------------------------------------


@pytest.mark.slow
@pytest.mark.case(29, "terminal closed", "original")
async def test_29_a_closed_terminal_restores(tmp_path: Path, seen: Seen) -> None:
    """There is nobody left to read what is said, which keeps nothing from its end."""
    await settled_after(tmp_path, lambda up: up.hang_up(), 0)
    seen("original, exit 0")


@pytest.mark.case(30, "SIGKILL to the group", "original")
async def test_30_a_killed_group_is_restored(tmp_path: Path, seen: Seen) -> None:
    """The guardian is in a group of its own."""
    await settled_after(tmp_path, lambda up: os.killpg(up.pid, signal.SIGKILL), KILLED)
    seen("original by the guardian")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.case(31, "SIGKILL to the whole session", "original")
async def test_31_a_killed_session_is_restored(tmp_path: Path, seen: Seen) -> None:
    """As `pkill -s` does; the guardian has a session of its own."""
    async with open_short(tmp_path) as b, b.up(attended=True) as up:
        members = session(up.pid)
        assert up.pid in members
        assert b.guardian() not in members
        for pid in members:
            os.kill(pid, signal.SIGKILL)
        assert await up.over() == KILLED
        await alone(b)
    seen("original by the guardian")


def session(leader: int) -> list[int]:
    """The processes of a session."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = stat.read_text().partition(" ")
        except OSError:  # it is gone
            continue
        if int(rest.rpartition(") ")[2].split()[3]) == leader:
            members.append(int(pid))
    return members


@pytest.mark.slow
@pytest.mark.case(32, "both killed, as with a cgroup or container", "next run restores")
async def test_32_what_kills_both_is_restored_later(tmp_path: Path, seen: Seen) -> None:
    """One signal to either of them; no cgroup is needed for that."""
    async with open_short(tmp_path) as b:
        before = b.fields()
        async with b.up() as up:
            await b.abandon(up)
        assert b.fields() != before
        await any_command(b)
    seen("original by the next command (both killed by signal)")
