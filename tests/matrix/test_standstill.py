"""B, the run: it stands still, goes on, or does not."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.matrix.bench import KILLED, alone, home, open_short
from tests.running import CTRL_C, CTRL_Z, Running, until
from tests.upbench import Bench

Seen = Callable[[str], None]

COLLEAGUE = "https://colleague.example/hook"
NOTICED_WITHIN = 35.0
"""Seconds: 20 of silence, and a busy machine."""


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
        assert "Stopped; the account is restored" in up.screen

    await asyncio.gather(
        taken_again(home(tmp_path, "again"), stopped),
        left_alone(home(tmp_path, "colleague"), stopped),
    )
    seen("original; taken again, or left alone where somebody set it")


@pytest.mark.slow
@pytest.mark.case(33, "Ctrl-Z, and then no fg", "original")
async def test_33_a_run_that_never_goes_on_is_settled(
    tmp_path: Path, seen: Seen
) -> None:
    """Killed where it stands, or its terminal closed: the parked record is ended."""

    async def ended(name: str, end: Callable[[Running], object], code: int) -> None:
        async with open_short(home(tmp_path, name)) as b, b.up(attended=True) as up:
            up.type(CTRL_Z)
            await until(lambda: is_stopped(up))
            end(up)
            assert await up.over() == code
            await alone(b)

    await asyncio.gather(
        ended("killed", lambda up: up.send(signal.SIGKILL), KILLED),
        ended("closed", lambda up: up.hang_up(), 0),
    )
    seen("original, record ended: killed, and terminal closed")


@pytest.mark.slow
@pytest.mark.case(33, "Ctrl-Z while the API is away", "original once it is back")
async def test_33_ctrl_z_leaves_the_restore_to_the_guardian(
    tmp_path: Path, seen: Seen
) -> None:
    """It stands still within seconds all the same."""
    async with open_short(tmp_path) as b:
        before = b.fields()
        async with b.up(attended=True) as up:
            ours = b.fields()
            b.sandbox.fault(status=503, times=None)
            up.type(CTRL_Z)
            await until(lambda: is_stopped(up))
            assert b.fields() == ours
            b.sandbox.clear_faults()
            await until(lambda: b.fields() == before)
            up.send(signal.SIGCONT)
            await up.line("resumed")
            assert b.fields() == ours
            assert await up.end() == 0
    seen("original by the guardian while the run stands still; taken again")


@pytest.mark.slow
@pytest.mark.case(33, "Ctrl-Z while the PUT is under way", "original; no blind PUT")
async def test_33_a_takeover_that_stands_still_is_undone(
    tmp_path: Path, seen: Seen
) -> None:
    """When it goes on, long after, it looks before it sends anything."""
    async with open_short(tmp_path) as b:
        before = b.fields()
        b.sandbox.fault(method="PUT", hang=True)
        async with b.up(attended=True, ready=False) as up:
            await until(b.puts)
            up.type(CTRL_Z)
            await until(lambda: is_stopped(up))
            await until(lambda: b.fields() == before, NOTICED_WITHIN)
            sent = len(b.puts())
            up.send(signal.SIGCONT)
            code = await up.over()
            assert (b.fields(), len(b.puts())) == (before, sent)
            await alone(b)
    seen(f"original after 20 s, no further PUT, exit {code}")


@pytest.mark.slow
@pytest.mark.case(34, "SIGSTOP, then SIGCONT", "original after 20 s; no blind PUT")
async def test_34_a_run_that_stands_still_is_parked(tmp_path: Path, seen: Seen) -> None:
    """Its guardian hears nothing; the run learns of it when it goes on."""

    async def stopped(b: Bench, up: Running) -> None:
        up.send(signal.SIGSTOP)
        await until(lambda: len(b.puts()) == 2, NOTICED_WITHIN)
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


@pytest.mark.case(33, "Ctrl-Z, fg, and an end at once", "original; not taken again")
async def test_33_an_end_right_after_fg_is_an_end(tmp_path: Path, seen: Seen) -> None:
    """It comes in the second between the PUT of the root and ours."""
    async with open_short(tmp_path) as b:
        before = b.fields()
        async with b.up(attended=True) as up:
            up.type(CTRL_Z)
            await until(lambda: is_stopped(up))
            sent, asked = len(b.puts()), len(b.sandbox.requests)
            up.send(signal.SIGCONT)
            await until(lambda: len(b.sandbox.requests) > asked)
            assert await up.end() == 0
            assert (await up.line("restored"))["outcome"] == "restored"
            assert (b.fields(), len(b.puts())) == (before, sent)
    seen("original, no further PUT, exit 0")


@pytest.mark.case(33, "Ctrl-Z, and SIGTERM meanwhile", "original; it ends")
async def test_33_a_run_that_is_to_end_does_not_stand_still(
    tmp_path: Path, seen: Seen
) -> None:
    """Nobody would let it go on any more."""
    async with open_short(tmp_path) as b:
        before = b.fields()
        async with b.up(attended=True) as up:
            asked = len(b.sandbox.requests)
            b.sandbox.fault(method="GET", delay=0.5)
            up.type(CTRL_Z)
            await until(lambda: len(b.sandbox.requests) > asked)
            assert await up.end() == 0
            assert b.fields() == before
    seen("original, exit 0")
