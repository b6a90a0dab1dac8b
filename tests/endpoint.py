"""A server made of a bare socket: keeps what arrives byte for byte, answers by script.

A script is the bytes to answer with, a function of the raw request that gives them, or
a coroutine that does with the connection what it likes.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from devhook.core.http import Headers

Speak: TypeAlias = (
    "Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]"
)
Script: TypeAlias = "bytes | Callable[[bytes], bytes]"


def answer(
    status: int = 200, body: bytes = b"", *headers: str, reason: str = "Scripted"
) -> bytes:
    lines = [f"HTTP/1.1 {status} {reason}", *headers, f"Content-Length: {len(body)}"]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n" + body


OK = answer(200, b"ok")
HANG_UP = b""


@dataclass
class Endpoint:
    """`requests` are whole ones, head and body, in the order of their ends."""

    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def bodies(self) -> list[bytes]:
        return [request.partition(b"\r\n\r\n")[2] for request in self.requests]

    def headers(self, index: int = -1) -> Headers:
        """Of one request, as they stood on the wire."""
        lines = self.requests[index].partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
        pairs = [line.decode("latin-1").partition(": ") for line in lines]
        return tuple((name, value) for name, _, value in pairs)


@asynccontextmanager
async def endpoint(
    script: Script = OK, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Endpoint]:
    """Answers every request; an empty answer hangs up."""
    end = Endpoint()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_request(reader):
            end.requests.append(request)
            said = script if isinstance(script, bytes) else script(request)
            if said == HANG_UP:
                return
            writer.write(said)

    async with speaking(serve, end, tls=tls):
        yield end


@asynccontextmanager
async def speaking(
    speak: Speak, end: Endpoint | None = None, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Endpoint]:
    """Each connection is given to `speak`, and closed after it."""
    found = Endpoint() if end is None else end
    writers: set[asyncio.StreamWriter] = set()
    all_done = asyncio.Event()
    all_done.set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.connections += 1
        writers.add(writer)
        all_done.clear()
        try:
            await speak(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            writers.discard(writer)
            if not writers:
                all_done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    found.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await all_done.wait()


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """Up to the empty line; nothing at the end of the connection."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One whole request as it came, chunk sizes and all."""
    head = await read_head(reader)
    lines = [line.partition(b":") for line in head.lower().split(b"\r\n")]
    fields = {name: value.strip() for name, _, value in lines}
    if fields.get(b"transfer-encoding") == b"chunked":
        return head + await reader.readuntil(b"0\r\n\r\n")
    return head + await reader.readexactly(int(fields.get(b"content-length", 0)))
