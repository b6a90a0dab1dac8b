"""One line says what an event means, whatever was received.

`meanings.txt` holds the line of every type. After a change that is meant, write it anew
with `python -m tests.core.test_meaning` and read the difference.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook import shipped
from devhook.core.event_types import EVENT_TYPES
from devhook.core.http import printable
from devhook.core.meaning import meaning
from devhook.core.meaning.words import human
from devhook.core.model import Json
from devhook.core.reading import NIL

HERE = Path(__file__).parent
GOLDEN = HERE / "meanings.txt"
NEVER_SENT: dict[str, Json] = json.loads((HERE / "never_sent.json").read_text())
"""Data of the types that documents name and the platform never sends: ours."""

TYPES = sorted(EVENT_TYPES)
DURATION = re.compile(r"\d (?:ms|s|min|h|d)\b")


def body_of(event_type: str) -> bytes:
    if EVENT_TYPES[event_type].delivered:
        return shipped.event(event_type).events[0].body
    return enveloped(event_type, NEVER_SENT[event_type])


def enveloped(event_type: str, data: Json) -> bytes:
    return json.dumps({"type": event_type, "data": data}).encode()


def golden() -> str:
    return "".join(f"{name}\t{meaning(name, body_of(name))}\n" for name in TYPES)


def test_every_type_has_its_line() -> None:
    """`python -m tests.core.test_meaning` writes meanings.txt anew."""
    assert GOLDEN.read_text(encoding="utf-8") == golden()


def leaves(value: Json) -> Iterator[str]:
    """What the body says, as it may stand in a line: cut ids, cut texts, numbers."""
    match value:
        case dict():
            for name, each in value.items():
                if name not in ("id", "customer_id") and not name.startswith("tm_"):
                    yield from leaves(each)
        case list():
            for each in value:
                yield from leaves(each)
        case str() if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
            if value != NIL:
                yield value[:8]
        case str():
            yield value[:20]
        case int() | float():
            yield str(value)
        case _:
            pass


def facts(event_type: str, line: str) -> set[str]:
    """The values of the body that are in the line, and the durations."""
    data = json.loads(body_of(event_type))["data"]
    said = {leaf for leaf in leaves(data) if leaf and is_in(leaf, line)}
    return said | set(DURATION.findall(line))


def is_in(leaf: str, line: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(leaf)}", line) is not None


@pytest.mark.parametrize("event_type", TYPES)
def test_a_line_says_two_facts_besides_type_and_id(event_type: str) -> None:
    """Who, which way, why, how long, what was said."""
    line = meaning(event_type, body_of(event_type))
    found = facts(event_type, line)
    assert len(found) >= 2, (line, found)


@pytest.mark.parametrize("event_type", TYPES)
def test_a_line_is_one_line_without_secrets(event_type: str) -> None:
    """The type and the id stand before it."""
    line = meaning(event_type, body_of(event_type))
    assert line.isprintable()
    assert len(line) <= 240
    assert event_type not in line
    assert not re.search("c4nary|not-a-real-key|receptionist|channel credentials", line)


HANGUP: dict[str, Json] = {
    "id": "c1",
    "direction": "incoming",
    "source": {"type": "tel", "target": "+12025550123"},
    "destination": {"type": "tel", "target": "+15550100001"},
    "tm_create": "2026-08-21T09:15:30Z",
    "tm_progressing": "2026-08-21T09:15:33.1Z",
    "tm_hangup": "2026-08-21T09:16:53.1Z",
    "hangup_by": "remote",
    "hangup_reason": "normal",
}


def said(event_type: str, *, without: str = "", **changes: Json) -> str:
    data: dict[str, Json] = {**json.loads(body_of(event_type))["data"], **changes}
    data.pop(without, None)
    return meaning(event_type, enveloped(event_type, data))


def test_a_call_that_was_talked_says_how_long() -> None:
    """Who ended it and why."""
    line = meaning("call_hangup", enveloped("call_hangup", HANGUP))
    route = "+12025550123 -> +15550100001"
    assert line == f"{route}  hung up by remote, normal, talked 1 min 20 s"


def test_a_call_that_nobody_answered_says_how_long_it_rang() -> None:
    """It was never talked."""
    line = said("call_hangup", without="tm_progressing", hangup_reason="noanswer")
    assert line.endswith("remote, noanswer, never answered, rang 50.7 s")


def test_the_older_form_of_times_is_read_too() -> None:
    """Self-hosted platforms write it, and year 9999 for what has not been."""
    old = {
        "tm_create": "2026-08-21 09:15:30.000000",
        "tm_progressing": "2026-08-21 09:15:33.100000",
        "tm_hangup": "9999-01-01 00:00:00.000000",
    }
    assert said("call_progressing", **old).endswith("answered after 3.1 s")


def test_a_message_to_several_counts_their_states() -> None:
    """Each has its own."""
    targets: list[Json] = [
        {"destination": {"type": "tel", "target": f"+1202555010{n}"}, "status": status}
        for n, status in enumerate(["sent", "sent", "failed", "sent"])
    ]
    line = said("message_updated", targets=targets)
    assert "+12025550100, +12025550101, +12025550102, 1 more" in line
    assert "outbound sms, 3 sent, 1 failed" in line


def test_a_tool_call_of_an_ai_is_named_without_its_arguments() -> None:
    """They may hold anything."""
    tools: list[Json] = [{"function": {"name": "send_sms", "arguments": "c4nary"}}]
    line = said("aimessage_created", content="", tool_calls=tools)
    assert line == "assistant: calls send_sms  incoming"


def test_a_long_text_is_cut() -> None:
    """On one line, marked."""
    assert '"' + "a" * 59 + '…"' in said("message_created", text="a" * 200)


def test_line_breaks_in_a_text_become_spaces() -> None:
    """A message has them, a line has not."""
    assert '"one two three"' in said("message_created", text="one\r\n  two\tthree")


def test_control_characters_are_shown_escaped() -> None:
    """Nothing that was received is obeyed by a terminal."""
    line = said("message_created", text="\x1b[2J\u202eabc\x07", direction="\x9b")
    assert r"\x1b[2J\u202eabc\x07" in line
    assert r"\x9b sms" in line
    assert line.isprintable()


def test_links_lose_their_query_and_userinfo() -> None:
    """Both often are secrets."""
    text = "see https://me:pw@x.example/a?token=c4nary&b=1 now"
    assert '"see https://…@x.example/a?… now"' in said("message_created", text=text)


def test_an_unknown_type_says_what_is_common() -> None:
    """New types come without asking."""
    data: Json = {
        "id": "x",
        "name": "Lobby",
        "status": "open",
        "reference_type": "call",
        "reference_id": "6c44f3f4-399c-4b46-84fa-c74aa9cbc99f",
        "engine_key": "c4nary",
    }
    line = meaning("door_opened", enveloped("door_opened", data))
    assert line == '"Lobby"  call 6c44f3f4  open'


@pytest.mark.parametrize(
    ("event_type", "body", "line"),
    [
        (None, b"", "empty body"),
        ("call_hangup", b"", "empty body"),
        (None, b"a=b&c=d", "not JSON: 7 bytes of text"),
        (None, b"\xff", "not JSON: 1 byte of binary data"),
        (None, b"[" * 100_000, "not JSON: 100000 bytes of text"),
        (None, b"[1,2]", "not an event envelope: JSON list of 2"),
        (None, b'"x"', "not an event envelope: JSON string"),
        (None, b"null", "not an event envelope: JSON null"),
        (None, b"true", "not an event envelope: JSON true"),
        (None, b"7", "not an event envelope: JSON number"),
        (None, b"{}", "not an event envelope: JSON object with no keys"),
        (
            None,
            b'{"order":1,"b":2}',
            "not an event envelope: JSON object with keys order, b",
        ),
        (
            None,
            b'{"a":1,"b":2,"c":3,"d":4,"e":5,"\\u001b":6}',
            "not an event envelope: JSON object with keys a, b, c, d, e, 1 more",
        ),
        ("door_opened", b'{"type":"door_opened","data":{}}', "data with no keys"),
        ("door_opened", b'{"type":"door_opened","data":{"x":1}}', "data with keys x"),
    ],
)
def test_what_is_no_event_gets_an_honest_line(
    event_type: str | None, body: bytes, line: str
) -> None:
    """Never nothing, never a guess."""
    assert meaning(event_type, body) == line


def test_an_envelope_names_its_own_type() -> None:
    """When nobody else did."""
    body = body_of("message_created")
    assert meaning(None, body) == meaning("message_created", body)


@pytest.mark.parametrize("event_type", ["call_hangup", "conference_created"])
def test_a_bare_resource_means_the_same_as_an_enveloped_one(event_type: str) -> None:
    """WebSocket frames have no envelope, and some resources a `type` or `data`."""
    data = {**json.loads(body_of(event_type))["data"], "data": {"a": 1}}
    bare = json.dumps(data).encode()
    assert meaning(event_type, bare) == meaning(event_type, body_of(event_type))
    framed = json.dumps({"event_type": event_type, "data": data}).encode()
    assert meaning(event_type, framed) == meaning(event_type, body_of(event_type))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (-1, ""),
        (0, "0 ms"),
        (0.23, "230 ms"),
        (0.9996, "1 s"),
        (3.1, "3.1 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (80, "1 min 20 s"),
        (3599.6, "1 h"),
        (7500, "2 h 5 min"),
        (86399, "1 d"),
        (273_600, "3 d 4 h"),
    ],
)
def test_a_duration_reads_as_people_say_it(seconds: float | None, text: str) -> None:
    """Rounding never gives sixty of anything."""
    assert human(seconds) == text


@given(st.none() | st.sampled_from(TYPES) | st.text(), st.binary() | st.text())
def test_no_body_makes_it_fail(event_type: str | None, body: bytes | str) -> None:
    """The screen goes on whatever comes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert is_safe(meaning(event_type, raw))


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
odd = st.recursive(
    scalars | st.sampled_from(["2026-08-21T09:15:30Z", "0001-01-01T25:61:x", "tel"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.sampled_from(TYPES), st.data())
def test_no_odd_field_makes_it_fail(event_type: str, draw: st.DataObject) -> None:
    """Fields missing, wrongly typed, or full of anything."""
    data = json.loads(body_of(event_type))["data"]
    for name in draw.draw(st.lists(st.sampled_from(sorted(data)), max_size=4)):
        data[name] = draw.draw(odd)
    for name in draw.draw(st.lists(st.sampled_from(sorted(data)), max_size=4)):
        data.pop(name, None)
    assert is_safe(meaning(event_type, enveloped(event_type, data)))


def is_safe(line: str) -> bool:
    return line == printable(line) and 0 < len(line) <= 240


if __name__ == "__main__":
    GOLDEN.write_text(golden(), encoding="utf-8")
