"""A standard stream, written by a thread of its own.

A terminal that was stopped by Ctrl-S, a pipe that nobody empties, a window that was
closed: whoever does not read must hold up neither an answer to the platform nor a
restore.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Event, Thread
from typing import Final, TextIO

_MOST_WAITING: Final = 1000
_GIVES_UP_AFTER: Final = 1.0
"""Seconds in which a reader takes nothing, at the end, until the rest is dropped."""


class Output:
    """What is put comes out in order; a reader that has left is not missed."""

    def __init__(self, stream: TextIO | None) -> None:
        """None is what Python makes of a stream that was closed from the start."""
        self._left = stream is None
        if stream is not None:
            stream.flush()
            self._descriptor = stream.fileno()
        self._encoding = "utf-8" if stream is None else stream.encoding
        self._waiting: SimpleQueue[bytes | Callable[[], object]] = SimpleQueue()
        self._progress = Event()
        # A daemon: one that is stuck in a write must not outlive the rest.
        Thread(target=self._run, name="devhook-output", daemon=True).start()

    def put(self, text: str) -> None:
        self._waiting.put(text.encode(self._encoding, "backslashreplace"))

    async def caught_up(self) -> None:
        """Wait while too much of it is unread."""
        if self._waiting.qsize() >= _MOST_WAITING:
            await self.written()

    async def written(self) -> None:
        """Wait until all that was put is out, or its reader has left."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(done.set)

        self._waiting.put(tell)
        await done.wait()

    def close(self) -> None:
        """Wait until the rest is written, for as long as somebody reads it."""
        done = Event()
        self._waiting.put(done.set)
        while not done.is_set() and self._progress.wait(_GIVES_UP_AFTER):
            self._progress.clear()

    def _run(self) -> None:
        while True:
            match self._waiting.get():
                case bytes(text):
                    self._write(text)
                case tell:
                    tell()
            self._progress.set()

    def _write(self, text: bytes) -> None:
        try:
            while text and not self._left:
                text = text[os.write(self._descriptor, text) :]
        except OSError:
            self._left = True
