"""`devhook url` gives scripts the way in."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TypeAlias

import pytest

from devhook.store.live import Live, Published
from devhook.system import this_process
from tests.cli.recorded import Recorded

LIVE = Live(
    session=41,
    profile="default",
    process=this_process(),
    api_url="https://api.voipbin.net/v1.0",
    account_id="a1",
    account_name="Acme",
    public_url="https://relay.example/t/k3v9",
    webhook_uri="https://relay.example/t/k3v9/s3cret#devhook=1.e30",
    capture_url="http://127.0.0.1:4711/s3cret",
    control_key="canary",
    target=None,
    started_at="2026-08-21T09:15:30.120451Z",
    db="default.db",
)
Start: TypeAlias = Callable[[Live], Published]


@pytest.fixture
def start(recorded: Recorded) -> Iterator[Start]:
    """Sessions of this machine, for the length of a test."""
    with ExitStack() as stack:
        yield lambda live: stack.enter_context(Published(recorded.home / "state", live))


def test_the_webhook_uri_alone_is_printed(recorded: Recorded, start: Start) -> None:
    """So that a shell can take it."""
    start(LIVE).ready()
    done = recorded("url")
    assert (done.code, done.out, done.err) == (0, f"{LIVE.webhook_uri}\n", "")


def test_the_object_says_whose_it_is(recorded: Recorded, start: Start) -> None:
    """The control key is in none."""
    start(LIVE).ready()
    assert recorded("url", "--json").objects() == [
        {
            "type": "url",
            "webhook_uri": LIVE.webhook_uri,
            "capture_url": LIVE.capture_url,
            "public_url": LIVE.public_url,
            "profile": "default",
            "session": 41,
            "pid": LIVE.pid,
        }
    ]


def test_the_newest_of_several_counts(recorded: Recorded, start: Start) -> None:
    """It is the one that was just started."""
    newer = "2026-08-21T10:00:00.000000Z"
    start(replace(LIVE, session=2, webhook_uri="http://new/", started_at=newer)).ready()
    start(LIVE).ready()
    assert recorded("url").out == "http://new/\n"


def test_a_session_without_a_public_url_is_reached_on_loopback(
    recorded: Recorded, start: Start
) -> None:
    """The capture server takes the same requests."""
    start(replace(LIVE, webhook_uri=None)).ready()
    assert recorded("url").out == f"{LIVE.capture_url}\n"


@pytest.mark.parametrize(
    "other",
    [
        replace(LIVE, profile="staging"),
        replace(LIVE, process="1@long-ago"),
        None,
    ],
    ids=["another-profile", "a-dead-process", "none"],
)
def test_no_session_is_an_error(
    recorded: Recorded, start: Start, other: Live | None
) -> None:
    """Exit 1, and nothing on stdout that a script could take for a URL."""
    if other is not None:
        start(other).ready()
    done = recorded("url")
    assert done.out == ""
    assert done.error() == (
        1,
        "no session of profile default is running",
        "devhook up 3000",
    )


def test_a_session_that_is_not_ready_yet_is_none(
    recorded: Recorded, start: Start
) -> None:
    """Its URL may still change."""
    start(LIVE)
    assert recorded("url").code == 1
