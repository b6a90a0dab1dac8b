"""Realistic events on request: a fixture made present, signed, and sent somewhere.

Where to is decided in this order: a URL that was named; the sandbox, when the profile's
API is one, so that the event walks the whole way; the running session, by its control
key, which makes it an event of source `trigger` that no original endpoint ever sees.
"""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from devhook.core import http
from devhook.core.clock import Clock
from devhook.core.fixture import Fixture, FixtureEvent, Meta, with_changes
from devhook.core.gojson import decode
from devhook.core.model import Event, Json, Outcome, Reading
from devhook.core.path import Missing, look, near
from devhook.core.reading import read
from devhook.core.signature import signed as resigned
from devhook.errors import UsageError
from devhook.send import Sender, Sending

_TIMEOUT = 120.0
"""Seconds: the sandbox answers once its three tries are over."""

_OURS = ("Host", http.CONTROL, http.HOP, http.EVENT, http.REPLAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """`name` is for people; a sandbox is given bodies alone, and signs them itself."""

    name: str
    url: str = field(repr=False)
    headers: http.Headers = field(default=(), repr=False)
    sandbox: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One event and what became of it; `status` is the last endpoint's answer."""

    reading: Reading
    body: bytes = field(repr=False)
    at: datetime
    seconds: float
    status: int | None
    error: str | None

    @property
    def event_type(self) -> str | None:
        return self.reading.event_type

    @property
    def ok(self) -> bool:
        return self.error is None and self.status is not None and self.status < 300


def to_session(capture_url: str, control_key: str, name: str) -> Destination:
    """The running session, which must know that we may make events up."""
    key = ((http.CONTROL, control_key),)
    return Destination(name=name, url=capture_url, headers=key)


def to_sandbox(control_url: str) -> Destination:
    url = f"{control_url.rstrip('/')}/deliver"
    return Destination(name="the sandbox", url=url, sandbox=True)


def template(event: Event) -> Fixture:
    """A recorded event as a fixture of one; what it was signed with is not known."""
    request = event.request
    made = FixtureEvent(
        offset_ms=0,
        method=request.method,
        headers=http.without(http.end_to_end(request.headers), _OURS),
        body=request.body,
    )
    meta = Meta(made_by="devhook trigger", source=f"event {event.id}")
    return Fixture(meta=meta, events=(made,))


def changed(
    fixture: Fixture,
    *,
    sets: Mapping[str, Json],
    unsets: Sequence[str],
    adds: Mapping[str, Json],
) -> Fixture:
    """Each change is made in every event that has its path, and one must have it.

    What is added is added to all. Raises UsageError.
    """
    for path in (*sets, *unsets):
        if not any(_has(event, path) for event in fixture.events):
            raise _nowhere(fixture, path)
    return replace(
        fixture,
        events=tuple(
            _changed(
                event,
                {path: new for path, new in sets.items() if _has(event, path)},
                [path for path in unsets if _has(event, path)],
                adds,
            )
            for event in fixture.events
        ),
    )


def signed(fixture: Fixture, secret: str | None) -> Fixture:
    """Signed as an account of this secret signs: one of "" does not.

    None leaves the signatures as they are.
    """
    if secret is None:
        return fixture
    events = tuple(
        replace(event, headers=resigned(event.headers, event.body, secret))
        for event in fixture.events
    )
    return replace(fixture, events=events)


async def send(
    fixture: Fixture, to: Destination, sender: Sender, clock: Clock, *, speed: float
) -> AsyncGenerator[Sent, None]:
    """Send the events in their own time, `speed` times as fast, one after the other."""
    started = clock.monotonic()
    for event in fixture.events:
        due = started + event.offset_ms / 1000 / speed
        if (left := due - clock.monotonic()) > 0:
            await clock.sleep(left)
        yield _sent(event, to, await sender.send(_sending(event, to)))


def _changed(
    event: FixtureEvent,
    sets: Mapping[str, Json],
    unsets: Sequence[str],
    adds: Mapping[str, Json],
) -> FixtureEvent:
    if not (sets or unsets or adds):
        return event
    body = with_changes(event.body, sets=sets, unsets=unsets, adds=adds)
    return replace(event, body=body)


def _has(event: FixtureEvent, path: str) -> bool:
    try:
        look(decode(event.body), path)
    except (Missing, ValueError):
        return False
    return True


def _nowhere(fixture: Fixture, path: str) -> UsageError:
    if len(fixture.events) == 1:
        try:
            with_changes(fixture.events[0].body, unsets=[path])
        except UsageError as exc:
            return exc
    names = (n for event in fixture.events for n in near(decode(event.body), path))
    meant = list(dict.fromkeys(names))[:3]
    return UsageError(
        f"there is no {path!r} in any of the {len(fixture.events)} events",
        hint=f"did you mean {' or '.join(meant)}?"
        if meant
        else "--add makes a new one",
    )


def _sending(event: FixtureEvent, to: Destination) -> Sending:
    if to.sandbox:
        return Sending(
            method="POST",
            url=to.url,
            headers=(("Content-Type", "application/json"),),
            body=event.body,
            timeout=_TIMEOUT,
        )
    return Sending(
        method=event.method,
        url=to.url,
        headers=(*http.without(event.headers, _OURS), *to.headers),
        body=event.body,
        timeout=_TIMEOUT,
    )


def _sent(event: FixtureEvent, to: Destination, outcome: Outcome) -> Sent:
    status, error = outcome.status, outcome.error
    if to.sandbox and status == 200 and error is None:
        status, error = _of_sandbox(outcome.body)
    return Sent(
        reading=read(event.body),
        body=event.body,
        at=outcome.started_at,
        seconds=outcome.seconds,
        status=status,
        error=error,
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
