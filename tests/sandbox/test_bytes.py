"""The sandbox's bytes against those of Go and of the platform's contract."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core.model import Json, Request
from devhook.sandbox import go_json
from devhook.sandbox.go_client import GoClient
from devhook.sandbox.go_connection import TransportError
from devhook.sandbox.go_request import NotSent, delivery_request, wire_bytes
from devhook.sandbox.signing import signature
from devhook.system import SystemClock
from tests.sandbox.conftest import QUICK
from tests.sandbox.target import open_target

HERE = Path(__file__).parent


def _read(name: str) -> Any:
    return json.loads((HERE / name).read_bytes())


TEXTS = _read("go_json.json")["recorded"]
REQUESTS = _read("go_requests.json")["recorded"]
VECTORS = _read("signature_vectors.json")["vectors"]


@pytest.mark.parametrize("recorded", TEXTS, ids=[text["text"][:40] for text in TEXTS])
def test_json_text_is_what_go_writes(recorded: dict[str, Any]) -> None:
    """Escapes, numbers and spacing equal those of Go's json.Marshal."""
    assert go_json.encode(recorded["value"]).decode() == recorded["text"]


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    """As Go does, so that every body is valid UTF-8."""
    assert go_json.encode("a\ud800b") == b'"a\\ufffdb"'


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))  # no half surrogate pairs
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(-1e15, 1e15)  # larger ones are written as whole numbers
    | _TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner),
)


@given(_VALUES)
def test_json_text_says_what_the_value_was(value: Json) -> None:
    """Whatever the value, reading gives it back, and nothing in it could end a tag."""
    text = go_json.encode(value)
    assert json.loads(text) == value
    assert not set(text) & set(b"<>&\n")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(number: float) -> None:
    """JSON has no form for it."""
    with pytest.raises(ValueError, match="no form"):
        go_json.encode([number])


@pytest.mark.parametrize("vector", VECTORS, ids=[v["type"] for v in VECTORS])
def test_an_event_is_written_and_signed_as_the_vectors_say(
    vector: dict[str, str],
) -> None:
    """Our encoder gives back the raw body, our signature its value."""
    body = go_json.encode(json.loads(vector["raw_body"]))
    assert body == vector["raw_body"].encode()
    assert signature(vector["secret"], body) == vector["value"]


@pytest.mark.parametrize(
    "recorded", REQUESTS, ids=[f"{i}-{r['method']}" for i, r in enumerate(REQUESTS)]
)
async def test_a_delivery_goes_over_the_wire_as_go_sends_it(
    recorded: dict[str, Any],
) -> None:
    """Bytes on the socket, those we recorded, and the outcome are equal to Go's."""
    async with open_target() as target:
        names = {"{target}": f"127.0.0.1:{target.port}"}
        names["{other}"] = f"localhost:{target.port}"
        target.answers = [_expanded(text, names) for text in recorded["answers"]]
        status, sent = await _send(
            recorded["method"], _expanded(recorded["uri"], names).decode()
        )
        expected = [_expanded(text, names) for text in recorded["requests"]]
        assert target.received == expected
    assert [wire_bytes(request) for request in sent] == expected
    assert status == recorded["status"]


async def _send(method: str, uri: str) -> tuple[int, list[Request]]:
    """The final status, 0 for none, and what was written."""
    sent: list[Request] = []
    body = b'{"type":"x_y","data":{"id":"1"}}'
    client = GoClient(clock=SystemClock(), timing=QUICK, tls=None, strict=False)
    with client:
        try:
            request = delivery_request(method, uri, body, "sha256=00")
            return await client.send(request, sent), sent
        except (NotSent, TransportError):
            return 0, sent


def _expanded(text: str, names: dict[str, str]) -> bytes:
    for name, value in names.items():
        text = text.replace(name, value)
    return text.encode()
