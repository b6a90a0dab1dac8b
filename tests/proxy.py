"""A forward proxy as companies have them, with a password if it is to ask.

What is to be TLS is asked for by CONNECT, all else by its whole URL.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """`asked` are the places it was asked for; every one of them leads to `port`."""

    port: int
    password: str | None = None
    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            if not self._admits(head):
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return
            self.asked.append(" ".join(head.split()[:2]))
            far_reader, far_writer = await asyncio.open_connection(
                "127.0.0.1", self.port
            )
            if head.startswith("CONNECT "):
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                far_writer.write(_to_origin(head))
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, far_writer))
                group.create_task(_pump(far_reader, writer))
        finally:
            writer.close()

    def _admits(self, head: str) -> bool:
        if self.password is None:
            return True
        expected = base64.b64encode(self.password.encode()).decode()
        return f"Proxy-Authorization: Basic {expected}\r\n" in head


@asynccontextmanager
async def open_proxy(port: int, *, password: str | None = None) -> AsyncIterator[Proxy]:
    """Leads to a port of this machine, whatever host it is asked for."""
    proxy = Proxy(port, password)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    userinfo = f"{password}@" if password else ""
    proxy.url = f"http://{userinfo}127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield proxy


def _to_origin(head: str) -> bytes:
    """As the server itself is asked: with the path alone."""
    method, url, rest = head.split(" ", 2)
    path = url.partition("://")[2].partition("/")[2]
    return f"{method} /{path} {rest}".encode("latin-1")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
