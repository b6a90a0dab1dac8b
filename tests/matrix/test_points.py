"""Every named point of a run, of its guardian and of a recovery, met by a kill.

Whoever is killed there, and whoever dies with it: the account says the original again,
by the guardian or by one further command, no record is open and no process is left.
A point that is never reached fails its test.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from devhook.core.fault import POINTS, Act
from tests.matrix.bench import (
    KILLED,
    alone,
    any_command,
    home,
    open_short,
    over,
    settled_by,
)
from tests.matrix.points import CASES, GETS_BEFORE_THE_PUT, UNTOLD, hold_at, stage_of
from tests.running import Running, until
from tests.upbench import Bench

KILLS: Final = (Act.KILL, Act.OTHER, Act.BOTH)

USUAL: Final = {
    "up.put_sent.answered",
    "guardian.restoring.answered",
    "recovery.restoring.answered",
}
"""Those that `make test` walks."""


def walked(room: str) -> list[Any]:
    """All points of a room, each as its case."""
    return [as_case(CASES[p], p, "") for p in POINTS if p.startswith(f"{room}.")]


def late(room: str, *stages: str) -> list[Any]:
    """Those in which a PUT may be under way."""
    points = [p for p in POINTS if p.startswith(f"{room}.") and stage_of(p) in stages]
    return [as_case(11, point, ", PUTs 1 s late") for point in points]


def as_case(number: int, point: str, more: str) -> Any:
    marks = [pytest.mark.case(number, f"killed at {point}{more}", "original")]
    if more or point not in USUAL:
        marks.append(pytest.mark.slow)
    return pytest.param(point, marks=marks, id=f"{number}-{point}")


async def side_by_side(
    folder: Path,
    acts: tuple[Act, ...],
    meet: Callable[[Bench, Act], Awaitable[None]],
) -> str:
    """Each act with a sandbox and a home of its own: who settled it, act by act."""

    async def one(act: Act) -> str:
        async with open_short(home(folder, act)) as b:
            await meet(b, act)
            return f"{act}: {settled_by(b)}"

    return "; ".join(await asyncio.gather(*map(one, acts)))


# --- the run -------------------------------------------------------------------------


@pytest.mark.parametrize("point", walked("up"))
async def test_a_run_is_met_by_a_kill_at_every_point(
    tmp_path: Path, point: str, seen: Callable[[str], None]
) -> None:
    """Itself killed, its guardian killed, both."""
    seen(await side_by_side(tmp_path, KILLS, lambda b, act: met_in_run(b, point, act)))


@pytest.mark.parametrize("point", late("up", "put_sent", "active"))
async def test_a_run_is_met_by_a_kill_while_its_put_is_late(
    tmp_path: Path, point: str, seen: Callable[[str], None]
) -> None:
    """What is answered at once and applied a second later is waited for."""

    async def meet(b: Bench, act: Act) -> None:
        be_late(b)
        await met_in_run(b, point, act, given_up=1)

    seen(await side_by_side(tmp_path, KILLS, meet))


async def met_in_run(b: Bench, point: str, act: Act, given_up: int = 0) -> None:
    """`given_up` is the exit code when guardian after guardian is killed there."""
    async with b.up(ready=False, DEVHOOK_FAULT=f"{point}:{act}") as up:
        code = await over(up)
        survives = code in (0, given_up)
        assert survives if act is Act.OTHER else code == KILLED, up.screen
        await alone(b)
    if act is Act.BOTH or point in UNTOLD:
        await any_command(b)


# --- the guardian --------------------------------------------------------------------


@pytest.mark.parametrize("point", walked("guardian"))
async def test_a_guardian_is_met_by_a_kill_at_every_point(
    tmp_path: Path, point: str, seen: Callable[[str], None]
) -> None:
    """Itself killed, again and again; the run killed; both."""
    seen(
        await side_by_side(
            tmp_path, KILLS, lambda b, act: met_in_guardian(b, point, act)
        )
    )


@pytest.mark.parametrize("point", late("guardian", "put_sent", "restoring"))
async def test_a_guardian_is_met_by_a_kill_while_puts_are_late(
    tmp_path: Path, point: str, seen: Callable[[str], None]
) -> None:
    """The PUT of the run or the one that puts back: each applied a second later."""

    async def meet(b: Bench, act: Act) -> None:
        be_late(b)
        await met_in_guardian(b, point, act)

    seen(await side_by_side(tmp_path, KILLS, meet))


async def met_in_guardian(b: Bench, point: str, act: Act) -> None:
    async with b.up(ready=False, DEVHOOK_FAULT=f"{point}:{act}") as up:
        code = await reached(b, up, stage_of(point))
        assert (code == KILLED) is (act is not Act.KILL), up.screen
        await alone(b)
    if act is Act.BOTH:
        await any_command(b)


async def reached(b: Bench, up: Running, stage: str) -> int:
    """Have a guardian restore a record in that stage: the run's exit code."""
    match stage:
        case "prepared":
            is_there = hold_at(b, stage)
            await until(lambda: is_there() or up.code is not None)
        case "put_sent":
            b.sandbox.fault(method="GET", skip=GETS_BEFORE_THE_PUT, status=403)
            return await up.over()
        case _:
            return await over(up)
    if up.code is None:
        up.send(signal.SIGTERM)
    return await up.over()


# --- a recovery ----------------------------------------------------------------------


@pytest.mark.parametrize("point", walked("recovery"))
async def test_a_recovery_is_met_by_a_kill_at_every_point(
    tmp_path: Path, point: str, seen: Callable[[str], None]
) -> None:
    """It has no other: killed, it is run once more."""
    seen(
        await side_by_side(
            tmp_path, (Act.KILL,), lambda b, act: met_in_recovery(b, point, act)
        )
    )


@pytest.mark.parametrize("point", late("recovery", "put_sent", "restoring"))
async def test_a_recovery_is_met_by_a_kill_while_puts_are_late(
    tmp_path: Path, point: str, seen: Callable[[str], None]
) -> None:
    """The PUT of the dead run or the one that puts back: each a second late."""

    async def meet(b: Bench, act: Act) -> None:
        be_late(b)
        await met_in_recovery(b, point, act)

    seen(await side_by_side(tmp_path, (Act.KILL,), meet))


async def met_in_recovery(b: Bench, point: str, act: Act) -> None:
    is_there = hold_at(b, stage_of(point))
    async with b.up(ready=False) as up:
        await until(lambda: is_there() or up.is_ready)
        await b.abandon(up)
    done = await b.terminal("restore", DEVHOOK_FAULT=f"{point}:{act}")
    assert done.code == KILLED, done.err
    await any_command(b)


def be_late(b: Bench) -> None:
    """Every PUT is answered as if it had been applied, which it is a second later."""
    b.sandbox.fault(method="PUT", apply_after=1.0, times=None)
