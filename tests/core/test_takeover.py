"""The words of the two machines: moments, stages, read-backs, what an error means."""

from dataclasses import replace

import pytest

from devhook.core import takeover as core
from devhook.core.clock import Moment, elapsed
from devhook.core.model import Account, Setting, Stage
from devhook.core.takeover import FRESH, LONGEST_GET, Fail, Sight
from devhook.errors import ProviderError, Refused, Rejected, Throttled, Unreachable
from tests.core.takeovers import (
    FOREIGN,
    MINE,
    NOW,
    ROOT,
    URI,
    account,
    moment,
    ours,
    record,
)

ALLOWED = {
    (Stage.PREPARED, Stage.PUT_SENT),
    (Stage.PREPARED, Stage.RESTORED),
    (Stage.PUT_SENT, Stage.ACTIVE),
    (Stage.PUT_SENT, Stage.RESTORING),
    (Stage.PUT_SENT, Stage.RESTORED),
    (Stage.PUT_SENT, Stage.SUPERSEDED),
    (Stage.ACTIVE, Stage.RESTORING),
    (Stage.RESTORING, Stage.PARKED),
    (Stage.RESTORING, Stage.RESTORED),
    (Stage.RESTORING, Stage.SUPERSEDED),
    (Stage.RESTORING, Stage.UNRESOLVED),
    (Stage.PARKED, Stage.RESTORING),
    (Stage.UNRESOLVED, Stage.RESTORING),
}


@pytest.mark.parametrize("after", list(Stage))
@pytest.mark.parametrize("before", list(Stage))
def test_a_record_moves_as_it_may_and_never_otherwise(
    before: Stage, after: Stage
) -> None:
    """What is once restored or superseded is never opened again."""
    if before is after or (before, after) in ALLOWED:
        assert core.moved(record(before), after, moment()).stage is after
    else:
        with pytest.raises(ValueError, match="is not followed by"):
            core.moved(record(before), after, moment())


def test_a_record_says_when_its_put_left_and_when_it_ended() -> None:
    """Both are what its successor goes by, in another process or on another day."""
    sent = core.moved(record(Stage.PREPARED), Stage.PUT_SENT, moment(1))
    assert (sent.put, sent.ended_at) == (moment(1), None)
    noted = core.moved(sent, Stage.PUT_SENT, moment(5), error="no answer")
    assert (noted.put, noted.error) == (moment(1), "no answer")
    ended = core.moved(noted, Stage.SUPERSEDED, moment(7))
    assert (ended.put, ended.error) == (moment(1), None)
    assert ended.ended_at == moment(7).wall


@pytest.mark.parametrize(
    ("now", "passed"),
    [
        (moment(5), 5.0),
        (moment(5, days=1), 5.0),
        (moment(5, days=-1), 5.0),
        (moment(5, boot="next"), 5.0),
        (moment(5, boot="next", days=1), 86_405.0),
        (moment(5, boot="next", days=-1), None),
        (Moment(moment(9).wall, 3.0, "boot"), 9.0),
    ],
    ids=[
        "as usual",
        "clock set forward",
        "clock set back",
        "reboot",
        "reboot, clock forward",
        "reboot, clock back",
        "ticks that went back",
    ],
)
def test_what_passed_is_told_by_ticks_while_the_machine_is_up(
    now: Moment, passed: float | None
) -> None:
    """Nobody sets them; the wall's clock is asked only after a reboot."""
    assert elapsed(moment(), now) == passed


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Refused("no admin", hint="ask"), core.Failed(Fail.REFUSED, "no admin", "ask")),
        (
            Throttled("slowly", hint="wait", retry_after=7),
            core.Failed(Fail.THROTTLED, "slowly", "wait", 7),
        ),
        (
            Rejected("400", hint="look"),
            core.Failed(Fail.REJECTED, "400", "look"),
        ),
        (Unreachable("500", answered=True), core.Failed(Fail.ANSWERED, "500")),
        (Unreachable("timeout"), core.Failed(Fail.UNKNOWN, "timeout")),
        (ProviderError("what"), core.Failed(Fail.UNKNOWN, "what")),
    ],
    ids=["refused", "throttled", "rejected", "answered", "unreachable", "any other"],
)
def test_an_error_says_whether_a_put_may_still_arrive(
    error: ProviderError, expected: core.Failed
) -> None:
    """What the API itself has not answered stays unknown."""
    assert core.failure(error) == expected


@pytest.mark.parametrize(
    "setting",
    [Setting(uri="", method=""), Setting(uri="https://a.example", method="GET")],
    ids=["nothing", "by GET"],
)
def test_a_put_carries_five_fields_as_they_are_and_two_as_they_shall_be(
    setting: Setting,
) -> None:
    """A colleague's new name must not be undone by our restore."""
    found = account(name="New name")
    put = core.with_setting(found, setting)
    assert core.setting_of(put) == setting
    assert put.fields() == found.fields() | {
        "webhook_uri": setting.uri,
        "webhook_method": setting.method,
    }


@pytest.mark.parametrize(
    ("uri", "expected"),
    [(MINE, True), (URI, True), (f"{URI}/", False), ("", False), (FOREIGN, False)],
    ids=["ours", "without its fragment", "longer", "nothing", "foreign"],
)
def test_ours_is_byte_for_byte_what_we_put(uri: str, expected: bool) -> None:
    """Never what merely looks like a tunnel."""
    assert core.is_ours(record(Stage.ACTIVE), uri) is expected


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (ours(), Sight.MINE),
        (account(URI, "POST"), Sight.MINE),
        (ours(name="Renamed"), Sight.MINE),
        (account(), Sight.NOT_YET),
        (account(FOREIGN), Sight.FOREIGN),
        (account(""), Sight.FOREIGN),
        (ours(email=""), Sight.DAMAGED),
        (account(MINE, ""), Sight.DAMAGED),
    ],
    ids=[
        "mine",
        "fragment cut",
        "renamed meanwhile",
        "not yet",
        "foreign",
        "cleared",
        "e-mail lost",
        "method lost",
    ],
)
def test_a_read_back_is_held_against_all_seven_fields(
    after: Account, expected: Sight
) -> None:
    """A PUT that blanks a field is noticed; what a colleague edits is none of it."""
    assert core.sight(account(), MINE, after) is expected


def test_only_what_was_there_can_be_lost() -> None:
    """An empty field that stays empty costs nobody anything."""
    assert core.lost(account(), account(email="", address="")) == {
        "email": "a@acme.example",
        "address": "1 Way",
    }


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (account(), True),
        (account(FOREIGN), False),
        (account(name="Renamed"), False),
        (account(tm_update="2"), False),
    ],
    ids=["equal", "set", "renamed", "set and set back"],
)
def test_two_looks_agree_on_all_that_a_put_replaces(
    second: Account, expected: bool
) -> None:
    """The time of the last update shows what was changed and changed back."""
    assert core.same_before_put(account(), second) is expected


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (account(), False),
        (account(name="Renamed", tm_update="2"), False),
        (account(tm_update="2"), True),
    ],
    ids=["equal", "renamed", "set and set back"],
)
def test_what_was_changed_and_changed_back_is_seen(
    second: Account, expected: bool
) -> None:
    """The account shows the same, but it was written."""
    assert core.changed_back(account(), second) is expected


def test_the_record_of_another_machine_is_one_to_restore() -> None:
    """Its URI as we found it, and the root that it carries."""
    found = core.adopted(
        ours(), ROOT, api_url="https://api/v1.0", profile="p", process="1@y", at=NOW
    )
    assert (found.mine, found.root, found.stage) == (MINE, ROOT, Stage.ACTIVE)
    assert (found.put, found.session_id) == (None, None)


def test_a_root_is_put_once_more_only_where_it_still_stands() -> None:
    """A sender that did not hear of it is told; nobody else is run over."""
    restored = record(Stage.RESTORED)
    named, now = account(name="N"), moment()
    assert core.to_repeat(restored, named, now) == core.Put(named, now)
    assert core.to_repeat(restored, account(FOREIGN), now) is None
    assert core.to_repeat(restored, account(ROOT.uri, "POST"), now) is None
    assert core.to_repeat(restored, replace(account(), id="other"), now) is None


def test_an_answer_that_lay_unread_while_the_machine_slept_does_not_count() -> None:
    """However quickly it came: an account is read when it is asked for."""
    answers = (core.Shown(ours()), core.Failed(Fail.UNKNOWN, "no answer"))
    for answer in answers:
        assert core.in_time(answer, moment(), moment(LONGEST_GET)) == answer
    late = [core.in_time(answer, moment(), moment(3600)) for answer in answers]
    assert late == [core.Stale(), answers[1]]


@pytest.mark.parametrize(
    ("now", "is_fresh"),
    [
        (moment(FRESH), True),
        (moment(FRESH + 0.1), False),
        (moment(FRESH, days=1), True),
        (moment(FRESH, days=-1), True),
        (moment(1, boot="next", days=-1), False),
    ],
    ids=["fresh", "old", "clock forward", "clock back", "a clock that cannot tell"],
)
def test_a_look_justifies_a_put_for_some_seconds(now: Moment, is_fresh: bool) -> None:
    """Ticks decide, which nobody sets and which count sleep."""
    assert core.is_fresh(core.Put(ours(), moment()), now) is is_fresh
