"""What was sent can be read in a file, and comes back as the same bytes."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core.fixture import (
    Fixture,
    FixtureEvent,
    Meta,
    dump,
    encode_body,
    parse,
    rewritten,
)
from devhook.core.model import Json
from devhook.core.signature import sign
from devhook.errors import FixtureError

META = Meta(made_by="devhook", source="a test", secret="s3cret")


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
