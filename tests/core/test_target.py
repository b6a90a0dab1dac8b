"""What may be typed for a target, and where an event then goes."""

import pytest

from devhook.core.target import (
    Routes,
    encoded,
    parse_route,
    parse_target,
    request_url,
)
from devhook.errors import UsageError

APP = "http://127.0.0.1:3000/"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("3000", APP),
        (":3000", APP),
        (" 3000 ", APP),
        ("3000/webhooks", f"{APP}webhooks"),
        (":3000/a/?x=1", f"{APP}a/?x=1"),
        ("localhost:3000", "http://localhost:3000/"),
        ("app.internal:8080/hook", "http://app.internal:8080/hook"),
        ("[::1]:3000", "http://[::1]:3000/"),
        ("http://localhost:3000", "http://localhost:3000/"),
        ("HTTPS://app.example/Hook", "https://app.example/Hook"),
        ("http://u:p@app.example/", "http://u:p@app.example/"),
        ("http://app.example?x=1", "http://app.example/?x=1"),
        ("http://app.example/a#part", "http://app.example/a"),
        ("http://app.example/a%2Fb//c", "http://app.example/a%2Fb//c"),
        ("http://app.example/é?ü", "http://app.example/%C3%A9?%C3%BC"),
    ],
)
def test_a_target_in_any_form_is_a_url(text: str, url: str) -> None:
    """Its path is used as given; what a request line cannot hold is encoded."""
    assert parse_target(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "99999",
        "localhost",
        "localhost:99999",
        "/webhooks",
        "ftp://app.example/",
        "http://",
        "http://[::1",
        "http://app.example:port/",
        "http://app.example/a b",
        "3000/a\r\nX: 1",
        "3000/a\tb",
    ],
)
def test_what_is_no_target_is_refused(text: str) -> None:
    """With a hint of what is one."""
    with pytest.raises(UsageError, match="is no target") as error:
        parse_target(text)
    assert "3000" in (error.value.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        "http://169.254.169.254/latest",
        "169.254.1.1:80",
        "http://[fe80::1%25eth0]/",
        "http://[::ffff:169.254.169.254]/",
        "http://METADATA.google.internal./",
        "http://100.100.100.200",
    ],
)
def test_link_local_and_metadata_targets_are_refused(text: str) -> None:
    """There are credentials to be had there, and no application."""
    with pytest.raises(UsageError, match="is refused as a target"):
        parse_target(text)


@pytest.mark.parametrize("text", ["ftp://me:canary@x/", "http://me:canary@[fe80::1]/"])
def test_a_refusal_shows_no_password(text: str) -> None:
    """It may stand in the address."""
    with pytest.raises(UsageError) as error:
        parse_target(text)
    assert "canary" not in f"{error.value.message}{error.value.hint}"


@pytest.mark.parametrize(
    ("target", "incoming", "url"),
    [
        (f"{APP}hook", "/s3cret", f"{APP}hook"),
        (f"{APP}hook", "/s3cret?a=%41&b", f"{APP}hook?a=%41&b"),
        (f"{APP}hook?x=1", "/s3cret?a=1", f"{APP}hook?x=1&a=1"),
        (f"{APP}hook", "/s3cret?", f"{APP}hook"),
        (f"{APP}hook", "/s3cret?a=b?c", f"{APP}hook?a=b?c"),
    ],
)
def test_the_incoming_query_is_appended_and_its_path_is_not(
    target: str, incoming: str, url: str
) -> None:
    """The incoming path carries the secret."""
    assert request_url(target, incoming) == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://hö.example/ü x?q=ä", "http://hö.example/%C3%BC%20x?q=%C3%A4"),
        ("http://a.example?q=ä", "http://a.example?q=%C3%A4"),
        ("http://a.example/%20%zz[]{}", "http://a.example/%20%zz[]{}"),
        ("no url at all", "no%20url%20at%20all"),
    ],
)
def test_only_what_no_request_line_can_hold_is_encoded(url: str, expected: str) -> None:
    """All else is the owner's own writing."""
    assert encoded(url) == expected


def test_bytes_are_encoded_as_bytes() -> None:
    """A header's value is latin-1, each character one byte."""
    assert encoded("/caf\xe9", "latin-1") == "/caf%E9"


@pytest.mark.parametrize(
    ("event_type", "target"),
    [
        ("call_hangup", "http://a/"),
        ("call_created", "http://b/"),
        ("message_created", "http://default/"),
        (None, "http://default/"),
    ],
)
def test_the_first_route_that_matches_counts(
    event_type: str | None, target: str
) -> None:
    """Else the target."""
    routes = Routes(
        target="http://default/",
        routes=[("call_hangup", "http://a/"), ("call_*", "http://b/")],
    )
    assert routes.target_of(event_type) == target


@pytest.mark.parametrize(
    ("event_type", "goes"), [("call_hangup", True), ("sms", False), (None, False)]
)
def test_only_what_is_asked_for_is_forwarded(
    event_type: str | None, goes: bool
) -> None:
    """`--events` limits routes and target alike."""
    routes = Routes(target=APP, routes=[("*", "http://all/")], only=["call_*"])
    assert (routes.target_of(event_type) is not None) is goes


def test_without_a_target_nothing_is_forwarded_but_by_a_route() -> None:
    """`up` without a target only records."""
    assert Routes(target=None).target_of("call_hangup") is None
    assert Routes(target=None, routes=[("call_*", APP)]).target_of("call_x") == APP


def test_a_route_is_a_glob_and_a_target() -> None:
    """In any form a target has; the URL may hold an equals sign."""
    assert parse_route("call_*=4000/x?a=b") == ("call_*", "http://127.0.0.1:4000/x?a=b")


@pytest.mark.parametrize("text", ["", "call_*", "=3000", "call_*="])
def test_what_is_no_route_is_refused(text: str) -> None:
    """With an example."""
    with pytest.raises(UsageError, match="is no route") as error:
        parse_route(text)
    assert "--route" in (error.value.hint or "")
