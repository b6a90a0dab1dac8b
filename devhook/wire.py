"""One HTTP/1.1 exchange with a server, every byte of the head as given.

Client libraries fold header names, join repeats, put Host first, write values as UTF-8
and add headers of their own; a tool that promises to pass on what it got can use none
of them. So heads are written here, byte for byte, and answers are parsed by httptools.
Connections are kept and used again; proxies, TLS and addresses that must never be
reached are dealt with where a connection is made.

This room knows headers, and nothing of events, targets or tunnels.
"""

import asyncio
import base64
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

import httptools
from typing_extensions import override

from devhook.core.http import Headers, first, from_raw, printable
from devhook.core.network import Network, proxy_for, refused_address, tls_context

CONNECT_WITHIN = 10.0
_BUFFERED = 256 * 1024
_IDLE_KEPT = 64
_REUSED_WITHIN = 1.0
"""Seconds: servers close idle connections after two and more, and a request that meets
the close is lost without our knowing whether it was read."""


class WireError(OSError):
    """There was no whole answer; the text says why, without the URL."""


@dataclass(slots=True)
class Answer:
    """The head of an answer, and its body as it comes."""

    status: int
    reason: str
    headers: Headers
    _connection: "_Connection" = field(repr=False)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body's pieces as they arrive; raises WireError when it breaks off."""
        while (chunk := await self._connection.next_chunk()) is not None:
            yield chunk


class Wire:
    """A pool of connections; `async with` closes them."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._tls: ssl.SSLContext | None = None
        self._idle: defaultdict[tuple[str, str | None], deque[_Connection]]
        self._idle = defaultdict(deque)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for waiting in self._idle.values():
            for connection in waiting:
                connection.close()

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        url: str,
        headers: Headers,
        body: bytes | AsyncIterator[bytes] = b"",
    ) -> AsyncIterator[Answer]:
        """Send the request; yields once the answer's head is there.

        `headers` go out as they are, but that `Host` is put first when there is none
        and the length is made true: an iterator goes out chunked unless the headers
        give its length. Leaving before the body's end closes the connection. Raises
        WireError; bound it with a timeout.
        """
        parts = urlsplit(url)
        proxy = proxy_for(url, self._network)
        key = (f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", proxy)
        connection = self._reusable(key) or await self._connect(parts, proxy)
        whole = False
        try:
            target = _target(parts, absolute=proxy is not None)
            framed = _framed(method, parts, headers, body)
            connection.begin(method)
            await connection.send(_head(method, target, framed), body, framed)
            yield await connection.answer()
            whole = connection.finished
        finally:
            if whole and connection.reusable and len(self._idle[key]) < _IDLE_KEPT:
                self._idle[key].append(connection)
            else:
                connection.close()

    def _reusable(self, key: tuple[str, str | None]) -> "_Connection | None":
        waiting = self._idle[key]
        while waiting:
            connection = waiting.pop()
            if connection.reusable:
                return connection
            connection.close()
        return None

    async def _connect(self, parts: SplitResult, proxy: str | None) -> "_Connection":
        host, secure = parts.hostname or "", parts.scheme == "https"
        if reason := refused_address(host):
            raise WireError(f"{printable(host)} is refused: {reason}")
        port = parts.port or (443 if secure else 80)
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                if proxy is None:
                    return await self._dial(host, port, secure)
                return await self._through(proxy, host, port, secure)
        except TimeoutError as exc:
            raise WireError(f"no connection within {CONNECT_WITHIN:g} s") from exc
        except ssl.SSLCertVerificationError as exc:
            raise WireError("the certificate of the target is not trusted") from exc
        except ssl.SSLError as exc:
            raise WireError("no TLS connection could be made") from exc

    async def _dial(
        self, host: str, port: int, secure: bool, allow_any: bool = False
    ) -> "_Connection":
        """Connect to the first address of the name that answers."""
        last: OSError = WireError(f"{printable(host)} leads nowhere that is allowed")
        for address in await _addresses(host, port):
            if not allow_any and refused_address(address):
                continue
            try:
                _, connection = await asyncio.get_running_loop().create_connection(
                    _Connection,
                    address,
                    port,
                    ssl=self._context() if secure else None,
                    server_hostname=host if secure else None,
                )
            except ssl.SSLError:
                raise
            except ConnectionRefusedError as exc:
                last = WireError("connection refused")
                last.__cause__ = exc
            except OSError as exc:
                last = WireError((exc.strerror or str(exc)).lower())
                last.__cause__ = exc
            else:
                return connection
        raise last

    async def _through(
        self, proxy: str, host: str, port: int, secure: bool
    ) -> "_Connection":
        """By the proxy: a tunnel to a TLS target, else the proxy itself."""
        via = urlsplit(proxy)
        connection = await self._dial(
            via.hostname or "", via.port or 80, via.scheme == "https", allow_any=True
        )
        if not secure:
            return connection
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        headers: Headers = (("Host", authority), *_basic(via, "Proxy-Authorization"))
        connection.begin("CONNECT")
        await connection.send(_head("CONNECT", authority, headers), b"", headers)
        answer = await connection.answer()
        if answer.status != 200:
            connection.close()
            raise WireError(f"the proxy answered {answer.status} to CONNECT")
        return await connection.secured(self._context(), host)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = tls_context(self._network)
        return self._tls


class _Connection(asyncio.Protocol):
    """One connection, and the answer that is being read from it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._closed = False
        self._idle = True
        self._rested_at = self._loop.time()
        self._parser: httptools.HttpResponseParser | None = None

    # --- what the pool asks ----------------------------------------------------------

    @property
    def reusable(self) -> bool:
        fresh = self._loop.time() - self._rested_at < _REUSED_WITHIN
        return self._idle and fresh and not self._closed

    @property
    def finished(self) -> bool:
        return self._complete

    def begin(self, method: str) -> None:
        """Make ready for the answer to a request."""
        self._method = method
        self._idle = False
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._reason = b""
        self._head: asyncio.Future[Answer] = self._loop.create_future()
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._arrived = asyncio.Event()
        self._complete = False
        self._failure: str | None = None

    async def send(
        self, head: bytes, body: bytes | AsyncIterator[bytes], headers: Headers
    ) -> None:
        if isinstance(body, bytes):
            await self._write(head + body)
            return
        await self._write(head)
        chunked = first(headers, "Transfer-Encoding") is not None
        async for chunk in body:
            if self._head.done():  # answered before the end: the rest is not wanted
                return
            if chunk:
                await self._write(
                    b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk
                )
        if chunked:
            await self._write(b"0\r\n\r\n")

    async def answer(self) -> Answer:
        return await self._head

    async def next_chunk(self) -> bytes | None:
        while not self._chunks:
            if self._complete:
                return None
            if self._failure is not None:
                raise WireError(self._failure)
            self._arrived.clear()
            await self._arrived.wait()
        chunk = self._chunks.popleft()
        self._buffered -= len(chunk)
        if self._buffered < _BUFFERED and self._transport and not self._closed:
            self._transport.resume_reading()
        return chunk

    async def secured(self, context: ssl.SSLContext, host: str) -> "_Connection":
        """The same connection with TLS on top, as a fresh one."""
        inner = _Connection()
        assert self._transport is not None  # noqa: S101  it was connected
        transport = await self._loop.start_tls(
            self._transport, inner, context, server_hostname=host
        )
        assert transport is not None  # noqa: S101  only for closed ones
        inner._transport = transport
        return inner

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def _write(self, data: bytes) -> None:
        if self._transport is None or self._closed:
            raise WireError("the connection was closed before an answer")
        self._transport.write(data)
        await self._writable.wait()

    # --- asyncio calls ---------------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  TCP or TLS
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._idle:
            self.close()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._over()  # a tunnel is open: what follows is not HTTP
        except httptools.HttpParserError as exc:
            self._fail(f"the answer is no HTTP: {exc}")
            self.close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self._writable.set()
        if self._parser is None or self._idle:
            return
        if self._head.done() and self._ends_with_connection:
            self._over()
        self._fail(
            "the answer broke off"
            if self._head.done()
            else "the connection was closed before an answer"
        )

    @override
    def pause_writing(self) -> None:
        self._writable.clear()

    @override
    def resume_writing(self) -> None:
        self._writable.set()

    # --- httptools calls -------------------------------------------------------------

    def on_status(self, status: bytes) -> None:
        self._reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None  # noqa: S101  it is calling
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            return
        headers = from_raw(self._headers)
        length = first(headers, "Content-Length")
        coding = first(headers, "Transfer-Encoding")
        self._ends_with_connection = length is None and coding is None
        self._keep_alive = self._parser.should_keep_alive()
        if not self._head.done():
            reason = self._reason.decode("latin-1")
            self._head.set_result(Answer(status, reason, headers, self))
        if self._method == "HEAD" or (self._method == "CONNECT" and status == 200):
            self._keep_alive = False  # the parser waits for a body that never comes
            self._over()

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._buffered += len(body)
        self._arrived.set()
        if self._buffered >= _BUFFERED and self._transport is not None:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        assert self._parser is not None  # noqa: S101  it is calling
        if self._parser.get_status_code() < 200:
            self._headers, self._reason = [], b""
            return
        self._over()

    def _over(self) -> None:
        if not self._head.done() or self._complete:
            return
        self._complete = True
        self._idle = self._keep_alive
        self._rested_at = self._loop.time()
        self._arrived.set()

    def _fail(self, why: str) -> None:
        if self._complete:
            return
        self._failure = why
        self._arrived.set()
        if not self._head.done():
            self._head.set_exception(WireError(why))


async def _addresses(host: str, port: int) -> list[str]:
    """What the name stands for; `localhost` is 127.0.0.1 first, then ::1."""
    if host == "localhost":
        return ["127.0.0.1", "::1"]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
    except OSError as exc:
        raise WireError(f"the name {printable(host)} does not resolve") from exc
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def _target(parts: SplitResult, *, absolute: bool) -> str:
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    if absolute and parts.scheme == "http":
        return f"http://{parts.netloc.rpartition('@')[2]}{target}"
    return target


def _framed(
    method: str,
    parts: SplitResult,
    headers: Headers,
    body: bytes | AsyncIterator[bytes],
) -> Headers:
    """The headers with Host, and with a length that is true."""
    framed = list(headers)
    if first(headers, "Host") is None:
        framed.insert(0, ("Host", parts.netloc.rpartition("@")[2]))
    if first(headers, "Authorization") is None:
        framed += _basic(parts, "Authorization")
    declared = first(headers, "Content-Length")
    if not isinstance(body, bytes):
        if declared is None:
            framed.append(("Transfer-Encoding", "chunked"))
    elif declared is not None:
        true = ("Content-Length", str(len(body)))
        if declared.strip() != true[1]:
            framed = [
                true if n.lower() == "content-length" else (n, v) for n, v in framed
            ]
    elif body or method in ("POST", "PUT", "PATCH"):
        framed.append(("Content-Length", str(len(body))))
    return tuple(framed)


def _basic(parts: SplitResult, name: str) -> list[tuple[str, str]]:
    """Userinfo of a URL as the header it stands for."""
    userinfo, found, _ = parts.netloc.rpartition("@")
    if not found:
        return []
    user, _, password = userinfo.partition(":")
    raw = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return [(name, f"Basic {base64.b64encode(raw).decode()}")]


def _head(method: str, target: str, headers: Headers) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in headers), "", ""]
    head = "\r\n".join(lines).encode("latin-1")
    if head.count(b"\n") != len(lines) - 1 or b"\0" in head:
        raise WireError("a header holds a line break")
    return head
