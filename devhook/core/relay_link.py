"""One end of a connection after its HELLO and WELCOME: streams, windows, signs of life.

Everything that decides what may be sent, what may arrive and when a stream is over
lives here; sockets, tasks and clocks do not. Messages come in by `receive` and go out
by `take`; seconds are handed in, from any clock that never goes back. Both ends run
this code and differ in `opens` alone.

    stream      opened by OPEN; over with the END of its answer or a CANCEL
    credit      bytes of DATA we may still send on it: theirs at first, then by WINDOW
    window      bytes they may still send: ours at first, granted anew as we consume
    backlog     bytes made but not yet taken; while it is high nobody has room to send

What is sent on a stream that is over is dropped: its end may have come while we were
still reading the body, and that is nobody's fault.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final, assert_never

from devhook.core.http import Headers
from devhook.core.relay import (
    HEARTBEAT,
    MAX_DATA,
    MAX_WINDOW,
    PATIENCE,
    Answer,
    Cancel,
    Data,
    Farewell,
    Fault,
    Frame,
    Goodbye,
    Hello,
    Open,
    Ping,
    Pong,
    ProtocolError,
    Welcome,
    Window,
)
from devhook.core.relay_codec import decode, encode

HIGH_BACKLOG: Final = 1024 * 1024
_JOINED: Final = 128 * 1024  # bytes of frames that go into one message
_LONGEST_TEXT: Final = 200


@dataclass(slots=True)
class _Stream:
    credit: int
    window: int
    consumed: int = 0
    answered: bool = False
    sent_end: bool = False
    got_end: bool = False


class Link:
    """`window` is what we said we take on a stream, `credit` what they said.

    `requests` is how many streams may be open at once, as the client said.
    """

    def __init__(
        self,
        *,
        opens: bool,
        window: int,
        credit: int,
        requests: int,
        at: float,
        heartbeat: float = HEARTBEAT,
        patience: float = PATIENCE,
    ) -> None:
        self._opens = opens
        self._window = window
        self._credit = credit
        self._requests = requests
        self._heartbeat = heartbeat
        self._patience = patience
        self._streams: dict[int, _Stream] = {}
        self._last = -1
        self._queue: deque[bytes] = deque()
        self._asked_at = at
        self.heard_at = at
        self.backlog = 0

    def receive(self, message: bytes, *, at: float) -> list[Frame]:
        """What a message tells the caller; ProtocolError ends the connection."""
        self.heard_at = at
        return [frame for frame in decode(message) if self._admit(frame)]

    def take(self) -> bytes:
        """The next message to send, several frames joined; empty when there is none."""
        taken: list[bytes] = []
        size = 0
        while self._queue and (not taken or size + len(self._queue[0]) <= _JOINED):
            taken.append(self._queue.popleft())
            size += len(taken[-1])
        self.backlog -= size
        return b"".join(taken)

    def is_alive(self, *, at: float) -> bool:
        """Whether the other end was heard of lately; asks it when it has been quiet."""
        quiet = at - self.heard_at
        if quiet >= self._heartbeat and at - self._asked_at >= self._heartbeat:
            self._asked_at = at
            self._send(Ping(int(at * 1000)))
        return quiet < self._patience

    def is_crowded(self) -> bool:
        """Whether nobody has room, on any stream, before the next `take`."""
        return self.backlog >= HIGH_BACKLOG

    def open_streams(self) -> tuple[int, ...]:
        return tuple(self._streams)

    def is_open(self, stream: int) -> bool:
        return stream in self._streams

    def is_full(self) -> bool:
        return len(self._streams) >= self._requests

    def room(self, stream: int) -> int:
        """How many bytes `data` takes now: 0 means wait for a WINDOW or a `take`."""
        state = self._streams.get(stream)
        if state is None or self.is_crowded():
            return 0
        return min(state.credit, MAX_DATA)

    def open(
        self, method: str, target: str, headers: Headers, *, end: bool = False
    ) -> int:
        """Open the next stream; ProtocolError, with nothing sent, for a bad head."""
        stream = self._last + 2
        self._send(
            Open(stream=stream, method=method, target=target, headers=headers, end=end)
        )
        self._last = stream
        self._streams[stream] = self._fresh(sent_end=end)
        return stream

    def answer(
        self,
        stream: int,
        status: int,
        reason: str,
        headers: Headers,
        *,
        end: bool = False,
    ) -> None:
        if state := self._streams.get(stream):
            frame = Answer(
                stream=stream, status=status, reason=reason, headers=headers, end=end
            )
            self._send(frame)
            state.answered = True
            self._sent(stream, state, end=end)

    def data(self, stream: int, body: bytes, *, end: bool = False) -> None:
        """Send a piece of the body, no longer than `room` has just said."""
        if state := self._streams.get(stream):
            if state.sent_end or len(body) > state.credit:
                raise ProtocolError("data beyond the end or the window")
            state.credit -= len(body)
            self._send(Data(stream, body, end))
            self._sent(stream, state, end=end)

    def consume(self, stream: int, size: int) -> None:
        """Say that so many bytes of DATA were passed on and need no memory any more."""
        state = self._streams.get(stream)
        if state is None or state.got_end:
            return
        state.consumed += size
        if state.consumed * 2 >= self._window:
            self._send(Window(stream, state.consumed))
            state.window += state.consumed
            state.consumed = 0

    def cancel(self, stream: int, why: Fault, text: str = "") -> None:
        if self._streams.pop(stream, None):
            self._send(Cancel(stream, why, text[:_LONGEST_TEXT]))

    def goodbye(self, why: Farewell, text: str = "") -> None:
        self._send(Goodbye(why, text))

    def _send(self, frame: Frame) -> None:
        data = encode(frame)
        self._queue.append(data)
        self.backlog += len(data)

    def _sent(self, stream: int, state: _Stream, *, end: bool) -> None:
        state.sent_end = state.sent_end or end
        if end and not self._opens:
            del self._streams[stream]

    def _fresh(self, *, sent_end: bool = False, got_end: bool = False) -> _Stream:
        return _Stream(self._credit, self._window, sent_end=sent_end, got_end=got_end)

    def _admit(self, frame: Frame) -> bool:
        """Hold a frame against the rules; whether the caller need see it."""
        match frame:
            case Ping(token):
                if not self.is_crowded():  # else life shows in what is queued
                    self._send(Pong(token))
                return False
            case Pong():
                return False
            case Goodbye():
                return True
            case Open():
                return self._admit_open(frame)
            case Hello() | Welcome():
                raise ProtocolError("a second greeting")
            case Answer() | Data() | Window() | Cancel():
                return self._admit_on_stream(frame)
            case _:
                assert_never(frame)

    def _admit_open(self, frame: Open) -> bool:
        if self._opens or frame.stream % 2 == 0 or frame.stream <= self._last:
            raise ProtocolError("a stream that may not be opened")
        if self.is_full():
            raise ProtocolError("too many streams")
        self._last = frame.stream
        self._streams[frame.stream] = self._fresh(got_end=frame.end)
        return True

    def _admit_on_stream(self, frame: Answer | Data | Window | Cancel) -> bool:
        state = self._streams.get(frame.stream)
        if state is None:
            if frame.stream > self._last or frame.stream % 2 == 0:
                raise ProtocolError("a frame on a stream never opened")
            return False
        match frame:
            case Answer():
                if not self._opens or state.answered:
                    raise ProtocolError("an answer out of turn")
                state.answered = True
                self._got(frame.stream, state, end=frame.end)
            case Data():
                if state.got_end or (self._opens and not state.answered):
                    raise ProtocolError("data out of turn")
                state.window -= len(frame.body)
                if state.window < 0:
                    raise ProtocolError("data beyond the window")
                self._got(frame.stream, state, end=frame.end)
            case Window():
                state.credit += frame.credit
                if state.credit > MAX_WINDOW * 2:
                    raise ProtocolError("credit beyond all bounds")
            case Cancel():
                del self._streams[frame.stream]
            case _:
                assert_never(frame)
        return True

    def _got(self, stream: int, state: _Stream, *, end: bool) -> None:
        state.got_end = state.got_end or end
        if end and self._opens:
            del self._streams[stream]
