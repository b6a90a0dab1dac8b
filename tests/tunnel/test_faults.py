"""What goes wrong on the way, and whose fault the sender is told it was."""

import asyncio
from dataclasses import replace

import pytest

from devhook.core.relay import WINDOW
from tests.endpoint import HANG_UP, OK, answer, read_head, speaking
from tests.relay.rig import SWIFT, a_relay, a_sender, ask, get, path_of, request
from tests.tunnel.rig import LEASE, NOBODY, a_tunnel, the_whole_way


async def test_a_local_server_that_is_not_there_is_a_502() -> None:
    """The tunnel is fine, and says so."""
    async with a_relay() as relay, a_tunnel(relay, NOBODY) as tunnel:
        reply = await ask(relay.url, get(tunnel.public_url))
        assert (reply.status, reply.by_relay) == (502, "local-unreachable")


@pytest.mark.parametrize(
    "script",
    [HANG_UP, b"no http at all\r\n\r\n", b"HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\n"],
    ids=["hangs up", "no http", "another protocol"],
)
async def test_an_answer_that_is_none_is_a_502(script: bytes) -> None:
    """Said to be the local server's fault."""
    async with the_whole_way(script) as way:
        reply = await way.ask("GET", "/")
        assert (reply.status, reply.by_relay) == (502, "local-broke-off")


async def test_half_an_answer_is_cut_and_never_taken_for_a_whole_one() -> None:
    """Its head has gone out: the connection breaks off in the same way."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        )

    async with (
        speaking(speak) as local,
        a_relay() as relay,
        a_tunnel(relay, local.url) as tunnel,
    ):
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await ask(relay.url, get(tunnel.public_url))


async def test_a_local_server_that_never_answers_is_a_504() -> None:
    """And its request is given up there."""
    gone = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        await reader.read()
        gone.set()

    async with (
        speaking(speak) as local,
        a_relay(replace(SWIFT, answer=0.05)) as relay,
        a_tunnel(relay, local.url) as tunnel,
        asyncio.timeout(10),
    ):
        reply = await ask(relay.url, get(tunnel.public_url))
        assert (reply.status, reply.by_relay) == (504, "client-too-slow")
        await gone.wait()


async def test_a_sender_that_leaves_ends_its_request_at_the_local_server() -> None:
    """CANCEL travels the whole way."""
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        arrived.set()
        await reader.read()
        gone.set()

    async with (
        speaking(speak) as local,
        a_relay() as relay,
        a_tunnel(relay, local.url) as tunnel,
        asyncio.timeout(10),
    ):
        async with a_sender(relay.url) as sender:
            sender.writer.write(get(tunnel.public_url))
            await arrived.wait()
        await gone.wait()


async def test_a_tunnel_that_closes_in_the_middle_of_a_request_is_a_502() -> None:
    """The client left; nobody knows what became of the request."""
    arrived = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        arrived.set()
        await reader.read()

    async with (
        speaking(speak) as local,
        a_relay() as relay,
        a_sender(relay.url) as sender,
    ):
        async with a_tunnel(relay, local.url) as tunnel:
            sender.writer.write(get(tunnel.public_url))
            await arrived.wait()
        reply = await sender.reply()
        assert (reply.status, reply.by_relay) == (502, "client-gone")


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_a_body_over_the_limit_is_refused(chunked: bool) -> None:
    """With 503 and not 413: senders take a 4xx for delivered."""
    async with the_whole_way(limits=replace(SWIFT, body=1000)) as way:
        head = request("POST", way.path, "Transfer-Encoding: chunked")
        sent = head + b"7d0\r\n" + bytes(2000) + b"\r\n0\r\n\r\n"
        if not chunked:
            sent = request("POST", way.path, body=bytes(1001))
        reply = await ask(way.relay.url, sent)
        assert (reply.status, reply.by_relay) == (503, "body-too-large")
        assert not way.local.requests


async def test_a_body_that_breaks_off_is_the_senders_fault() -> None:
    """A chunk size that is none."""
    async with the_whole_way() as way:
        head = request("POST", way.path, "Transfer-Encoding: chunked")
        reply = await ask(way.relay.url, head + b"3\r\nabc\r\nxyz\r\n")
        assert reply.status == 400
        assert not way.local.requests


async def test_a_body_that_stops_coming_is_the_senders_fault() -> None:
    """408, and the local server is rid of it."""
    async with the_whole_way(limits=replace(SWIFT, idle=0.05)) as way:
        head = request("POST", way.path, "Content-Length: 10")
        reply = await ask(way.relay.url, head + b"half")
        assert (reply.status, reply.by_relay) == (408, "sender-too-slow")


async def test_an_answer_before_the_end_of_the_body_is_passed_on() -> None:
    """A server may refuse what it has not read."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(answer(413, b"too much"))
        await writer.drain()

    async with (
        speaking(speak) as local,
        a_relay() as relay,
        a_tunnel(relay, local.url) as tunnel,
        a_sender(relay.url) as sender,
    ):
        path = path_of(tunnel.public_url)
        reply = await sender.ask(request("POST", path, "Content-Length: 9999999"))
        assert (reply.status, reply.body) == (413, b"too much")


async def test_a_sender_that_does_not_read_holds_the_local_server_back() -> None:
    """An answer without end stops where windows and socket buffers are full."""
    written = 0
    gone = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
                await writer.drain()
                written += 0x10000
        finally:
            gone.set()

    async with (
        speaking(speak) as local,
        a_relay(replace(SWIFT, idle=0.5)) as relay,
        a_tunnel(relay, local.url) as tunnel,
        a_sender(relay.url) as sender,
        asyncio.timeout(20),
    ):
        sender.writer.write(get(tunnel.public_url))
        await gone.wait()
        assert written < 100 * WINDOW


async def test_a_request_beyond_the_most_at_once_is_told_so() -> None:
    """503, and the others go on."""
    arrived = asyncio.Semaphore(0)

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        arrived.release()
        await reader.read()

    async with (
        speaking(speak) as local,
        a_relay(replace(SWIFT, requests=2)) as relay,
        a_tunnel(relay, local.url) as tunnel,
        a_sender(relay.url) as first,
        a_sender(relay.url) as second,
    ):
        first.writer.write(get(tunnel.public_url))
        second.writer.write(get(tunnel.public_url))
        await arrived.acquire()
        await arrived.acquire()
        reply = await ask(relay.url, get(tunnel.public_url))
        assert (reply.status, reply.by_relay) == (503, "busy")


async def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Not the token, not the lease, at no level and by no library."""
    caplog.set_level("DEBUG")
    async with the_whole_way(OK) as way:
        await way.ask("POST", "/canary-path", body=b"canary-body")
        await ask(way.relay.url, b"canary-method\r\n\r\n")
    assert "canary" not in caplog.text
    assert LEASE not in caplog.text
