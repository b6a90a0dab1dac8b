"""How each named point is reached, and which case of the matrix it belongs to."""

from collections.abc import Callable
from typing import Final

from tests.upbench import Bench

CASES: Final = {
    "up.start": 1,
    "up.locked": 2,
    "up.tunnel": 3,
    "guardian.ready": 4,
    "up.guarded": 4,
    "up.idle.get": 4,
    "up.idle.got": 5,
    "up.idle.keep": 6,
    "up.prepared.kept": 7,
    "up.prepared.told": 7,
    "up.prepared.get": 7,
    "up.prepared.got": 7,
    "up.prepared.keep": 7,
    "guardian.prepared.keep": 7,
    "up.put_sent.kept": 8,
    "up.put_sent.told": 8,
    "up.put_sent.put": 8,
    "up.put_sent.answered": 13,
    "up.put_sent.get": 13,
    "up.put_sent.got": 14,
    "up.put_sent.keep": 14,
    "up.active.kept": 15,
    "up.active.told": 15,
    "up.ready": 15,
    "up.ending": 15,
    "guardian.active.keep": 17,
    "guardian.put_sent.get": 17,
    "guardian.put_sent.got": 17,
    "guardian.put_sent.keep": 17,
    "guardian.restoring.kept": 17,
    "guardian.restoring.get": 17,
    "guardian.restoring.got": 17,
    "guardian.restoring.put": 17,
    "guardian.restoring.answered": 18,
    "guardian.restoring.keep": 19,
    "guardian.restored.kept": 19,
    "up.lingered": 20,
    "recovery.prepared.keep": 24,
    "recovery.active.keep": 24,
    "recovery.put_sent.get": 24,
    "recovery.put_sent.got": 24,
    "recovery.put_sent.keep": 24,
    "recovery.restoring.kept": 24,
    "recovery.restoring.get": 24,
    "recovery.restoring.got": 24,
    "recovery.restoring.put": 24,
    "recovery.restoring.answered": 24,
    "recovery.restoring.keep": 24,
    "recovery.restored.kept": 24,
}

UNTOLD: Final = {"up.prepared.kept"}
"""Where a record is on disk that the guardian has not heard of: nothing was sent yet,
and the next command closes it."""

GETS_BEFORE_THE_PUT: Final = 3
"""One to know the account, one for the record, one more right before the PUT."""


def stage_of(point: str) -> str:
    """The stage of the record at a point; "" for a milestone."""
    return point.split(".")[1] if point.count(".") == 2 else ""


def hold_at(b: Bench, stage: str) -> Callable[[], bool]:
    """Keep a run from leaving a stage; the fact that shows that it is there."""
    match stage:
        case "prepared":
            b.sandbox.fault(method="GET", skip=GETS_BEFORE_THE_PUT - 1, hang=True)
            return lambda: gets(b) == GETS_BEFORE_THE_PUT
        case "put_sent":
            b.sandbox.fault(method="PUT", hang=True)
            return lambda: bool(b.puts())
        case _:
            return lambda: False


def gets(b: Bench) -> int:
    return sum(request.method == "GET" for request in b.sandbox.requests)
