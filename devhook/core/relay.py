"""The wire between a relay and its clients: version 1, frame by frame, for both ends.

A client holds one WebSocket to the relay (`GET /connect`, subprotocol `SUBPROTOCOL`,
`Authorization: Bearer <token>`). Every binary message on it is one or more whole
frames:

    type u8 | flags u8 | stream u32 | length u32 | payload of that length

Numbers are big-endian. `str8` and `str16` are text after a length of one or two bytes,
UTF-8. `raw16` is bytes after a length of two; here they are `str` in which every
character is one byte (latin-1), so that what is no text survives. Stream 0 is the
connection itself; the relay opens odd streams, each greater than the last, one for each
public request (even ones are kept for a day when clients open some).

    0x01 HELLO    client  first frame. versions: count u8, then u8 each; lease str8,
                          instance str8, agent str8; window u32: the bytes of DATA it
                          takes unasked on each stream; requests u32: the streams it
                          takes at once. Flag 1: take the lease over
    0x02 WELCOME  relay   the answer to it. version u8, window u32, public URL str16
    0x03 GOODBYE  both    last frame. why u8 (`Farewell`), text str16
    0x04 PING     both    token u64; answered at once by
    0x05 PONG     both    the same token
    0x10 OPEN     relay   a request. method raw16, target raw16, headers. Flag 1: END,
                          no body follows
    0x11 ANSWER   client  the head of its answer. status u16, reason raw16, headers.
                          Flag 1: END
    0x12 DATA     both    a piece of a body, the whole payload, empty only with END.
                          Flag 1: END, it is the last
    0x13 WINDOW   both    credit u32: so many more bytes of DATA are welcome
    0x14 CANCEL   both    the stream is over before its END. why u8 (`Fault`), text
                          str16

`headers` is a count u16, then name raw16 and value raw16 of each pair, in order. Both
ends drop the hop-by-hop ones (`core.http.end_to_end`) and change nothing else.

A stream is over with the END of its answer, even when the request's is still to come,
or with a CANCEL; what arrives for it afterwards was under way, and is passed over. DATA
beyond the window that was given is an error of the connection, so neither end ever
holds more than windows times streams. Any frame is a sign of life; an end that has
heard none for `PATIENCE` seconds drops the connection. What fails one request is a
CANCEL that says whose fault it was; breaking the rules of the wire is a `ProtocolError`
and ends the connection with GOODBYE.

How it grows: payload beyond the fields known here is passed over in HELLO, WELCOME,
GOODBYE and CANCEL, so that fields can be added at their end; unknown flags are ignored;
frames of unknown type 0x80 and above are passed over, below it they are errors; a
`Farewell` or `Fault` not known here reads as OTHER. Anything else is a new version: the
relay picks the highest that HELLO offers and it knows, or says GOODBYE.

The frames below hold their own bounds: one that can be made can be sent. The bytes are
made and read in `core.relay_codec`, the rules of streams kept in `core.relay_link`.
"""

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeAlias

from devhook.core.http import Headers

SUBPROTOCOL: Final = "devhook.relay"
CONNECT_PATH: Final = "/connect"
VERSION: Final = 1
HEARTBEAT: Final = 3.0  # seconds of silence after which an end asks for a sign of life
PATIENCE: Final = 9.0  # seconds of silence after which the other end is gone
WINDOW: Final = 256 * 1024
REQUESTS: Final = 256

MAX_DATA: Final = 64 * 1024
MAX_PAYLOAD: Final = 256 * 1024
MAX_MESSAGE: Final = 512 * 1024
MAX_WINDOW: Final = 16 * 1024 * 1024
MAX_HEADERS: Final = 256
MAX_TEXT: Final = 1024

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_TARGET = re.compile(r"[!-~\x80-\xff]{1,65535}")
_VALUE = re.compile(r"[\t -~\x80-\xff]{0,65535}")


class ProtocolError(Exception):
    """The other end, or our own code, broke the rules of the wire."""


class Farewell(IntEnum):
    """Why an end leaves the connection."""

    DONE = 0  # for good: the lease may go
    STOPPING = 1
    BROKEN_RULES = 2
    NO_COMMON_VERSION = 3
    LEASE_HELD = 4
    TAKEN_OVER = 5
    REPLACED = 6  # by a newer connection of the same client
    OTHER = 255


class Fault(IntEnum):
    """Why a stream is cancelled: whose fault it was, and what it was.

    The sender made the public request; the client holds the tunnel; the local server
    is what it leads to.
    """

    SENDER_GONE = 0
    SENDER_BROKE_OFF = 1
    SENDER_TOO_SLOW = 2
    BODY_TOO_LARGE = 3
    CLIENT_TOO_SLOW = 16
    CLIENT_GONE = 17
    CLIENT_BROKE_RULES = 18
    LOCAL_UNREACHABLE = 32
    LOCAL_BROKE_OFF = 33
    OTHER = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """`instance` names one run of a client, so that it may replace itself at once."""

    lease: str = field(repr=False)
    instance: str
    agent: str = ""
    versions: tuple[int, ...] = (VERSION,)
    takeover: bool = False
    window: int = WINDOW
    requests: int = REQUESTS

    def __post_init__(self) -> None:
        for text in (self.lease, self.instance):
            _hold(0 < len(text.encode()) <= 255, "name")
        _hold(len(self.agent.encode()) <= 255, "agent")
        _hold(0 < len(self.versions) <= 255, "versions")
        _hold(all(0 <= version <= 255 for version in self.versions), "versions")
        _hold(0 < self.window <= MAX_WINDOW, "window")
        _hold(0 < self.requests < 1 << 32, "requests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    public_url: str
    version: int = VERSION
    window: int = WINDOW

    def __post_init__(self) -> None:
        _hold(len(self.public_url.encode()) <= MAX_TEXT, "public URL")
        _hold(0 <= self.version <= 255, "version")
        _hold(0 < self.window <= MAX_WINDOW, "window")


@dataclass(frozen=True, slots=True)
class Goodbye:
    why: Farewell
    text: str = ""

    def __post_init__(self) -> None:
        _hold(len(self.text.encode()) <= MAX_TEXT, "text")


@dataclass(frozen=True, slots=True)
class Ping:
    token: int


@dataclass(frozen=True, slots=True)
class Pong:
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    stream: int
    method: str
    target: str
    headers: Headers = ()
    end: bool = False

    def __post_init__(self) -> None:
        _hold(_NAME.fullmatch(self.method), "method")
        _hold(_TARGET.fullmatch(self.target), "target")
        _hold_head(self.headers, len(self.method) + len(self.target))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    stream: int
    status: int
    reason: str = ""
    headers: Headers = ()
    end: bool = False

    def __post_init__(self) -> None:
        _hold(200 <= self.status <= 999, "status")
        _hold(_VALUE.fullmatch(self.reason), "reason")
        _hold_head(self.headers, len(self.reason))


@dataclass(frozen=True, slots=True)
class Data:
    stream: int
    body: bytes = field(repr=False)
    end: bool = False

    def __post_init__(self) -> None:
        _hold(self.body or self.end, "piece of a body")
        _hold(len(self.body) <= MAX_DATA, "piece of a body")


@dataclass(frozen=True, slots=True)
class Window:
    stream: int
    credit: int

    def __post_init__(self) -> None:
        _hold(0 < self.credit <= MAX_WINDOW, "credit")


@dataclass(frozen=True, slots=True)
class Cancel:
    stream: int
    why: Fault
    text: str = ""

    def __post_init__(self) -> None:
        _hold(len(self.text.encode()) <= MAX_TEXT, "text")


Frame: TypeAlias = (
    Hello | Welcome | Goodbye | Ping | Pong | Open | Answer | Data | Window | Cancel
)


def _hold_head(headers: Headers, size: int) -> None:
    """Nothing that would end a line of an HTTP head early, nor too much of it."""
    _hold(len(headers) <= MAX_HEADERS, "number of headers")
    for name, value in headers:
        _hold(_NAME.fullmatch(name), "header name")
        _hold(_VALUE.fullmatch(value), "header value")
        size += len(name) + len(value) + 4
    _hold(size <= MAX_PAYLOAD - 64, "size of the head")


def _hold(holds: object, what: str) -> None:
    if not holds:
        raise ProtocolError(f"{what} out of bounds")
