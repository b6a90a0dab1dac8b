"""A client that speaks the wire by hand: it may also break its rules."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp

from devhook.core.relay import (
    CONNECT_PATH,
    SUBPROTOCOL,
    Frame,
    Goodbye,
    Hello,
    Welcome,
)
from devhook.core.relay_codec import decode, encode
from devhook.relay.server import Relay
from tests.relay.rig import TOKEN

F = TypeVar("F", bound=Frame)


class Client:
    """`url` is the public URL it was given."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.url = ""
        self._ws = ws
        self._told: list[Frame] = []

    async def say(self, *frames: Frame) -> None:
        await self.say_bytes(b"".join(map(encode, frames)))

    async def say_bytes(self, message: bytes) -> None:
        await self._ws.send_bytes(message)

    async def say_text(self, text: str) -> None:
        await self._ws.send_str(text)

    async def hear(self) -> Frame | None:
        """The next frame; None when the relay has closed the connection."""
        while not self._told:
            message = await self._ws.receive(timeout=10)
            if message.type is not aiohttp.WSMsgType.BINARY:
                return None
            self._told += decode(message.data)
        return self._told.pop(0)

    async def hears(self, kind: type[F]) -> F:
        """The next frame of that kind, others passed over."""
        while frame := await self.hear():
            if isinstance(frame, kind):
                return frame
        raise AssertionError(f"the relay closed without a {kind.__name__}")

    async def is_closed(self) -> bool:
        while await self.hear():
            pass
        return True


@asynccontextmanager
async def dialled(relay: Relay, *, token: str = TOKEN) -> AsyncIterator[Client]:
    """Connected, and nothing said yet."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            relay.url + CONNECT_PATH, headers=headers, protocols=(SUBPROTOCOL,)
        ) as ws,
    ):
        yield Client(ws)


@asynccontextmanager
async def a_client(
    relay: Relay,
    *,
    lease: str = "lease",
    instance: str = "one",
    takeover: bool = False,
    window: int = 1000,
    requests: int = 10,
) -> AsyncIterator[Client]:
    """Connected and welcomed."""
    hello = Hello(
        lease=lease,
        instance=instance,
        takeover=takeover,
        window=window,
        requests=requests,
    )
    async with dialled(relay) as client:
        await client.say(hello)
        client.url = (await client.hears(Welcome)).public_url
        yield client


async def farewell(client: Client) -> Goodbye:
    return await client.hears(Goodbye)
