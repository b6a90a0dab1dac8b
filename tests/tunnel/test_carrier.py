"""The client's end of the wire, against a relay that is only a link and a queue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from devhook.core.relay import (
    Answer,
    Cancel,
    Data,
    Farewell,
    Fault,
    Frame,
    Goodbye,
    Hello,
    Pong,
)
from devhook.core.relay_codec import encode
from devhook.core.relay_link import Link
from devhook.system import SystemClock
from devhook.tunnel.carrier import Carrier
from devhook.tunnel.local import Local
from tests.endpoint import OK, answer, endpoint
from tests.tunnel.rig import NOBODY

WINDOW = 1000


class Relay:
    """The relay's end, and the socket between: messages in two queues."""

    def __init__(self) -> None:
        self.link = Link(
            opens=True, window=WINDOW, credit=WINDOW, requests=9, at=0, patience=1e9
        )
        self.to_client: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.to_relay: asyncio.Queue[bytes] = asyncio.Queue()
        self.aborted = False

    async def send(self, message: bytes) -> None:
        self.to_relay.put_nowait(message)

    async def receive(self) -> bytes:
        message = await self.to_client.get()
        if message is None:
            raise ConnectionError("the wire was cut")
        return message

    async def close(self) -> None:
        self.to_client.put_nowait(None)

    def abort(self) -> None:
        self.aborted = True
        self.to_client.put_nowait(None)

    def flush(self) -> None:
        while message := self.link.take():
            self.to_client.put_nowait(message)

    async def told(self) -> list[Frame]:
        async with asyncio.timeout(5):
            return self.link.receive(await self.to_relay.get(), at=0)

    async def answered(self, stream: int) -> bytes:
        """The whole body of the answer on that stream."""
        body = b""
        while self.link.is_open(stream):
            for frame in await self.told():
                if isinstance(frame, Data):
                    body += frame.body
                    self.link.consume(stream, len(frame.body))
            self.flush()
        return body


@asynccontextmanager
async def carrying(local: str) -> AsyncIterator[tuple[Relay, asyncio.Task[str]]]:
    relay, clock = Relay(), SystemClock()
    link = Link(
        opens=False, window=WINDOW, credit=WINDOW, requests=9, at=clock.monotonic()
    )
    carrier = Carrier(relay, link, Local(local), clock, look_every=0.01)
    async with asyncio.TaskGroup() as group:
        run = group.create_task(carrier.run())
        yield relay, run
        run.cancel()


async def test_an_answer_many_windows_long_arrives_whole() -> None:
    """Each piece is sent when the one before was consumed."""
    body = bytes(range(256)) * 100
    async with endpoint(answer(200, body)) as local, carrying(local.url) as (relay, _):
        stream = relay.link.open("GET", "/", (("Host", "h"),), end=True)
        relay.flush()
        assert await relay.answered(stream) == body


async def test_a_request_cancelled_as_it_is_opened_leaves_no_trace() -> None:
    """Both frames may come in one message."""
    async with endpoint(OK) as local, carrying(local.url) as (relay, _):
        gone = relay.link.open("GET", "/gone", (("Host", "h"),), end=True)
        relay.link.cancel(gone, Fault.SENDER_GONE)
        stream = relay.link.open("GET", "/", (("Host", "h"),), end=True)
        relay.flush()
        assert await relay.answered(stream) == b"ok"
        assert len(local.requests) == 1


async def test_what_fails_here_is_a_cancel_with_the_reason() -> None:
    """The text is for the relay's log, the fault for the sender."""
    async with carrying(NOBODY) as (relay, _):
        stream = relay.link.open("GET", "/", (), end=True)
        relay.flush()
        [frame] = await relay.told()
        assert isinstance(frame, Cancel)
        assert (frame.stream, frame.why) == (stream, Fault.LOCAL_UNREACHABLE)


async def test_an_answer_with_too_large_a_head_is_cancelled() -> None:
    """No frame holds it."""
    fields = [f"X-{n}: 1" for n in range(300)]
    async with (
        endpoint(answer(200, b"", *fields)) as local,
        carrying(local.url) as (relay, _),
    ):
        relay.link.open("GET", "/", (("Host", "h"),), end=True)
        relay.flush()
        [frame] = await relay.told()
        assert isinstance(frame, Cancel)
        assert frame.why is Fault.LOCAL_BROKE_OFF


@pytest.mark.parametrize(
    "message",
    [b"garbage", encode(Hello(lease="l", instance="i")), encode(Data(1, b"x"))],
    ids=["garbage", "greeting", "stream never opened"],
)
async def test_a_relay_that_breaks_the_rules_is_left(message: bytes) -> None:
    """With a GOODBYE; the tunnel is then made anew."""
    async with carrying(NOBODY) as (relay, run):
        relay.to_client.put_nowait(message)
        [frame] = await relay.told()
        assert isinstance(frame, Goodbye)
        assert frame.why is Farewell.BROKEN_RULES
        assert "broke the rules" in await run


@pytest.mark.parametrize(
    ("why", "reason"),
    [
        (Farewell.STOPPING, "the relay is being stopped"),
        (Farewell.OTHER, "the relay left: so long"),
    ],
)
async def test_why_the_relay_left_is_the_reason(why: Farewell, reason: str) -> None:
    """Not that the connection was lost, which follows from it."""
    async with carrying(NOBODY) as (relay, run):
        relay.link.goodbye(why, "so long")
        relay.flush()
        await relay.close()
        assert await run == reason


async def test_a_request_under_way_ends_with_the_connection() -> None:
    """Nobody could hear its answer."""
    async with endpoint(lambda _: OK) as local, carrying(local.url) as (relay, run):
        relay.link.open("POST", "/", (("Host", "h"), ("Content-Length", "9")))
        relay.flush()
        await relay.close()
        assert await run == "the wire was cut"
        assert not local.requests


async def test_frames_that_say_nothing_are_passed_over() -> None:
    """A PONG, and one that a newer relay may send."""
    async with endpoint(OK) as local, carrying(local.url) as (relay, _):
        relay.to_client.put_nowait(encode(Pong(1)) + b"\x99" + bytes(9))
        stream = relay.link.open("GET", "/", (("Host", "h"),), end=True)
        relay.flush()
        frames = await relay.told()
        assert isinstance(frames[0], Answer)
        assert not relay.link.is_open(stream)
