"""Taking an account over: each step, and each way in which it does not come about."""

from dataclasses import replace

import pytest

from devhook.core.model import Account, Setting, Stage
from devhook.core.takeover import (
    FRESH,
    GET,
    SPACING,
    Accepted,
    Answer,
    Fail,
    Failed,
    Keep,
    NotTaken,
    Pause,
    Put,
    Rested,
    Stale,
    Took,
)
from devhook.core.taking import SEEN_WITHIN, Taking
from devhook.errors import (
    ChangedElsewhere,
    DevhookError,
    Refused,
    TakeoverError,
    Unreachable,
)
from tests.core.takeovers import (
    FOREIGN,
    MINE,
    ROOT,
    UNKNOWN,
    URI,
    WHO,
    account,
    after,
    moment,
    ours,
    record,
    shown,
)

SHOWN = shown()
MINE_SHOWN = shown(uri=MINE, method="POST")
REFUSED = Failed(Fail.REFUSED, "no admin", "ask one")
THROTTLED = Failed(Fail.THROTTLED, "too many requests", "wait", 30.0)
ANSWERED = Failed(Fail.ANSWERED, "internal error")


def begun(before: Account | None = None) -> Taking:
    return Taking(who=WHO, uri=URI, before=before or account())


def prepared() -> Taking:
    """As far as the second GET."""
    return after(begun(), SHOWN, None, at=moment())


def sent() -> Taking:
    """As far as the PUT."""
    return after(prepared(), SHOWN, None, at=moment())


def put() -> Taking:
    """As far as the GET that has to show it."""
    return after(sent(), Accepted(), at=moment())


def stage(taking: Taking) -> Stage:
    """That of the record which is to be kept."""
    assert isinstance(taking.action, Keep)
    return taking.action.record.stage


def not_taken(taking: Taking) -> type[DevhookError]:
    """Why it came to nothing, once what is to be kept is kept."""
    if isinstance(taking.action, Keep):
        taking = after(taking, None, at=moment())
    assert isinstance(taking.action, NotTaken)
    return taking.action.error


# --- the way that it goes -------------------------------------------------------------


def test_the_first_look_makes_a_record_of_what_is_to_be_restored() -> None:
    """Before anything is sent it says whose account, which root and which URI."""
    taking = begun().then(SHOWN, moment(3))
    expected = replace(record(Stage.PREPARED), id=0, started_at=moment(3).wall)
    assert taking.action == Keep(expected, GET)


@pytest.mark.parametrize(
    "root",
    [
        Setting(uri="", method=""),
        Setting(uri="https://a.example", method="GET"),
        Setting(uri="https://a.example", method=""),
    ],
    ids=["nothing", "by GET", "without a method"],
)
def test_the_root_is_exactly_what_was_there(root: Setting) -> None:
    """Empty is a legal original, and so is each method."""
    found = account(root.uri, root.method)
    taking = begun(found).then(shown(uri=root.uri, method=root.method), moment())
    assert isinstance(taking.action, Keep)
    assert taking.action.record.root == root


def test_the_root_of_a_devhook_is_the_one_that_it_carries() -> None:
    """Its own URL would be a dead tunnel one day."""
    found = ours()
    taking = replace(begun(found), uri="https://relay.example/t/next/secret")
    taking = taking.then(MINE_SHOWN, moment())
    assert isinstance(taking.action, Keep)
    assert taking.action.record.root == ROOT


def test_the_put_is_recorded_before_it_is_sent() -> None:
    """Whoever finds the record knows that it may be under way, and since when."""
    taking = after(prepared(), SHOWN, at=moment(4))
    expected = record(Stage.PUT_SENT, put=moment(4))
    assert taking.action == Keep(expected, Put(ours(), moment(4)))


def test_what_shows_our_webhook_ends_it_well() -> None:
    """The record says so before anybody is told."""
    taking = after(put(), MINE_SHOWN, at=moment(1))
    assert taking.action == Keep(record(Stage.ACTIVE, put=moment()), Took())
    assert after(taking, None, at=moment(1)).action == Took()


def test_a_fragment_that_the_api_cuts_is_missing_in_the_record_too() -> None:
    """Ours is what the account shows."""
    taking = after(put(), shown(uri=URI, method="POST"), at=moment())
    assert isinstance(taking.action, Keep)
    assert taking.action.record.mine == URI


def test_a_colleague_who_renames_after_the_put_is_none_of_our_business() -> None:
    """What differs is not what was lost."""
    renamed = shown(uri=MINE, method="POST", name="Renamed")
    assert stage(after(put(), renamed, at=moment())) is Stage.ACTIVE


# --- before the PUT -------------------------------------------------------------------


@pytest.mark.parametrize(
    "found",
    [account(FOREIGN), account(method="GET"), replace(account(), id="other")],
    ids=["set", "method set", "another account"],
)
def test_an_account_changed_since_it_was_classified_is_left_alone(
    found: Account,
) -> None:
    """Nothing is recorded, since nothing is to be undone."""
    taking = begun().then(replace(SHOWN, account=found), moment())
    assert not_taken(taking) is ChangedElsewhere
    assert taking.record is None


def test_an_account_set_between_two_looks_is_left_alone() -> None:
    """The record ends with it."""
    taking = after(prepared(), shown(uri=FOREIGN), at=moment())
    assert stage(taking) is Stage.RESTORED
    assert not_taken(taking) is ChangedElsewhere


def test_a_change_of_something_else_is_looked_at_again() -> None:
    """Two looks in a row must agree, and the PUT carries what the last one showed."""
    renamed = shown(name="Renamed", tm_update="2")
    taking = after(prepared(), renamed, at=moment())
    assert taking.action == GET
    taking = after(taking, renamed, None, at=moment())
    assert taking.action == Put(ours(name="Renamed", tm_update="2"), moment())


def test_an_account_that_never_holds_still_is_left_alone() -> None:
    """Somebody is at work there; after three looks it is for another time."""
    looks = (shown(tm_update=str(n)) for n in range(2, 6))
    taking = after(prepared(), *looks, at=moment())
    assert not_taken(taking) is ChangedElsewhere


@pytest.mark.parametrize(
    ("answer", "error"),
    [(UNKNOWN, Unreachable), (REFUSED, Refused), (THROTTLED, Unreachable)],
    ids=["unreachable", "refused", "throttled"],
)
@pytest.mark.parametrize("at_first", [True, False], ids=["first", "second"])
def test_a_look_that_fails_before_the_put_ends_it(
    answer: Failed, error: type[DevhookError], at_first: bool
) -> None:
    """Nothing was changed, and a record that was made says so."""
    taking = after(begun() if at_first else prepared(), answer, at=moment())
    assert at_first or stage(taking) is Stage.RESTORED
    assert not_taken(taking) is error


def test_a_put_is_not_sent_on_an_old_look() -> None:
    """A run that stood still, or a disk that was slow: it looks and records again."""
    now = moment(FRESH + 1)
    assert sent().action == Put(ours(), moment())
    taking = after(sent(), Stale(), at=now)
    assert taking.action == GET
    again = after(taking, SHOWN, at=now)
    assert again.action == Keep(record(Stage.PUT_SENT, put=now), Put(ours(), now))


@pytest.mark.parametrize("taking", [begun(), prepared(), put()])
def test_a_look_that_does_not_count_is_repeated(taking: Taking) -> None:
    """Whatever it showed was long ago."""
    assert after(taking, Stale(), at=moment()) == taking


def test_a_put_that_was_not_sent_is_not_repeated_over_a_newer_setting() -> None:
    """The second look finds what a colleague set meanwhile, and nothing was changed."""
    taking = after(sent(), Stale(), shown(uri=FOREIGN), at=moment(FRESH + 1))
    assert stage(taking) is Stage.RESTORED
    assert not_taken(taking) is ChangedElsewhere


# --- the PUT and after it -------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error"),
    [(REFUSED, Refused), (THROTTLED, Unreachable)],
    ids=["refused", "throttled"],
)
def test_a_put_that_was_refused_changed_nothing(
    answer: Failed, error: type[DevhookError]
) -> None:
    """The record is closed at once: there is nothing to wait for."""
    taking = after(sent(), answer, at=moment())
    assert stage(taking) is Stage.RESTORED
    assert not_taken(taking) is error


@pytest.mark.parametrize("answer", [UNKNOWN, ANSWERED], ids=["none", "400 or 500"])
def test_a_put_of_unknown_outcome_is_looked_after(answer: Failed) -> None:
    """The API answers 400 to what it has done, too: only a GET can tell."""
    taking = after(sent(), answer, at=moment())
    assert taking.action == GET
    assert stage(after(taking, MINE_SHOWN, at=moment())) is Stage.ACTIVE


@pytest.mark.parametrize("answer", [SHOWN, UNKNOWN], ids=["the old one", "nothing"])
def test_what_does_not_show_yet_is_looked_for_again(answer: Answer) -> None:
    """A copy may lag behind; the pauses grow, to two seconds."""
    taking, pauses = put(), []
    for _ in range(8):
        taking = after(taking, answer, at=moment(SEEN_WITHIN - 1))
        assert isinstance(taking.action, Pause)
        pauses.append(taking.action.seconds)
        taking = after(taking, Rested(), at=moment(SEEN_WITHIN - 1))
    assert pauses == sorted(pauses)
    assert pauses[-1] == 2.0
    assert stage(after(taking, MINE_SHOWN, at=moment(9))) is Stage.ACTIVE


@pytest.mark.parametrize(
    ("taking", "why"),
    [(put(), "after the PUT"), (after(sent(), UNKNOWN, at=moment()), "no answer")],
    ids=["accepted", "not answered"],
)
def test_what_never_shows_is_given_up_and_left_to_the_restore(
    taking: Taking, why: str
) -> None:
    """The record stays open: the PUT may still be under way."""
    taking = after(taking, SHOWN, at=moment(SEEN_WITHIN))
    assert not_taken(taking) is TakeoverError
    assert isinstance(taking.action, NotTaken)
    assert taking.action.message.endswith(why)
    assert taking.record == record(Stage.PUT_SENT, put=moment())


def test_a_wall_clock_that_is_set_gives_nothing_up() -> None:
    """A day forward is not ten seconds without an answer."""
    taking = after(put(), SHOWN, at=moment(1, days=1))
    assert isinstance(taking.action, Pause)


def test_a_setting_that_followed_an_accepted_put_is_nothing_to_wait_for() -> None:
    """Our PUT was applied, and somebody's after it: the restore looks just once."""
    taking = after(put(), shown(uri=FOREIGN), None, at=moment())
    assert not_taken(taking) is ChangedElsewhere
    assert taking.record == record(Stage.RESTORING, put=moment())


@pytest.mark.parametrize(
    ("put_answer", "answer", "error"),
    [
        (UNKNOWN, shown(uri=FOREIGN), ChangedElsewhere),
        (ANSWERED, shown(uri=FOREIGN), ChangedElsewhere),
        (Accepted(), REFUSED, Refused),
    ],
    ids=["no answer, set by somebody else", "500, the same", "refused"],
)
def test_a_look_after_the_put_can_end_it_with_an_open_record(
    put_answer: Answer, answer: Answer, error: type[DevhookError]
) -> None:
    """`Restoring` has to see to it."""
    taking = after(sent(), put_answer, answer, at=moment())
    assert not_taken(taking) is error
    assert taking.record == record(Stage.PUT_SENT, put=moment())


# --- a PUT that cost the account other fields -----------------------------------------

DAMAGED = shown(uri=MINE, method="POST", email="", address="")


def test_fields_that_our_put_cost_are_put_back_with_the_root() -> None:
    """All at once, from what was read before, a second after the first PUT."""
    taking = after(put(), DAMAGED, at=moment())
    assert stage(taking) is Stage.RESTORING
    taking = after(taking, None, at=moment())
    assert taking.action == Pause(SPACING)
    taking = after(taking, Rested(), DAMAGED, at=moment(1))
    assert taking.action == Put(account(), moment(1))
    assert after(taking, Stale(), DAMAGED, at=moment(9)).action == Put(
        account(), moment(9)
    )


@pytest.mark.parametrize("answer", [Accepted(), UNKNOWN], ids=["accepted", "unknown"])
def test_an_account_that_was_damaged_is_not_taken(answer: Answer) -> None:
    """Whether it is whole again, the restore looks and the user is told."""
    taking = after(put(), DAMAGED, None, Rested(), DAMAGED, answer, at=moment())
    assert not_taken(taking) is TakeoverError
    assert taking.record is not None
    assert taking.record.stage is Stage.RESTORING


@pytest.mark.parametrize(
    ("answer", "error"),
    [(shown(uri=FOREIGN), TakeoverError), (UNKNOWN, Unreachable), (REFUSED, Refused)],
    ids=["set meanwhile", "unreachable", "refused"],
)
def test_a_damaged_account_that_is_not_ours_any_more_is_left_alone(
    answer: Answer, error: type[DevhookError]
) -> None:
    """Only our own webhook is ever written over."""
    taking = after(put(), DAMAGED, None, Rested(), answer, at=moment())
    assert not_taken(taking) is error


# --- what cannot be -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taking", "answer"),
    [
        (begun(), Accepted()),
        (begun(), Rested()),
        (sent(), SHOWN),
        (after(begun(), SHOWN, at=moment()), Accepted()),
        (after(put(), MINE_SHOWN, None, at=moment()), SHOWN),
    ],
    ids=["get accepted", "get rested", "put shown", "keep accepted", "at its end"],
)
def test_an_answer_to_something_else_is_a_bug(taking: Taking, answer: Answer) -> None:
    """A driver that mixes them up must not go on."""
    with pytest.raises(ValueError, match="is no answer to"):
        taking.then(answer, moment())


def test_a_put_without_a_record_is_a_bug() -> None:
    """Nothing may be sent that nobody could undo."""
    taking = replace(begun(), action=Put(ours(), moment()))
    with pytest.raises(ValueError, match="nothing was recorded"):
        taking.then(Accepted(), moment())
