"""A relay that really listens, and bare sockets to ask it with."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from devhook.core.http import Headers, first
from devhook.core.relay_lease import PublicBase, token
from devhook.relay.config import Limits, RelayConfig
from devhook.relay.server import Relay, serve_relay
from devhook.system import SystemClock

TOKEN = "canary-relay-token"
TOKENS = (token(TOKEN), token("other-token", "other"))
SWIFT = Limits(wait=5.0, answer=5.0, idle=5.0, stop=2.0, grace=0.0)


@asynccontextmanager
async def a_relay(
    limits: Limits = SWIFT,
    *,
    port: int = 0,
    public: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Relay]:
    base = PublicBase.parse(public) if public else None
    config = RelayConfig(
        host="127.0.0.1",
        port=port,
        tokens=TOKENS,
        public=base,
        tls=tls,
        limits=limits,
    )
    async with serve_relay(config, clock=SystemClock()) as relay:
        yield relay


def port_of(url: str) -> int:
    return urlsplit(url).port or 80


def path_of(url: str) -> str:
    return urlsplit(url).path


@dataclass(frozen=True)
class Reply:
    """An answer as it stood on the wire; `body` is without its chunk sizes."""

    line: str
    headers: Headers
    body: bytes

    @property
    def status(self) -> int:
        return int(self.line.split()[1])

    @property
    def by_relay(self) -> str | None:
        """Why the relay answered by itself, or None."""
        return first(self.headers, "X-Devhook-Relay")


class Sender:
    """One public connection, asked byte by byte."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, request: bytes, *, bodiless: bool = False) -> Reply:
        self.writer.write(request)
        await self.writer.drain()
        return await self.reply(bodiless=bodiless)

    async def reply(self, *, bodiless: bool = False) -> Reply:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.removesuffix("\r\n\r\n").split("\r\n")
        pairs = tuple((n, v) for n, _, v in (f.partition(": ") for f in fields))
        if bodiless:
            return Reply(line, pairs, b"")
        if length := first(pairs, "Content-Length"):
            return Reply(line, pairs, await read_body(self.reader, int(length)))
        if first(pairs, "Transfer-Encoding"):
            return Reply(line, pairs, await read_body(self.reader, None))
        return Reply(line, pairs, await self.reader.read())


async def read_body(reader: asyncio.StreamReader, length: int | None) -> bytes:
    """So many bytes; None reads chunks up to the last."""
    if length is not None:
        return await reader.readexactly(length)
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readuntil(b"\r\n")
    await reader.readuntil(b"\r\n")
    return body


@asynccontextmanager
async def a_sender(url: str) -> AsyncIterator[Sender]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(url))
    try:
        yield Sender(reader, writer)
    finally:
        writer.close()


async def ask(url: str, request: bytes) -> Reply:
    async with a_sender(url) as sender:
        return await sender.ask(request)


def get(url: str, *fields: str) -> bytes:
    return request("GET", path_of(url) or "/", *fields)


def request(method: str, target: str, *fields: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: h", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
