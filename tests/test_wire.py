"""One exchange, byte for byte: what leaves, what comes back, and what goes wrong."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from devhook.core.http import Headers
from devhook.core.network import Network
from devhook.wire import Wire, WireError
from devhook.wire.pool import CONNECT_WITHIN
from tests.endpoint import (
    HANG_UP,
    OK,
    answer,
    endpoint,
    read_head,
    read_request,
    speaking,
)

NETWORK = Network()


async def ask(
    wire: Wire,
    url: str,
    *,
    method: str = "POST",
    headers: Headers = (),
    body: bytes | AsyncIterator[bytes] = b"{}",
) -> tuple[int, Headers, bytes]:
    """Status, headers and the whole body of the answer."""
    async with wire.exchange(method, url, headers, body) as found:
        chunks = [chunk async for chunk in found.chunks()]
        return found.status, found.headers, b"".join(chunks)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


# --- what leaves ---------------------------------------------------------------------


async def test_a_head_leaves_in_order_case_and_repeats_as_given() -> None:
    """Neither a name's case nor a header's place is the wire's to change."""
    headers = (
        ("x-B", "2"),
        ("Host", "as.recorded:8443"),
        ("X-b", "\xe9\xff"),
        ("Content-Length", "3"),
        ("x-b", ""),
    )
    async with endpoint() as end, Wire(NETWORK) as wire:
        await ask(wire, f"{end.url}/hook", headers=headers, body=b"a\0b")
    assert end.requests == [
        b"POST /hook HTTP/1.1\r\nx-B: 2\r\nHost: as.recorded:8443\r\nX-b: \xe9\xff\r\n"
        b"Content-Length: 3\r\nx-b: \r\n\r\na\0b"
    ]


@pytest.mark.parametrize(
    "path", ["/a%2Fb//c/../d;e=f", "/?", "/?x=%41&y=&y=%20+", "/x?a=b?c#", "//double"]
)
async def test_path_and_query_leave_as_written(path: str) -> None:
    """Nothing is decoded, encoded or normalised; a fragment never leaves."""
    async with endpoint() as end, Wire(NETWORK) as wire:
        await ask(wire, end.url + path)
    target = end.requests[0].split(b" ")[1].decode()
    assert target == path.partition("#")[0].removesuffix("?")


async def test_a_host_is_put_first_when_there_is_none() -> None:
    """With the port of the URL."""
    async with endpoint() as end, Wire(NETWORK) as wire:
        await ask(wire, end.url, headers=(("A", "1"),), body=b"")
    assert end.headers()[0] == ("Host", f"127.0.0.1:{end.port}")


@pytest.mark.parametrize(
    ("method", "declared", "body", "expected"),
    [
        pytest.param("POST", None, b"", "0", id="an empty POST says so"),
        pytest.param("GET", None, b"", None, id="an empty GET says nothing"),
        pytest.param("GET", None, b"{}", "2", id="a GET may have a body"),
        pytest.param("POST", "7", b"abc", "3", id="a length that is wrong is mended"),
        pytest.param("DELETE", "0", b"", "0", id="a length that is right stays"),
    ],
)
async def test_the_length_is_true(
    method: str, declared: str | None, body: bytes, expected: str | None
) -> None:
    """A receiver must find the end of the body."""
    headers = (("Content-Length", declared),) if declared is not None else ()
    async with endpoint() as end, Wire(NETWORK) as wire:
        await ask(wire, end.url, method=method, headers=headers, body=body)
    assert dict(end.headers()).get("Content-Length") == expected
    assert end.bodies == [body]


async def test_userinfo_of_the_url_becomes_basic_authorization() -> None:
    """And does not stand in the Host header."""
    async with endpoint() as end, Wire(NETWORK) as wire:
        await ask(wire, end.url.replace("//", "//me:p%40ss@"))
    headers = dict(end.headers())
    assert headers["Authorization"] == "Basic bWU6cEBzcw=="
    assert headers["Host"] == f"127.0.0.1:{end.port}"


async def test_a_body_in_pieces_is_chunked() -> None:
    """Empty pieces are left out: an empty chunk would end the body."""
    async with endpoint() as end, Wire(NETWORK) as wire:
        await ask(wire, end.url, body=pieces(b"ab", b"", b"c" * 17))
    assert end.bodies == [b"2\r\nab\r\n11\r\n" + b"c" * 17 + b"\r\n0\r\n\r\n"]


async def test_a_body_in_pieces_keeps_a_declared_length() -> None:
    """So that a streamed request looks as it came."""
    headers = (("Content-Length", "3"),)
    async with endpoint() as end, Wire(NETWORK) as wire:
        await ask(wire, end.url, headers=headers, body=pieces(b"ab", b"c"))
    assert end.bodies == [b"abc"]


@pytest.mark.parametrize(
    "header", [("A", "1\r\nB: 2"), ("A\nB", "1"), ("A", "\0"), ("A", "\u20ac")]
)
async def test_a_header_that_no_head_can_hold_is_refused(
    header: tuple[str, str],
) -> None:
    """Nothing of it leaves."""
    async with endpoint() as end, Wire(NETWORK) as wire:
        with pytest.raises(WireError):
            await ask(wire, end.url, headers=(header,))
    assert end.connections == 0


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:3000", "ftp://127.0.0.1/", "http://", "http://[::1", "http://a:b/"],
)
async def test_what_is_no_url_is_refused(url: str) -> None:
    """An account may hold any text as its webhook's address."""
    async with Wire(NETWORK) as wire:
        with pytest.raises(WireError, match="no http or https URL"):
            await ask(wire, url)


# --- what comes back -----------------------------------------------------------------


async def test_an_answer_comes_back_with_its_bytes() -> None:
    """Repeats, case and bytes beyond ASCII included."""
    script = answer(418, b"\0\xff", "set-Cookie: a", "X: \xff", "Set-cookie: b")
    async with endpoint(script) as end, Wire(NETWORK) as wire:
        status, headers, body = await ask(wire, end.url)
    assert status == 418
    assert headers[:3] == (("set-Cookie", "a"), ("X", "\xff"), ("Set-cookie", "b"))
    assert body == b"\0\xff"


async def test_an_encoded_body_is_not_decoded() -> None:
    """What is kept of an answer is what was answered."""
    script = answer(200, b"\x1f\x8bnot really", "Content-Encoding: gzip")
    async with endpoint(script) as end, Wire(NETWORK) as wire:
        assert (await ask(wire, end.url))[2] == b"\x1f\x8bnot really"


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            200,
            b"a",
            id="chunks are joined",
        ),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: 1\r\n\r\n" + OK,
            200,
            b"ok",
            id="interim answers are passed over",
        ),
        pytest.param(b"HTTP/1.1 204 No\r\n\r\n", 204, b"", id="204 has no body"),
        pytest.param(OK + OK, 200, b"ok", id="a second answer is ignored"),
    ],
)
async def test_an_answer_ends_where_it_should(
    raw: bytes, status: int, body: bytes
) -> None:
    """By its framing."""
    async with endpoint(raw) as end, Wire(NETWORK) as wire:
        found = await ask(wire, end.url)
    assert (found[0], found[2]) == (status, body)


async def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    """As HTTP/1.0 servers do."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nall of it")
        await writer.drain()

    async with speaking(speak) as end, Wire(NETWORK) as wire:
        assert (await ask(wire, end.url))[2] == b"all of it"


async def test_a_long_answer_comes_in_full() -> None:
    """Reading pauses when the reader is slow, and goes on after."""
    body = bytes(range(256)) * 16_384
    async with endpoint(answer(200, body)) as end, Wire(NETWORK) as wire:
        for _ in range(2):
            assert (await ask(wire, end.url))[2] == body
    assert end.connections == 1


# --- connections ---------------------------------------------------------------------


async def test_a_connection_is_used_again() -> None:
    """Once the answer before was read to its end."""
    async with endpoint() as end, Wire(NETWORK) as wire:
        for _ in range(3):
            await ask(wire, end.url)
    assert end.connections == 1
    assert len(end.requests) == 3


async def test_a_connection_whose_answer_was_left_is_closed() -> None:
    """What is still on its way would be taken for the next answer."""
    async with endpoint(answer(200, b"x" * 2**20)) as end, Wire(NETWORK) as wire:
        for _ in range(2):
            async with wire.exchange("GET", end.url, (), b"") as found:
                assert found.status == 200
    assert end.connections == 2


async def test_an_answer_before_the_end_of_the_request_ends_the_connection() -> None:
    """Another request would be read as the rest of this one."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_head(reader):
            writer.write(answer(413))

    arrived = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await arrived.wait()
        yield b"never wanted"

    async with speaking(speak) as end, Wire(NETWORK) as wire:
        asyncio.get_running_loop().call_later(0.05, arrived.set)
        assert (await ask(wire, end.url, body=body()))[0] == 413
        assert (await ask(wire, end.url))[0] == 413
    assert end.connections == 2


async def test_an_answer_counts_though_the_request_is_never_read() -> None:
    """Whoever refuses by the head alone need not take sixteen megabytes first."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(answer(413))
        await writer.wait_closed()

    async with speaking(speak) as end, Wire(NETWORK) as wire, asyncio.timeout(10):
        assert (await ask(wire, end.url, body=b"x" * 2**25))[0] == 413


# --- what goes wrong -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (HANG_UP, "closed before an answer"),
        (b"SMTP ready\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "something else than HTTP"),
    ],
    ids=["hangs up", "another protocol", "an upgrade nobody asked for"],
)
async def test_no_answer_is_an_error(raw: bytes, text: str) -> None:
    """One that says why, and names no URL."""
    async with endpoint(raw) as end, Wire(NETWORK) as wire:
        with pytest.raises(WireError, match=text) as error:
            await ask(wire, end.url)
    assert "127.0.0.1" not in str(error.value)


async def test_an_answer_that_breaks_off_is_an_error() -> None:
    """The head came, the body did not."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await writer.drain()

    async with speaking(speak) as end, Wire(NETWORK) as wire:
        with pytest.raises(WireError, match="broke off"):
            await ask(wire, end.url)


async def test_a_closed_port_refuses() -> None:
    """The text says so in two words."""
    async with endpoint() as end:
        url = end.url
    async with Wire(NETWORK) as wire:
        with pytest.raises(WireError, match="connection refused"):
            await ask(wire, url)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "metadata.google.internal",
    ],
)
async def test_addresses_that_must_never_be_reached_are_refused(host: str) -> None:
    """Before anything is dialled."""
    async with Wire(NETWORK) as wire, asyncio.timeout(CONNECT_WITHIN / 2):
        with pytest.raises(WireError, match="is refused"):
            await ask(wire, f"http://{host}/latest/meta-data")


async def test_localhost_is_tried_on_ipv4_and_then_on_ipv6() -> None:
    """Applications listen on either."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        writer.close()

    server = await asyncio.start_server(speak, "::1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Wire(NETWORK) as wire:
        assert (await ask(wire, f"http://localhost:{port}/"))[0] == 200


# --- TLS and proxies -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed one for 127.0.0.1, and a server's context with its key."""

    pem: str
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        " -days 2 -subj /CN=local -addext subjectAltName=IP:127.0.0.1"
        f" -keyout {key} -out {cert}".split(),
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return Certificate(cert.read_text(), context)


async def test_an_unknown_certificate_is_not_trusted(certificate: Certificate) -> None:
    """No request leaves."""
    async with endpoint(tls=certificate.context) as end, Wire(NETWORK) as wire:
        with pytest.raises(WireError, match="certificate of the target is not trusted"):
            await ask(wire, end.url)
    assert end.requests == []


async def test_a_certificate_of_the_network_is_trusted(
    certificate: Certificate,
) -> None:
    """As `--ca-file` asks."""
    async with (
        endpoint(tls=certificate.context) as end,
        Wire(Network(ca_pem=certificate.pem)) as wire,
    ):
        assert (await ask(wire, end.url))[0] == 200


async def test_plain_http_is_asked_of_the_proxy() -> None:
    """In absolute form, with the proxy's own password."""
    async with endpoint() as proxy:
        environ = {"http_proxy": proxy.url.replace("//", "//u:p@")}
        async with Wire(Network(environ=environ)) as wire:
            await ask(wire, "http://app.example/hook?x=1")
    assert proxy.requests[0].startswith(
        b"POST http://app.example/hook?x=1 HTTP/1.1\r\n"
    )
    headers = dict(proxy.headers())
    assert headers["Host"] == "app.example"
    assert headers["Proxy-Authorization"] == "Basic dTpw"


async def test_a_loopback_target_needs_no_proxy() -> None:
    """Whatever the environment says."""
    async with endpoint() as end, endpoint() as proxy:
        environ = {"http_proxy": proxy.url, "all_proxy": proxy.url}
        async with Wire(Network(environ=environ)) as wire:
            await ask(wire, end.url)
    assert (len(end.requests), proxy.connections) == (1, 0)


async def test_a_proxy_that_refuses_to_connect_is_named() -> None:
    """With the status it gave."""
    async with endpoint(answer(407)) as proxy:
        environ = {"https_proxy": proxy.url}
        async with Wire(Network(environ=environ)) as wire:
            with pytest.raises(WireError, match="proxy answered 407 to CONNECT"):
                await ask(wire, "https://app.example/")
    assert proxy.requests[0].startswith(b"CONNECT app.example:443 HTTP/1.1\r\n")


async def test_tls_goes_through_a_proxy(certificate: Certificate) -> None:
    """The proxy sees a name and a port, and bytes it cannot read."""
    async with endpoint(tls=certificate.context) as end:

        async def speak(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await read_head(reader)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            inner = await asyncio.open_connection("127.0.0.1", end.port)
            async with asyncio.TaskGroup() as group:
                group.create_task(copy(reader, inner[1]))
                group.create_task(copy(inner[0], writer))

        async with speaking(speak) as proxy:
            network = Network(
                ca_pem=certificate.pem, environ={"https_proxy": proxy.url}
            )
            async with Wire(network) as wire:
                connection = await wire._through(proxy.url, "127.0.0.1", end.port, True)
                connection.begin("GET")
                await connection.send(b"GET /seen HTTP/1.1\r\nHost: x\r\n\r\n", b"", ())
                assert (await connection.answer()).status == 200
                connection.close()
    assert end.requests == [b"GET /seen HTTP/1.1\r\nHost: x\r\n\r\n"]


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def test_a_proxy_of_another_kind_is_an_error_of_the_exchange() -> None:
    """A run goes on: only what goes that way fails."""
    async with Wire(Network(environ={"all_proxy": "socks5://127.0.0.1:1"})) as wire:
        with pytest.raises(WireError, match="socks5"):
            await ask(wire, "http://app.example/")
