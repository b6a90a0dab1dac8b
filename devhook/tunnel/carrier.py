"""The client's end of a relay connection: every stream a request to the local server.

`Carrier` moves frames between a socket and a `Link`, and gives each stream a task. The
socket is whatever sends and receives messages: which library it is made of is known in
`tunnel.relay` alone.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Protocol

from devhook.core.clock import Clock
from devhook.core.http import end_to_end
from devhook.core.relay import (
    Cancel,
    Data,
    Farewell,
    Fault,
    Goodbye,
    Open,
    ProtocolError,
    Window,
)
from devhook.core.relay_link import Link
from devhook.tunnel.local import Local, Unreachable, send
from devhook.wire import WireError
from devhook.wire.connection import Connection

_FAREWELLS = {
    Farewell.STOPPING: "the relay is being stopped",
    Farewell.TAKEN_OVER: "another client took the public URL over",
    Farewell.REPLACED: "a newer connection of ours replaced this one",
}


class Socket(Protocol):
    """Both raise ConnectionError, which says why, once the connection has ended."""

    async def send(self, message: bytes) -> None: ...

    async def receive(self) -> bytes: ...

    async def close(self) -> None:
        """Leave with the closing handshake; a second or two at most."""

    def abort(self) -> None:
        """Drop the connection now."""


class Carrier:
    def __init__(
        self,
        socket: Socket,
        link: Link,
        local: Local,
        clock: Clock,
        *,
        look_every: float,
    ) -> None:
        self._socket = socket
        self._link = link
        self._local = local
        self._clock = clock
        self._look_every = look_every
        self._wake = asyncio.Event()
        self._streams: dict[int, _Stream] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._farewell: str | None = None

    @property
    def silent_for(self) -> float:
        """Seconds since the relay was last heard."""
        return self._clock.monotonic() - self._link.heard_at

    def flush(self) -> None:
        """Let the writer look; what is said in one turn of the loop goes out as one."""
        self._wake.set()

    async def run(self) -> str:
        """Serve the connection until it ends; why it did."""
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(t) for t in (self._write(), self._watch())]
            reason = await self._read(group)
            for task in (*others, *self._tasks.values()):
                task.cancel()
        return self._farewell or reason

    async def leave(self, why: Farewell, text: str = "") -> None:
        """Say why, and close; what is still under way is not answered any more."""
        self._link.goodbye(why, text)
        try:
            async with asyncio.timeout(2.0):
                while message := self._link.take():
                    await self._socket.send(message)
                await self._socket.close()
        except (ConnectionError, TimeoutError):
            self._socket.abort()

    async def _read(self, group: asyncio.TaskGroup) -> str:
        while True:
            try:
                message = await self._socket.receive()
                self._receive(message, group)
            except ConnectionError as exc:
                return str(exc)
            except ProtocolError as exc:
                await self.leave(Farewell.BROKEN_RULES, str(exc))
                return f"the relay broke the rules: {exc}"

    def _receive(self, message: bytes, group: asyncio.TaskGroup) -> None:
        for frame in self._link.receive(message, at=self._clock.monotonic()):
            match frame:
                case Open():
                    stream = _Stream(self, self._link, frame)
                    self._streams[frame.stream] = stream
                    task = group.create_task(self._carry(frame, stream))
                    self._tasks[frame.stream] = task
                case Data() | Window():
                    if found := self._streams.get(frame.stream):
                        found.hear(frame)
                case Cancel():
                    self._streams.pop(frame.stream, None)
                    if carrying := self._tasks.pop(frame.stream, None):
                        carrying.cancel()
                case Goodbye(why, text):
                    self._farewell = _FAREWELLS.get(why) or f"the relay left: {text}"
                case _:
                    raise ProtocolError("a frame that no relay sends")
        self.flush()

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                crowded = self._link.is_crowded()
                while message := self._link.take():
                    await self._socket.send(message)
                    if crowded:
                        self._tell_of_room()
                    crowded = self._link.is_crowded()
        except ConnectionError:
            return  # the reader sees it too

    def _tell_of_room(self) -> None:
        for stream in self._streams.values():
            stream.look_for_room()

    async def _watch(self) -> None:
        """Drop the connection when the relay is no longer heard."""
        while self._link.is_alive(at=self._clock.monotonic()):
            self.flush()
            await self._clock.sleep(self._look_every)
        self._farewell = f"nothing was heard of the relay for {self.silent_for:.0f} s"
        self._socket.abort()

    async def _carry(self, request: Open, stream: "_Stream") -> None:
        """One request; what fails is told to the relay, and to nobody else."""
        try:
            async with self._local.connection() as connection:
                await stream.exchange(connection, request)
        except Unreachable as exc:
            self._link.cancel(request.stream, Fault.LOCAL_UNREACHABLE, str(exc))
        finally:
            self._link.cancel(request.stream, Fault.CLIENT_GONE)
            self._streams.pop(request.stream, None)
            self._tasks.pop(request.stream, None)
            self.flush()


class _Stream:
    """One stream, as its task sees it."""

    def __init__(self, carrier: Carrier, link: Link, request: Open) -> None:
        self._carrier = carrier
        self._link = link
        self._number = request.stream
        self._body = bytearray()
        self._whole = request.end
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    async def exchange(self, connection: Connection, request: Open) -> None:
        """Ask the local server, and pass on what it answers."""
        connection.begin(request.method)
        if request.end:
            await self._ask(connection, request, None)
            await self._answer(connection)
            return
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(self._ask(connection, request, self._pieces()))
            await self._answer(connection)
            asking.cancel()

    def hear(self, frame: Data | Window) -> None:
        match frame:
            case Data():
                self._body += frame.body
                self._whole = frame.end
                self._news.set()
            case Window():
                self.look_for_room()

    def look_for_room(self) -> None:
        self._room.set()

    async def _ask(
        self, connection: Connection, request: Open, body: AsyncIterator[bytes] | None
    ) -> None:
        with suppress(WireError):  # there may be an answer all the same
            await send(
                connection, request.method, request.target, request.headers, body
            )

    async def _answer(self, connection: Connection) -> None:
        try:
            answer = await connection.answer()
            headers = end_to_end(answer.headers)
            ended = connection.finished
            self._link.answer(
                self._number, answer.status, answer.reason, headers, end=ended
            )
            self._carrier.flush()
            while not ended:
                piece = await connection.next_chunk() or b""
                ended = connection.finished
                await self._pass_on(piece, end=ended)
        except (WireError, ProtocolError) as exc:
            self._link.cancel(self._number, Fault.LOCAL_BROKE_OFF, str(exc))

    async def _pass_on(self, body: bytes, *, end: bool) -> None:
        """A piece of the answer, as far as the relay's window allows."""
        while len(body) > (room := await self._roomy()):
            self._link.data(self._number, body[:room])
            self._carrier.flush()
            body = body[room:]
        self._link.data(self._number, body, end=end)
        self._carrier.flush()

    async def _roomy(self) -> int:
        while not (room := self._link.room(self._number)):
            self._room.clear()
            await self._room.wait()
        return room

    async def _pieces(self) -> AsyncIterator[bytes]:
        """The request's body; a piece is passed on when the next one is asked for."""
        while True:
            if self._body:
                piece = bytes(self._body)
                self._body.clear()
                yield piece
                self._link.consume(self._number, len(piece))
                self._carrier.flush()
            elif self._whole:
                return
            else:
                self._news.clear()
                await self._news.wait()
