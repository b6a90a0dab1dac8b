"""A way to the API on which the first PUT comes to a halt in the middle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.endpoint import read_request, speaking


@dataclass
class Halfway:
    """`halved` once half of a PUT has gone on, and the rest will not."""

    url: str = ""
    halved: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def halving(api_url: str) -> AsyncIterator[Halfway]:
    """Leads to the API; when whoever sent the PUT hangs up, so does it."""
    way, far = Halfway(), urlsplit(api_url)

    async def speak(near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        reader, writer = await asyncio.open_connection(far.hostname, far.port)
        try:
            while request := await read_request(near):
                if request.startswith(b"PUT") and not way.halved.is_set():
                    writer.write(request[: len(request) - 40])
                    await writer.drain()
                    way.halved.set()
                    await near.read()
                    return
                writer.write(request)
                back.write(await read_request(reader))
        finally:
            writer.close()

    async with speaking(speak) as end:
        way.url = f"{end.url}{far.path}"
        yield way
