"""Two takeovers at the same instant, step by step in an order that is chosen.

A step is one request to the API; what a machine does between two of them, it does at
once. Pure: the machines of `core`, an account in memory and a clock that skips.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from devhook.core.marker import marked_root
from devhook.core.model import Account
from devhook.core.restoring import begin_restoring
from devhook.core.takeover import (
    ENDS,
    Accepted,
    Action,
    Answer,
    Get,
    Keep,
    Kept,
    NotTaken,
    Pause,
    Put,
    Rested,
    Restored,
    Shown,
    Took,
    is_ours,
)
from devhook.core.taking import Taking
from tests.core.takeovers import BOUND, WHO, account, moment

STEPS: Final = 5
"""Requests of one takeover: the GET that classifies, two more, the PUT, and a GET."""


@dataclass
class Register:
    """The account, and the time."""

    account: Account
    now: float = 0.0
    writes: int = 0

    def answer(self, action: Action) -> Answer:
        match action:
            case Get():
                return Shown(self.account)
            case Put(account):
                self.writes += 1
                self.account = replace(account, tm_update=str(self.writes))
                return Accepted()
            case Keep(record):
                return Kept(record)
            case Pause(seconds):
                self.now += seconds
                return Rested()
            case _:
                raise AssertionError(action)


class Developer:
    """Starts `up --supersede`, and ends it one day."""

    def __init__(self, name: str, register: Register) -> None:
        self._uri = f"https://relay.example/t/{name}/{name * 24}"
        self._register = register
        self._taking: Taking | None = None

    @property
    def is_done(self) -> bool:
        return self._taking is not None and isinstance(
            self._taking.action, Took | NotTaken
        )

    @property
    def believes(self) -> bool:
        """Whether it takes itself for active, having looked once more."""
        if self._taking is None or not isinstance(self._taking.action, Took):
            return False
        record = self._taking.record
        return record is not None and is_ours(
            record, self._register.account.webhook_uri
        )

    def step(self) -> None:
        """One request, and all that follows before the next one."""
        if self._taking is None:
            before = self._register.account
            self._taking = Taking(who=WHO, uri=self._uri, before=before)
            return
        self._answered()
        while isinstance(self._taking.action, Keep | Pause):
            self._answered()

    def end(self) -> None:
        """Restore, unless the takeover ended by itself."""
        assert self._taking is not None
        record = self._taking.record
        if record is None or record.stage in ENDS:
            return
        now = moment(self._register.now)
        machine = begin_restoring(record, now, bound=BOUND)
        while not isinstance(machine.action, Restored):
            answer = self._register.answer(machine.action)
            machine = machine.then(answer, moment(self._register.now))

    def _answered(self) -> None:
        assert self._taking is not None
        answer = self._register.answer(self._taking.action)
        self._taking = self._taking.then(answer, moment(self._register.now))


def orders() -> Iterator[tuple[str, ...]]:
    """Every way in which the first steps of A and B can follow each other."""
    places = range(2 * STEPS)
    for of_a in combinations(places, STEPS):
        yield tuple("A" if place in of_a else "B" for place in places)


def run(order: tuple[str, ...], ends: tuple[str, ...]) -> tuple[int, Account]:
    """How many take themselves for active once both began; the account at the end."""
    register = Register(account())
    found = {name: Developer(name, register) for name in "AB"}
    for name in order:
        if not found[name].is_done:
            found[name].step()
    for developer in found.values():
        while not developer.is_done:
            developer.step()
    active = sum(developer.believes for developer in found.values())
    for name in ends:
        found[name].end()
    assert marked_root(register.account.webhook_uri) is None
    return active, register.account
