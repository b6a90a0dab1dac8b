"""A webhook target made of a bare socket: what arrives is kept byte for byte."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
HANG_UP = b""


def answer(status: int, *, location: str = "") -> bytes:
    head = f"HTTP/1.1 {status} Scripted\r\nContent-Length: 0\r\n"
    return (head + (f"Location: {location}\r\n" if location else "") + "\r\n").encode()


@dataclass
class Target:
    """Answers each request with the next of `answers`, and 200 after the last."""

    port: int
    answers: list[bytes]
    scheme: str = "http"
    received: list[bytes] = field(default_factory=list)
    connections: int = 0
    open: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        self.open += 1
        try:
            while request := await _request(reader):
                self.received.append(request)
                next_answer = self.answers.pop(0) if self.answers else OK
                if next_answer == HANG_UP:
                    return
                writer.write(next_answer)
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def open_target(
    answers: Sequence[bytes] = (), *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Target]:
    target = Target(port=0, answers=[*answers], scheme="https" if tls else "http")
    server = await asyncio.start_server(target.serve, "127.0.0.1", 0, ssl=tls)
    target.port = server.sockets[0].getsockname()[1]
    try:
        yield target
    finally:
        server.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    """One whole request, as it came; empty at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    lengths = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Le")]
    length = int(lengths[0].split(b":")[1]) if lengths else 0
    return head + await reader.readexactly(length)
