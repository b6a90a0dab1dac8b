"""Every way that sessions, faults and colleagues can go: searched breadth first.

`python -m tests.core.takeover_model` runs the large searches and prints what they saw.
"""

import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from tests.core.takeover_moves import World
from tests.core.takeover_promises import is_at_rest
from tests.core.takeover_state import Left, State


@dataclass(slots=True)
class Searched:
    """What was seen. `trace` are the labels of the shortest way to `fault`."""

    states: int
    steps: int
    is_complete: bool
    fault: str = ""
    trace: list[str] = field(default_factory=list)

    def text(self) -> str:
        lines = [f"{self.states} states, {self.steps} steps", self.fault, *self.trace]
        return "\n  ".join(filter(None, lines))


class _Search:
    def __init__(self, world: World) -> None:
        self.world = world
        self.index: dict[State, int] = {}
        self.come_from: list[tuple[int, str]] = []
        self.back: list[list[int]] = []
        """From which states one gets here without a fault."""
        self.steps = 0

    def add(self, state: State, origin: int, label: str) -> int:
        number = self.index[state] = len(self.index)
        self.come_from.append((origin, label))
        self.back.append([])
        return number

    def trace(self, number: int) -> list[str]:
        labels: list[str] = []
        while number:
            number, label = self.come_from[number]
            labels.append(label)
        return labels[::-1]

    def found(self, fault: str, number: int) -> Searched:
        return Searched(len(self.index), self.steps, False, fault, self.trace(number))

    def run(self, most: int) -> Searched:
        waiting = deque([self.world.start()])
        self.add(waiting[0], 0, "")
        at_rest: list[int] = []
        while waiting and len(self.index) < most:
            state = waiting.popleft()
            number = self.index[state]
            if is_at_rest(state):
                at_rest.append(number)
            for label, is_fault, after in self.world.moves(state):
                self.steps += 1
                known = self.index.get(after)
                if known is None:
                    known = self.add(after, number, label)
                    if fault := self.world.fault_of(after):
                        return self.found(fault, known)
                    waiting.append(after)
                if not is_fault:
                    self.back[known].append(number)
        if waiting:
            return Searched(len(self.index), self.steps, False)
        return self._unending(at_rest)

    def _unending(self, at_rest: list[int]) -> Searched:
        """I5: from everywhere there is a way to rest on which nothing fails."""
        ends, waiting = set(at_rest), deque(at_rest)
        while waiting:
            fresh = [n for n in self.back[waiting.popleft()] if n not in ends]
            ends.update(fresh)
            waiting.extend(fresh)
        stuck = next((n for n in range(len(self.index)) if n not in ends), None)
        if stuck is not None:
            return self.found("I5: no way to an end", stuck)
        return Searched(len(self.index), self.steps, True)


def search(world: World, most: int = 10_000_000) -> Searched:
    """All that can happen, or the first `most` states of it."""
    return _Search(world).run(most)


LARGE: Final = (
    World(sessions=1, left=Left(kills=3, lates=1, cuts=1, stops=1)),
    World(sessions=1, left=Left(kills=2, lates=1, cuts=1, edits=1, names=1)),
    World(sessions=1, left=Left(kills=2, lates=1, errors=2, rejects=1, fulls=1)),
    World(sessions=1, left=Left(kills=2, lates=1, errors=2, rejects=2, stales=2)),
    World(sessions=2, left=Left(kills=2, lates=1)),
    World(sessions=2, left=Left(kills=1, lates=1, cuts=1)),
    World(sessions=2, left=Left(kills=1, edits=1)),
    World(sessions=2, left=Left(kills=1, stops=1)),
    World(sessions=2, left=Left(kills=1, errors=1)),
    World(sessions=2, left=Left(kills=2, edits=1, rescues=1)),
    World(sessions=3, left=Left()),
    World(sessions=3, left=Left(rescues=1)),
)


def main() -> int:
    """Search them one after the other; 1 at the first promise that is broken."""
    for world in LARGE:
        started = time.perf_counter()
        searched = search(world)
        seconds = time.perf_counter() - started
        faults = {k: n for k, n in world.left._asdict().items() if n}
        what = ", ".join(f"{n} {kind}" for kind, n in faults.items()) or "no faults"
        sys.stdout.write(f"{world.sessions} sessions, {what}: {seconds:.0f} s\n")
        sys.stdout.write(f"  {searched.text()}\n")
        sys.stdout.flush()
        if searched.fault:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
