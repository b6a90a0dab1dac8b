"""The fixtures that come with devhook are what the platform sends."""

import json
import re
from datetime import datetime
from pathlib import Path

import pytest

from devhook import shipped
from devhook.core.event_types import EVENT_TYPES
from devhook.core.fixture import Fixture, dump, encode_body
from devhook.core.http import first
from devhook.core.model import Signature
from devhook.core.reading import read
from devhook.core.signature import badge
from devhook.errors import FixtureError

HERE = Path(__file__).parent
FOLDER = HERE.parent / "fixtures"
FILES = sorted(FOLDER.glob("*/*.json"))
ALL = [
    *(pytest.param(shipped.event(name), id=name) for name in shipped.event_types()),
    *(pytest.param(shipped.scenario(name), id=name) for name in shipped.scenarios()),
]
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_there_is_one_event_of_every_type_that_is_delivered() -> None:
    """A type without one cannot be triggered."""
    delivered = sorted(name for name, each in EVENT_TYPES.items() if each.delivered)
    assert shipped.event_types() == delivered


@pytest.mark.parametrize("name", shipped.event_types())
def test_an_event_is_of_the_type_it_is_filed_under(name: str) -> None:
    """And it is one event."""
    types = [read(event.body).event_type for event in shipped.event(name).events]
    assert types == [name]


@pytest.mark.parametrize("fixture", ALL)
def test_every_signature_is_right(fixture: Fixture) -> None:
    """For the secret that the fixture names."""
    for event in fixture.events:
        assert badge(event.headers, event.body, fixture.meta.secret) is Signature.OK


@pytest.mark.parametrize("fixture", ALL)
def test_every_body_is_encoded_as_the_platform_does(fixture: Fixture) -> None:
    """`type` first, then `data` whose first names are the ids."""
    for event in fixture.events:
        whole = json.loads(event.body)
        assert encode_body(whole) == event.body
        assert list(whole) == ["type", "data"]
        assert list(whole["data"])[:2] == ["id", "customer_id"]


@pytest.mark.parametrize("fixture", ALL)
def test_headers_are_those_of_the_platforms_sender(fixture: Fixture) -> None:
    """In the order in which Go writes them; Host is the receiver's."""
    for event in fixture.events:
        assert [name for name, _ in event.headers] == [
            "User-Agent",
            "Content-Length",
            "Content-Type",
            "X-Voipbin-Signature",
            "Accept-Encoding",
        ]
        assert first(event.headers, "Content-Length") == str(len(event.body))


@pytest.mark.parametrize("fixture", ALL)
def test_times_are_written_as_go_does(fixture: Fixture) -> None:
    """UTC, at most six digits of a second, no zero at their end."""
    for event in fixture.events:
        for moment in re.findall(rb'"tm_\w+":"([^"]*)"', event.body):
            assert re.fullmatch(
                rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z", moment
            )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_files_are_as_devhook_writes_them(path: Path) -> None:
    """A save changes nothing that was not changed."""
    kind = shipped.event if path.parent.name == "events" else shipped.scenario
    assert path.read_text(encoding="utf-8") == dump(kind(path.stem))


@pytest.mark.parametrize("fixture", ALL)
def test_nobody_real_is_in_them(fixture: Fixture) -> None:
    """Numbers are kept for fiction, mail and links go to example.com."""
    for event in fixture.events:
        text = event.body.decode()
        for number in re.findall(r"\+\d{7,}", text):
            assert re.fullmatch(r"\+1\d{3}55501\d{2}|\+1555010\d{4}", number), number
        for host in re.findall(r"(?:@|https?://)([\w.-]+)", text):
            assert host.endswith("example.com"), host


SCENARIOS = {
    "inbound-call": """activeflow_created call_created activeflow_updated call_updated
        activeflow_updated call_updated call_progressing activeflow_updated call_updated
        activeflow_updated activeflow_updated call_updated call_terminating
        call_hangup""",
    "inbound-busy": """activeflow_created call_created activeflow_updated call_updated
        call_hangup activeflow_updated""",
    "outbound-no-answer": """activeflow_created call_created call_ringing call_hangup
        activeflow_updated""",
    "sms-in": "message_created conversation_created conversation_message_created",
    "sms-out": """message_created conversation_message_created message_updated
        message_updated""",
}


@pytest.mark.parametrize(("name", "types"), SCENARIOS.items())
def test_a_scenario_has_the_order_of_the_platform(name: str, types: str) -> None:
    """An incoming call is created ringing, an outgoing one dialing: neither is said."""
    events = shipped.scenario(name).events
    assert [read(event.body).event_type for event in events] == types.split()


@pytest.mark.parametrize(
    ("name", "types"),
    [
        (
            "call-with-transcription",
            {"recording_started", "transcript_created", "recording_finished"},
        ),
        ("ai-call", {"aicall_status_progressing", "aimessage_created"}),
    ],
)
def test_a_scenario_tells_what_its_name_says(name: str, types: set[str]) -> None:
    """Around a call that is created, answered and ended."""
    events = shipped.scenario(name).events
    told = [read(event.body).event_type or "" for event in events]
    assert types | {"call_created", "call_progressing", "call_hangup"} <= set(told)


@pytest.mark.parametrize("name", shipped.scenarios())
def test_a_scenario_is_one_story_in_its_own_time(name: str) -> None:
    """One call, one flow; an event comes a few milliseconds after it happened."""
    events = shipped.scenario(name).events
    readings = [read(event.body) for event in events]
    assert len({each.call_id for each in readings} - {None}) <= 1
    assert len({each.activeflow_id for each in readings} - {None}) <= 1
    start = newest_time(events[0].body)
    timed = [event for event in events if b'"sequence":' not in event.body]
    late = [
        event.offset_ms - (newest_time(event.body) - start).total_seconds() * 1000
        for event in timed
    ]
    assert events[0].offset_ms == 0
    assert sorted(events, key=lambda event: event.offset_ms) == list(events)
    assert all(-20 < each < 20 for each in late)


@pytest.mark.parametrize("name", shipped.scenarios())
def test_what_a_resource_once_was_it_does_not_forget(name: str) -> None:
    """Its creation, its parties and its ids stay the same in every event of it."""
    first_seen: dict[str, dict[str, str]] = {}
    for event in shipped.scenario(name).events:
        data = json.loads(event.body)["data"]
        lasting = {
            key: json.dumps(data[key])
            for key in ("tm_create", "source", "destination", "direction", "flow_id")
            if key in data
        }
        if "sequence" not in data:
            assert first_seen.setdefault(data["id"], lasting) == lasting


def newest_time(body: bytes) -> datetime:
    times = re.findall(r'"tm_\w+":"(2[^"]*)"', body.decode())
    return max(datetime.fromisoformat(each) for each in times)


def test_an_unknown_type_names_near_ones() -> None:
    """A typing mistake is the likely reason."""
    with pytest.raises(FixtureError) as caught:
        shipped.event("call_hungup")
    assert caught.value.message == "there is no event type 'call_hungup'"
    assert "call_hangup" in (caught.value.hint or "")


def test_a_type_that_is_never_sent_says_so() -> None:
    """The platform's documents name some that do not exist."""
    with pytest.raises(FixtureError, match="never sends 'recording_created'") as caught:
        shipped.event("recording_created")
    assert "recording_started" in (caught.value.hint or "")


def test_an_unknown_scenario_is_an_error() -> None:
    """And no path out of the folder is a name."""
    for name in ("inbound-cal", "../events/call_hangup", ""):
        with pytest.raises(FixtureError, match="there is no scenario"):
            shipped.scenario(name)
