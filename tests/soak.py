"""Kills a real `devhook up` at random, again and again, and counts what was lost.

    make soak                 200 kills
    make soak N=20 SEED=7     fewer of them, drawn as before

Each run has a sandbox, an application and an original of its own, and a stream of
events. The moment of its kill is drawn over its whole life: while it opens, with its
PUT outstanding (which may then be applied late), just after the PUT, under load, and
while it ends. What is printed for it goes by what was so at the kill, not by the draw.
"""

import argparse
import asyncio
import hashlib
import math
import os
import random
import secrets
import signal
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle
from pathlib import Path
from typing import Final, Self

from devhook.core.model import Stage
from devhook.system import SystemClock, new_id
from tests.matrix.bench import alone, stages
from tests.running import Running, until
from tests.upbench import Bench, catalogue, open_bench

BOUND: Final = 2.0
"""Seconds that the guardian waits for a PUT of which nothing is known."""

GOAL: Final = 0.5
"""Seconds within which 99 of 100 accounts are restored that were held for a while."""

SIDE_BY_SIDE: Final = 2
_CLOCK: Final = SystemClock()
_IN_A_GROUP: Final = (
    "import os, sys; os.setsid();"
    "os.execv(sys.executable, [sys.executable, '-m', 'devhook', *sys.argv[1:]])"
)


class Met(StrEnum):
    """What a run was at when it was killed."""

    ACTIVE = "active for more than 1 s"
    SPACED = "within 1 s after our PUT"
    SENT = "with a PUT outstanding"
    OPENING = "before any PUT"
    ENDING = "while it was ending"


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One kill. Durations are seconds; `late` is when an unanswered PUT is applied."""

    number: int
    met: Met
    after: float
    late: float
    whole_group: bool

    @classmethod
    def of(cls, seed: str, number: int) -> Self:
        chance = random.Random(f"{seed}/{number}")  # noqa: S311  to be repeated
        met = chance.choices([*Met], weights=[35, 20, 20, 15, 10])[0]
        return cls(
            number=number,
            met=met,
            after=chance.uniform(*_AFTER[met]),
            late=chance.choice([0.0, chance.uniform(0.0, BOUND * 0.6)]),
            whole_group=chance.random() < 0.3,
        )


_AFTER: Final = {
    Met.OPENING: (0.0, 1.5),  # after its start
    Met.SENT: (0.0, 1.0),  # after its PUT
    Met.SPACED: (0.0, 1.0),
    Met.ACTIVE: (1.0, 3.0),
    Met.ENDING: (0.2, 0.8),
}


@dataclass(frozen=True, kw_only=True)
class Kill:
    """What became of one.

    `seconds` until the root was back for good; where nothing had been changed, until
    nobody of ours was left.
    """

    number: int
    met: Met
    is_restored: bool
    seconds: float
    acknowledged: int
    missing: int
    stages: tuple[str, ...]


@dataclass
class Watch:
    """Since when all seven fields are as they were, looked at all the time."""

    bench: Bench
    before: dict[str, str]
    since: float = 0.0

    @property
    def is_restored(self) -> bool:
        return self.bench.fields() == self.before

    async def run(self) -> None:
        was_restored = True
        while True:
            if self.is_restored and not was_restored:
                self.since = _CLOCK.monotonic()
            was_restored = self.is_restored
            await _CLOCK.sleep(0.001)


async def kill(draw: Draw, folder: Path) -> Kill:
    async with open_bench(folder) as b, asyncio.TaskGroup() as group:
        b.terminal.environ["DEVHOOK_IN_FLIGHT_BOUND"] = f"{BOUND}s"
        if draw.met is Met.SENT:
            b.sandbox.fault(method="PUT", hang=True, apply_after=draw.late)
        watch = Watch(b, b.fields())
        watching = group.create_task(watch.run())
        program = (sys.executable, "-c", _IN_A_GROUP)
        async with streaming(b), b.up(ready=False, program=program) as up:
            met = await until_due(draw, b, up)
            killed = _CLOCK.monotonic()
            end(up, whole_group=draw.whole_group)
            if met in (Met.ACTIVE, Met.SPACED):
                await until(lambda: watch.is_restored)  # and nothing else, meanwhile
            await alone(b)
        watching.cancel()
        kept = stages(b) if b.takeovers.history() else ()
        if met is Met.OPENING and Stage.PUT_SENT in kept:
            met = Met.SENT  # whether it left, nobody can tell
        over = watch.since if met is not Met.OPENING else _CLOCK.monotonic()
        return Kill(
            number=draw.number,
            met=met,
            is_restored=watch.is_restored,
            seconds=max(0.0, over - killed),
            acknowledged=len(acknowledged(b)),
            missing=len(acknowledged(b) - stored(b)),
            stages=tuple(kept),
        )


async def until_due(draw: Draw, b: Bench, up: Running) -> Met:
    """Wait for the moment that was drawn; what the run is at by then."""
    if draw.met is Met.OPENING:
        await _CLOCK.sleep(draw.after)
    else:
        await until(b.puts)
        await _CLOCK.sleep(draw.after)
    if draw.met is Met.ENDING:
        up.send(signal.SIGTERM)
        await _CLOCK.sleep(0.9 - draw.after)  # the restore follows the PUT after 1 s
        return Met.ENDING
    if not b.puts():
        return Met.OPENING
    if draw.met is Met.SENT:
        return Met.SENT
    age = (_CLOCK.now() - b.puts()[0].at).total_seconds()
    return Met.ACTIVE if age > 1.0 else Met.SPACED


def end(up: Running, *, whole_group: bool) -> None:
    """Of a run that asked for it itself, there may be nothing left to kill."""
    with suppress(ProcessLookupError):
        if whole_group and os.getpgid(up.pid) == up.pid:
            os.killpg(up.pid, signal.SIGKILL)
        else:
            os.kill(up.pid, signal.SIGKILL)


@asynccontextmanager
async def streaming(b: Bench) -> AsyncIterator[None]:
    """Events one after the other, several at a time; all are through at the end."""
    is_over = asyncio.Event()

    async def stream(types: Iterator[str]) -> None:
        while not is_over.is_set():
            await b.sandbox.emit(next(types), id=new_id())
            await _CLOCK.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(stream(cycle(sorted(catalogue()))))
        try:
            yield
        finally:
            is_over.set()


def acknowledged(b: Bench) -> set[str]:
    """What the run answered 200, as the sender knows it."""
    return {
        hashlib.sha256(delivery.body).hexdigest()
        for delivery in b.sandbox.deliveries
        if delivery.setting.uri.startswith(b.tunnel[1])
        and delivery.attempts
        and delivery.attempts[-1].status == 200
    }


def stored(b: Bench) -> set[str]:
    """What is in the database; one that was killed while it opened may have none."""
    with suppress(sqlite3.OperationalError):
        return {row[0] for row in b.rows("select body_sha256 from events")}
    return set()


# --- all of them ---------------------------------------------------------------------


async def soak(number: int, seed: str) -> list[Kill]:
    """So many kills, some of them side by side."""
    kills: list[Kill] = []
    slots = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(draw: Draw) -> None:
        async with slots:
            with tempfile.TemporaryDirectory(prefix="devhook-soak-") as folder:
                kills.append(await kill(draw, Path(folder)))
        print(f"\r{len(kills)}/{number}", end="", file=sys.stderr, flush=True)

    async with asyncio.TaskGroup() as group:
        for index in range(number):
            group.create_task(one(Draw.of(seed, index)))
    print("\r", end="", file=sys.stderr)
    return kills


def table(kills: Sequence[Kill]) -> Iterator[str]:
    restored = sum(kill.is_restored for kill in kills)
    yield f"restored {restored}/{len(kills)}, after the kill:"
    yield f"  {'killed':<26} {'kills':>5} {'p50':>9} {'p99':>9} {'max':>9}"
    for met in Met:
        times = sorted(kill.seconds for kill in kills if kill.met is met)
        if times:
            p50, p99, last = (
                f"{_quantile(times, q) * 1000:.0f} ms" for q in (0.5, 0.99, 1.0)
            )
            yield f"  {met:<26} {len(times):>5} {p50:>9} {p99:>9} {last:>9}"
    acknowledged = sum(kill.acknowledged for kill in kills)
    missing = sum(kill.missing for kill in kills)
    yield f"acknowledged {acknowledged}, of them missing {missing}"


def failures(kills: Sequence[Kill]) -> Iterator[str]:
    for kill in kills:
        if not kill.is_restored or kill.missing:
            what = "not restored" if not kill.is_restored else f"{kill.missing} missing"
            yield f"kill {kill.number} ({kill.met}): {what}; {', '.join(kill.stages)}"
    held = sorted(kill.seconds for kill in kills if kill.met is Met.ACTIVE)
    if held and _quantile(held, 0.99) > GOAL:
        yield f"p99 of those {Met.ACTIVE} is over {GOAL * 1000:.0f} ms"


def _quantile(times: Sequence[float], share: float) -> float:
    """Of sorted times: the smallest that so many of them do not exceed."""
    return times[max(0, math.ceil(share * len(times)) - 1)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--runs", type=int, default=200, metavar="N")
    parser.add_argument("--seed", default=secrets.token_hex(4))
    given = parser.parse_args()
    kills = asyncio.run(soak(given.runs, given.seed))
    print(f"seed {given.seed}; again: make soak N={given.runs} SEED={given.seed}")
    print(*table(kills), sep="\n")
    wrong = list(failures(kills))
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
