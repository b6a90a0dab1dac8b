"""A body is signed as the platform signs it, and the badge tells what became of it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core.http import SIGNATURE
from devhook.core.model import Signature
from devhook.core.signature import badge, challenge_answer, sign

VECTORS = json.loads(
    (Path(__file__).parent / "vectors" / "signatures.json").read_text()
)["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["type"])
def test_a_signature_equals_the_published_vector(vector: dict[str, str]) -> None:
    """`sha256=` and the hex HMAC of the raw body."""
    assert sign(vector["secret"], vector["raw_body"].encode()) == vector["value"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["type"])
def test_a_signature_is_good_under_any_case_of_its_header(
    vector: dict[str, str],
) -> None:
    """Header names have no case."""
    headers = ((SIGNATURE.upper(), vector["value"]),)
    found = badge(headers, vector["raw_body"].encode(), vector["secret"])
    assert found is Signature.OK


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["type"])
def test_a_reformatted_body_does_not_verify(vector: dict[str, str]) -> None:
    """The signature covers the raw bytes: JSON parsed and written again is another."""
    headers = ((SIGNATURE, vector["value"]),)
    again = json.dumps(json.loads(vector["raw_body"])).encode()
    assert badge(headers, again, vector["secret"]) is Signature.BAD


@pytest.mark.parametrize(
    ("value", "secret", "expected"),
    [
        pytest.param(None, "s3cret", Signature.ABSENT, id="no-header"),
        pytest.param(None, None, Signature.ABSENT, id="no-header-no-secret"),
        pytest.param(sign("s3cret", b"{}"), None, Signature.UNKNOWN, id="no-secret"),
        pytest.param(sign("s3cret", b"{}"), "", Signature.UNKNOWN, id="empty-secret"),
        pytest.param(sign("other", b"{}"), "s3cret", Signature.BAD, id="wrong-secret"),
        pytest.param("", "s3cret", Signature.BAD, id="empty"),
        pytest.param("sha256=", "s3cret", Signature.BAD, id="no-digest"),
        pytest.param(
            sign("s3cret", b"{}").removeprefix("sha256="),
            "s3cret",
            Signature.BAD,
            id="no-prefix",
        ),
        pytest.param("\xff\x00", "s3cret", Signature.BAD, id="any-bytes"),
    ],
)
def test_the_badge_says_what_became_of_the_check(
    value: str | None, secret: str | None, expected: Signature
) -> None:
    """Absent, unknown and bad are three different things to a user."""
    headers = () if value is None else ((SIGNATURE, value),)
    assert badge(headers, b"{}", secret) is expected


@given(st.text(min_size=1).filter(lambda s: s.isprintable()), st.binary())
def test_what_we_sign_verifies(secret: str, body: bytes) -> None:
    """Any secret, any body."""
    assert badge(((SIGNATURE, sign(secret, body)),), body, secret) is Signature.OK


@given(st.binary())
def test_any_header_value_gets_a_badge(value: bytes) -> None:
    """A hostile signature is bad, never an exception."""
    found = badge(((SIGNATURE, value.decode("latin-1")),), b"{}", "s3cret")
    assert found is Signature.BAD


def test_a_challenge_is_answered_by_the_holder_of_the_secret_alone() -> None:
    """The answer depends on both and shows neither."""
    answer = challenge_answer("path-secret", "nonce")
    assert answer == challenge_answer("path-secret", "nonce")
    assert answer != challenge_answer("path-secret", "other")
    assert answer != challenge_answer("other", "nonce")
    assert "path-secret" not in answer
    assert "nonce" not in answer


@given(st.binary())
def test_a_nonce_may_be_any_bytes(nonce: bytes) -> None:
    """A header's value is latin-1; no nonce of a stranger raises."""
    assert len(challenge_answer("path-secret", nonce.decode("latin-1"))) == 64
