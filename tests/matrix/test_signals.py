"""B, the run: what a keyboard, a terminal and a shell do to it."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from devhook.system import SystemClock
from tests.matrix.bench import KILLED, alone, any_command, home, open_short
from tests.running import CTRL_BACKSLASH, CTRL_C, CTRL_Z, Running, until
from tests.upbench import Bench

Seen = Callable[[str], None]

COLLEAGUE = "https://colleague.example/hook"


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


# --- standing still ------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.case(33, "Ctrl-Z, then fg", "original; taken again by rule")
async def test_33_ctrl_z_gives_back_and_fg_takes_again(
    tmp_path: Path, seen: Seen
) -> None:
    """Restored before it stands still; a colleague's setting is left alone after it."""

    async def stopped(b: Bench, up: Running) -> None:
        before = b.fields()
        up.type(CTRL_Z)
        await until(lambda: is_stopped(up))
        assert b.fields() != before

    await asyncio.gather(
        taken_again(home(tmp_path, "again"), stopped),
        left_alone(home(tmp_path, "colleague"), stopped),
    )
    seen("original; taken again, or left alone where somebody set it")


@pytest.mark.slow
@pytest.mark.case(34, "SIGSTOP, then SIGCONT", "original after 20 s; no blind PUT")
async def test_34_a_run_that_stands_still_is_parked(tmp_path: Path, seen: Seen) -> None:
    """Its guardian hears nothing; the run learns of it when it goes on."""

    async def stopped(b: Bench, up: Running) -> None:
        up.send(signal.SIGSTOP)
        async with asyncio.timeout(30):
            await until(lambda: len(b.puts()) == 2)
        await until(lambda: b.takeovers.history()[0].stage == "parked")

    await asyncio.gather(
        taken_again(home(tmp_path, "again"), stopped),
        left_alone(home(tmp_path, "colleague"), stopped),
    )
    seen("original after 20 s; taken again, or left alone where somebody set it")


StandStill = Callable[[Bench, Running], Awaitable[None]]


async def taken_again(folder: Path, stand_still: StandStill) -> None:
    """The account says the root while it stands still, and ours when it goes on."""
    async with open_short(folder) as b:
        before = b.fields()
        async with b.up(attended=True) as up:
            ours = b.fields()
            await stand_still(b, up)
            assert b.fields() == before
            status = await b.terminal("status", "--json")
            assert (status.code, status.objects()[0]["state"]) == (4, "parked")
            up.send(signal.SIGCONT)
            await up.line("resumed")
            assert b.fields() == ours
            up.type(CTRL_C)
            assert await up.over() == 0


async def left_alone(folder: Path, stand_still: StandStill) -> None:
    """Somebody else set it meanwhile: 3, and nothing is sent."""
    async with open_short(folder) as b:
        before = b.fields()
        async with b.up(attended=True) as up:
            await stand_still(b, up)
            b.sandbox.change(webhook_uri=COLLEAGUE)
            sent = len(b.puts())
            up.send(signal.SIGCONT)
            assert await up.over() == 3
            assert len(b.puts()) == sent
        assert b.fields()["webhook_uri"] == COLLEAGUE
        b.sandbox.change(webhook_uri=before["webhook_uri"])


def is_stopped(up: Running) -> bool:
    stat = Path(f"/proc/{up.pid}/stat").read_text()
    return stat.rpartition(") ")[2].startswith("T")
