"""A body says what it is, or nothing; reading it never fails."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core.model import Json, Reading
from devhook.core.reading import NIL, read

NOTHING = Reading()
ID = "6c44f3f4-399c-4b46-84fa-c74aa9cbc99f"
OTHER = "f1a8fc7f-b316-4b87-bc36-ceb034e9df91"


def envelope(event_type: Json, data: Json) -> bytes:
    return json.dumps({"type": event_type, "data": data}).encode()


def test_a_call_names_its_type_its_own_id_and_its_activeflow() -> None:
    """The ordinary delivery."""
    body = envelope("call_hangup", {"id": ID, "activeflow_id": OTHER})
    assert read(body) == Reading(
        event_type="call_hangup",
        resource="call",
        resource_id=ID,
        activeflow_id=OTHER,
        call_id=ID,
    )


@pytest.mark.parametrize(
    ("event_type", "resource"),
    [
        ("call_hangup", "call"),
        ("transcribe_speech_interim", "speech"),
        ("conversation_message_created", "conversation_message"),
        ("account_updated", "conversation_account"),
        ("webchat_session_ended", "webchat_session"),
        ("unheardof_thing_made", "unheardof"),
        ("ping", "ping"),
    ],
)
def test_the_resource_is_the_known_one_or_the_first_word(
    event_type: str, resource: str
) -> None:
    """Some types are named after something else than what their data is."""
    assert read(envelope(event_type, {})).resource == resource


def test_the_id_of_an_activeflow_is_its_activeflow_id() -> None:
    """Its events carry no `activeflow_id` of their own."""
    data: Json = {"id": OTHER, "reference_type": "call", "reference_id": ID}
    reading = read(envelope("activeflow_created", data))
    assert (reading.activeflow_id, reading.call_id) == (OTHER, ID)


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("recording_started", {"reference_type": "call", "reference_id": ID}),
        ("dtmf_received", {"call_id": ID}),
        ("groupcall_created", {"master_call_id": ID, "answer_call_id": OTHER}),
        ("groupcall_hangup", {"master_call_id": NIL, "answer_call_id": ID}),
    ],
)
def test_what_refers_to_a_call_belongs_to_it(
    event_type: str, data: dict[str, Json]
) -> None:
    """By reference, or by a field that names a call."""
    assert read(envelope(event_type, data)).call_id == ID


@pytest.mark.parametrize(
    "data",
    [
        {"reference_type": "message", "reference_id": ID},
        {"reference_type": "call", "reference_id": NIL},
        {"transcribe_id": ID, "message": "hello"},
    ],
)
def test_what_does_not_refer_to_a_call_has_none(data: dict[str, Json]) -> None:
    """A nil id is no id."""
    assert read(envelope("transcript_created", data)).call_id is None


def test_nil_ids_are_none() -> None:
    """The platform writes what is not set as zeros."""
    reading = read(envelope("call_created", {"id": NIL, "activeflow_id": NIL}))
    assert reading == Reading(event_type="call_created", resource="call")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe\x00", id="not UTF-8"),
        pytest.param(b"hello", id="not JSON"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b"[" * 100_000, id="100 000 levels"),
        pytest.param(b'{"a":' * 100_000, id="100 000 objects"),
        pytest.param(b"9" * 100_000, id="a huge number"),
        pytest.param(b'{"type":"a_b"}', id="no data"),
        pytest.param(b'{"type":"a_b","data":{},"id":"1"}', id="a third key"),
        pytest.param(b'{"type":"a_b","data":[]}', id="data is a list"),
        pytest.param(b'{"type":7,"data":{}}', id="type is a number"),
        pytest.param(b'{"type":"","data":{}}', id="type is empty"),
        pytest.param(
            b'{"type":"a\\u001b[2J","data":{}}', id="type obeyed by terminals"
        ),
        pytest.param(b'{"type":"\\ud800","data":{}}', id="type no row can hold"),
        pytest.param(b'{"type":"' + b"a" * 201 + b'","data":{}}', id="type too long"),
    ],
)
def test_a_body_that_is_no_envelope_says_nothing(body: bytes) -> None:
    """Everything is recorded; what is no event of the platform has no type."""
    assert read(body) == NOTHING


def test_odd_ids_are_none_and_the_type_is_kept() -> None:
    """Wrongly typed fields do not spoil the rest."""
    data: Json = {"id": 7, "activeflow_id": ["x"], "reference_type": "call"}
    assert read(envelope("recording_started", data)) == Reading(
        event_type="recording_started", resource="recording"
    )


@given(st.binary())
def test_no_bytes_make_it_raise(body: bytes) -> None:
    """Reading is on the path of every request."""
    read(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
fields = st.sampled_from(
    ["id", "activeflow_id", "reference_type", "reference_id", "call_id", "x"]
)


@given(json_values, st.dictionaries(fields, json_values))
def test_no_envelope_makes_it_raise(event_type: Json, data: dict[str, Json]) -> None:
    """Whatever stands in the fields it looks at."""
    reading = read(envelope(event_type, data))
    assert all(value is None or value.isascii() for value in texts(reading))


def texts(reading: Reading) -> list[str | None]:
    return [
        reading.event_type,
        reading.resource,
        reading.resource_id,
        reading.activeflow_id,
        reading.call_id,
    ]
