"""A thread with an event loop, for servers that synchronous tests talk to."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Background:
    """Runs coroutines for others; `with` ends the thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="devhook-background", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Its result; what it raises is raised here."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    @contextmanager
    def opened(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Enter it there, in one task, and leave it when the block ends."""
        leave = asyncio.Event()

        async def hold(ready: "asyncio.Future[T]") -> None:
            try:
                async with manager as value:
                    ready.set_result(value)
                    await leave.wait()
            except BaseException as exc:
                if ready.done():
                    raise
                ready.set_exception(exc)

        async def start() -> "tuple[asyncio.Future[None], T]":
            ready: asyncio.Future[T] = self._loop.create_future()
            held = asyncio.run_coroutine_threadsafe(hold(ready), self._loop)
            return asyncio.wrap_future(held), await ready

        held, value = self.run(start())
        try:
            yield value
        finally:
            self._loop.call_soon_threadsafe(leave.set)
            self.run(_awaited(held))


async def _awaited(future: "asyncio.Future[None]") -> None:
    await future
