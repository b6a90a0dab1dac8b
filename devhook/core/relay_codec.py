"""Frames to bytes and back; the layout is told in `core.relay`.

Bytes from the other end are never trusted: whatever they are, reading them gives frames
or raises `ProtocolError`, and holds no more memory than the message that came.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import assert_never

from devhook.core.http import Headers
from devhook.core.relay import (
    MAX_MESSAGE,
    MAX_PAYLOAD,
    Answer,
    Cancel,
    Data,
    Farewell,
    Fault,
    Frame,
    Goodbye,
    Hello,
    Open,
    Ping,
    Pong,
    ProtocolError,
    Welcome,
    Window,
)

_FRAME = struct.Struct(">BBII")
_END = _TAKEOVER = 0x01
_FIRST_OF_STREAMS = 0x10
_FIRST_OPTIONAL = 0x80


def encode(frame: Frame) -> bytes:
    kind, flag, stream, payload = _encode(frame)
    return _FRAME.pack(kind, flag, stream, len(payload)) + payload


def decode(message: bytes) -> Iterator[Frame]:
    """The frames of one message, in order; ProtocolError where it makes no sense."""
    if len(message) > MAX_MESSAGE:
        raise ProtocolError("message too long")
    at = 0
    while at < len(message):
        if len(message) - at < _FRAME.size:
            raise ProtocolError("frame cut off")
        kind, flags, stream, length = _FRAME.unpack_from(message, at)
        at += _FRAME.size
        if length > min(MAX_PAYLOAD, len(message) - at):
            raise ProtocolError("frame longer than its message")
        if kind in _READERS:
            yield _decode(kind, flags, stream, message[at : at + length])
        elif kind < _FIRST_OPTIONAL:
            raise ProtocolError(f"unknown frame 0x{kind:02x}")
        at += length


def _encode(frame: Frame) -> tuple[int, int, int, bytes]:
    match frame:
        case Data(stream, body, end):
            return 0x12, _END * end, stream, body
        case Window(stream, credit):
            return 0x13, 0, stream, credit.to_bytes(4)
        case Open():
            line = _raw16(frame.method) + _raw16(frame.target)
            return 0x10, _END * frame.end, frame.stream, line + _pairs(frame.headers)
        case Answer():
            line = frame.status.to_bytes(2) + _raw16(frame.reason)
            return 0x11, _END * frame.end, frame.stream, line + _pairs(frame.headers)
        case Cancel(stream, why, text):
            return 0x14, 0, stream, bytes([why]) + _text(text, 2)
        case Ping(token):
            return 0x04, 0, 0, token.to_bytes(8)
        case Pong(token):
            return 0x05, 0, 0, token.to_bytes(8)
        case Hello():
            return 0x01, _TAKEOVER * frame.takeover, 0, _hello(frame)
        case Welcome():
            limits = frame.version.to_bytes() + frame.window.to_bytes(4)
            return 0x02, 0, 0, limits + _text(frame.public_url, 2)
        case Goodbye(why, text):
            return 0x03, 0, 0, bytes([why]) + _text(text, 2)
        case _:
            assert_never(frame)


def _hello(frame: Hello) -> bytes:
    return b"".join(
        (
            bytes([len(frame.versions), *frame.versions]),
            _text(frame.lease, 1),
            _text(frame.instance, 1),
            _text(frame.agent, 1),
            frame.window.to_bytes(4),
            frame.requests.to_bytes(4),
        )
    )


def _text(text: str, width: int) -> bytes:
    data = text.encode()
    return len(data).to_bytes(width) + data


def _raw16(text: str) -> bytes:
    return len(text).to_bytes(2) + text.encode("latin-1")


def _pairs(headers: Headers) -> bytes:
    pairs = (_raw16(name) + _raw16(value) for name, value in headers)
    return len(headers).to_bytes(2) + b"".join(pairs)


def _decode(kind: int, flags: int, stream: int, payload: bytes) -> Frame:
    if (stream == 0) != (kind < _FIRST_OF_STREAMS):
        raise ProtocolError(f"frame 0x{kind:02x} on stream {stream}")
    fields = _Fields(payload)
    frame = _READERS[kind](fields, flags, stream)
    if kind not in _GROWING and fields.rest():
        raise ProtocolError("frame longer than its fields")
    return frame


class _Fields:
    """A payload, read field by field."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    def take(self, size: int) -> bytes:
        piece = self._payload[self._at : self._at + size]
        if len(piece) < size:
            raise ProtocolError("field cut off")
        self._at += size
        return piece

    def rest(self) -> bytes:
        return self.take(len(self._payload) - self._at)

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def text(self, width: int) -> str:
        try:
            return self.take(self.number(width)).decode()
        except UnicodeDecodeError as exc:
            raise ProtocolError("text that is no UTF-8") from exc

    def raw(self) -> str:
        return self.take(self.number(2)).decode("latin-1")

    def pairs(self) -> Headers:
        return tuple((self.raw(), self.raw()) for _ in range(self.number(2)))


def _read_hello(fields: _Fields, flags: int, _stream: int) -> Frame:
    return Hello(
        versions=tuple(fields.take(fields.number(1))),
        takeover=bool(flags & _TAKEOVER),
        lease=fields.text(1),
        instance=fields.text(1),
        agent=fields.text(1),
        window=fields.number(4),
        requests=fields.number(4),
    )


def _read_welcome(fields: _Fields, _flags: int, _stream: int) -> Frame:
    return Welcome(
        version=fields.number(1), window=fields.number(4), public_url=fields.text(2)
    )


def _read_goodbye(fields: _Fields, _flags: int, _stream: int) -> Frame:
    why = fields.number(1)
    known = Farewell(why) if why in _FAREWELLS else Farewell.OTHER
    return Goodbye(known, fields.text(2))


def _read_open(fields: _Fields, flags: int, stream: int) -> Frame:
    return Open(
        stream=stream,
        method=fields.raw(),
        target=fields.raw(),
        headers=fields.pairs(),
        end=bool(flags & _END),
    )


def _read_answer(fields: _Fields, flags: int, stream: int) -> Frame:
    return Answer(
        stream=stream,
        status=fields.number(2),
        reason=fields.raw(),
        headers=fields.pairs(),
        end=bool(flags & _END),
    )


def _read_cancel(fields: _Fields, _flags: int, stream: int) -> Frame:
    why = fields.number(1)
    known = Fault(why) if why in _FAULTS else Fault.OTHER
    return Cancel(stream, known, fields.text(2))


_FAREWELLS = frozenset(Farewell)
_FAULTS = frozenset(Fault)
_GROWING = frozenset((0x01, 0x02, 0x03, 0x14))
_READERS: Mapping[int, Callable[[_Fields, int, int], Frame]] = {
    0x01: _read_hello,
    0x02: _read_welcome,
    0x03: _read_goodbye,
    0x04: lambda fields, _flags, _stream: Ping(fields.number(8)),
    0x05: lambda fields, _flags, _stream: Pong(fields.number(8)),
    0x10: _read_open,
    0x11: _read_answer,
    0x12: lambda fields, flags, stream: Data(stream, fields.rest(), bool(flags & _END)),
    0x13: lambda fields, _flags, stream: Window(stream, fields.number(4)),
    0x14: _read_cancel,
}
