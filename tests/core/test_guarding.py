"""What a run and its guardian say to each other comes back as it was."""

import json
from dataclasses import fields
from datetime import UTC
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core import guarding
from devhook.core.clock import Moment
from devhook.core.guarding import Order, Plan, Word
from devhook.core.model import Setting, Stage, Takeover
from devhook.core.network import Credential, Network
from devhook.core.takeover import Ending, Restored

texts = st.text(max_size=50)
times = st.datetimes(timezones=st.just(UTC))
seconds = st.floats(min_value=0, max_value=1e9)
settings = st.builds(Setting, uri=texts, method=texts)
RECORD: Final[dict[str, st.SearchStrategy[Any]]] = {
    "id": st.integers(min_value=0),
    "api_url": texts,
    "account_id": texts,
    "account_name": texts,
    "profile": texts,
    "session_id": st.none() | st.integers(),
    "process": texts,
    "mine": texts,
    "root": settings,
    "stage": st.sampled_from(Stage),
    "started_at": times,
    "put": st.none() | st.builds(Moment, wall=times, ticks=seconds, boot=texts),
    "ended_at": st.none() | times,
    "error": st.none() | texts,
    "guardian": st.none() | texts,
}
PLAN: Final[dict[str, st.SearchStrategy[Any]]] = {
    "state": texts,
    "api_url": texts,
    "credential": st.builds(
        Credential,
        kind=st.sampled_from(["token", "access_key"]),
        value=texts,
        source=texts,
        in_query=st.booleans(),
    ),
    "network": st.builds(
        Network,
        ca_pem=st.none() | texts,
        insecure=st.booleans(),
        environ=st.dictionaries(texts, texts, max_size=3),
    ),
    "bound": seconds,
    "guardian": texts,
    "agents": st.lists(st.integers(min_value=1), max_size=3).map(tuple),
    "silence": seconds,
    "answered": seconds,
    "within": seconds,
}
endings = st.builds(
    Restored,
    ending=st.sampled_from(Ending),
    setting=st.none() | settings,
    error=st.none() | texts,
)


def sent(**said: object) -> dict[str, object]:
    """As it arrives at the other end of the pipe."""
    text = guarding.line(Order.KEEP, **said)
    assert text.endswith(b"\n")
    assert b"\n" not in text[:-1]
    return guarding.read_line(text)


@given(st.builds(Takeover, **RECORD))
def test_a_record_comes_back_as_it_was(record: Takeover) -> None:
    """Byte for byte: what is restored is compared with it."""
    found = sent(record=guarding.packed_record(record))["record"]
    assert isinstance(found, dict)
    assert guarding.read_record(found) == record


@given(st.builds(Plan, **PLAN))
def test_a_plan_comes_back_as_it_was(plan: Plan) -> None:
    """With the credential and the network, which are in no file and no environment."""
    found = sent(plan=guarding.packed_plan(plan))["plan"]
    assert isinstance(found, dict)
    assert guarding.read_plan(found) == plan


@given(endings)
def test_an_ending_comes_back_as_it_was(restored: Restored) -> None:
    """The screen tells what the guardian found."""
    found = sent(restored=guarding.packed_restored(restored))["restored"]
    assert isinstance(found, dict)
    assert guarding.read_restored(found) == restored


def test_these_properties_leave_no_field_out() -> None:
    """A field that is added later is tried with more than its default."""
    assert set(RECORD) == {field.name for field in fields(Takeover)}
    assert set(PLAN) == {field.name for field in fields(Plan)}


@pytest.mark.parametrize("what", [*Order, *Word])
def test_a_line_says_what_it_is(what: Order | Word) -> None:
    """One JSON object a line, so that a later version can add to it."""
    assert json.loads(guarding.line(what, more=1)) == {"what": str(what), "more": 1}


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'"plan"', b'{"word": "plan"}'])
def test_what_is_no_message_is_said_to_be_none(text: bytes) -> None:
    """Nobody else writes to that pipe: such a line is a fault of ours."""
    with pytest.raises(ValueError, match=r".+"):
        guarding.read_line(text)


def test_a_plan_shows_no_credential() -> None:
    """It may stand in a traceback."""
    key = Credential(kind="access_key", value="vb_canary", source="test")
    proxies = {"https_proxy": "http://walter:canary@proxy:3128"}
    network = Network(environ=proxies)
    plan = Plan(state="", api_url="", credential=key, network=network, bound=1)
    assert "canary" not in repr(plan)
