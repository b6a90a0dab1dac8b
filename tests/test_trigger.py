"""Events that are made up, and where they go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from typing_extensions import override

from devhook import shipped
from devhook.core.fixture import Fixture, FixtureEvent, Meta
from devhook.core.http import CONTROL, EVENT, HOP, Headers, first
from devhook.core.model import Event, Signature
from devhook.core.network import Network
from devhook.core.signature import badge
from devhook.errors import UsageError
from devhook.sandbox import Customer, Sandbox, Timing
from devhook.send import Sender
from devhook.system import SystemClock, new_id
from devhook.trigger import (
    Destination,
    Sent,
    changed,
    send,
    signed,
    template,
    to_sandbox,
    to_session,
)
from devhook.wire import Wire
from tests.clock import ManualClock
from tests.endpoint import HANG_UP, answer, endpoint
from tests.values import capture

SECRET = "canary-account-secret"
BODIES = (
    b'{"type":"call_created","data":{}}',
    b'{"type":"call_hangup", "data":{"name":"\xc3\xa9"}}',
    b"\xff",
)


class Leaping(ManualClock):
    """Sleeping takes no time, but the time has passed; `slept` says how much."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    @override
    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.advance(seconds)


def events(*bodies: bytes, every_ms: int = 0, headers: Headers = ()) -> Fixture:
    return Fixture(
        meta=Meta(made_by="a test", source="nowhere", secret="fixture-secret"),
        events=tuple(
            FixtureEvent(
                offset_ms=i * every_ms, method="POST", headers=headers, body=body
            )
            for i, body in enumerate(bodies)
        ),
    )


async def sent(
    fixture: Fixture,
    to: Destination,
    *,
    speed: float = 1.0,
    clock: ManualClock | None = None,
) -> list[Sent]:
    clock = clock or Leaping()
    async with Wire(Network()) as wire:
        found = send(fixture, to, Sender(wire, clock), clock, speed=speed)
        return [one async for one in found]


def named(url: str) -> Destination:
    return Destination(name="there", url=url)


async def test_events_arrive_byte_for_byte_in_their_order() -> None:
    """Whatever their bodies are; with their own headers, but for the host."""
    headers = (("Host", "elsewhere.example"), ("Content-Type", "x"), ("X-A", "\xff"))
    async with endpoint() as end:
        found = await sent(
            events(*BODIES, headers=headers), named(f"{end.url}/hook?a=1")
        )
        assert tuple(end.bodies) == BODIES
        assert end.requests[0].startswith(b"POST /hook?a=1 HTTP/1.1\r\n")
        assert first(end.headers(), "Host") == end.url.removeprefix("http://")
        assert first(end.headers(), "X-A") == "\xff"
    assert [one.event_type for one in found] == ["call_created", "call_hangup", None]
    assert all(one.ok for one in found)


@pytest.mark.parametrize(
    ("speed", "pauses"),
    [(1.0, [0.4, 0.4]), (10.0, [0.04, 0.04]), (0.5, [0.8, 0.8])],
)
async def test_a_story_keeps_its_own_time(speed: float, pauses: list[float]) -> None:
    """Or so many times as fast; the first event waits for nothing."""
    clock = Leaping()
    async with endpoint() as end:
        fixture = events(*BODIES, every_ms=400)
        await sent(fixture, named(end.url), speed=speed, clock=clock)
    assert clock.slept == pauses


@pytest.mark.parametrize(
    ("script", "status", "error"),
    [
        (answer(500), 500, None),
        (answer(302), 302, None),
        (answer(404), 404, None),
        (HANG_UP, None, "closed"),
    ],
    ids=["500", "302", "404", "hang up"],
)
async def test_an_answer_that_is_no_success_is_told(
    script: bytes, status: int | None, error: str | None
) -> None:
    """A value like any other, and the rest is sent all the same."""
    async with endpoint(script) as end:
        found = await sent(events(*BODIES[:2]), named(end.url))
    assert [(one.ok, one.status) for one in found] == [(False, status)] * 2
    assert (error is None) is (found[0].error is None)
    assert (error or "") in (found[0].error or "")


def test_events_are_signed_with_the_secret_of_the_account() -> None:
    """Each one of the story; so that the application's own check passes."""
    fixture = signed(shipped.scenario("inbound-call"), SECRET)
    found = {badge(event.headers, event.body, SECRET) for event in fixture.events}
    assert found == {Signature.OK}


def test_without_a_secret_the_signatures_of_the_fixture_stay() -> None:
    """Which says what its secret is."""
    fixture = shipped.event("call_hangup")
    assert signed(fixture, None) is fixture
    (event,) = fixture.events
    assert badge(event.headers, event.body, fixture.meta.secret) is Signature.OK


def test_an_account_without_a_secret_sends_unsigned_events() -> None:
    """As the platform does for it."""
    (event,) = signed(shipped.event("call_hangup"), "").events
    assert badge(event.headers, event.body, SECRET) is Signature.ABSENT


def test_an_event_that_came_unsigned_is_signed_for_an_account_with_a_secret() -> None:
    """The header is new then, in Go's writing."""
    (event,) = signed(events(b"{}"), SECRET).events
    assert [name for name, _ in event.headers] == ["X-Voipbin-Signature"]
    assert badge(event.headers, event.body, SECRET) is Signature.OK


def test_a_change_is_made_where_its_path_is() -> None:
    """The other events of the story stay byte for byte."""
    fixture = events(b'{"a": 1}', b'{"b":1,"c":2}', b"\xff")
    found = changed(fixture, sets={"b": "<"}, unsets=["c"], adds={})
    assert [event.body for event in found.events] == [
        b'{"a": 1}',
        b'{"b":"\\u003c"}',
        b"\xff",
    ]


@pytest.mark.parametrize("count", [1, 2])
def test_a_change_of_nothing_is_refused(count: int) -> None:
    """With what may have been meant."""
    fixture = events(*[b'{"data":{"status":1}}'] * count)
    with pytest.raises(UsageError, match="there is no") as error:
        changed(fixture, sets={}, unsets=["data.statsu"], adds={})
    assert "data.status" in (error.value.hint or "")


def test_a_recorded_event_is_a_template_without_its_way_here() -> None:
    """Its host, its hops and what devhook added belong to that other delivery."""
    headers = (
        ("Host", "relay.example"),
        ("Content-Type", "application/json"),
        ("Connection", "close"),
        (HOP, "an earlier session"),
        (EVENT, "7"),
    )
    (event,) = template(recorded(b"{}", headers)).events
    assert event.headers == (("Content-Type", "application/json"),)
    assert (event.method, event.body) == ("POST", b"{}")


def recorded(body: bytes, headers: Headers) -> Event:
    found = capture(body, headers=headers)
    return Event(
        id=1,
        uid=found.uid,
        session_id=1,
        received_at=found.received_at,
        source=found.source,
        request=found.request,
        body_sha256=found.body_sha256,
        reading=found.reading,
        signature=found.signature,
        remote=found.remote,
        same_as=None,
    )


async def test_a_session_is_shown_its_control_key() -> None:
    """By which it knows that the event was made up; the event is otherwise as it is."""
    async with endpoint() as end:
        fixture = shipped.event("call_hangup")
        await sent(fixture, to_session(f"{end.url}/path-secret", "key", "session 1"))
        assert first(end.headers(), CONTROL) == "key"
        assert set(fixture.events[0].headers) <= set(end.headers())
        assert end.requests[0].startswith(b"POST /path-secret HTTP/1.1\r\n")


def test_a_destination_keeps_its_secrets_from_logs() -> None:
    """The path secret and the control key are in no repr."""
    shown = repr(
        to_session("http://127.0.0.1:1/path-canary", "key-canary", "session 1")
    )
    assert "canary" not in shown


@asynccontextmanager
async def open_sandbox(uri: str) -> AsyncIterator[Sandbox]:
    async with Sandbox.open(
        clock=SystemClock(),
        new_id=new_id,
        customer=Customer(webhook_uri=uri, webhook_method="POST"),
        timing=Timing(pause=0.01, cache_delay=0.0),
    ) as opened:
        yield opened


async def test_a_sandbox_sends_the_very_bytes_and_signs_them() -> None:
    """They walk the whole way, by the account's own setting."""
    async with endpoint() as end, open_sandbox(end.url) as sandbox:
        found = await sent(events(*BODIES[:2]), to_sandbox(sandbox.control_url))
        assert [d.body for d in sandbox.deliveries] == [*BODIES[:2]]
        assert end.bodies == [*BODIES[:2]]
        assert badge(end.headers(), end.bodies[-1], sandbox.secret) is Signature.OK
    assert [(one.event_type, one.status) for one in found] == [
        ("call_created", 200),
        ("call_hangup", 200),
    ]


async def test_what_the_endpoint_answered_last_counts() -> None:
    """The sandbox itself answers 200 to whoever asked it to deliver."""
    async with endpoint(answer(503)) as end, open_sandbox(end.url) as sandbox:
        (found,) = await sent(events(BODIES[0]), to_sandbox(sandbox.control_url))
        assert len(end.requests) == 3
    assert (found.ok, found.status, found.error) == (False, 503, None)


async def test_an_account_without_a_webhook_is_told() -> None:
    """The event went nowhere, which is no success."""
    async with open_sandbox("") as sandbox:
        (found,) = await sent(events(BODIES[0]), to_sandbox(sandbox.control_url))
    assert (found.ok, found.error) == (False, "the account has no webhook")


async def test_what_the_platform_refuses_to_send_is_told_with_its_reason() -> None:
    """A URI without a scheme is one that its sender never dials."""
    async with open_sandbox("nowhere.example") as sandbox:
        (found,) = await sent(events(BODIES[0]), to_sandbox(sandbox.control_url))
    assert not found.ok
    assert found.error
