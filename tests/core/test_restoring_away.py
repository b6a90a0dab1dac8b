"""A restore while the API is away, asks for a pause, or refuses."""

import pytest

from devhook.core.model import Stage, Takeover
from devhook.core.restoring import LONGEST_PAUSE, Restoring, begin_restoring
from devhook.core.takeover import (
    GET,
    Accepted,
    Ending,
    Fail,
    Failed,
    Keep,
    Pause,
    Rested,
    Restored,
)
from tests.core.restores import (
    ANSWERED,
    DAY,
    LATER,
    MINE_SHOWN,
    REFUSED,
    after,
    kept_as,
    putting,
    rested,
    restoring,
)
from tests.core.takeovers import (
    BOUND,
    UNKNOWN,
    moment,
)


def test_the_pauses_double_up_to_a_minute() -> None:
    """An API that comes back is not run over, nor waited for too long."""
    machine, pauses = restoring(), []
    for _ in range(9):
        seconds, machine = rested(after(machine, UNKNOWN, None))
        pauses.append(seconds)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(
    ("asked", "pause"), [(7.0, 7.0), (0.1, 0.5), (3600.0, LONGEST_PAUSE)]
)
def test_a_pause_that_the_api_asks_for_is_made(asked: float, pause: float) -> None:
    """Up to a minute: whoever wants the account back waits no hour for it."""
    throttled = Failed(Fail.THROTTLED, "too many requests", None, asked)
    assert rested(after(putting(), throttled, None))[0] == pause
    assert rested(after(restoring(), throttled, None))[0] == pause


@pytest.mark.parametrize("stage", [Stage.PUT_SENT, Stage.RESTORING])
def test_what_a_try_met_is_in_the_record(stage: Stage) -> None:
    """`status` shows it; the stage says no more than is known."""
    machine = after(restoring(stage), UNKNOWN)
    assert kept_as(machine) == (stage, Pause(0.5))
    assert after(machine, None).record.error == "no answer"


def given_up(machine: Restoring, stage: Stage) -> Takeover:
    """The record that it leaves, which is open."""
    assert isinstance(machine.action, Keep)
    left, message = machine.action.record, machine.action.record.error
    ending = Restored(Ending.UNCONFIRMED, None, message)
    assert (left.stage, machine.action.then) == (stage, ending)
    return left


@pytest.mark.parametrize("answer", [UNKNOWN, ANSWERED], ids=["away", "failing"])
def test_an_api_that_stays_away_for_a_day_is_given_up(answer: Failed) -> None:
    """Not a second earlier; the next command goes on."""
    machine = restoring(at=moment(), within=DAY)
    assert isinstance(after(machine, answer, None, at=moment(DAY - 1)).action, Pause)
    left = given_up(after(machine, answer, at=moment(DAY)), Stage.UNRESOLVED)
    assert left.error == answer.message
    assert kept_as(begin_restoring(left, LATER, bound=BOUND)) == (Stage.RESTORING, GET)


def test_a_put_that_is_accepted_and_never_applied_is_given_up_too() -> None:
    """A guardian does not write to an account for ever."""
    machine = after(putting(moment(2), within=DAY), Accepted(), at=moment(DAY))
    machine = after(machine, MINE_SHOWN, Rested(), at=moment(DAY))
    machine = after(machine, MINE_SHOWN, at=moment(DAY + 2))
    given_up(machine, Stage.UNRESOLVED)


@pytest.mark.parametrize("days", [-1, 1], ids=["back", "forward"])
def test_a_wall_clock_that_is_set_gives_nothing_up(days: int) -> None:
    """A day forward is not a day without an answer."""
    machine = restoring(at=moment(), within=DAY)
    machine = after(machine, UNKNOWN, None, at=moment(1, days=days))
    assert isinstance(machine.action, Pause)


def test_without_a_limit_it_is_tried_for_ever() -> None:
    """Who waits for it bounds it."""
    machine = after(restoring(at=moment()), UNKNOWN, None, at=moment(100 * DAY))
    assert isinstance(machine.action, Pause)


@pytest.mark.parametrize("machine", [restoring(), putting()], ids=["get", "put"])
def test_a_credential_that_is_refused_cannot_restore(machine: Restoring) -> None:
    """No pause makes it good; with a new one the record goes on."""
    left = given_up(after(machine, REFUSED), Stage.UNRESOLVED)
    assert left.error == "no admin"
    assert kept_as(begin_restoring(left, LATER, bound=BOUND)) == (Stage.RESTORING, GET)


def test_a_put_that_may_be_under_way_is_not_forgotten_for_a_refusal() -> None:
    """Its record stays one of a PUT that was sent."""
    machine = restoring(Stage.PUT_SENT, at=moment(1))
    left = given_up(after(machine, REFUSED, at=moment(1)), Stage.PUT_SENT)
    assert left.put == moment()
