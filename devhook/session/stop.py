"""The wish to end, and the tasks that end with it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any


class Why(StrEnum):
    """What ended a session."""

    ASKED = "asked"
    TIME = "time"
    STORAGE = "storage"
    TUNNEL = "tunnel"
    GUARDIAN = "guardian"
    PARKED = "parked"
    CREDENTIAL = "credential"


class Stop:
    """The wish to end: asked once, then perhaps again, in a hurry."""

    def __init__(self) -> None:
        self.why: Why | None = None
        self._asked = asyncio.Event()
        self._timer: asyncio.Timeout | None = None
        self._hurried = False
        self._opening: asyncio.Task[Any] | None = None

    def ask(self, why: Why = Why.ASKED) -> None:
        """End the session; one that has changed nothing yet is cancelled."""
        if self.why is None:
            self.why = why
            self._asked.set()
            if self._opening is not None:
                self._opening.cancel()

    def cancels(self, opening: asyncio.Task[Any] | None) -> None:
        """What `ask` cancels; None from where on only a restore may end it."""
        self._opening = opening

    def hurry(self) -> None:
        """Cut short what `patiently` waits for, now and later."""
        self._hurried = True
        if self._timer is not None:
            self._timer.reschedule(asyncio.get_running_loop().time())

    def is_asked(self) -> bool:
        """Whether the end has been wished for by now: it may be while one waits."""
        return self.why is not None

    async def asked(self) -> Why:
        await self._asked.wait()
        return self.why or Why.ASKED

    @asynccontextmanager
    async def patiently(self, within: float | None) -> AsyncIterator[None]:
        """A timeout that `hurry` ends at once; raises TimeoutError."""
        async with asyncio.timeout(0 if self._hurried else within) as self._timer:
            try:
                yield
            finally:
                self._timer = None


class Loops:
    """The session's tasks: started one by one, cancelled together."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, loop: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(self._group.create_task(loop))

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def open_loops() -> AsyncIterator[Loops]:
    async with asyncio.TaskGroup() as group:
        loops = Loops(group)
        try:
            yield loops
        finally:
            loops.cancel()
