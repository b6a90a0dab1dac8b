"""One connection, and the answer that is being read from it."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from typing import cast

import httptools
from typing_extensions import override

from devhook.core.http import Headers, first, from_raw
from devhook.wire.answer import Answer, WireError

_BUFFERED = 256 * 1024
_REUSED_WITHIN = 1.0
"""Seconds: servers close idle connections after two and more, and a request that meets
the close is lost without our knowing whether it was read."""


class Connection(asyncio.Protocol):
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
        if self._closed or not self._idle or not self._sent or self._transport is None:
            return False
        fresh = self._loop.time() - self._rested_at < _REUSED_WITHIN
        return fresh and not self._transport.get_write_buffer_size()

    @property
    def finished(self) -> bool:
        """Whether nothing of the answer is left, on the way or unread."""
        return self._complete and not self._chunks

    def begin(self, method: str) -> None:
        """Make ready for the answer to a request."""
        self._method = method
        self._idle = self._sent = False
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._reason = b""
        self._head: asyncio.Future[Answer] = self._loop.create_future()
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._arrived = asyncio.Event()
        self._complete = self._ends_with_connection = self._keep_alive = False
        self._failure: str | None = None

    async def send(
        self, head: bytes, body: bytes | AsyncIterator[bytes], headers: Headers
    ) -> None:
        if isinstance(body, bytes):
            await self._write(head + body)
            self._sent = True
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
        self._sent = True

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

    async def secured(self, context: ssl.SSLContext, host: str) -> "Connection":
        """The same connection with TLS on top, as a fresh one."""
        inner = Connection()
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
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)

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
        if status == 101:
            self._fail("the answer is a change to something else than HTTP")
        if 100 <= status < 200:
            return
        headers = from_raw(self._headers)
        length = first(headers, "Content-Length")
        coding = first(headers, "Transfer-Encoding")
        self._ends_with_connection = length is None and coding is None
        self._keep_alive = self._parser.should_keep_alive()
        if not self._head.done():
            reason = self._reason.decode("latin-1")
            answer = Answer(status, reason, headers, self.next_chunk)
            self._head.set_result(answer)
            self._writable.set()  # who answers early may never read the rest
        if self._method == "HEAD" or (self._method == "CONNECT" and status == 200):
            self._keep_alive = False  # the parser waits for a body that never comes
            self._over()

    def on_body(self, body: bytes) -> None:
        if self._complete:  # a second answer, which nobody asked for
            self.close()
            return
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
        if self._complete or self._failure is not None:
            return
        self._failure = why
        self._arrived.set()
        if not self._head.done():
            self._head.set_exception(WireError(why))
            self._head.exception()  # seen: whoever was to wait for it may have left
