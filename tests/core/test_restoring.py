"""Putting the root back, from every stage that a run can be left in."""

from dataclasses import replace

import pytest

from devhook.core.clock import Moment
from devhook.core.model import Account, Setting, Stage
from devhook.core.restoring import LONGEST_PAUSE, Restoring, begin_restoring
from devhook.core.takeover import (
    GET,
    SPACING,
    Accepted,
    Answer,
    Ending,
    Keep,
    Pause,
    Put,
    Rested,
    Restored,
    Stale,
)
from tests.core.restores import (
    ANSWERED,
    BACK,
    FOREIGN_SHOWN,
    LATER,
    MINE_SHOWN,
    SHOWN,
    after,
    kept_as,
    putting,
    rested,
    restoring,
)
from tests.core.takeovers import (
    BOUND,
    FOREIGN,
    MINE,
    UNKNOWN,
    URI,
    account,
    moment,
    ours,
    record,
    shown,
)

# --- where it begins ------------------------------------------------------------------


def test_a_put_that_was_never_sent_needs_no_look() -> None:
    """Nor a credential: the record is closed."""
    assert kept_as(restoring(Stage.PREPARED)) == (Stage.RESTORED, BACK)


@pytest.mark.parametrize("stage", [Stage.ACTIVE, Stage.UNRESOLVED, Stage.PARKED])
def test_what_is_begun_is_said_first(stage: Stage) -> None:
    """Whoever finds the record knows that somebody was at it."""
    assert kept_as(restoring(stage)) == (Stage.RESTORING, GET)


@pytest.mark.parametrize("stage", [Stage.PUT_SENT, Stage.RESTORING])
def test_what_was_begun_goes_on_with_a_look(stage: Stage) -> None:
    """What is to be done, the account decides."""
    assert restoring(stage).action == GET


@pytest.mark.parametrize(
    ("stage", "ending"),
    [(Stage.RESTORED, BACK), (Stage.SUPERSEDED, Restored(Ending.FOREIGN, None))],
)
def test_what_has_ended_stays_as_it_is(stage: Stage, ending: Restored) -> None:
    """Any number of restores is as one: nothing is read, kept or put."""
    assert restoring(stage).action == ending


# --- what a look decides --------------------------------------------------------------


@pytest.mark.parametrize("uri", [MINE, URI], ids=["whole", "without its fragment"])
def test_our_webhook_is_replaced_by_the_root(uri: str) -> None:
    """With the other five as the same look shows them."""
    found = shown(uri=uri, method="POST", name="Renamed")
    assert after(restoring(), found).action == Put(account(name="Renamed"), LATER)


@pytest.mark.parametrize(
    "root",
    [
        Setting(uri="", method=""),
        Setting(uri="https://a.example", method="GET"),
        Setting(uri="https://a.example", method=""),
    ],
    ids=["nothing", "by GET", "without a method"],
)
def test_a_root_is_restored_as_it_was(root: Setting) -> None:
    """Empty is a legal original, and so is each method; then it is recognised."""
    left = replace(record(Stage.RESTORING, put=moment()), root=root)
    machine = after(begin_restoring(left, LATER, bound=BOUND), MINE_SHOWN)
    assert machine.action == Put(account(root.uri, root.method), LATER)
    machine = after(machine, Accepted(), shown(uri=root.uri, method=root.method))
    assert kept_as(machine) == (Stage.RESTORED, Restored(Ending.RESTORED, root))


@pytest.mark.parametrize("stage", [Stage.PUT_SENT, Stage.RESTORING])
@pytest.mark.parametrize(
    "found",
    [account(FOREIGN), account(""), account(method="POST")],
    ids=["set", "cleared", "method set"],
)
def test_what_somebody_else_set_is_left_alone(stage: Stage, found: Account) -> None:
    """The record says so, and so does the end."""
    machine = after(restoring(stage), replace(SHOWN, account=found))
    foreign = Setting(uri=found.webhook_uri, method=found.webhook_method)
    expected = Restored(Ending.FOREIGN, foreign)
    assert kept_as(machine) == (Stage.SUPERSEDED, expected)
    assert after(machine, None).action == expected


@pytest.mark.parametrize("stage", [Stage.PUT_SENT, Stage.RESTORING])
def test_a_root_that_is_back_ends_it(stage: Stage) -> None:
    """Also where somebody else, or a dead guardian, put it back."""
    assert kept_as(after(restoring(stage), SHOWN)) == (Stage.RESTORED, BACK)


@pytest.mark.parametrize("stage", [Stage.PUT_SENT, Stage.RESTORING])
def test_another_accounts_credential_restores_nothing(stage: Stage) -> None:
    """Its webhook is none of ours, whatever it says."""
    other = replace(MINE_SHOWN, account=replace(ours(), id="other"))
    machine = after(restoring(stage), other, None)
    assert isinstance(machine.action, Restored)
    assert machine.action.ending is Ending.UNCONFIRMED
    assert "another account" in (machine.record.error or "")


# --- a PUT that may be under way ------------------------------------------------------


@pytest.mark.parametrize("found", [SHOWN, FOREIGN_SHOWN], ids=["root", "foreign"])
def test_a_put_under_way_is_waited_for(found: Answer) -> None:
    """The account may say the old setting because ours has not arrived yet."""
    machine = restoring(Stage.PUT_SENT, at=moment(1))
    machine = after(machine, found, at=moment(BOUND - 0.1))
    seconds, machine = rested(machine)
    assert seconds == 1.0
    assert machine.action == GET
    machine = after(machine, MINE_SHOWN, at=moment(BOUND - 0.1))
    assert kept_as(machine) == (Stage.RESTORING, GET)


def test_a_put_that_did_not_show_within_the_bound_is_lost() -> None:
    """To the second: from then on the account has the last word."""
    machine = restoring(Stage.PUT_SENT, at=moment(1))
    assert kept_as(after(machine, SHOWN, at=moment(BOUND))) == (Stage.RESTORED, BACK)


@pytest.mark.parametrize(
    ("now", "is_over"),
    [
        (moment(BOUND, days=-1), True),
        (moment(BOUND - 1, days=1), False),
        (moment(BOUND, boot="next"), True),
        (moment(BOUND - 1, boot="next"), False),
        (moment(BOUND, boot="next", days=-1), False),
    ],
    ids=[
        "clock set back",
        "clock set forward",
        "reboot",
        "reboot just now",
        "reboot, clock back",
    ],
)
def test_the_bound_is_told_by_ticks_and_after_a_reboot_by_the_wall(
    now: Moment, is_over: bool
) -> None:
    """Recovery finds a record of another boot; ticks of that one say nothing."""
    machine = after(restoring(Stage.PUT_SENT, at=now), SHOWN, at=now)
    assert isinstance(machine.action, Keep) is is_over


def test_a_clock_that_cannot_tell_is_waited_out_from_now_on() -> None:
    """Not for ever: for the bound."""
    left = moment(days=1)
    first, last = moment(5, boot="next"), moment(5 + BOUND, boot="next")
    machine = restoring(Stage.PUT_SENT, put=left, at=first)
    _, machine = rested(after(machine, SHOWN, at=first))
    assert kept_as(after(machine, SHOWN, at=last)) == (Stage.RESTORED, BACK)


def test_a_record_without_the_time_of_its_put_is_waited_out_too() -> None:
    """One that an older version wrote."""
    left = record(Stage.PUT_SENT)
    machine = begin_restoring(left, moment(), bound=BOUND)
    assert isinstance(after(machine, SHOWN, at=moment(BOUND - 1)).action, Pause)
    assert isinstance(after(machine, SHOWN, at=moment(BOUND)).action, Keep)


# --- the PUT of the root --------------------------------------------------------------


def test_a_second_lies_between_our_puts() -> None:
    """The sender's copy of the setting may keep the older of two that are close."""
    machine = restoring(put=moment(0.4), at=moment(0.5))
    seconds, machine = rested(after(machine, MINE_SHOWN, at=moment(0.5)))
    assert seconds == pytest.approx(SPACING - 0.1)
    assert after(machine, MINE_SHOWN, at=moment(1.4)).action == Put(
        account(), moment(1.4)
    )


@pytest.mark.parametrize("days", [-1, 1], ids=["back", "forward"])
def test_a_wall_clock_that_is_set_does_not_hold_up_a_put(days: int) -> None:
    """A day forward is no second, a day back no reason to wait for a day."""
    early, late = moment(0.5, days=days), moment(SPACING, days=days)
    assert isinstance(after(restoring(at=early), MINE_SHOWN, at=early).action, Pause)
    assert isinstance(after(restoring(at=late), MINE_SHOWN, at=late).action, Put)


def test_a_put_is_not_sent_on_an_old_look() -> None:
    """Who stood still before it looks again, and leaves what was set meanwhile."""
    now = moment(2000)
    machine = after(putting(), Stale(), at=now)
    assert machine.action == GET
    assert kept_as(after(machine, FOREIGN_SHOWN, at=now))[0] is Stage.SUPERSEDED
    assert after(machine, MINE_SHOWN, at=now).action == Put(account(), now)


def test_a_look_that_does_not_count_is_repeated() -> None:
    """Whatever it showed was long ago."""
    assert after(restoring(), Stale()) == restoring()


def test_a_put_that_was_accepted_is_looked_after() -> None:
    """Only what shows the root ends it."""
    machine = after(putting(), Accepted())
    assert machine.action == GET
    assert kept_as(after(machine, SHOWN)) == (Stage.RESTORED, BACK)


def test_a_put_that_is_accepted_and_never_applied_is_tried_ever_more_rarely() -> None:
    """An account that is frozen so must not be written to every second."""
    machine, now, pauses = putting(), 1000.0, []
    for _ in range(9):
        machine = after(machine, Accepted(), MINE_SHOWN, at=moment(now))
        spaced, machine = rested(machine)
        assert spaced == SPACING
        now += SPACING
        machine = after(machine, MINE_SHOWN, None, at=moment(now))
        seconds, machine = rested(machine)
        pauses.append(seconds)
        now += seconds
        machine = after(machine, MINE_SHOWN, at=moment(now))
        assert isinstance(machine.action, Put)
    assert pauses[:3] == [0.5, 1.0, 2.0]
    assert pauses[-1] == LONGEST_PAUSE
    assert "still shows our webhook" in (machine.record.error or "")


def test_a_put_of_the_root_that_was_not_answered_is_waited_for() -> None:
    """Sent again, the older of two might land on somebody's newer change."""
    _, machine = rested(after(putting(), UNKNOWN, None))
    seconds, machine = rested(after(machine, MINE_SHOWN, at=moment(1000 + BOUND - 1)))
    assert seconds == 1.0
    now = moment(1000 + BOUND)
    assert after(machine, MINE_SHOWN, at=now).action == Put(account(), now)


def test_a_put_that_was_answered_may_follow_the_next_look() -> None:
    """It is not under way; yet a second lies between the two."""
    seconds, machine = rested(after(putting(), ANSWERED, None))
    assert seconds == 0.5
    _, machine = rested(after(machine, MINE_SHOWN, at=moment(1000.5)))
    assert isinstance(after(machine, MINE_SHOWN, at=moment(1001)).action, Put)


def test_a_400_to_a_put_that_was_applied_ends_well() -> None:
    """The look decides, not the answer."""
    _, machine = rested(after(putting(), ANSWERED, None))
    assert kept_as(after(machine, SHOWN)) == (Stage.RESTORED, BACK)


# --- a session that will go on --------------------------------------------------------


def test_a_root_put_back_for_a_run_that_stands_still_is_parked() -> None:
    """The record stays open, for the run or whoever finds it."""
    machine = after(restoring(parks=True), MINE_SHOWN, Accepted(), SHOWN)
    assert kept_as(machine) == (Stage.PARKED, BACK)


def test_a_put_that_never_arrived_leaves_nothing_to_park() -> None:
    """The run was not active: when it goes on, it looks again."""
    machine = after(restoring(Stage.PUT_SENT, parks=True), SHOWN)
    assert kept_as(machine) == (Stage.RESTORED, BACK)


def test_a_parked_account_that_somebody_set_is_left_alone() -> None:
    """A run that stood still has no claim any more."""
    machine = after(restoring(Stage.PARKED), None, FOREIGN_SHOWN)
    assert kept_as(machine)[0] is Stage.SUPERSEDED


def test_a_parked_record_is_ended_by_a_look() -> None:
    """The root is back already: nothing is put."""
    machine = after(restoring(Stage.PARKED), None, SHOWN)
    assert kept_as(machine) == (Stage.RESTORED, BACK)


# --- what cannot be -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "answer"),
    [
        (restoring(), Accepted()),
        (restoring(Stage.ACTIVE), SHOWN),
        (putting(), Rested()),
        (restoring(Stage.RESTORED), SHOWN),
    ],
    ids=["get accepted", "keep shown", "put rested", "at its end"],
)
def test_an_answer_to_something_else_is_a_bug(
    machine: Restoring, answer: Answer
) -> None:
    """A driver that mixes them up must not go on."""
    with pytest.raises(ValueError, match="is no answer to"):
        machine.then(answer, LATER)
