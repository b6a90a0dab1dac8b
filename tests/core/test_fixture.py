"""What was sent can be read in a file, and comes back as the same bytes."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core.fixture import (
    Fixture,
    FixtureEvent,
    Meta,
    dump,
    encode_body,
    moved,
    parse,
    rewritten,
    with_changes,
)
from devhook.core.model import Json
from devhook.core.signature import sign
from devhook.errors import FixtureError, UsageError

META = Meta(made_by="devhook", source="a test", secret="s3cret")
ID = "6c44f3f4-399c-4b46-84fa-c74aa9cbc99f"
CUSTOMER = "b3e8a1c0-52a7-4bfe-ab54-11445369c7c2"
OTHER = "f1a8fc7f-b316-4b87-bc36-ceb034e9df91"
NIL = "00000000-0000-0000-0000-000000000000"
START = datetime(2030, 1, 1, tzinfo=UTC)


def event(body: bytes, *, offset_ms: int = 0) -> FixtureEvent:
    headers = (("Content-Type", "application/json"),)
    return FixtureEvent(offset_ms=offset_ms, method="POST", headers=headers, body=body)


def fixture(*bodies: bytes) -> Fixture:
    events = tuple(event(body, offset_ms=i * 100) for i, body in enumerate(bodies))
    return Fixture(meta=META, events=events)


def stored(body: bytes) -> dict[str, Json]:
    """The event of that body as it stands in the file."""
    found: dict[str, Json] = json.loads(dump(fixture(body)))["events"][0]
    return found


# --- encoding ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, None]}, b'{"b":1,"a":[true,null]}'),
        ("<a & b>", rb'"\u003ca \u0026 b\u003e"'),
        ("\u2028\u2029", rb'"\u2028\u2029"'),
        ("Ärger 👍", '"Ärger 👍"'.encode()),
        ("\n\t\x01", rb'"\n\t\u0001"'),
        ("\ud83d", rb'"\ud83d"'),
    ],
)
def test_a_body_is_encoded_as_the_platform_does(value: Json, expected: bytes) -> None:
    """Compact, keys in order, Go's escapes, the rest raw."""
    assert encode_body(value) == expected


# --- the file ---------------------------------------------------------------------


def test_a_canonical_body_stands_as_json() -> None:
    """That is what people read and edit."""
    assert stored(b'{"type":"a_b","data":{"x":1}}')["json"] == {
        "type": "a_b",
        "data": {"x": 1},
    }


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a": 1}', id="spaces"),
        pytest.param(b'{"a":1,"a":2}', id="a name twice"),
        pytest.param(b'{"a":1.00}', id="an odd number"),
        pytest.param(b'{"a":"<"}', id="not escaped as Go does"),
        pytest.param(b'{"a":NaN}', id="NaN"),
        pytest.param(b'{"a":1e999}', id="beyond a float"),
        pytest.param(b"9" * 5000, id="beyond reading"),
        pytest.param(b"[" * 3000 + b"]" * 3000, id="deep"),
        pytest.param(b"[" * 100 + b"]" * 100, id="deeper than anybody reads"),
        pytest.param(b"", id="empty"),
        pytest.param(b"a=b&c=d", id="a form"),
    ],
)
def test_other_text_stands_as_text(body: bytes) -> None:
    """Reading it as JSON would not give back its bytes."""
    assert stored(body)["text"] == body.decode()


def test_bytes_that_are_no_text_stand_as_base64() -> None:
    """Nothing is replaced, nothing is lost."""
    assert stored(b"\xff\x00")["base64"] == "/wA="


def test_headers_keep_a_line_each() -> None:
    """A pair is read at a glance."""
    assert '["Content-Type", "application/json"]\n' in dump(fixture(b"{}"))


latin1 = st.text(st.characters(max_codepoint=0xFF, exclude_characters="\r\n\0"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
bodies = (
    st.binary()
    | st.text().map(lambda text: text.encode())
    | json_values.map(lambda value: json.dumps(value).encode())
    | json_values.filter(lambda value: "NaN" not in repr(value)).map(
        lambda value: json.dumps(value, separators=(",", ":")).encode()
    )
)
events = st.builds(
    FixtureEvent,
    offset_ms=st.integers(0, 10**12),
    method=st.sampled_from(["POST", "GET", "X-ODD"]),
    headers=st.lists(
        st.tuples(st.sampled_from(["A", "a", "X-Voipbin-Signature"]), latin1)
    ).map(tuple),
    body=bodies,
)
fixtures = st.builds(
    Fixture,
    meta=st.builds(
        Meta, made_by=st.text(), source=st.text(), secret=st.none() | st.text()
    ),
    events=st.lists(events, max_size=4).map(tuple),
)


@given(fixtures)
def test_what_is_dumped_is_parsed_again(value: Fixture) -> None:
    """Bytes, pairs and order: the file is the events, and can be written as UTF-8."""
    assert parse(dump(value).encode().decode()) == value


@given(st.text())
def test_no_text_makes_it_fail_otherwise_than_by_its_error(text: str) -> None:
    """A broken file is a line for the user, never a traceback."""
    with pytest.raises(FixtureError):
        parse(text)


def broken(path: str, value: Json) -> str:
    """A good file with one value replaced, or removed if None."""
    whole = json.loads(dump(fixture(b"{}")))
    *above, last = path.split("/")
    place = whole
    for part in above:
        place = place[int(part) if part.isdigit() else part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(whole)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("_meta", None, "x.json lacks '_meta'"),
        ("_meta/format", 2, "x.json has format 2, and this devhook reads 1"),
        ("_meta/format", "1", "x.json: _meta.format is no whole number from 0 on"),
        ("_meta/made_by", None, "x.json: _meta lacks 'made_by'"),
        ("_meta/secret", 7, "x.json: _meta.secret is no text"),
        ("events", {}, "x.json: events is no list"),
        ("events/0/offset_ms", -1, "events[0].offset_ms is no whole number from 0 on"),
        ("events/0/offset_ms", True, "events[0].offset_ms is no whole number"),
        ("events/0/ofset_ms", 1, "events[0] has an unknown name 'ofset_ms'"),
        ("events/0/method", "A B", "events[0].method is no HTTP method"),
        ("events/0/text", "", "events[0] needs one body"),
        ("events/0/json", None, "events[0] needs one body"),
        ("events/0/headers", [["A"]], "events[0].headers[0] is no pair"),
        ("events/0/headers", [["A", "b\r\nC: d"]], "events[0].headers[0][1] is no"),
        ("events/0/headers", [["A", "€"]], "events[0].headers[0][1] is no header"),
    ],
)
def test_a_mistake_is_named_with_its_place(path: str, value: Json, said: str) -> None:
    """What, and where in which file."""
    with pytest.raises(FixtureError) as caught:
        parse(broken(path, value), name="x.json")
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "body", [{"base64": "?"}, {"text": "\ud800"}, {"json": "x", "text": "x"}]
)
def test_a_body_that_gives_back_no_bytes_is_a_mistake(body: dict[str, Json]) -> None:
    """And so are two bodies at once."""
    whole = json.loads(dump(fixture(b"{}")))
    del whole["events"][0]["json"]
    whole["events"][0].update(body)
    with pytest.raises(FixtureError, match=r"events\[0\]"):
        parse(json.dumps(whole))


def test_a_secret_is_not_in_a_repr() -> None:
    """Fixtures are printed by failing tests."""
    assert "s3cret" not in repr(fixture(b"{}"))


# --- another body -----------------------------------------------------------------


def test_length_and_signature_follow_another_body() -> None:
    """Other headers, their order and case stay."""
    headers = (("content-length", "2"), ("X-A", "1"), ("X-Voipbin-Signature", "old"))
    before = replace(event(b"{}"), headers=headers)
    after = rewritten(before, b"[1]", secret="s3cret")
    assert after.headers == (
        ("content-length", "3"),
        ("X-A", "1"),
        ("X-Voipbin-Signature", sign("s3cret", b"[1]")),
    )


def test_without_a_secret_the_signature_stays() -> None:
    """Nobody can sign for a secret that is not known."""
    before = replace(event(b"{}"), headers=(("X-Voipbin-Signature", "old"),))
    assert rewritten(before, b"[1]", secret=None).headers == before.headers


# --- moved ------------------------------------------------------------------------


def numbered() -> "FreshIds":
    return FreshIds()


class FreshIds:
    """aaaaaaaa-…-0001, -0002 and so on."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self) -> str:
        self.given += 1
        return f"aaaaaaaa-0000-7000-8000-{self.given:012d}"


def test_an_id_becomes_the_same_fresh_one_everywhere() -> None:
    """In any event, in upper case, and inside a longer text."""
    before = fixture(
        f'{{"id":"{ID}","o":"{OTHER}"}}'.encode(),
        f'{{"u":"https://x.example/{ID.upper()}?a"}}'.encode(),
    )
    after = moved(before, start=START, fresh_id=numbered())
    assert [each.body for each in after.events] == [
        b'{"id":"aaaaaaaa-0000-7000-8000-000000000001",'
        b'"o":"aaaaaaaa-0000-7000-8000-000000000002"}',
        b'{"u":"https://x.example/aaaaaaaa-0000-7000-8000-000000000001?a"}',
    ]


def test_ids_that_are_the_same_for_everybody_stay() -> None:
    """Nil, and the flow's actions of start and finish."""
    body = f'{{"a":"{NIL}","b":"{NIL[:-1]}1"}}'.encode()
    assert moved(fixture(body), start=START, fresh_id=numbered()).events[0].body == body


def test_the_customer_becomes_the_one_given() -> None:
    """Whatever field it stands in."""
    body = f'{{"customer_id":"{CUSTOMER}","x":"{CUSTOMER}"}}'.encode()
    after = moved(fixture(body), start=START, fresh_id=numbered(), customer_id=OTHER)
    assert after.events[0].body == body.replace(CUSTOMER.encode(), OTHER.encode())


def test_times_move_by_one_offset_and_keep_their_distance() -> None:
    """The newest time of the first event comes to lie at the start."""
    after = moved(
        fixture(
            b'{"tm_create":"2026-08-21T09:15:30.5Z","tm_update":"2026-08-21T09:15:31Z"}',
            b'{"tm_update":"2026-08-21T10:15:31.000001Z","tm_delete":null}',
        ),
        start=START,
        fresh_id=numbered(),
    )
    assert [each.body for each in after.events] == [
        b'{"tm_create":"2029-12-31T23:59:59.5Z","tm_update":"2030-01-01T00:00:00Z"}',
        b'{"tm_update":"2030-01-01T01:00:00.000001Z","tm_delete":null}',
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2026-08-21T00:00:00Z", "2030-01-01T00:00:00Z"),
        ("2026-08-20T23:59:59.1230Z", "2029-12-31T23:59:59.123Z"),
        ("2026-08-20T23:59:59.123456789Z", "2029-12-31T23:59:59.123456789Z"),
        ("2026-08-21T02:00:00+02:00", "2030-01-01T02:00:00+02:00"),
        ("2026-08-20 23:59:59.636000", "2029-12-31 23:59:59.636000"),
        ("0001-01-01T00:00:06.2Z", "0001-01-01T00:00:06.2Z"),
        ("9999-01-01T00:00:00.000000Z", "9999-01-01T00:00:00.000000Z"),
        ("2026-13-45T00:00:00Z", "2026-13-45T00:00:00Z"),
        ("at 2026-08-21T00:00:00Z", "at 2026-08-21T00:00:00Z"),
    ],
)
def test_a_moved_time_is_written_as_it_was(before: str, after: str) -> None:
    """Go trims zeros; offsets, never, nonsense and prose are no moments."""
    body = b'{"t":"2026-08-21T00:00:00Z","x":"%b"}'
    result = moved(fixture(body % before.encode()), start=START, fresh_id=numbered())
    assert json.loads(result.events[0].body)["x"] == after


@given(
    st.lists(st.integers(0, 10**9), min_size=2),
    st.timedeltas(timedelta(days=-10_000), timedelta(days=60_000)),
)
def test_order_and_differences_of_times_are_kept(
    moments: list[int], later: timedelta
) -> None:
    """To the microsecond, wherever they are moved."""
    start = START + later
    origin = datetime(2026, 8, 21, tzinfo=UTC)
    before = [origin + timedelta(microseconds=each) for each in moments]
    body = json.dumps([f"{each:%Y-%m-%dT%H:%M:%S.%f}Z" for each in before]).encode()
    result = moved(fixture(body), start=start, fresh_id=numbered()).events[0].body
    after = [datetime.fromisoformat(each) for each in json.loads(result)]
    assert [each - after[0] for each in after] == [each - before[0] for each in before]
    assert max(after) == start


def test_an_event_without_times_leaves_the_start_to_the_next() -> None:
    """Its own offset counts."""
    after = moved(
        fixture(b"{}", b'["2026-08-21T00:00:00Z"]'), start=START, fresh_id=numbered()
    )
    assert after.events[1].body == b'["2030-01-01T00:00:00.1Z"]'


def test_moved_events_are_signed_again() -> None:
    """Their bytes have changed."""
    before = fixture(f'{{"id":"{ID}"}}'.encode())
    headers = (("X-Voipbin-Signature", sign("s3cret", before.events[0].body)),)
    before = replace(before, events=(replace(before.events[0], headers=headers),))
    after = moved(before, start=START, fresh_id=numbered()).events[0]
    assert after.headers == (("X-Voipbin-Signature", sign("s3cret", after.body)),)


# --- changed ----------------------------------------------------------------------

BODY = b'{"type":"a_b","data":{"status":"x","targets":[{"status":"q"},{"n":1}]}}'


def test_a_value_is_set_by_its_path() -> None:
    """Through objects and lists; what is not named stays."""
    after = with_changes(BODY, sets={"data.targets.0.status": "<sent>", "type": 1})
    assert after == (
        rb'{"type":1,"data":{"status":"x",'
        rb'"targets":[{"status":"\u003csent\u003e"},{"n":1}]}}'
    )


def test_unset_takes_away_what_stood_at_each_index_before() -> None:
    """The second index does not slip when the first is gone."""
    after = with_changes(BODY, unsets=["data.targets.0", "data.targets.1", "type"])
    assert after == b'{"data":{"status":"x","targets":[]}}'


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data.new", {"new": 7}),
        ("data.a.b", {"a": {"b": 7}}),
        ("data.status", {"status": 7}),
        ("data.targets.2", {"targets": [{"status": "q"}, {"n": 1}, 7]}),
        ("data.targets.0", {"targets": [7, {"n": 1}]}),
        (r"data.with\.dot", {"with.dot": 7}),
    ],
)
def test_add_makes_what_is_missing(path: str, expected: dict[str, Json]) -> None:
    """And what it is in, if that is missing too."""
    data = json.loads(with_changes(BODY, adds={path: 7}))["data"]
    assert {name: data[name] for name in expected} == expected


@pytest.mark.parametrize("path", ["data.stauts", "status", "data.targets.9.status"])
def test_an_unknown_path_names_near_ones(path: str) -> None:
    """A typing mistake must not make a new field."""
    with pytest.raises(UsageError) as caught:
        with_changes(BODY, sets={path: 1})
    assert repr(path) in caught.value.message
    assert "data.status" in (caught.value.hint or "")
    assert f"--add {path}=" in (caught.value.hint or "")


def test_an_unknown_path_cannot_be_unset() -> None:
    """It is not there."""
    with pytest.raises(UsageError, match=r"there is no 'data\.x'"):
        with_changes(BODY, unsets=["data.x"])


@pytest.mark.parametrize("path", ["data.targets.5", "data.targets.x", "type.x"])
def test_add_fails_where_nothing_can_be_put(path: str) -> None:
    """Beyond the end of a list, or into a text."""
    with pytest.raises(UsageError, match="cannot be added"):
        with_changes(BODY, adds={path: 1})


def test_a_body_that_is_not_json_cannot_be_changed() -> None:
    """There are no paths in it."""
    with pytest.raises(UsageError, match="not JSON"):
        with_changes(b"a=b", sets={"a": 1})
