"""What happened, in order: the asynchronous face of the store.

One writer: everything written within one turn of the event loop is committed as one
transaction, in the order it was asked for, and a `write` returns after that commit.
The commit runs on the loop while commits are quick (a thread would cost more than it
saves: 0.3 ms against two thread switches) and on a thread of its own when they are not,
or when another program holds the database.

Readers follow with a cursor of their own; a slow one loses nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Self, TypeAlias, TypeVar, Unpack
from weakref import WeakValueDictionary

from devhook.core.clock import Clock
from devhook.core.model import (
    Attempt,
    Delivery,
    JournalEntry,
    Json,
    Kind,
    Notice,
    Outcome,
    State,
    Verdict,
)
from devhook.errors import StoreError, StoreLocked
from devhook.store import entries
from devhook.store.entries import Cursor
from devhook.store.store import SessionFacts, Store

T = TypeVar("T")

_Batch: TypeAlias = list[tuple[Callable[[], Any], "asyncio.Future[Any]"]]

QUICK = 0.004
"""Seconds: slower commits than this, on average, go to the thread."""

_BATCH = 512


class Journal:
    """The one writer of a database, and what wakes its readers."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self._clock = clock
        self._queue: _Batch = []
        self._busy = False
        self._scheduled = False
        self._seconds = 0.0
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._thread = ThreadPoolExecutor(1, "devhook-journal")
        # By event id, for as long as somebody waits.
        self._attempted = WeakValueDictionary[int, asyncio.Future[Attempt]]()
        self._unstored: list[Notice] = []
        self._start = Cursor()
        self.session_id = 0
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._idle.wait()
        finally:
            self._thread.shutdown()

    async def write(self, verb: Callable[[], T]) -> T:
        """Run a verb of the store; its result, once it is on disk.

        Raises StoreError when it is not. Cancelling the wait does not undo the write.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.append((verb, future))
        self._idle.clear()
        if not self._scheduled and not self._busy:
            self._scheduled = True
            self._loop.call_soon(self._flush)
        return await future

    async def begin(self, **facts: Unpack[SessionFacts]) -> int:
        """Open the session whose journal this is."""
        at = self._clock.now()
        self._start = entries.newest(self.store)
        self.session_id = await self.write(
            lambda: self.store.open_session(at=at, **facts)
        )
        return self.session_id

    async def tell(self, type: str, **body: Json) -> None:
        """Note what the screen should say; from memory when it cannot be stored."""
        at, session_id = self._clock.now(), self.session_id
        try:
            await self.write(lambda: self.store.add_notice(session_id, at, type, body))
        except StoreError:
            notice = Notice(id=0, session_id=session_id, at=at, type=type, body=body)
            self._unstored.append(notice)
            self._wake()

    async def missed(self, reason: str, since: datetime, until: datetime) -> None:
        """Keep an interval in which events may have been missed."""
        session_id = self.session_id

        def verb() -> None:
            gap_id = self.store.open_gap(session_id, since, reason)
            self.store.close_gap(gap_id, until)

        await self.write(verb)

    def changed(self) -> asyncio.Event:
        """Set at the next commit of this process: take it, look, then wait for it."""
        return self._changed

    async def first_attempt(self, event_id: int) -> Attempt:
        """The first try of the event's live delivery; waits until it was made."""
        for attempt in self.store.attempts_of(event_id):
            if attempt.kind is Kind.LIVE:
                return attempt
        waiting = self._attempted.setdefault(event_id, self._loop.create_future())
        return await asyncio.shield(waiting)  # others may wait for the same

    async def add_attempt(
        self,
        delivery: Delivery,
        outcome: Outcome,
        verdict: Verdict,
        state: State,
        *,
        next_at: datetime | None = None,
        reason: str | None = None,
    ) -> Attempt:
        attempt_id = await self.write(
            lambda: self.store.add_attempt(
                delivery.id, outcome, verdict, state, next_at=next_at, reason=reason
            )
        )
        attempt = Attempt(
            id=attempt_id,
            delivery_id=delivery.id,
            event_id=delivery.event_id,
            kind=delivery.kind,
            target=delivery.target,
            outcome=outcome,
            verdict=verdict,
        )
        waiting = self._attempted.get(delivery.event_id)
        if delivery.kind is Kind.LIVE and waiting and not waiting.done():
            waiting.set_result(attempt)
        return attempt

    async def follow(
        self, after: Cursor | None = None
    ) -> AsyncGenerator[JournalEntry, None]:
        """Every entry of the session once, from the cursor on, for ever."""
        cursor = after or self._start
        while True:
            changed = self._changed
            found, cursor = self.read(cursor)
            for entry in found:
                yield entry
            if not found:
                await changed.wait()

    def read(
        self, cursor: Cursor, limit: int = 200
    ) -> tuple[list[JournalEntry], Cursor]:
        """The next entries after the cursor in order of time, and the cursor moved."""
        return entries.read(self.store, self.session_id, cursor, self._unstored, limit)

    # --- the writer ------------------------------------------------------------------

    def _flush(self) -> None:
        self._scheduled = False
        batch, self._queue = self._queue[:_BATCH], self._queue[_BATCH:]
        if self._seconds > QUICK:
            self._hand_over(batch)
            return
        try:
            results = self._commit(batch, busy_ms=0)
        except StoreLocked:
            self._hand_over(batch)
        except Exception as exc:  # noqa: BLE001  a bug in a verb must not hang the rest
            self._settle(batch, exc)
        else:
            self._settle(batch, results)

    def _hand_over(self, batch: _Batch) -> None:
        self._busy = True
        done = self._loop.run_in_executor(self._thread, self._commit, batch)
        done.add_done_callback(lambda future: self._returned(batch, future))

    def _returned(self, batch: _Batch, future: asyncio.Future[list[Any]]) -> None:
        self._busy = False
        exc = future.exception()
        if exc is None:
            self._settle(batch, future.result())
        else:
            assert isinstance(exc, Exception)  # noqa: S101  the thread is not cancelled
            self._settle(batch, exc)

    def _commit(self, batch: _Batch, busy_ms: int = 2000) -> list[Any]:
        started = self._clock.monotonic()
        results = self.store.run([verb for verb, _ in batch], busy_ms=busy_ms)
        taken = self._clock.monotonic() - started
        self._seconds += (taken - self._seconds) / 8
        return results

    def _settle(self, batch: _Batch, outcome: list[Any] | Exception) -> None:
        """Hand each its result; an exception for all when nothing was kept."""
        results = outcome if isinstance(outcome, list) else [outcome] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
        self._wake()
        if self._queue:
            self._scheduled = True
            self._loop.call_soon(self._flush)
        else:
            self._idle.set()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
