"""From a pending delivery to an attempt: what is sent, and what comes of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devhook.core import http
from devhook.core.model import Address, Delivery, Event, Kind, State, Verdict
from devhook.core.retry import local
from devhook.forward import Mirror
from tests.endpoint import HANG_UP, OK, Endpoint, answer, endpoint
from tests.forwarding import HOP, ORIGINAL, Opener, live, opener, statuses


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    return opener(tmp_path / "events.db")


# --- what is sent --------------------------------------------------------------------


async def test_an_event_is_forwarded_as_it_came(opened: Opener) -> None:
    """Method, body and header pairs; not its Host, and not its path."""
    headers = (
        ("host", "relay.example"),
        ("x-A", "\xe9"),
        ("Content-Length", "3"),
        ("Connection", "close, X-Mine"),
        ("X-Mine", "of this connection"),
        ("X-a", ""),
        ("Expect", "100-continue"),
    )
    async with endpoint() as app, opened() as run:
        event = await run.event(
            live(app), body=b"\0\xff\n", headers=headers, target="/s3cret?a=%41"
        )
        await run.forwarded()
    assert app.requests[0].startswith(b"POST /hook?a=%41 HTTP/1.1\r\n")
    assert app.bodies == [b"\0\xff\n"]
    assert app.headers() == (
        ("Host", f"127.0.0.1:{app.port}"),
        ("x-A", "\xe9"),
        ("Content-Length", "3"),
        ("X-a", ""),
        (http.HOP, HOP),
        (http.EVENT, str(event)),
    )


async def test_the_path_secret_never_leaves(opened: Opener) -> None:
    """In no header either, of those that devhook adds."""
    async with endpoint() as app, opened() as run:
        await run.event(live(app))
        await run.forwarded()
    assert b"s3cret" not in app.requests[0]


async def test_the_incoming_host_is_kept_when_asked_for(opened: Opener) -> None:
    """For applications that serve by name."""
    async with endpoint() as app, opened(keep_host=True) as run:
        await run.event(live(app), headers=(("Host", "relay.example"),))
        await run.forwarded()
    assert app.headers()[0] == ("Host", "relay.example")


async def test_the_users_headers_take_the_place_of_those_that_came(
    opened: Opener,
) -> None:
    """By name, whatever their case."""
    how = {"overrides": (("x-env", "laptop"), ("X-New", "1"))}
    async with endpoint() as app, opened(**how) as run:
        await run.event(live(app), headers=(("X-Env", "prod"), ("X-B", "2")))
        await run.forwarded()
    assert app.headers()[1:4] == (("x-env", "laptop"), ("X-B", "2"), ("X-New", "1"))


async def test_hops_that_came_are_passed_on(opened: Opener) -> None:
    """So that a loop over several devhooks is seen by each."""
    async with endpoint() as app, opened() as run:
        await run.event(live(app), headers=((http.HOP, "first"),))
        await run.forwarded()
    assert dict(app.headers())[http.HOP] == f"first,{HOP}"


async def test_an_applications_tags_can_be_off(opened: Opener) -> None:
    """The loop mark stays."""
    async with endpoint() as app, opened(tag=False) as run:
        await run.event(live(app), headers=((http.EVENT, "from elsewhere"),))
        await run.forwarded()
    names = [name for name, _ in app.headers()]
    assert http.HOP in names
    assert http.EVENT not in names


async def test_a_control_key_never_reaches_a_target(opened: Opener) -> None:
    """It opens the session's own door."""
    async with endpoint() as app, opened() as run:
        await run.event(live(app), headers=((http.CONTROL, "canary"),))
        await run.forwarded()
    assert b"canary" not in app.requests[0]


async def test_a_replay_says_so(opened: Opener) -> None:
    """To the application, which may know the event already."""
    async with endpoint() as app, opened() as run:
        event = await run.event(Address(kind=Kind.REPLAY, target=app.url))
        await run.forwarded()
        delivery = run.delivery(event)
    assert dict(app.headers())[http.REPLAY] == str(delivery.id)


async def test_a_delivery_may_be_edited(opened: Opener) -> None:
    """The event itself stays as it is."""

    def edit(event: Event, delivery: Delivery) -> Event:
        assert delivery.edits == {"set": {"a": 1}}
        return replace(event, request=replace(event.request, body=b"edited"))

    async with endpoint() as app, opened(edit=edit) as run:
        edits = Address(kind=Kind.REPLAY, target=app.url, edits={"set": {"a": 1}})
        event = await run.event(edits, body=b"{}", headers=(("Content-Length", "2"),))
        await run.forwarded()
        kept = run.store.event(event)
    assert app.bodies == [b"edited"]
    assert dict(app.headers())["Content-Length"] == "6"
    assert kept is not None
    assert kept.request.body == b"{}"


# --- what comes of it ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "state", "verdict"),
    [
        (OK, State.DONE, Verdict.OK),
        (answer(404), State.FAILED, Verdict.SWALLOWED),
        (answer(302, b"", "Location: /x"), State.FAILED, Verdict.SWALLOWED),
        (answer(500), State.FAILED, Verdict.RETRIED),
        (HANG_UP, State.FAILED, Verdict.RETRIED),
    ],
    ids=["200", "404", "302", "500", "hangs up"],
)
async def test_the_answer_settles_the_delivery(
    opened: Opener, script: bytes, state: State, verdict: Verdict
) -> None:
    """One try, kept with its verdict, which is the reason of a failure."""
    async with endpoint(script) as app, opened() as run:
        event = await run.event(live(app))
        await run.forwarded()
        delivery, attempts = run.delivery(event), run.attempts(event)
    assert [attempt.verdict for attempt in attempts] == [verdict]
    assert delivery.state is state
    assert delivery.reason == (None if state is State.DONE else verdict)


async def test_a_target_that_fails_is_tried_again_as_often_as_asked(
    opened: Opener,
) -> None:
    """With growing pauses, until it answers; each try is a row."""
    answers = [answer(503), HANG_UP, OK]
    async with (
        endpoint(lambda _: answers.pop(0)) as app,
        opened(policy=local(5)) as run,
    ):
        event = await run.event(live(app))
        await run.forwarded()
        delivery, attempts = run.delivery(event), run.attempts(event)
    assert statuses(attempts) == [503, None, 200]
    assert delivery.state is State.DONE
    assert run.clock.slept == [1.0, 2.0]


async def test_a_target_that_refuses_is_not_tried_again(opened: Opener) -> None:
    """The platform would not either."""
    async with endpoint(answer(422)) as app, opened(policy=local(5)) as run:
        await run.event(live(app))
        await run.forwarded()
    assert len(app.requests) == 1


# --- the original endpoint -----------------------------------------------------------


def mirrored(end: Endpoint, method: str = "POST") -> dict[str, Any]:
    return {"mirror": Mirror(uri=f"{end.url}/voip?key=canary#part", method=method)}


@pytest.mark.parametrize(
    ("method", "sent"), [("PUT", "PUT"), ("", "GET"), ("POST", "POST")]
)
async def test_the_original_is_served_by_its_own_method_and_uri(
    opened: Opener, method: str, sent: str
) -> None:
    """The whole URI is in memory alone; the row has it masked."""
    async with endpoint() as original, opened(**mirrored(original, method)) as run:
        await run.event(ORIGINAL, body=b"{ }", target="/s3cret?a=1")
        await run.forwarded()
    assert original.requests[0].startswith(
        f"{sent} /voip?key=canary HTTP/1.1\r\n".encode()
    )
    assert original.bodies == [b"{ }"]


async def test_the_original_gets_what_came_and_nothing_of_the_users(
    opened: Opener,
) -> None:
    """Overrides, kept hosts and edits are for the application."""
    how = {"overrides": (("X-A", "mine"),), "keep_host": True}
    headers = (("Host", "relay.example"), ("X-A", "theirs"))
    async with endpoint() as original, opened(**mirrored(original), **how) as run:
        await run.event(ORIGINAL, headers=headers)
        await run.forwarded()
    found = dict(original.headers())
    assert found["X-A"] == "theirs"
    assert found["Host"] == f"127.0.0.1:{original.port}"


async def test_the_original_is_tried_three_times_a_second_apart(opened: Opener) -> None:
    """The platform's own rule, whatever `--retries` says."""
    how = {"policy": local(9)}
    async with (
        endpoint(answer(500)) as original,
        opened(**mirrored(original), **how) as run,
    ):
        event = await run.event(ORIGINAL)
        await run.forwarded()
        attempts = run.attempts(event)
    assert statuses(attempts) == [500, 500, 500]
    assert run.clock.slept == [1.0, 1.0]


async def test_an_original_that_refuses_has_been_served(opened: Opener) -> None:
    """The platform counts it as delivered."""
    async with endpoint(answer(404)) as original, opened(**mirrored(original)) as run:
        event = await run.event(ORIGINAL)
        await run.forwarded()
        delivery = run.delivery(event)
    assert delivery.state is State.DONE
    assert len(original.requests) == 1


async def test_redirects_of_the_original_are_followed(opened: Opener) -> None:
    """By the mirror alone, as the platform does."""
    async with endpoint() as new:
        moved = answer(307, b"", f"Location: {new.url}/moved")
        async with endpoint(moved) as original, opened(**mirrored(original)) as run:
            await run.event(ORIGINAL, body=b"{}")
            await run.forwarded()
    assert new.requests[0].startswith(b"POST /moved HTTP/1.1\r\n")
    assert new.bodies == [b"{}"]


async def test_what_the_original_missed_for_a_minute_is_not_sent_to_it(
    opened: Opener,
) -> None:
    """An old call would ring again; it is offered for replay."""
    async with endpoint() as original, opened(**mirrored(original)) as run:
        event = await run.event(ORIGINAL, age=61)
        await run.forwarded()
        delivery = run.delivery(event)
    assert original.connections == 0
    assert (delivery.state, delivery.reason) == (State.FAILED, "stale")


async def test_an_original_with_a_strange_address_fails_alone(opened: Opener) -> None:
    """An account may hold any text; the application is served all the same."""
    how = {"mirror": Mirror(uri="http://[no url", method="POST")}
    async with endpoint() as app, opened(**how) as run:
        event = await run.event(ORIGINAL, live(app))
        await run.forwarded()
        states = [delivery.state for delivery in run.store.deliveries_of(event)]
    assert states == [State.FAILED, State.DONE]
