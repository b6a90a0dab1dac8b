"""What a session's journal says, in order of time, from a cursor on.

Rows of one table stay in the order they were written, even when the clock was set back,
and an attempt never comes before its event.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import TypeVar

from devhook.core.model import Attempt, Event, Gap, JournalEntry, Notice
from devhook.store import rows
from devhook.store.reader import Reader

E = TypeVar("E", Event, Attempt, Notice, Gap)

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reader has come: the last id by table, and how many from memory."""

    event: int = 0
    attempt: int = 0
    notice: int = 0
    gap: int = 0
    unstored: int = 0


def newest(reader: Reader) -> Cursor:
    """After all that is there now: rows to come have greater ids."""
    last = [
        reader.rows(f"select coalesce(max(id), 0) from {table}")[0][0]  # noqa: S608
        for table in ("events", "attempts", "notices", "gaps")
    ]
    return Cursor(*last)


def read(
    reader: Reader,
    session_id: int,
    cursor: Cursor,
    unstored: Sequence[Notice],
    limit: int,
) -> tuple[list[JournalEntry], Cursor]:
    """At most `limit` entries after the cursor, and the cursor after them.

    `unstored` are the notices that have no row. Of each table as many rows are read as
    may be wanted in all, so that the first of them are the first of everything.
    """
    with reader.snapshot():
        events = _events(reader, session_id, cursor.event, limit)
        attempts = _attempts(reader, session_id, cursor.attempt, limit)
        notices = _notices(reader, session_id, cursor.notice, limit)
        gaps = _gaps(reader, session_id, cursor.gap, limit)
    if len(events) == limit:
        attempts = _of_known_events(attempts, events[-1].id)
    timed_events = list(_in_order(events, lambda event: event.received_at))
    captured = {event.id: at for at, event in timed_events}

    def ended(attempt: Attempt) -> datetime:
        at = rows.end_of(attempt.outcome)
        return max(at, captured.get(attempt.event_id, at))

    timed: list[Iterable[tuple[datetime, JournalEntry]]] = [
        timed_events,
        _in_order(attempts, ended),
        _in_order(notices, lambda notice: notice.at),
        _in_order(unstored[cursor.unstored :], lambda notice: notice.at),
        _in_order(gaps, lambda gap: gap.started_at),
    ]
    merged = merge(*timed, key=itemgetter(0))
    entries = [entry for _, entry in islice(merged, limit)]
    for entry in entries:
        cursor = _after(cursor, entry)
    return entries, cursor


def _in_order(
    entries: Iterable[E], at: Callable[[E], datetime]
) -> Iterator[tuple[datetime, E]]:
    """Each with its time, or the latest before it where the clock was set back."""
    latest = _BEFORE_ALL
    for entry in entries:
        latest = max(latest, at(entry))
        yield latest, entry


def _of_known_events(attempts: list[Attempt], newest_event: int) -> list[Attempt]:
    """Up to the first whose event was not read yet."""
    early = (n for n, attempt in enumerate(attempts) if attempt.event_id > newest_event)
    return attempts[: next(early, None)]


def _after(cursor: Cursor, entry: JournalEntry) -> Cursor:
    match entry:
        case Event():
            return replace(cursor, event=entry.id)
        case Attempt():
            return replace(cursor, attempt=entry.id)
        case Notice(id=0):
            return replace(cursor, unstored=cursor.unstored + 1)
        case Notice():
            return replace(cursor, notice=entry.id)
        case Gap():
            return replace(cursor, gap=entry.id)


def _events(reader: Reader, session_id: int, after: int, limit: int) -> list[Event]:
    found = reader.rows(
        "select * from events where session_id = ? and id > ? order by id limit ?",
        session_id,
        after,
        limit,
    )
    return [rows.event_of(row) for row in found]


def _attempts(reader: Reader, session_id: int, after: int, limit: int) -> list[Attempt]:
    found = reader.rows(
        f"select {rows.ATTEMPT_COLUMNS} from attempts a"  # noqa: S608  our own names
        " join deliveries d on d.id = a.delivery_id"
        " where d.session_id = ? and a.id > ? order by a.id limit ?",
        session_id,
        after,
        limit,
    )
    return [rows.attempt_of(row) for row in found]


def _notices(reader: Reader, session_id: int, after: int, limit: int) -> list[Notice]:
    found = reader.rows(
        "select * from notices where session_id = ? and id > ? order by id limit ?",
        session_id,
        after,
        limit,
    )
    return [rows.notice_of(row) for row in found]


def _gaps(reader: Reader, session_id: int, after: int, limit: int) -> list[Gap]:
    found = reader.rows(
        "select * from gaps where session_id = ? and id > ? order by id limit ?",
        session_id,
        after,
        limit,
    )
    return [rows.gap_of(row) for row in found]
