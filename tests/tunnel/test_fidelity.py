"""What goes in at one end of the tunnel comes out at the other, byte for byte."""

import asyncio
import random
from hashlib import sha256

import pytest

from devhook.core.http import Headers
from tests.endpoint import answer, read_head, speaking
from tests.relay.rig import a_relay, a_sender, path_of, read_body, request
from tests.tunnel.rig import a_tunnel, the_whole_way

BINARY = bytes(range(256)) * 7


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PROPFIND", "M-SEARCH"])
async def test_the_method_comes_through(method: str) -> None:
    """Whatever HTTP knows by name."""
    async with the_whole_way() as way:
        await way.ask(method, "/x")
        assert way.local.requests[0].startswith(f"{method} ".encode())


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "/",
        "?",
        "/a//b/../%2F?x=1&x=2;",
        "/%00%ff/./~!*'();:@&=+$,[]",
        "/x#fragment",
        "?a=b?c=/d",
    ],
)
async def test_the_request_target_comes_through_unchanged(rest: str) -> None:
    """The path of the lease included, nothing decoded, resolved or tidied."""
    async with the_whole_way() as way:
        await way.ask("GET", rest)
        line = way.local.requests[0].split(b"\r\n")[0].decode("latin-1")
        assert line == f"GET {way.path}{rest} HTTP/1.1"


async def test_headers_of_a_request_keep_order_case_repeats_and_bytes() -> None:
    """Only those of the one connection stay behind."""
    fields = ("x-B: 2", "X-a: 1", "x-b: \xff\xe9", "X-A: caf\xc3\xa9", "X-Empty: ")
    hop = ("Connection: keep-alive, X-Mine", "X-Mine: 1", "TE: trailers")
    async with the_whole_way() as way:
        await way.ask("GET", "/", *fields[:2], *hop, *fields[2:])
        expected: Headers = (
            ("Host", "h"),
            ("x-B", "2"),
            ("X-a", "1"),
            ("x-b", "\xff\xe9"),
            ("X-A", "caf\xc3\xa9"),
            ("X-Empty", ""),
        )
        assert way.local.headers() == expected


async def test_headers_of_an_answer_keep_order_case_repeats_and_bytes() -> None:
    """And the relay adds none: no Server, no Date, no Content-Type."""
    fields = ("x-B: 2", "Set-Cookie: a", "X-b: \xff", "Set-Cookie: b", "X-Empty: ")
    script = answer(200, b"ok", *fields, "Connection: keep-alive", "Keep-Alive: 5")
    async with the_whole_way(script) as way:
        reply = await way.ask("GET", "/")
        assert reply.headers == (
            ("x-B", "2"),
            ("Set-Cookie", "a"),
            ("X-b", "\xff"),
            ("Set-Cookie", "b"),
            ("X-Empty", ""),
            ("Content-Length", "2"),
        )


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (200, "OK"),
        (299, ""),
        (404, "Nix da"),
        (500, "\xff\xfe"),
        (599, "Last"),
        (999, ""),
    ],
)
async def test_status_and_reason_come_through(status: int, reason: str) -> None:
    """Also those that no standard names."""
    async with the_whole_way(answer(status, b"x", reason=reason)) as way:
        reply = await way.ask("GET", "/")
        assert reply.line == f"HTTP/1.1 {status} {reason}"
        assert reply.body == b"x"


@pytest.mark.parametrize(
    ("method", "script"),
    [
        ("GET", b"HTTP/1.1 204 No\r\nX: 1\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Same\r\nContent-Length: 7\r\nX: 1\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX: 1\r\n\r\n"),
    ],
    ids=["204", "304", "HEAD"],
)
async def test_an_answer_without_a_body_ends_with_its_head(
    method: str, script: bytes
) -> None:
    """And the connection serves the next request."""
    async with the_whole_way(script) as way, a_sender(way.relay.url) as sender:
        asked = request(method, way.path)
        for _ in range(2):
            reply = await sender.ask(asked, bodiless=True)
            assert ("X", "1") in reply.headers
        assert len(way.local.requests) == 2


@pytest.mark.parametrize("body", [b"", b"x", BINARY], ids=["empty", "byte", "binary"])
async def test_a_body_with_a_length_comes_through(body: bytes) -> None:
    """Both ways, its length as it was."""
    async with the_whole_way(answer(200, body)) as way:
        reply = await way.ask("POST", "/", body=body)
        assert reply.body == body
        assert way.local.bodies == [body]


async def test_a_request_without_a_body_is_given_no_length() -> None:
    """A POST that said nothing of one says nothing at the other end."""
    async with the_whole_way() as way:
        await way.ask("POST", "/", "X: 1")
        assert way.local.headers() == (("Host", "h"), ("X", "1"))


@pytest.mark.parametrize("pieces", [[], [b"a"], [b"ab", BINARY, b"c"]])
async def test_a_chunked_request_arrives_chunked(pieces: list[bytes]) -> None:
    """Its pieces may be cut anew; the bytes in them are the same."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
    async with the_whole_way() as way, a_sender(way.relay.url) as sender:
        head = request("POST", way.path, "Transfer-Encoding: chunked")
        await sender.ask(head + chunks)
        assert await dechunked(way.local.bodies[0]) == b"".join(pieces)
        assert way.local.headers()[-1] == ("Transfer-Encoding", "chunked")


async def test_a_chunked_answer_arrives_whole() -> None:
    """Of no known length at either end."""
    script = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )
    async with the_whole_way(script) as way:
        reply = await way.ask("GET", "/")
        assert (reply.headers, reply.body) == (
            (("Transfer-Encoding", "chunked"),),
            b"abc",
        )


async def test_an_answer_that_ends_with_its_connection_arrives_whole() -> None:
    """As simple servers write it."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + BINARY)

    async with (
        speaking(speak) as local,
        a_relay() as relay,
        a_tunnel(relay, local.url) as tunnel,
        a_sender(relay.url) as sender,
    ):
        reply = await sender.ask(request("GET", path_of(tunnel.public_url)))
        assert reply.body == BINARY


async def test_an_http_1_0_sender_gets_an_unchunked_answer() -> None:
    """Which ends with the connection when its length is not known."""
    script = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )
    async with the_whole_way(script) as way, a_sender(way.relay.url) as sender:
        reply = await sender.ask(f"GET {way.path} HTTP/1.0\r\n\r\n".encode())
        assert (reply.headers, reply.body) == ((("Connection", "close"),), b"abc")


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_five_megabytes_go_both_ways(chunked: bool) -> None:
    """Many windows long; nothing lost, doubled or out of order."""
    body = random.Random(7).randbytes(5 * 1024 * 1024)  # noqa: S311  data for a test

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        got = await read_body(reader, None if chunked else len(body))
        writer.write(answer(200, got))
        await writer.drain()

    async with (
        speaking(echo) as local,
        a_relay() as relay,
        a_tunnel(relay, local.url) as tunnel,
        a_sender(relay.url) as sender,
    ):
        path = path_of(tunnel.public_url)
        sent = request("POST", path, body=body)
        if chunked:
            head = request("POST", path, "Transfer-Encoding: chunked")
            sent = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        reply = await sender.ask(sent)
        assert sha256(reply.body).digest() == sha256(body).digest()


async def test_expect_100_continue_is_answered_before_the_body() -> None:
    """Senders of large bodies wait for it."""
    async with the_whole_way() as way, a_sender(way.relay.url) as sender:
        fields = ("Expect: 100-continue", "Content-Length: 4")
        reply = await sender.ask(request("POST", way.path, *fields), bodiless=True)
        assert reply.line == "HTTP/1.1 100 Continue"
        assert (await sender.ask(b"body")).body == b"ok"
        assert way.local.bodies == [b"body"]


async def test_sixty_four_requests_at_once_each_get_their_own_answer() -> None:
    """Streams never mix."""

    def echo(request: bytes) -> bytes:
        return answer(200, request.partition(b"\r\n\r\n")[2] * 100)

    async with the_whole_way(echo) as way, asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(way.ask("POST", f"/{n}", body=b"%03d" % n))
            for n in range(64)
        ]
        for n, task in enumerate(tasks):
            assert (await task).body == b"%03d" % n * 100


async def test_requests_on_one_connection_are_answered_in_order() -> None:
    """Also when the sender does not wait for the answers."""

    def echo(request: bytes) -> bytes:
        return answer(200, request.split(b" ")[1])

    async with the_whole_way(echo) as way, a_sender(way.relay.url) as sender:
        for n in range(10):
            sender.writer.write(request("GET", f"{way.path}/{n}"))
        bodies = [(await sender.reply()).body for _ in range(10)]
        assert bodies == [f"{way.path}/{n}".encode() for n in range(10)]


async def test_a_request_that_asks_for_another_protocol_is_carried_as_http() -> None:
    """Upgrade concerns one connection; the local server never sees it."""
    async with the_whole_way() as way:
        fields = ("Connection: Upgrade", "Upgrade: websocket")
        assert (await way.ask("GET", "/", *fields)).body == b"ok"
        assert way.local.headers() == (("Host", "h"),)


async def dechunked(raw: bytes) -> bytes:
    reader = asyncio.StreamReader()
    reader.feed_data(raw)
    return await read_body(reader, None)
