"""Answers to the world: a client's, byte for byte, and the relay's own, marked as such.

`Verbatim` is written by aiohttp's transport but not by its rules: no header is added,
ordered or encoded anew, but for the two that concern this connection alone
(Transfer-Encoding, Connection).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from typing_extensions import override

from devhook.core.http import Headers
from devhook.core.relay import Fault

RELAY_HEADER: Final = "X-Devhook-Relay"
_BODILESS = (204, 304)


class Declined(Exception):
    """The relay answers this request by itself."""

    def __init__(self, own: "Own") -> None:
        super().__init__(own.reason)
        self.own = own


@dataclass(frozen=True, slots=True)
class Own:
    """An answer of the relay: `reason` is the value of its X-Devhook-Relay header."""

    status: int
    reason: str
    text: str


OK = Own(200, "ok", "ok")
NO_SUCH_URL = Own(404, "no-such-url", "there is nothing at this URL")
WRONG_TOKEN = Own(401, "wrong-token", "the relay does not know this token")
NO_WEBSOCKET = Own(426, "no-websocket", "tunnel clients connect here by WebSocket")
HEAD_TOO_LARGE = Own(431, "head-too-large", "the head of the request is too large")
CLIENT_AWAY = Own(503, "client-away", "the tunnel's client is not connected")
BUSY = Own(503, "busy", "too many requests are under way through this tunnel")
STOPPING = Own(503, "stopping", "the relay is being stopped")

OF_FAULT: Mapping[Fault, Own] = {
    Fault.SENDER_GONE: Own(400, "sender-gone", "the sender left"),
    Fault.SENDER_BROKE_OFF: Own(400, "sender-broke-off", "the body broke off"),
    Fault.SENDER_TOO_SLOW: Own(408, "sender-too-slow", "the body came too slowly"),
    # Not 413: senders count a 4xx as delivered, and nothing was.
    Fault.BODY_TOO_LARGE: Own(503, "body-too-large", "the body is over the limit"),
    Fault.CLIENT_TOO_SLOW: Own(504, "client-too-slow", "no answer in time"),
    Fault.CLIENT_GONE: Own(502, "client-gone", "the tunnel's client left meanwhile"),
    Fault.CLIENT_BROKE_RULES: Own(502, "client-error", "the answer was no HTTP"),
    Fault.LOCAL_UNREACHABLE: Own(
        502, "local-unreachable", "the server behind the tunnel cannot be reached"
    ),
    Fault.LOCAL_BROKE_OFF: Own(
        502, "local-broke-off", "the server behind the tunnel broke off its answer"
    ),
    Fault.OTHER: Own(502, "other", "the tunnel's client gave up"),
}


class Verbatim(web.StreamResponse):
    """One answer to `request`; ValueError when its head contradicts itself."""

    def __init__(
        self, request: web.BaseRequest, status: int, reason: str, headers: Headers
    ) -> None:
        super().__init__(status=status, reason=reason)
        self._writer = request.writer
        self._transport = request.transport
        self._bodiless = request.method == "HEAD" or status in _BODILESS
        self._left = None if self._bodiless else _content_length(headers)
        modern = request.version >= HttpVersion11
        delimited = self._bodiless or self._left is not None
        self._chunks = not delimited and modern
        self._persistent = request.keep_alive and (delimited or modern)
        self._head = _head(status, reason, (*headers, *self._hop_by_hop(modern)))

    @property
    @override
    def keep_alive(self) -> bool:
        return self._persistent

    @override
    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        if head := self._head:
            self._head = b""
            await self._writer.write(head)
            if self._chunks:
                self._writer.enable_chunking()
        return self._writer

    @override
    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """A piece of the body; ValueError when it goes beyond the Content-Length."""
        if self._bodiless:
            return
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise ValueError("more body than its Content-Length")
        await self._writer.write(data)

    @override
    async def write_eof(self, data: bytes = b"") -> None:
        """End the body; cut the connection when the Content-Length promised more."""
        if self._left:
            self.abort()
        else:
            await self._writer.write_eof(data)

    def abort(self) -> None:
        """Cut the connection, so that half an answer is never taken for a whole one."""
        self._persistent = False
        self._left = None
        if self._transport is not None:
            self._transport.abort()

    def _hop_by_hop(self, modern: bool) -> Headers:
        coding = (("Transfer-Encoding", "chunked"),) if self._chunks else ()
        if self._persistent:
            return coding if modern else (("Connection", "keep-alive"),)
        return (*coding, ("Connection", "close"))


def own_answer(request: web.BaseRequest, own: Own) -> web.StreamResponse:
    return _Whole(request, own)


class _Whole(Verbatim):
    """An answer of the relay itself, with a line of text as its body."""

    def __init__(self, request: web.BaseRequest, own: Own) -> None:
        self._text = f"{own.text}\n".encode()
        headers = [("Content-Type", "text/plain; charset=utf-8")]
        headers.append(("Content-Length", str(len(self._text))))
        if own.status >= 400:
            headers.append((RELAY_HEADER, own.reason))
        if own is WRONG_TOKEN:
            headers.append(("WWW-Authenticate", "Bearer"))
        phrase = HTTPStatus(own.status).phrase
        super().__init__(request, own.status, phrase, tuple(headers))

    @override
    async def write_eof(self, data: bytes = b"") -> None:
        await self.write(self._text)
        await super().write_eof(data)


def _content_length(headers: Headers) -> int | None:
    found = [value for name, value in headers if name.lower() == "content-length"]
    if not found:
        return None
    if len(found) > 1 or not (found[0].isascii() and found[0].isdigit()):
        raise ValueError("a Content-Length that is none")
    return int(found[0])


def _head(status: int, reason: str, headers: Headers) -> bytes:
    lines = [f"HTTP/1.1 {status} {reason}"]
    lines += (f"{name}: {value}" for name, value in headers)
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
