"""The takeover's promises, held in every state that a few sessions can come to.

`python -m tests.core.takeover_model` searches larger worlds than fit in here.
"""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from typing_extensions import override

from tests.core.takeover_model import search
from tests.core.takeover_moves import World
from tests.core.takeover_mutants import (
    Hasty,
    Predecessor,
    Snapshot,
    TwoFields,
    to_predecessor,
    turned,
)
from tests.core.takeover_promises import is_at_rest
from tests.core.takeover_state import Left
from tests.core.takeover_world import Move

WORLDS = {
    "one, killed thrice, its PUTs late": World(
        sessions=1, left=Left(kills=3, lates=2, cuts=1)
    ),
    "one, while colleagues edit": World(
        sessions=1, left=Left(kills=1, lates=1, edits=1, names=1)
    ),
    "one that stands still": World(sessions=1, left=Left(kills=2, lates=1, stops=1)),
    "one, API and disk failing": World(
        sessions=1, left=Left(kills=1, lates=1, errors=1, fulls=1)
    ),
    "one, an API that rejects a PUT, done or not": World(
        sessions=1, left=Left(kills=2, lates=1, rejects=2)
    ),
    "one, an API that rejects, shows old copies and refuses": World(
        sessions=1, left=Left(kills=1, lates=1, rejects=1, stales=1, errors=1)
    ),
    "one, an API that blanks a field": World(sessions=1, left=Left(damages=1)),
    "two, killed, a PUT late": World(sessions=2, left=Left(kills=1, lates=1)),
    "two, or one that restores from the account": World(
        sessions=2, left=Left(kills=1, rescues=1)
    ),
    "two, while a colleague edits": World(sessions=2, left=Left(edits=1)),
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_every_promise_holds_in_every_state(world: World) -> None:
    """All interleavings, to their end, and from each of them there is a way to rest."""
    searched = search(world)
    assert searched.is_complete, searched.text()


def test_three_sessions_keep_every_promise_as_far_as_time_allows() -> None:
    """The first states of three; all of them take minutes, by the model's own main."""
    searched = search(World(sessions=3, left=Left(kills=1, lates=1)), most=5_000)
    assert not searched.fault, searched.text()


def test_an_edit_is_lost_in_one_window_only() -> None:
    """Between a GET and the PUT that it justifies: the API has no way to prevent it.

    That no other loses one, I3 and I5 hold in all the searches above.
    """
    strict = World(sessions=1, left=Left(edits=1), unchecked=frozenset())
    searched = search(strict)
    assert searched.fault.startswith("W1"), searched.text()
    assert searched.trace[-5:] == [
        "A reads the original",
        "A commits put_sent",
        "A tells its guardian put_sent",
        "a colleague sets H1",
        "A puts A's",
    ]


def test_without_a_marker_another_machine_takes_a_devhook_for_the_original() -> None:
    """What the marker is for, and what an API that rejects it costs: a known limit.

    It takes two machines; the records of one know its own URLs.
    """
    searched = search(World(sessions=2, left=Left(rejects=1)))
    assert searched.fault.startswith("I4"), searched.text()
    assert "A puts A's: 400" in searched.trace


# --- mutants --------------------------------------------------------------------------

MUTANTS = {
    "predecessor as the original": (
        World(sessions=2, left=Left(), taking=Predecessor),
        "I4: a devhook URL is recorded as the root",
    ),
    "predecessor as the original, to its end": (
        World(
            sessions=2,
            left=Left(),
            taking=Predecessor,
            unchecked=frozenset({"I4", "I6"}),
        ),
        "I5: a dead URL is left on the account",
    ),
    "no wait for a PUT under way": (
        World(sessions=1, left=Left(kills=1, lates=1), known_bound=0.0),
        "I7: a record is closed while its PUT is under way",
    ),
    "no wait for a PUT under way, to its end": (
        World(
            sessions=1,
            left=Left(kills=1, lates=1),
            known_bound=0.0,
            unchecked=frozenset({"I6", "I7"}),
        ),
        "I5: a dead URL is left on the account",
    ),
    "no wait for a PUT that somebody was quicker than": (
        World(sessions=1, left=Left(lates=1, edits=1), taking=Hasty),
        "I7: a record is closed while its PUT is under way",
    ),
    "restore to a live predecessor": (
        World(sessions=2, left=Left(), restoring=to_predecessor),
        "I4: a devhook URL is restored",
    ),
    "restore to a live predecessor, to its end": (
        World(
            sessions=2,
            left=Left(),
            restoring=to_predecessor,
            unchecked=frozenset({"I4", "I6"}),
        ),
        "I5: a dead URL is left on the account",
    ),
    "a record that is not read again before the PUT": (
        World(sessions=1, left=Left(stops=1), reads_again=False),
        "I1: the record does not say that a PUT is sent",
    ),
    "a PUT on whatever look, however old": (
        World(sessions=1, left=Left(edits=1), asks_again=False),
        "I2: a PUT goes by what the account said long ago",
    ),
    "a PUT of two fields": (
        World(sessions=1, left=Left(), restoring=turned(TwoFields)),
        "I3: the PUT of a restore changes other fields",
    ),
    "other fields from the snapshot": (
        World(sessions=1, left=Left(names=1), restoring=turned(Snapshot)),
        "I3: the PUT of a restore changes other fields",
    ),
}


@pytest.mark.parametrize(("world", "fault"), MUTANTS.values(), ids=MUTANTS.keys())
def test_a_takeover_that_breaks_a_rule_is_seen_through(
    world: World, fault: str
) -> None:
    """A search that takes a mutant for the real one proves nothing of the real one."""
    searched = search(world)
    assert searched.fault == fault, searched.text()


def test_a_mutant_is_shown_by_its_shortest_way() -> None:
    """The way that everybody fears: the second restores the first one's dead URL."""
    world, _ = MUTANTS["predecessor as the original, to its end"]
    trace = search(world).trace
    steps = ["A puts A's", "B puts B's", "A is ended", "B is ended"]
    assert [step for step in trace if step in steps][:2] == steps[:2]
    assert trace[-3:] == [
        "B's guardian puts A's",
        "B's guardian reads A's",
        "B's guardian commits restored",
    ]


# --- any order, with more that goes wrong ---------------------------------------------

MANY = Left(
    kills=6, lates=3, cuts=3, edits=3, names=2, stops=2, errors=4, fulls=2, rescues=1
)


class AnyOrder(RuleBasedStateMachine):
    """Three sessions, several colleagues, an API that fails in every way it knows."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(sessions=3, left=MANY)
        self.state = self.world.start()
        self.trace: list[str] = []

    @rule(pick=st.integers(0, 60))
    def goes_on(self, pick: int) -> None:
        self._take([m for m in self.world.moves(self.state) if not m.is_fault], pick)

    @rule(pick=st.integers(0, 60))
    def meets_a_fault(self, pick: int) -> None:
        self._take([m for m in self.world.moves(self.state) if m.is_fault], pick)

    @invariant()
    def every_promise_holds(self) -> None:
        fault = self.world.fault_of(self.state)
        assert not fault, "\n  ".join([fault, *self.trace])

    @override
    def teardown(self) -> None:
        """I5: once faults cease, all come to rest, whoever is slow."""
        taken: Counter[str] = Counter()
        while not is_at_rest(self.state):
            moves = [m for m in self.world.moves(self.state) if not m.is_fault]
            least = min(moves, key=lambda move: taken[move.label])
            taken[least.label] += 1
            self._take([least], 0)
            self.every_promise_holds()
            assert taken.total() < 1000, "\n  ".join(self.trace)

    def _take(self, moves: list[Move], pick: int) -> None:
        if moves:
            label, _, self.state = moves[pick % len(moves)]
            self.trace.append(label)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=40, stateful_step_count=60, deadline=None, database=None
)
