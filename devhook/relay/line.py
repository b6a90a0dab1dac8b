"""The connection of one client, while it lives, and the requests under way on it.

`Line` moves frames between a WebSocket and a `Link`; `Exchange` is what a public
request sees of it. When the line ends, every exchange on it fails with `CLIENT_GONE`.
"""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import WSMessage, WSMsgType, web

from devhook.core.clock import Clock
from devhook.core.http import Headers
from devhook.core.relay import (
    Answer,
    Cancel,
    Data,
    Farewell,
    Fault,
    Goodbye,
    Hello,
    ProtocolError,
    Welcome,
    Window,
)
from devhook.core.relay_codec import encode
from devhook.core.relay_link import Link
from devhook.relay.answer import BUSY, HEAD_TOO_LARGE, OF_FAULT, Declined
from devhook.relay.config import Limits


class Line:
    """`farewell` is why we leave, None while we stay; `done` that the client left."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        hello: Hello,
        welcome: Welcome,
        *,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self.instance = hello.instance
        self.farewell: Farewell | None = None
        self.done = False
        self._socket = socket
        self._transport = transport
        self._greeting = encode(welcome)
        self._clock = clock
        self._pause = limits.heartbeat / 3
        self._exchanges: dict[int, Exchange] = {}
        self._wake = asyncio.Event()
        self._link = Link(
            opens=True,
            window=welcome.window,
            credit=hello.window,
            requests=hello.requests,
            at=clock.monotonic(),
            heartbeat=limits.heartbeat,
            patience=limits.patience,
        )

    def open(
        self, method: str, target: str, headers: Headers, *, end: bool
    ) -> "Exchange":
        """Pass the head of a request on; Declined when this client cannot have it."""
        if self._link.is_full():
            raise Declined(BUSY)
        try:
            stream = self._link.open(method, target, headers, end=end)
        except ProtocolError as exc:
            raise Declined(HEAD_TOO_LARGE) from exc
        self._exchanges[stream] = exchange = Exchange(self, self._link, stream)
        self.flush()
        return exchange

    def forget(self, stream: int) -> None:
        self._exchanges.pop(stream, None)

    def flush(self) -> None:
        """Let the writer look; what is said in one turn of the loop goes out as one."""
        self._wake.set()

    def leave(self, why: Farewell, text: str = "") -> None:
        """Say why, and close; what is still under way fails now."""
        self.farewell = why
        self._link.goodbye(why, text)
        self._fail()
        self.flush()

    async def run(self) -> None:
        """Serve the connection until either end leaves it, or it is lost."""
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._write())
                watch = group.create_task(self._watch())
                await self._read()
                watch.cancel()
                if self.farewell is None:
                    writer.cancel()
        finally:
            self._fail()

    async def _read(self) -> None:
        async for message in self._socket:
            if self.farewell is None:
                try:
                    self._receive(message)
                except ProtocolError as exc:
                    self.leave(Farewell.BROKEN_RULES, str(exc))

    def _receive(self, message: WSMessage) -> None:
        if message.type is not WSMsgType.BINARY:
            raise ProtocolError("a message that is not binary")
        for frame in self._link.receive(message.data, at=self._clock.monotonic()):
            match frame:
                case Goodbye(why):
                    self.done = why is Farewell.DONE
                case Answer() | Data() | Window() | Cancel():
                    if exchange := self._exchanges.get(frame.stream):
                        exchange.hear(frame)
                case _:
                    raise ProtocolError("a frame that no client sends")
        self.flush()

    async def _write(self) -> None:
        try:
            await self._socket.send_bytes(self._greeting)
            while self.farewell is None:
                await self._wake.wait()
                self._wake.clear()
                crowded = self._link.is_crowded()
                while message := self._link.take():
                    await self._socket.send_bytes(message)
                    if crowded:
                        self._tell_of_room()
                    crowded = self._link.is_crowded()
            await self._socket.close()
        except ConnectionError:
            return  # the reader sees it too

    async def _watch(self) -> None:
        """Cut the connection when the other end is no longer heard."""
        while self._link.is_alive(at=self._clock.monotonic()):
            self.flush()
            await self._clock.sleep(self._pause)
        if self._transport is not None:
            self._transport.abort()

    def _tell_of_room(self) -> None:
        for exchange in self._exchanges.values():
            exchange.look_for_room()

    def _fail(self) -> None:
        for exchange in self._exchanges.values():
            exchange.fail(Fault.CLIENT_GONE)


class Exchange:
    """One public request on its way to the client, and its answer on the way back."""

    def __init__(self, line: Line, link: Link, stream: int) -> None:
        self._line = line
        self._link = link
        self._stream = stream
        self._head: Answer | None = None
        self._body = bytearray()
        self._fault: Fault | None = None
        self._passed_on = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    async def send(self, body: bytes, *, end: bool) -> None:
        """Pass a piece of the request on, as far as the client's window allows."""
        while len(body) > (room := await self._roomy()):
            self._put(body[:room], end=False)
            body = body[room:]
        self._put(body, end=end)

    async def answer(self, patience: float) -> Answer:
        """The head of the answer; Declined when there will be none.

        `patience` is in seconds, and starts again while the request is being passed on.
        """
        while self._head is None:
            if self._fault is not None:
                raise Declined(OF_FAULT[self._fault])
            before = self._passed_on
            if not await self._hears(patience) and self._passed_on == before:
                self.cancel(Fault.CLIENT_TOO_SLOW)
        return self._head

    async def pieces(self, patience: float) -> AsyncIterator[bytes]:
        """The body of the answer; Declined when it breaks off.

        A piece counts as passed on when the next one is asked for.
        """
        while True:
            if self._body:
                piece = bytes(self._body)
                self._body.clear()
                yield piece
                self._link.consume(self._stream, len(piece))
                self._line.flush()
            elif self._fault is not None:
                raise Declined(OF_FAULT[self._fault])
            elif not self._link.is_open(self._stream):
                return
            elif not await self._hears(patience):
                self.cancel(Fault.CLIENT_TOO_SLOW)

    def cancel(self, why: Fault) -> None:
        """Give up, and say why; nothing happens to what is over already."""
        if self._link.is_open(self._stream):
            self._link.cancel(self._stream, why)
            self._line.flush()
            self.fail(why)

    def close(self) -> None:
        """Leave no trace on the line."""
        self.cancel(Fault.SENDER_GONE)
        self._line.forget(self._stream)

    def hear(self, frame: Answer | Data | Window | Cancel) -> None:
        match frame:
            case Answer():
                self._head = frame
            case Data():
                self._body += frame.body
            case Window():
                self.look_for_room()
            case Cancel():
                self._fault = frame.why
        self._news.set()

    def fail(self, why: Fault) -> None:
        if self._fault is None:
            self._fault = why
        self._news.set()

    def look_for_room(self) -> None:
        self._room.set()

    def _put(self, body: bytes, *, end: bool) -> None:
        self._passed_on += len(body)
        self._link.data(self._stream, body, end=end)
        self._line.flush()

    async def _roomy(self) -> int:
        """Wait for room; for ever once the stream is over: then the caller is ended."""
        while not (room := self._link.room(self._stream)):
            self._room.clear()
            await self._room.wait()
        return room

    async def _hears(self, patience: float) -> bool:
        self._news.clear()
        try:
            async with asyncio.timeout(patience):
                await self._news.wait()
        except TimeoutError:
            return False
        return True
