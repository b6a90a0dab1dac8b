"""One request to a target: what it came to, and never an exception."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from devhook.core.http import Headers
from devhook.core.model import Outcome
from devhook.core.network import Network
from devhook.send import MAX_KEPT, Sender, Sending
from devhook.system import SystemClock
from devhook.wire import Wire
from tests.endpoint import (
    HANG_UP,
    OK,
    answer,
    endpoint,
    read_request,
    speaking,
)


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with Wire(Network()) as wire:
        yield Sender(wire, SystemClock())


def to(
    url: str,
    *,
    method: str = "POST",
    headers: Headers = (),
    timeout: float = 5.0,
    redirects: int = 0,
) -> Sending:
    return Sending(
        method=method,
        url=url,
        headers=headers,
        body=b"{}",
        timeout=timeout,
        redirects=redirects,
    )


async def test_an_answer_is_an_outcome(sender: Sender) -> None:
    """Status, headers, body and how long it took, whatever the status says."""
    async with endpoint(answer(500, b"oh", "X-A: 1")) as end:
        outcome = await sender.send(to(end.url))
    assert (outcome.status, outcome.error, outcome.body) == (500, None, b"oh")
    assert outcome.headers[0] == ("X-A", "1")
    assert outcome.seconds_to_headers is not None
    assert 0 < outcome.seconds_to_headers <= outcome.seconds


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:1/", "connection refused"),
        ("no url", "that is no http or https URL"),
        ("http://169.254.169.254/", "is refused"),
        ("http://nowhere.invalid/", "does not resolve"),
    ],
)
async def test_no_answer_is_an_outcome_too(
    sender: Sender, url: str, error: str
) -> None:
    """It says why."""
    outcome = await sender.send(to(url))
    assert outcome.status is None
    assert outcome.seconds_to_headers is None
    assert error in (outcome.error or "")


async def test_a_target_that_hangs_up_has_no_status(sender: Sender) -> None:
    """As the platform would see it."""
    async with endpoint(HANG_UP) as end:
        outcome = await sender.send(to(end.url))
    assert (outcome.status, outcome.error) == (
        None,
        "the connection was closed before an answer",
    )


async def test_a_target_that_is_silent_is_given_up(sender: Sender) -> None:
    """After the timeout, and the connection with it."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with speaking(speak) as end:
        outcome = await sender.send(to(end.url, timeout=0.05))
    assert outcome.error == "no whole answer within 0.05 s"
    assert outcome.seconds >= 0.05


@pytest.mark.parametrize(
    ("hangs", "error"), [(False, "broke off"), (True, "no whole answer")]
)
async def test_what_came_before_the_end_is_kept(
    sender: Sender, hangs: bool, error: str
) -> None:
    """Status and half a body, with the reason why there is no more."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 201 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await writer.drain()
        if hangs:
            await reader.read()

    async with speaking(speak) as end:
        outcome = await sender.send(to(end.url, timeout=0.2))
    assert (outcome.status, outcome.body) == (201, b"half")
    assert error in (outcome.error or "")


async def test_a_long_body_is_cut(sender: Sender) -> None:
    """And marked; the next request is not touched by what was left."""
    async with endpoint(answer(200, b"x" * (MAX_KEPT + 1))) as end:
        outcomes = [await sender.send(to(end.url)) for _ in range(2)]
    assert [len(outcome.body) for outcome in outcomes] == [MAX_KEPT, MAX_KEPT]
    assert all(outcome.cut and outcome.error is None for outcome in outcomes)


async def test_a_body_of_just_the_limit_is_whole(sender: Sender) -> None:
    """One byte less than what is cut."""
    async with endpoint(answer(200, b"x" * MAX_KEPT)) as end:
        outcome = await sender.send(to(end.url))
    assert (len(outcome.body), outcome.cut) == (MAX_KEPT, False)


async def test_a_redirect_is_not_followed(sender: Sender) -> None:
    """Naming a target is permission to send there, and nowhere else."""
    async with endpoint() as other:
        outcome = await redirected(sender, 302, f"{other.url}/", redirects=0)
    assert outcome.status == 302
    assert other.connections == 0


async def redirected(
    sender: Sender, status: int, location: str, *, redirects: int
) -> Outcome:
    """Ask an endpoint that sends us on to the location."""
    script = answer(status, b"", f"Location: {location}")
    async with endpoint(script) as first:
        headers = (("Content-Type", "a/b"), ("Content-Length", "2"), ("X-Kept", "1"))
        sending = to(first.url, headers=headers, redirects=redirects)
        return await sender.send(sending)


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_followed_redirect_becomes_a_get_without_a_body(
    sender: Sender, status: int
) -> None:
    """As Go's client does it, and so the platform."""
    async with endpoint() as end:
        outcome = await redirected(sender, status, f"{end.url}/new", redirects=2)
    assert outcome.status == 200
    assert end.requests[0].startswith(b"GET /new HTTP/1.1\r\n")
    names = [name for name, _ in end.headers()]
    assert "X-Kept" in names
    assert "Content-Length" not in names
    assert end.bodies == [b""]


@pytest.mark.parametrize("status", [307, 308])
async def test_some_redirects_keep_method_and_body(sender: Sender, status: int) -> None:
    """Those that were made for it."""
    async with endpoint() as end:
        await redirected(sender, status, end.url, redirects=2)
    assert end.requests[0].startswith(b"POST / HTTP/1.1\r\n")
    assert end.bodies == [b"{}"]


async def test_one_redirect_too_many_is_an_error(sender: Sender) -> None:
    """The platform's sender refuses the third."""
    async with endpoint(answer(302, b"", "Location: /again")) as end:
        outcome = await sender.send(to(end.url, redirects=2))
    assert (outcome.status, outcome.error) == (None, "redirected too often")
    assert len(end.requests) == 3


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("http://[x", "redirected to what is no URL"),
        ("ftp://127.0.0.1/", "no http or https URL"),
        ("http://169.254.169.254/", "is refused"),
    ],
)
async def test_a_redirect_to_nowhere_is_an_outcome(
    sender: Sender, location: str, error: str
) -> None:
    """What the answer names is a stranger's text."""
    outcome = await redirected(sender, 302, location, redirects=2)
    assert error in (outcome.error or "")


async def test_requests_go_in_parallel(sender: Sender) -> None:
    """Each on a connection of its own; the pool keeps them for the next ones."""
    arrived = 0
    both = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        while await read_request(reader):
            arrived += 1
            if arrived == 2:
                both.set()
            await both.wait()
            writer.write(OK)

    async with speaking(speak) as end:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(sender.send(to(end.url))) for _ in range(2)]
        await sender.send(to(end.url))
    assert [task.result().status for task in tasks] == [200, 200]
    assert end.connections == 2
