"""The secret of the path is in nothing that people see, paste or share."""

import pytest

from devhook.core.model import Request
from devhook.core.path_secret import IN_A_URL, masked

SECRET = "AbCdEfGhIjKlMnOpQrStUvWx"


def request(target: str, *headers: tuple[str, str]) -> Request:
    return Request(method="POST", target=target, headers=headers, body=b"{}")


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (f"/{SECRET}", "/…"),
        (f"/{SECRET}?a=b", "/…?a=b"),
        (f"/t/k3v9/{SECRET}?from=/{SECRET}", "/t/k3v9/…?from=/…"),
        ("/short", "/…"),
        ("/", "/"),
        ("", ""),
    ],
)
def test_the_last_segment_of_the_path_is_masked(target: str, shown: str) -> None:
    """The query stays: it came with the event."""
    assert masked(request(target)).target == shown


def test_headers_that_repeat_the_path_are_masked_too() -> None:
    """Proxies add such ones; all others, and the body, stay as they are."""
    pairs = (("X-Original-URI", f"/{SECRET}"), ("Host", "relay.example"))
    shown = masked(request(f"/{SECRET}", *pairs), IN_A_URL)
    assert shown.headers == (("X-Original-URI", "/%E2%80%A6"), pairs[1])
    assert shown.body == b"{}"


def test_a_short_segment_masks_no_words() -> None:
    """It is no secret of ours: `/call` must not eat the calls of the headers."""
    pair = ("X-Note", "a call")
    assert masked(request("/call", pair)).headers == (pair,)
