"""Colour says what deserves a look, where somebody can see it."""

import re
from dataclasses import replace

import click
import pytest

from devhook.cli.color import colored
from devhook.core.model import (
    Attempt,
    Delivery,
    Event,
    Gap,
    Kind,
    Notice,
    Reading,
    Request,
    Signature,
    Source,
    State,
    Verdict,
)
from tests.cli.recorded import Recorded
from tests.values import APP, START, answered

EVENT = Event(
    id=1,
    uid="u",
    session_id=1,
    received_at=START,
    source=Source.WEBHOOK,
    request=Request(method="POST", target="/", headers=(), body=b"{}"),
    body_sha256="",
    reading=Reading(),
    signature=Signature.OK,
    remote=None,
    same_as=None,
)
ATTEMPT = Attempt(
    id=1,
    delivery_id=1,
    event_id=1,
    kind=Kind.LIVE,
    target=APP,
    outcome=answered(),
    verdict=Verdict.OK,
)
DELIVERY = Delivery(
    id=1,
    event_id=1,
    session_id=1,
    kind=Kind.LIVE,
    target=APP,
    state=State.DONE,
    claimed_by=None,
    claimed_at=None,
    reason=None,
    edits=None,
    next_at=None,
)
RED, YELLOW = "\x1b[31m", "\x1b[33m"


def color_of(text: str) -> str | None:
    found = re.search("\x1b\\[3.m", text)
    return found and found[0]


@pytest.mark.parametrize(
    ("verdict", "color"),
    [
        (Verdict.OK, None),
        (Verdict.SLOW, YELLOW),
        (Verdict.SWALLOWED, RED),
        (Verdict.RETRIED, RED),
        (Verdict.TIMEOUT, RED),
    ],
)
def test_a_failed_attempt_is_red(verdict: Verdict, color: str | None) -> None:
    """A slow one is yellow."""
    assert color_of(colored(replace(ATTEMPT, verdict=verdict), "<-- 500")) == color


@pytest.mark.parametrize(
    ("state", "color"),
    [
        (State.DONE, None),
        (State.FAILED, RED),
        (State.PENDING, YELLOW),
        (State.CLAIMED, YELLOW),
    ],
)
def test_a_failed_delivery_is_red(state: State, color: str | None) -> None:
    """One that is under way is yellow."""
    assert color_of(colored(replace(DELIVERY, state=state), "<-- 500")) == color


@pytest.mark.parametrize(
    ("signature", "badge", "color"),
    [
        (Signature.OK, "sig ok", None),
        (Signature.BAD, "SIG BAD", RED),
        (Signature.ABSENT, "unsigned", YELLOW),
        (Signature.UNKNOWN, "sig ?", YELLOW),
    ],
)
def test_of_an_event_the_badge_alone_is_coloured(
    signature: Signature, badge: str, color: str | None
) -> None:
    """The last one on the line: a text in the body may look like it."""
    text = f'--> #1 "{badge}"   {badge}   same as #0'
    found = colored(replace(EVENT, signature=signature), text)
    painted = f"{color}{badge}\x1b[0m" if color else badge
    assert found == f'--> #1 "{badge}"   {painted}   same as #0'


def test_what_else_happened_is_yellow_or_worse() -> None:
    """A lost connection, a gap; a conflict is red, good news are plain."""

    def of(type_: str) -> str | None:
        notice = Notice(id=1, session_id=1, at=START, type=type_, body={})
        return color_of(colored(notice, "text"))

    gap = Gap(id=1, session_id=1, started_at=START, ended_at=None, reason="tunnel")
    assert color_of(colored(gap, "text")) == YELLOW
    assert [of("reconnecting"), of("reconnected")] == [YELLOW, None]
    assert [of("conflict"), of("storage"), of("loop")] == [RED, RED, YELLOW]


@pytest.mark.parametrize("command", [("events",), ("show", "1")], ids=" ".join)
def test_colour_comes_where_it_can_be_seen(
    recorded: Recorded, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not into a pipe, unless it is asked for; the text is the same in either case."""
    recorded.attempt(recorded.event(), 500)
    plain = recorded(*command).out
    always = recorded(*command, "--color", "always").out
    assert color_of(plain) is None
    assert color_of(always) == RED
    assert click.unstyle(always) == plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert recorded(*command).out == plain
