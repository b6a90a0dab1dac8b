"""One HTTP/1.1 connection of the webhook sender, and the few it keeps for later.

Only as much of an answer is read as the sender looks at: the status, the headers, and
the end of the body, so that the connection can be used again.
"""

import asyncio
import contextlib
import re
from collections import defaultdict
from dataclasses import dataclass

from devhook.core.http import Headers, first
from devhook.core.model import Request
from devhook.sandbox.go_request import wire_bytes

_STATUS_LINE = re.compile(r"HTTP/1\.(?P<minor>[01]) (?P<status>[0-9]{3})(?: .*)?")
_MOST_LINES = 1000
_CHUNK = 1 << 16
_IDLE_PER_HOST = 5
_IDLE_SECONDS = 30.0


class TransportError(Exception):
    """A try came to nothing that has a status: it is made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of an answer; `minor` is the 1 of HTTP/1.1."""

    minor: int
    status: int
    headers: Headers

    def location(self) -> str | None:
        value = first(self.headers, "Location")
        return value.encode("latin-1").decode(errors="replace") if value else None

    def keeps_alive(self) -> bool:
        return self.minor == 1 and "close" not in self._lower("Connection")

    def chunked(self) -> bool:
        return "chunked" in self._lower("Transfer-Encoding")

    def length(self) -> int | None:
        value = first(self.headers, "Content-Length")
        return None if value is None else int(value)

    def _lower(self, name: str) -> str:
        return (first(self.headers, name) or "").lower()


@dataclass(slots=True, kw_only=True)
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_since: float = 0.0

    async def send(self, request: Request) -> None:
        self.writer.write(wire_bytes(request))
        # A target may answer without reading it all, and hang up: its answer counts.
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def head(self) -> Head:
        """The head of the final answer, interim ones (1xx) passed over.

        Raises TransportError.
        """
        try:
            while (head := _parsed(await self._lines())).status < 200:
                pass
        except (EOFError, OSError, ValueError) as error:
            raise TransportError(str(error) or "connection lost") from error
        return head

    async def discard_body(self, method: str, head: Head) -> bool:
        """Read the body to its end; whether the connection can be used again."""
        try:
            if method != "HEAD" and head.status not in (204, 304):
                await self._discard_body(head)
        except (EOFError, OSError, ValueError):
            return False  # the sender does not look at what became of the body
        return head.keeps_alive() and not self.reader.at_eof()

    def usable(self, now: float) -> bool:
        young = now - self.idle_since < _IDLE_SECONDS
        return young and not self.reader.at_eof() and not self.writer.is_closing()

    def close(self) -> None:
        self.writer.close()

    async def _discard_body(self, head: Head) -> None:
        if head.chunked():
            while size := int((await self._line()).partition(";")[0], 16):
                await self._discard(size + len("\r\n"))
            await self._lines()  # trailers
        elif (length := head.length()) is not None:
            await self._discard(length)
        else:
            while await self.reader.read(_CHUNK):
                pass

    async def _discard(self, left: int) -> None:
        while left > 0:
            read = await self.reader.read(min(left, _CHUNK))
            if not read:
                raise EOFError
            left -= len(read)

    async def _lines(self) -> list[str]:
        """Lines up to an empty one, which is not among them."""
        lines = []
        while line := await self._line():
            lines.append(line)
            if len(lines) > _MOST_LINES:
                raise ValueError("too many header lines")
        return lines

    async def _line(self) -> str:
        raw = await self.reader.readline()
        if not raw.endswith(b"\n"):
            raise EOFError("the connection was closed before an answer")
        return raw.rstrip(b"\r\n").decode("latin-1")


class Pool:
    """Idle connections, at most five for a host, the one used last taken first."""

    def __init__(self) -> None:
        self._idle: defaultdict[str, list[Connection]] = defaultdict(list)

    def take(self, key: str, now: float) -> Connection | None:
        while self._idle[key]:
            connection = self._idle[key].pop()
            if connection.usable(now):
                return connection
            connection.close()
        return None

    def put(self, key: str, connection: Connection, now: float) -> None:
        connection.idle_since = now
        self._idle[key].append(connection)
        while len(self._idle[key]) > _IDLE_PER_HOST:
            self._idle[key].pop(0).close()

    def close(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()


def _parsed(lines: list[str]) -> Head:
    """Raises ValueError."""
    status_line = _STATUS_LINE.fullmatch(lines[0]) if lines else None
    if status_line is None:
        raise ValueError("malformed HTTP response")
    pairs = (line.partition(":") for line in lines[1:])
    head = Head(
        minor=int(status_line["minor"]),
        status=int(status_line["status"]),
        headers=tuple((name.strip(), value.strip()) for name, _, value in pairs),
    )
    head.length()  # one that is no number is a broken answer, not a body to skip
    return head
