"""Names of leases, tokens, and the two shapes of public URLs."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core.relay_lease import (
    PublicBase,
    holder,
    lease_name,
    parse_tokens,
    token,
)

NAME = "abcdefghijklmnopqrstuvwx23"


def test_the_same_secret_gives_the_same_name() -> None:
    """So a URL outlives a connection and a relay; this one is kept for ever."""
    assert lease_name("team", "secret") == lease_name("team", "secret")
    assert lease_name("", "s3cret") == "am567kejn57i4srvrs3n5ztd5p"


@given(st.text(), st.text())
def test_a_name_fits_into_a_path_and_a_domain(token_name: str, lease: str) -> None:
    """Lower case, no dash at an end, well under 63 characters."""
    assert re.fullmatch("[a-z2-7]{26}", lease_name(token_name, lease))


def test_another_secret_or_another_token_gives_another_name() -> None:
    """Neither half alone is enough to ask for somebody's URL."""
    names = {lease_name(t, s) for t in ("", "a", "b") for s in ("1", "2")}
    assert len(names) == 6


def test_tokens_are_read_a_line_each() -> None:
    """With or without a name, comments and blank lines passed over."""
    tokens = parse_tokens(
        "# team\nalone\n\n  alice  first # her laptop\nalice second\n"
    )
    assert [t.name for t in tokens] == ["", "alice", "alice"]
    found = [holder(tokens, s) for s in ("alone", "first", "second", "third", "#")]
    assert found == ["", "alice", "alice", None, None]


def test_a_bad_line_is_named_without_its_content() -> None:
    """The error can be shown: no secret is in it."""
    with pytest.raises(ValueError, match=r"^line 2 is neither TOKEN nor NAME TOKEN$"):
        parse_tokens("ok\none two canary\n")


def test_a_token_shows_no_secret() -> None:
    """Not even its digest."""
    assert repr(token("canary", "team")) == "Token(name='team')"


def test_bytes_that_are_no_text_are_no_token() -> None:
    """What a header may hold is compared, never raised on."""
    assert holder((token("right"),), "\udcff") is None


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://relay.example.com", f"https://relay.example.com/t/{NAME}"),
        ("http://127.0.0.1:8080/", f"http://127.0.0.1:8080/t/{NAME}"),
        ("http://[::1]:80", f"http://[::1]:80/t/{NAME}"),
        ("https://*.Relay.example.com", f"https://{NAME}.relay.example.com"),
        ("https://*.relay.test:8443", f"https://{NAME}.relay.test:8443"),
    ],
)
def test_a_lease_has_its_url(base: str, url: str) -> None:
    """A path below one host, or a host of its own."""
    assert PublicBase.parse(base).url(NAME) == url


@pytest.mark.parametrize(
    "url",
    [
        "relay.example.com",
        "ftp://relay.example.com",
        "https://",
        "https://user:pw@relay.example.com",
        "https://relay.example.com/below",
        "https://relay.example.com/?a=1",
        "https://relay.example.com/#a",
        "https://relay.example.com:port",
        "https://relay.*.example.com",
    ],
)
def test_what_cannot_be_a_base_is_refused(url: str) -> None:
    """With a ValueError that says why."""
    with pytest.raises(ValueError, match=r"it must|Port could|may stand"):
        PublicBase.parse(url)


@pytest.mark.parametrize(
    ("base", "host", "target", "name"),
    [
        ("http://r.test", "r.test", f"/t/{NAME}", NAME),
        ("http://r.test", "anything", f"/t/{NAME}/a/../b?c", NAME),
        ("http://r.test", "r.test", f"/t/{NAME}?c", NAME),
        ("http://r.test", "r.test", f"/t/{NAME}x/", None),
        ("http://r.test", "r.test", f"/t/{NAME.upper()}/", None),
        ("http://r.test", "r.test", "/t/", None),
        ("http://*.r.test", f"{NAME}.r.test", "/a", NAME),
        ("http://*.r.test:80", f"{NAME.upper()}.R.test:8080", "/t/x", NAME),
        ("http://*.r.test", f"a.{NAME}.r.test", "/", None),
        ("http://*.r.test", "short.r.test", "/", None),
    ],
)
def test_a_request_names_its_lease(
    base: str, host: str, target: str, name: str | None
) -> None:
    """By the beginning of its path, or by the first label of its host."""
    public = PublicBase.parse(base)
    assert public.leads(host, target)
    assert public.name(host, target) == name


@pytest.mark.parametrize(
    ("base", "host", "target"),
    [
        ("http://r.test", "r.test", "/healthz"),
        ("http://r.test", f"{NAME}.r.test", "/connect"),
        ("http://*.r.test", "r.test", "/connect"),
        ("http://*.r.test", "127.0.0.1:80", f"/t/{NAME}"),
    ],
)
def test_the_rest_is_for_the_relay_itself(base: str, host: str, target: str) -> None:
    """Its own paths are never taken for somebody's lease."""
    assert not PublicBase.parse(base).leads(host, target)
