"""Realistic events on request: a fixture made present, signed, and sent somewhere.

Where to is decided in this order: a URL that was named; the sandbox, when the profile's
API is one, so that the event walks the whole way; the running session, by its control
key, which makes it an event of source `trigger` that no original endpoint ever sees.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from devhook.core.clock import Clock
from devhook.core.fixture import Fixture, FixtureEvent, rewritten
from devhook.core.http import CONTROL, Headers, without
from devhook.core.model import Outcome
from devhook.core.reading import read
from devhook.send import Sender, Sending

_TIMEOUT = 60.0
"""Seconds: the sandbox answers once its three tries are over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """`name` is for people; a sandbox is given bodies alone, and signs them itself."""

    name: str
    url: str = field(repr=False)
    headers: Headers = field(default=(), repr=False)
    sandbox: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One event and what became of it; `status` is the last endpoint's answer."""

    event_type: str | None
    at: datetime
    status: int | None
    error: str | None

    @property
    def ok(self) -> bool:
        return self.error is None and self.status is not None and self.status < 300


def to_session(capture_url: str, control_key: str, name: str) -> Destination:
    """The running session, which must know that we may make events up."""
    return Destination(name=name, url=capture_url, headers=((CONTROL, control_key),))


def to_sandbox(control_url: str) -> Destination:
    url = f"{control_url.rstrip('/')}/deliver"
    return Destination(name="the sandbox", url=url, sandbox=True)


def signed(fixture: Fixture, secret: str | None) -> Fixture:
    """The fixture with signatures of another secret; None leaves those it has."""
    if secret is None:
        return fixture
    events = tuple(rewritten(e, e.body, secret=secret) for e in fixture.events)
    return replace(fixture, events=events)


async def send(
    fixture: Fixture, to: Destination, sender: Sender, clock: Clock, *, speed: float
) -> AsyncIterator[Sent]:
    """Send the events in their own time, `speed` times as fast."""
    started = clock.monotonic()
    for event in fixture.events:
        due = started + event.offset_ms / 1000 / speed
        if (left := due - clock.monotonic()) > 0:
            await clock.sleep(left)
        outcome = await sender.send(_sending(event, to))
        yield _sent(event, to, outcome)


def _sending(event: FixtureEvent, to: Destination) -> Sending:
    if to.sandbox:
        return Sending(
            method="POST",
            url=to.url,
            headers=(("Content-Type", "application/json"),),
            body=event.body,
            timeout=_TIMEOUT,
        )
    headers = without(event.headers, ("Host",))
    return Sending(
        method=event.method,
        url=to.url,
        headers=(*headers, *to.headers),
        body=event.body,
        timeout=_TIMEOUT,
    )


def _sent(event: FixtureEvent, to: Destination, outcome: Outcome) -> Sent:
    status, error = outcome.status, outcome.error
    if to.sandbox and status == 200:
        status, error = _of_sandbox(outcome.body)
    event_type = read(event.body).event_type
    return Sent(
        event_type=event_type, at=outcome.started_at, status=status, error=error
    )


def _of_sandbox(body: bytes) -> tuple[int | None, str | None]:
    """What the account's endpoint answered to the sandbox's last try."""
    delivery = json.loads(body)
    tries = delivery["attempts"]
    if tries:
        return tries[-1]["status"], tries[-1]["error"]
    if delivery["outcome"] == "nowhere":
        return None, "the account has no webhook"
    return None, delivery["reason"] or delivery["outcome"]
