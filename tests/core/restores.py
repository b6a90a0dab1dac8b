"""Restores to drive by hand: begun, answered, and what they come to."""

from devhook.core.clock import Moment
from devhook.core.model import Stage
from devhook.core.restoring import Restoring, begin_restoring
from devhook.core.takeover import (
    Action,
    Answer,
    Ending,
    Fail,
    Failed,
    Keep,
    Pause,
    Rested,
    Restored,
)
from tests.core.takeovers import (
    BOUND,
    FOREIGN,
    MINE,
    ROOT,
    kept,
    moment,
    record,
    shown,
)

SHOWN = shown()
MINE_SHOWN = shown(uri=MINE, method="POST")
FOREIGN_SHOWN = shown(uri=FOREIGN)
REFUSED = Failed(Fail.REFUSED, "no admin")
ANSWERED = Failed(Fail.ANSWERED, "internal error")
BACK = Restored(Ending.RESTORED, ROOT)
DAY = 24 * 3600.0
LATER = moment(1000)


def restoring(
    stage: Stage = Stage.RESTORING,
    *,
    put: Moment | None = None,
    at: Moment = LATER,
    within: float | None = None,
    parks: bool = False,
) -> Restoring:
    left = record(stage, put=put or moment())
    return begin_restoring(left, at, bound=BOUND, within=within, parks=parks)


def after(machine: Restoring, *answers: Answer | None, at: Moment = LATER) -> Restoring:
    """The machine after these answers; None keeps the record that is to be kept."""
    for answer in answers:
        machine = machine.then(answer or kept(machine), at)
    return machine


def kept_as(machine: Restoring) -> tuple[Stage, Action]:
    """The stage that is to be kept, and what follows."""
    assert isinstance(machine.action, Keep), machine.action
    return machine.action.record.stage, machine.action.then


def rested(machine: Restoring, at: Moment = LATER) -> tuple[float, Restoring]:
    """How long it rests, and the machine after that."""
    assert isinstance(machine.action, Pause), machine.action
    return machine.action.seconds, after(machine, Rested(), at=at)


def putting(at: Moment = LATER, *, within: float | None = None) -> Restoring:
    """As far as the PUT of the root."""
    return after(restoring(at=at, within=within), MINE_SHOWN, at=at)
