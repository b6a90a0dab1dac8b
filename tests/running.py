"""A devhook command under way, with its screen, its objects and perhaps a terminal."""

import asyncio
import json
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeAlias, TypeVar, cast

from typing_extensions import override

from tests.terminal import Terminal

Line: TypeAlias = dict[str, Any]
T = TypeVar("T")

WITHIN: Final = 25.0
CTRL_C: Final = b"\x03"
CTRL_D: Final = b"\x04"
CTRL_Z: Final = b"\x1a"
CTRL_BACKSLASH: Final = b"\x1c"
DEVHOOK: Final = (sys.executable, "-m", "devhook")

# Gives the process a terminal of its own on stdin, as a shell does.
_AT_A_TERMINAL: Final = (
    "import fcntl, os, sys, termios; os.setsid();"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.executable, [sys.executable, '-m', 'devhook', *sys.argv[1:]])"
)


class Running(asyncio.SubprocessProtocol):
    """A command with `--json` under way: what it has said so far, and how it ended."""

    def __init__(self) -> None:
        self.seen: list[Line] = []
        self._out = b""
        self._err = b""
        self._news = asyncio.Event()
        self._keyboard: int | None = None
        self._over = False

    @property
    def screen(self) -> str:
        return self._err.decode(errors="replace")

    @property
    def ready(self) -> Line:
        return next(line for line in self.seen if line["type"] == "ready")

    @property
    def is_ready(self) -> bool:
        return any(line["type"] == "ready" for line in self.seen)

    @property
    def pid(self) -> int:
        return self._transport.get_pid()

    @property
    def code(self) -> int | None:
        return self._transport.get_returncode()

    def send(self, number: int) -> None:
        self._transport.send_signal(number)

    async def line(self, type: str, **fields: object) -> Line:
        """The first object of that type with these fields."""
        return (await self.lines(1, type, **fields))[0]

    async def lines(self, count: int, type: str, **fields: object) -> list[Line]:
        """So many objects of that type with these fields."""
        wanted = {"type": type, **fields}

        def found() -> list[Line] | None:
            alike = [line for line in self.seen if wanted.items() <= line.items()]
            return alike if len(alike) >= count else None

        return await self._fact(found)

    async def shown(self, text: str) -> None:
        """Wait for a text on the screen."""
        await self._fact(lambda: text in self.screen or None)

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal, and wait for its exit code."""
        self.send(number)
        return await self.over()

    async def over(self) -> int:
        """Its exit code, once it has ended and all it said has come."""
        return await self._fact(lambda: self.code if self._over else None)

    def stop_reading(self) -> None:
        """Close the near end of its standard output, as `| head` does."""
        pipe = self._transport.get_pipe_transport(1)
        assert pipe is not None
        pipe.close()

    @contextmanager
    def unread(self) -> Iterator[None]:
        """Take nothing of its standard output for a while."""
        pipe = cast(asyncio.ReadTransport, self._transport.get_pipe_transport(1))
        pipe.pause_reading()
        yield
        pipe.resume_reading()

    def type(self, keys: bytes) -> None:
        assert self._keyboard is not None
        os.write(self._keyboard, keys)

    def hang_up(self) -> None:
        """Close its terminal, as a closed window does."""
        if self._keyboard is not None:
            asyncio.get_running_loop().remove_reader(self._keyboard)
            os.close(self._keyboard)
            self._keyboard = None

    async def close(self) -> None:
        """Kill it, if it has not ended by itself."""
        if self.code is None:
            self.send(signal.SIGKILL)
        await self.over()
        self._transport.close()
        self.hang_up()

    def watch(self, keyboard: int) -> None:
        """Its terminal's near end: what comes there is its screen."""
        self._keyboard = keyboard
        asyncio.get_running_loop().add_reader(keyboard, self._read_screen)

    async def _fact(self, look: Callable[[], T | None]) -> T:
        try:
            async with asyncio.timeout(WITHIN):
                while (found := look()) is None:
                    assert not self._over, f"it ended with {self.code}: {self.screen}"
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {WITHIN} s: {self.screen}") from None
        return found

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _read_screen(self) -> None:
        assert self._keyboard is not None
        try:
            self._err += os.read(self._keyboard, 65_536)
        except OSError:  # Linux says so when the last writer is gone
            asyncio.get_running_loop().remove_reader(self._keyboard)
        self._wake()

    # --- asyncio calls ---------------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    @override
    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._err += data
        else:
            *lines, self._out = (self._out + data).split(b"\n")
            self.seen += [json.loads(line) for line in lines]
        self._wake()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._over = True
        self._wake()


@asynccontextmanager
async def running(
    *command: str,
    terminal: Terminal,
    attended: bool = False,
    program: Sequence[str] = DEVHOOK,
    **environ: str,
) -> AsyncIterator[Running]:
    """Start devhook; killed at the end of the block, if it has not ended by itself."""
    loop = asyncio.get_running_loop()
    keyboard, theirs = pty.openpty() if attended else (None, None)
    _, process = await loop.subprocess_exec(
        Running,
        *((sys.executable, "-c", _AT_A_TERMINAL) if attended else program),
        *command,
        stdin=asyncio.subprocess.DEVNULL if theirs is None else theirs,
        stderr=asyncio.subprocess.PIPE if theirs is None else theirs,
        cwd=terminal.folder,
        env=terminal.environ | environ,
    )
    if keyboard is not None and theirs is not None:
        os.close(theirs)
        process.watch(keyboard)
    try:
        yield process
    finally:
        await process.close()


async def until(fact: Callable[[], object], within: float = WITHIN) -> None:
    """Wait for what a socket brings about, so many seconds."""
    async with asyncio.timeout(within):
        while not fact():  # noqa: ASYNC110  there is no event of it
            await asyncio.sleep(0.005)
