"""What happened, in order: the asynchronous face of the store.

One writer: everything written within one turn of the event loop is committed as one
transaction, in the order it was asked for, and a `write` returns after that commit.
The commit runs on the loop while commits are quick (a thread would cost more than it
saves: 0.3 ms against two thread switches) and on a thread of its own when they are not,
or when another program holds the database.

Readers follow with a cursor of their own; a slow one loses nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeAlias, TypeVar

from devhook.core.clock import Clock
from devhook.core.model import (
    Attempt,
    Delivery,
    Event,
    Gap,
    JournalEntry,
    Json,
    Kind,
    Notice,
    Outcome,
    State,
    Verdict,
)
from devhook.errors import StoreError, StoreLocked
from devhook.store import rows
from devhook.store.store import Store

T = TypeVar("T")

_Batch: TypeAlias = list[tuple[Callable[[], Any], "asyncio.Future[Any]"]]

QUICK = 0.004
"""Seconds: slower commits than this, on average, go to the thread."""

_BATCH = 512


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reader has come, by table."""

    event: int = 0
    attempt: int = 0
    notice: int = 0
    gap: int = 0


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
        self._attempted: dict[int, asyncio.Future[Attempt]] = {}
        self._unstored: list[Notice] = []
        self.session_id = 0
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._idle.wait()
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

    async def begin(self, **session: str | None) -> int:
        """Open the session whose journal this is; see `Store.open_session`."""
        at = self._clock.now()
        self.session_id = await self.write(
            lambda: self.store.open_session(at=at, **session)  # type: ignore[arg-type]
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
        """Wait for the first try of the event's live delivery."""
        return await self._attempted.setdefault(event_id, self._loop.create_future())

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
        waiting = self._attempted.pop(delivery.event_id, None)
        if waiting and delivery.kind is Kind.LIVE and not waiting.done():
            waiting.set_result(attempt)
        return attempt

    async def follow(self, after: Cursor | None = None) -> AsyncIterator[JournalEntry]:
        """Every entry of the session from the cursor on, for ever, oldest first."""
        cursor = after or Cursor()
        told = len(self._unstored)
        while True:
            changed = self._changed
            entries, cursor = self.read(cursor)
            for notice in self._unstored[told:]:
                yield notice
            told = len(self._unstored)
            for entry in entries:
                yield entry
            if not entries:
                await changed.wait()

    def read(
        self, cursor: Cursor, limit: int = 200
    ) -> tuple[list[JournalEntry], Cursor]:
        """The next entries after the cursor in order of time, and the cursor moved."""
        session_id = self.session_id
        events = self._after("events", session_id, cursor.event, limit)
        # An attempt is read only once its event is: it must not be shown before it.
        seen = events[-1]["id"] if len(events) == limit else None
        attempts = self._attempts(session_id, cursor.attempt, seen, limit)
        notices = self._after("notices", session_id, cursor.notice, limit)
        gaps = self._after("gaps", session_id, cursor.gap, limit)
        entries: list[JournalEntry] = [
            *map(rows.event_of, events),
            *map(rows.attempt_of, attempts),
            *map(rows.notice_of, notices),
            *map(rows.gap_of, gaps),
        ]
        entries.sort(key=_when)
        return entries, Cursor(
            event=events[-1]["id"] if events else cursor.event,
            attempt=attempts[-1]["id"] if attempts else cursor.attempt,
            notice=notices[-1]["id"] if notices else cursor.notice,
            gap=gaps[-1]["id"] if gaps else cursor.gap,
        )

    def _after(self, table: str, session_id: int, after: int, limit: int) -> list[Any]:
        return self.store.rows(
            f"select * from {table} where session_id = ? and id > ?"  # noqa: S608
            " order by id limit ?",
            session_id,
            after,
            limit,
        )

    def _attempts(
        self, session_id: int, after: int, newest_event: int | None, limit: int
    ) -> list[Any]:
        found = self.store.rows(
            f"select {rows.ATTEMPT_COLUMNS} from attempts a"  # noqa: S608
            " join deliveries d on d.id = a.delivery_id"
            " where d.session_id = ? and a.id > ? order by a.id limit ?",
            session_id,
            after,
            limit,
        )
        if newest_event is None:
            return found
        early = next(
            (n for n, r in enumerate(found) if r["event_id"] > newest_event), None
        )
        return found[:early]

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

    def _returned(
        self,
        batch: _Batch,
        future: asyncio.Future[list[Any]],
    ) -> None:
        self._busy = False
        exc = future.exception()
        if exc is None:
            self._settle(batch, future.result())
        else:
            assert isinstance(exc, Exception)  # noqa: S101  the thread is not cancelled
            self._settle(batch, exc)

    def _commit(
        self,
        batch: _Batch,
        busy_ms: int = 2000,
    ) -> list[Any]:
        started = self._clock.monotonic()
        with self.store.transaction(busy_ms=busy_ms):
            results = [verb() for verb, _ in batch]
        taken = self._clock.monotonic() - started
        self._seconds += (taken - self._seconds) / 8
        return results

    def _settle(
        self,
        batch: _Batch,
        outcome: list[Any] | Exception,
    ) -> None:
        for at, (_, future) in enumerate(batch):
            if future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome[at])
        self._wake()
        if self._queue:
            self._scheduled = True
            self._loop.call_soon(self._flush)
        else:
            self._idle.set()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _when(entry: JournalEntry) -> Any:
    match entry:
        case Event():
            return entry.received_at
        case Attempt():
            return rows.end_of(entry.outcome)
        case Notice():
            return entry.at
        case Gap():
            return entry.started_at
