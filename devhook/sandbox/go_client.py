"""Sends one try as the platform's HTTP client does: limits, redirects, pooled sockets.

Settings of voipbin/monorepo `bin-webhook-manager/pkg/webhookhandler/main.go`: 10 s to
connect, 10 s for TLS, 15 s from the request to the answer's headers, 30 s in all; the
third redirect is refused; HTTP/1.1 only; no proxy.
"""

import asyncio
import ssl
from collections.abc import Coroutine
from ipaddress import ip_address
from socket import SOCK_STREAM
from typing import Any, Self, TypeVar

from devhook.core.clock import Clock
from devhook.core.model import Request
from devhook.sandbox.go_connection import Connection, Head, Pool, TransportError
from devhook.sandbox.go_request import GoRequest, NotSent, redirected
from devhook.sandbox.go_url import GoUrl, NotAUrl
from devhook.sandbox.guard import is_private
from devhook.sandbox.timing import Timing

T = TypeVar("T")

_MOST_HOPS = 3  # the first request and two redirects


class GoClient:
    """`tls` None means the system's authorities; `strict` refuses private addresses."""

    def __init__(
        self, *, clock: Clock, timing: Timing, tls: ssl.SSLContext | None, strict: bool
    ) -> None:
        self._clock = clock
        self._timing = timing
        self._tls = tls
        self._strict = strict
        self._pool = Pool()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    async def check(self, url: GoUrl) -> None:
        """What the sender checks before its first try; raises NotSent."""
        try:
            await self._resolved(url)
        except TransportError as error:
            raise NotSent(str(error)) from error

    async def send(self, first: GoRequest, sent: list[Request]) -> int:
        """The last answer's status; what was written is appended to `sent`.

        Raises TransportError. A body that never ends does not: the sender has the
        status by then, and ignores what became of the body.
        """
        deadline = asyncio.get_running_loop().time() + self._timing.total
        request = first
        for _ in range(_MOST_HOPS):
            connection, head = await self._exchange(request, sent, deadline)
            await self._finish(connection, request, head, deadline)
            try:
                following = redirected(request, first, head.status, head.location())
            except NotAUrl as error:
                raise TransportError(f"redirect: {error}") from error
            if following is None:
                return head.status
            request = following
        raise TransportError("too many redirects")

    async def _exchange(
        self, request: GoRequest, sent: list[Request], deadline: float
    ) -> tuple[Connection, Head]:
        try:
            async with asyncio.timeout_at(deadline):
                connection = await self._connection(request.url)
                try:
                    return connection, await self._answer(connection, request, sent)
                except BaseException:
                    connection.close()
                    raise
        except TimeoutError as error:
            text = f"no answer within {self._timing.total:g} s"
            raise TransportError(text) from error

    async def _answer(
        self, connection: Connection, request: GoRequest, sent: list[Request]
    ) -> Head:
        written = request.written()
        sent.append(written)
        await connection.send(written)
        return await _within(self._timing.headers, connection.head(), "no headers")

    async def _finish(
        self, connection: Connection, request: GoRequest, head: Head, deadline: float
    ) -> None:
        reusable = False
        try:
            async with asyncio.timeout_at(deadline):
                reusable = await connection.discard_body(request.method, head)
        except TimeoutError:
            pass
        finally:
            if reusable:
                self._pool.put(_key(request.url), connection, self._clock.monotonic())
            else:
                connection.close()

    async def _connection(self, url: GoUrl) -> Connection:
        idle = self._pool.take(_key(url), self._clock.monotonic())
        if idle is not None:
            return idle
        addresses = await self._resolved(url)
        return await _within(self._timing.connect, self._dial(url, addresses), "dial")

    async def _dial(self, url: GoUrl, addresses: list[str]) -> Connection:
        """The platform dials the first address only; on loopback any that answers."""
        secured = url.scheme == "https"
        error: OSError | None = None
        for address in addresses[:1] if self._strict else addresses:
            try:
                reader, writer = await asyncio.open_connection(
                    address,
                    url.port,
                    ssl=self._context() if secured else None,
                    server_hostname=url.hostname if secured else None,
                    ssl_handshake_timeout=self._timing.tls if secured else None,
                )
            except OSError as failure:
                error = error or failure
            else:
                return Connection(reader=reader, writer=writer)
        raise TransportError(f"dial: {error}") from error

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    async def _resolved(self, url: GoUrl) -> list[str]:
        """Raises TransportError when it is no place to send to."""
        if url.scheme not in ("http", "https"):
            raise TransportError(f"unsupported scheme: {url.scheme!r}")
        if not url.hostname:
            raise TransportError("empty hostname")
        addresses = await _lookup(url.hostname, url.port)
        if self._strict and (private := [a for a in addresses if is_private(a)]):
            raise TransportError(
                f"URL resolves to a private or reserved address: {private[0]}"
            )
        return addresses


async def _lookup(host: str, port: int) -> list[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=SOCK_STREAM)
    except OSError as error:
        raise TransportError(f"cannot resolve hostname {host}: {error}") from error
    return [str(entry[4][0]) for entry in found]


async def _within(seconds: float, coroutine: Coroutine[Any, Any, T], what: str) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await coroutine
    except TimeoutError as error:
        raise TransportError(f"{what}: nothing within {seconds:g} s") from error


def _key(url: GoUrl) -> str:
    return f"{url.scheme}://{url.netloc}"
