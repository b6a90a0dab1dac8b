"""What is typed to choose events chooses those, and says what it cannot read."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core.match import (
    Filter,
    matches_glob,
    parse_duration,
    parse_moment,
    parse_range,
    parse_rate,
    parse_where,
)
from devhook.core.model import Event, Json, Request, Signature, Source
from devhook.core.reading import read
from devhook.errors import UsageError

NOW = datetime(2026, 8, 21, 12, tzinfo=UTC)
ZONE = timezone(timedelta(hours=2))
BODY: Json = {
    "type": "call_hangup",
    "data": {
        "status": "hangup",
        "reason": None,
        "count": 3,
        "ok": True,
        "tm": "2026-08-21T09:00:00Z",
        "targets": [{"status": "sent"}, {"status": "failed"}],
        "a.b": "<x>",
    },
}


@pytest.mark.parametrize(
    "text",
    [
        "data.status==hangup",
        'data.status=="hangup"',
        " data.status == hangup ",
        "data.status!=busy",
        "data.reason==null",
        "data.count==3",
        "data.count==3.0",
        "data.count>=3",
        "data.count<3.5",
        "data.count!=4",
        "data.count!=hangup",
        "data.ok==true",
        "data.ok!=1",
        "data.tm>2026-08-21T08",
        "data.targets.1.status==failed",
        'data.targets.0=={"status":"sent"}',
        'data.targets==[{"status":"sent"},{"status":"failed"}]',
        r"data.a\.b==<x>",
        r"data.a\.b~^<x>$",
        "data.status~^hang",
        'data.status~"up$"',
        "data.count~3",
        "data.targets~fail",
        "data.status>hang",
    ],
)
def test_an_expression_matches(text: str) -> None:
    """Operators, JSON values, strings, indexes, regular expressions."""
    assert parse_where(text).matches(BODY)


@pytest.mark.parametrize(
    "text",
    [
        "data.status==Hangup",
        "data.status==",
        "data.missing==x",
        "data.missing!=x",
        "data.missing~",
        "data.targets.2.status==x",
        "data.ok==1",
        'data.count=="3"',
        "data.count>hangup",
        "data.status<3",
        "data.ok>=0",
        "data.reason<=null",
        "status==hangup",
        "data.status~^gup",
    ],
)
def test_an_expression_does_not_match(text: str) -> None:
    """A missing path is false whatever is asked, and unlike kinds have no order."""
    assert not parse_where(text).matches(BODY)


@pytest.mark.parametrize("body", [None, [], "x", 3, {}, {"data": None}])
def test_any_body_can_be_asked(body: Json) -> None:
    """Bodies that are no envelope simply do not match."""
    assert not parse_where("data.status==hangup").matches(body)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data.status=hangup", "'=' is no operator at character 12"),
        ("data.status", "no operator at character 12"),
        ("data status==x", "'s' is no operator at character 6"),
        ("", "no operator at character 1"),
        ("==x", "no path at character 1"),
        ("data.a===x", "one '=' too many at character 9"),
        ("data.a~(x", "no regular expression (missing ), unterminated subpattern) at"),
        ("data.a~*", "no regular expression (nothing to repeat) at character 8"),
        ("data.a!x", "'!' is no operator at character 7"),
    ],
)
def test_an_expression_that_does_not_parse_says_where(text: str, said: str) -> None:
    """The position, and what can be written instead."""
    with pytest.raises(UsageError) as caught:
        parse_where(text)
    assert said in caught.value.message
    assert "--where 'data.status==hangup'" in (caught.value.hint or "")


@given(st.text(), st.text())
def test_no_expression_fails_otherwise(text: str, value: str) -> None:
    """It parses and gives an answer, or is the user's mistake."""
    try:
        where = parse_where(text)
    except UsageError:
        return
    where.matches({"a": value, "": [value]})


@pytest.mark.parametrize(
    ("name", "globs", "expected"),
    [
        ("call_hangup", ["call_*"], True),
        ("call_hangup", ["message_*", "call_*"], True),
        ("call_hangup", ["message_*,call_*"], True),
        ("call_hangup", ["message_*, call_?angup"], True),
        ("call_hangup", ["*"], True),
        ("call_hangup", ["CALL_*"], False),
        ("call_hangup", ["call"], False),
        ("groupcall_created", ["call_*"], False),
        ("", ["*"], True),
        ("", ["call_*"], False),
        ("call_hangup", [], False),
    ],
)
def test_globs_match_whole_types(name: str, globs: list[str], expected: bool) -> None:
    """Several are OR, a list with commas too."""
    assert matches_glob(name, globs) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10m", NOW - timedelta(minutes=10)),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("3d", NOW - timedelta(days=3)),
        ("30s", NOW - timedelta(seconds=30)),
        ("2026-08-21T09:15:30Z", datetime(2026, 8, 21, 9, 15, 30, tzinfo=UTC)),
        ("2026-08-21T09:15:30.5+02:00", datetime(2026, 8, 21, 7, 15, 30, 500000, UTC)),
        ("2026-08-21T09:15:30", datetime(2026, 8, 21, 7, 15, 30, tzinfo=UTC)),
        ("2026-08-21 09:15", datetime(2026, 8, 21, 7, 15, tzinfo=UTC)),
        ("2026-08-21", datetime(2026, 8, 20, 22, tzinfo=UTC)),
    ],
)
def test_a_moment_is_before_now_or_a_time(text: str, expected: datetime) -> None:
    """A time without an offset is local."""
    assert parse_moment(text, NOW, ZONE) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "10", "9" * 20 + "d", "-5m"])
def test_what_is_no_moment_is_a_mistake(text: str) -> None:
    """With an example of what is one."""
    with pytest.raises(UsageError, match="is no moment"):
        parse_moment(text, NOW, ZONE)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("2h", 7200), ("1.5m", 90), ("250ms", 0.25), ("7", 7), ("0", 0)],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    """With a unit or without."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1", "inf", "5 apples", "1e3", "\uff15s"])
def test_what_is_no_duration_is_a_mistake(text: str) -> None:
    """Negative and endless ones too."""
    with pytest.raises(UsageError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("5/s", 5), ("300/m", 5), ("5", 5), ("0.5/s", 0.5), ("36/h", 0.01)],
)
def test_a_rate_is_so_many_a_second(text: str, rate: float) -> None:
    """With another unit of time, less."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["0/s", "", "5/x", "-1/s", "s"])
def test_what_is_no_rate_is_a_mistake(text: str) -> None:
    """Nothing would ever be sent at none a second."""
    with pytest.raises(UsageError, match="is no rate"):
        parse_rate(text)


@pytest.mark.parametrize(("text", "ids"), [("3..9", (3, 9)), ("4", (4, 4))])
def test_a_range_includes_both_ends(text: str, ids: tuple[int, int]) -> None:
    """One id is a range of itself."""
    assert parse_range(text) == ids


@pytest.mark.parametrize("text", ["", "a", "3..", "..3", "9..3", "-1", "3...9"])
def test_what_is_no_range_is_a_mistake(text: str) -> None:
    """Backwards too."""
    with pytest.raises(UsageError):
        parse_range(text)


EVENT = Event(
    id=1,
    uid="u",
    session_id=41,
    received_at=NOW,
    source=Source.WEBHOOK,
    request=Request(
        method="POST", target="/", headers=(), body=json.dumps(BODY).encode()
    ),
    body_sha256="",
    reading=replace(
        read(b'{"type":"call_hangup","data":{"id":"c1"}}'), activeflow_id="f1"
    ),
    signature=Signature.OK,
    remote=None,
    same_as=None,
)


@pytest.mark.parametrize(
    "asked",
    [
        Filter(),
        Filter(types=("message_*", "call_*")),
        Filter(since=NOW, until=NOW + timedelta(seconds=1)),
        Filter(sessions=(40, 41)),
        Filter(calls=("c0", "c1")),
        Filter(resources=("c1",)),
        Filter(resources=("message", "call")),
        Filter(statuses=("failed", "ok")),
        Filter(signatures=(Signature.BAD, Signature.OK)),
        Filter(where=(parse_where("data.count>2"), parse_where("data.ok==true"))),
        Filter(search=("nowhere", "HANGUP")),
    ],
)
def test_a_filter_lets_through_what_it_asks_for(asked: Filter) -> None:
    """Several values of one flag are OR."""
    assert asked.matches(EVENT, status="ok")


@pytest.mark.parametrize(
    "asked",
    [
        Filter(types=("message_*",)),
        Filter(since=NOW + timedelta(seconds=1)),
        Filter(until=NOW),
        Filter(sessions=(40,)),
        Filter(calls=("c0",)),
        Filter(resources=("c0", "message")),
        Filter(statuses=("failed",)),
        Filter(signatures=(Signature.BAD,)),
        Filter(where=(parse_where("data.count>2"), parse_where("data.ok==false"))),
        Filter(search=("nowhere",)),
        Filter(types=("call_*",), signatures=(Signature.BAD,)),
    ],
)
def test_a_filter_keeps_out_the_rest(asked: Filter) -> None:
    """Different flags, and several expressions, are AND."""
    assert not asked.matches(EVENT, status="ok")


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000])
def test_a_filter_can_be_asked_of_any_body(body: bytes) -> None:
    """What is not JSON has no paths."""
    event = replace(EVENT, request=replace(EVENT.request, body=body))
    asked = Filter(where=(parse_where("data.count>2"),), search=("x",))
    assert not asked.matches(event)
    assert not replace(asked, search=()).matches(event)
