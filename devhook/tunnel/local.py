"""The last leg: requests to the loopback server, and its answers, as they came."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from devhook.core.http import Headers, first
from devhook.wire.connection import Connection
from devhook.wire.head import head

_IDLE_KEPT = 64
_CHUNKED = ("Transfer-Encoding", "chunked")


class Unreachable(Exception):
    """Nothing listens at the loopback URL."""


class Local:
    """Connections to one loopback server, kept and used again."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._idle: deque[Connection] = deque()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One for one exchange; kept when that came to its end. Raises Unreachable."""
        connection = self._reusable() or await self._connect()
        try:
            yield connection
        finally:
            if connection.reusable and len(self._idle) < _IDLE_KEPT:
                self._idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        for connection in self._idle:
            connection.close()

    def _reusable(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(Connection, *self._address)
        except OSError as exc:
            raise Unreachable(exc.strerror or str(exc)) from exc
        return connection


async def send(
    connection: Connection,
    method: str,
    target: str,
    headers: Headers,
    body: AsyncIterator[bytes] | None,
) -> None:
    """Write a request; nothing is added but a coding for a body of unknown length.

    Raises WireError when it cannot be written; there may be an answer all the same.
    """
    if body is not None and first(headers, "Content-Length") is None:
        headers = (*headers, _CHUNKED)
    await connection.send(head(method, target, headers), body or b"", headers)
