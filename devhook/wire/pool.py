"""Connections: made, by way of a proxy or TLS where need be, kept, and used again."""

import asyncio
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self, TypeGuard
from urllib.parse import SplitResult

from devhook.core.http import Headers, printable
from devhook.core.network import Network, proxy_for, refused_address, tls_context
from devhook.errors import ConfigError
from devhook.wire.answer import Answer, WireError
from devhook.wire.connection import Connection
from devhook.wire.head import basic, framed, head, parsed, target_of

CONNECT_WITHIN = 10.0
_IDLE_KEPT = 64


class Wire:
    """A pool of connections; `async with` closes them."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._tls: ssl.SSLContext | None = None
        self._idle: defaultdict[tuple[str, str | None], deque[Connection]]
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
        parts = parsed(url)
        proxy = self._proxy(url)
        # A proxy tunnels TLS, and is asked itself for what is plain.
        asked = proxy if proxy and parts.scheme == "http" else None
        headers = framed(method, parts, headers, body if _is_whole(body) else None)
        if asked:
            headers = (*headers, *basic(parsed(asked), "Proxy-Authorization"))
        written = head(method, target_of(parts, absolute=asked is not None), headers)
        key = (f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", proxy)
        connection = self._reusable(key) or await self._connect(parts, proxy)
        whole = False
        try:
            connection.begin(method)
            await connection.send(written, body, headers)
            yield await connection.answer()
            whole = connection.finished
        finally:
            if whole and connection.reusable and len(self._idle[key]) < _IDLE_KEPT:
                self._idle[key].append(connection)
            else:
                connection.close()

    def _proxy(self, url: str) -> str | None:
        try:
            return proxy_for(url, self._network)
        except ConfigError as exc:
            raise WireError(exc.message) from exc

    def _reusable(self, key: tuple[str, str | None]) -> "Connection | None":
        waiting = self._idle[key]
        while waiting:
            connection = waiting.pop()
            if connection.reusable:
                return connection
            connection.close()
        return None

    async def _connect(self, parts: SplitResult, proxy: str | None) -> Connection:
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
    ) -> Connection:
        """Connect to the first address of the name that answers."""
        last: OSError = WireError(f"{printable(host)} leads nowhere that is allowed")
        for address in await _addresses(host, port):
            if not allow_any and refused_address(address):
                continue
            try:
                _, connection = await asyncio.get_running_loop().create_connection(
                    Connection,
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
    ) -> Connection:
        """By the proxy: a tunnel to a TLS target, else the proxy itself."""
        via = parsed(proxy)
        connection = await self._dial(
            via.hostname or "", via.port or 80, via.scheme == "https", allow_any=True
        )
        if not secure:
            return connection
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        headers: Headers = (("Host", authority), *basic(via, "Proxy-Authorization"))
        try:
            connection.begin("CONNECT")
            await connection.send(head("CONNECT", authority, headers), b"", headers)
            answer = await connection.answer()
            if answer.status != 200:
                raise WireError(f"the proxy answered {answer.status} to CONNECT")
            return await connection.secured(self._context(), host)
        except BaseException:
            connection.close()
            raise

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = tls_context(self._network)
        return self._tls


async def _addresses(host: str, port: int) -> list[str]:
    """What the name stands for; `localhost` is 127.0.0.1 first, then ::1."""
    if host == "localhost":
        return ["127.0.0.1", "::1"]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
    except (OSError, UnicodeError) as exc:  # the latter for names no DNS can hold
        raise WireError(f"the name {printable(host)} does not resolve") from exc
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def _is_whole(body: bytes | AsyncIterator[bytes]) -> TypeGuard[bytes]:
    return isinstance(body, bytes)
