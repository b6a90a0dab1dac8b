"""The database of one profile, as synchronous verbs.

Two connections: one that writes and one that reads, so that a reader never waits for a
transaction that is under way on another thread. Verbs that write are meant to be run by
`Journal`, many in one transaction; `transaction` is that transaction.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from devhook.core.model import (
    Address,
    Attempt,
    Capture,
    Delivery,
    Event,
    Json,
    Kind,
    Outcome,
    Session,
    State,
    Verdict,
)
from devhook.errors import StoreError
from devhook.store import rows
from devhook.store.schema import connect, translating

SAME_WITHIN = timedelta(seconds=10)
STALE_AFTER = timedelta(seconds=60)
_RECENT = 10_000


class Store:
    """One database. Two events are the same if they are one row; a copy is another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer = connect(path, share=True)
        self.reader = connect(path)
        self.reader.row_factory = sqlite3.Row
        self._identity = _identity(path)
        self._recent: dict[tuple[int, str, str], tuple[int, datetime]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.reader.close()
        self.writer.close()

    @contextmanager
    def transaction(self, *, busy_ms: int = 2000) -> Iterator[None]:
        """All verbs inside are committed together, on disk when this returns.

        Raises StoreError when nothing was kept. `busy_ms` is how long another program's
        lock is waited for.
        """
        with translating(self.path):
            self._still_ours()
            self.writer.execute(f"pragma busy_timeout = {busy_ms:d}")
            try:
                self.writer.execute("begin immediate")
                yield
                self.writer.execute("commit")
            except BaseException:
                self._recent.clear()  # it may name rows that are gone now
                if self.writer.in_transaction:
                    self.writer.execute("rollback")
                raise

    # --- what is written -------------------------------------------------------------

    def open_session(
        self,
        *,
        profile: str,
        account: str | None,
        source: str,
        process: str,
        at: datetime,
        tunnel: str | None = None,
        public_url: str | None = None,
        target: str | None = None,
    ) -> int:
        return self._insert(
            "insert into sessions"
            " (profile, account, source, process, tunnel, public_url, target,"
            " started_at) values (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                profile,
                account,
                source,
                process,
                tunnel,
                public_url,
                target,
                rows.to_text(at),
            ),
        )

    def update_session(self, session_id: int, **columns: str | None) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        self.writer.execute(
            f"update sessions set {names} where id = ?",  # noqa: S608  our own names
            (*columns.values(), session_id),
        )

    def end_session(self, session_id: int, at: datetime, how: str) -> None:
        self.update_session(session_id, ended_at=rows.to_text(at), ended_how=how)

    def add_event(
        self, session_id: int, capture: Capture, addresses: Sequence[Address]
    ) -> int:
        """The event with one pending delivery for each address; its id."""
        same_as = self._same_as(session_id, capture)
        event_id = self._insert(
            f"insert into events ({rows.EVENT_COLUMNS})"  # noqa: S608  our own names
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows.event_values(capture, session_id, same_as),
        )
        if same_as is None:
            self._remember(session_id, capture, event_id)
        for address in addresses:
            self.add_delivery(session_id, event_id, address)
        return event_id

    def add_delivery(self, session_id: int, event_id: int, address: Address) -> int:
        edits = None if address.edits is None else json.dumps(dict(address.edits))
        return self._insert(
            "insert into deliveries (event_id, session_id, kind, target, state, edits)"
            " values (?, ?, ?, ?, 'pending', ?)",
            (event_id, session_id, address.kind, address.target, edits),
        )

    def claim(self, delivery_id: int, by: str, at: datetime) -> bool:
        """Whether it is ours now: False when somebody else took or settled it."""
        cursor = self.writer.execute(
            "update deliveries set state = 'claimed', claimed_by = ?, claimed_at = ?"
            " where id = ? and state = 'pending'",
            (by, rows.to_text(at), delivery_id),
        )
        return cursor.rowcount == 1

    def add_attempt(
        self,
        delivery_id: int,
        outcome: Outcome,
        verdict: Verdict,
        state: State,
        *,
        next_at: datetime | None = None,
        reason: str | None = None,
    ) -> int:
        """One try and what it makes of its delivery; `next_at` when it is pending."""
        attempt_id = self._insert(
            "insert into attempts (delivery_id, status, error, headers, body, cut,"
            " started_at, headers_us, duration_us, verdict)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows.attempt_values(delivery_id, outcome, verdict),
        )
        self.settle(delivery_id, state, reason=reason, next_at=next_at)
        return attempt_id

    def settle(
        self,
        delivery_id: int,
        state: State,
        *,
        reason: str | None = None,
        next_at: datetime | None = None,
    ) -> None:
        self.writer.execute(
            "update deliveries set state = ?, reason = ?, next_at = ? where id = ?",
            (state, reason, next_at and rows.to_text(next_at), delivery_id),
        )

    def add_notice(
        self, session_id: int, at: datetime, type: str, body: Mapping[str, Json]
    ) -> int:
        return self._insert(
            "insert into notices (session_id, at, type, body) values (?, ?, ?, ?)",
            (session_id, rows.to_text(at), type, json.dumps(dict(body))),
        )

    def open_gap(self, session_id: int, at: datetime, reason: str) -> int:
        return self._insert(
            "insert into gaps (session_id, started_at, reason) values (?, ?, ?)",
            (session_id, rows.to_text(at), reason),
        )

    def close_gap(self, gap_id: int, at: datetime) -> None:
        self.writer.execute(
            "update gaps set ended_at = ? where id = ?", (rows.to_text(at), gap_id)
        )

    def bury(self, alive: Callable[[str], bool]) -> int:
        """Mark sessions whose process is gone as ended when it was last heard of."""
        found = self.writer.execute(
            "select id, process from sessions where ended_at is null"
        ).fetchall()
        dead = [(row[0],) for row in found if not alive(row[1])]
        self.writer.executemany(
            "update sessions set ended_how = 'died', ended_at = max(started_at,"
            " coalesce((select max(received_at) from events where session_id ="
            " sessions.id), started_at)) where id = ?",
            dead,
        )
        return len(dead)

    def inherit(self, session_id: int, target: str, at: datetime) -> int:
        """Settle what ended sessions of this database left open; how many we took over.

        Live deliveries bound for `target` whose session ended, or was last heard of,
        within 60 s come to us. All else of a session that ended becomes `stale`.
        """
        since = rows.to_text(at - STALE_AFTER)
        taken = self.writer.execute(
            "update deliveries set session_id = ?, state = 'pending', claimed_by = null"
            " where state in ('pending', 'claimed') and kind = 'live' and target = ?"
            " and session_id in (select id from sessions where ended_at >= ?)",
            (session_id, target, since),
        ).rowcount
        self.writer.execute(
            "update deliveries set state = 'failed', reason = 'stale'"
            " where state in ('pending', 'claimed') and session_id in"
            " (select id from sessions where ended_at is not null)"
        )
        return taken

    def release(self, session_id: int) -> None:
        """What a session that ends leaves behind: only live ones may be taken over."""
        self.writer.execute(
            "update deliveries set state = 'failed', reason = 'interrupted'"
            " where session_id = ? and state = 'claimed'",
            (session_id,),
        )
        self.writer.execute(
            "update deliveries set state = 'failed', reason = 'stale'"
            " where session_id = ? and state = 'pending' and kind != 'live'",
            (session_id,),
        )

    # --- what is read ----------------------------------------------------------------

    def event(self, event_id: int) -> Event | None:
        row = self._one("select * from events where id = ?", event_id)
        return None if row is None else rows.event_of(row)

    def delivery(self, delivery_id: int) -> Delivery | None:
        row = self._one("select * from deliveries where id = ?", delivery_id)
        return None if row is None else rows.delivery_of(row)

    def deliveries_of(self, event_id: int) -> list[Delivery]:
        found = self._all("select * from deliveries where event_id = ?", event_id)
        return [rows.delivery_of(row) for row in found]

    def attempts_of(self, event_id: int) -> list[Attempt]:
        found = self._all(
            f"select {rows.ATTEMPT_COLUMNS} from attempts a"  # noqa: S608
            " join deliveries d on d.id = a.delivery_id where d.event_id = ?"
            " order by a.id",
            event_id,
        )
        return [rows.attempt_of(row) for row in found]

    def tries_of(self, delivery_id: int) -> int:
        row = self._one(
            "select count(*) from attempts where delivery_id = ?", delivery_id
        )
        return int(row[0]) if row else 0

    def open_deliveries(
        self, session_id: int, *, after: int, limit: int
    ) -> list[tuple[Delivery, str | None]]:
        """Pending deliveries in order, each with its event's resource id."""
        found = self._all(
            "select d.*, e.resource_id from deliveries d"
            " join events e on e.id = d.event_id"
            " where d.session_id = ? and d.id > ? and d.state = 'pending'"
            " order by d.id limit ?",
            session_id,
            after,
            limit,
        )
        return [(rows.delivery_of(row), row["resource_id"]) for row in found]

    def count_open(self, session_id: int, kind: Kind | None = None) -> int:
        row = self._one(
            "select count(*) from deliveries where session_id = ?"
            " and state in ('pending', 'claimed') and kind = coalesce(?, kind)",
            session_id,
            kind,
        )
        return int(row[0]) if row else 0

    def latest_live_target(self, event_id: int) -> str | None:
        row = self._one(
            "select target from deliveries where event_id = ? and kind = 'live'"
            " order by id desc limit 1",
            event_id,
        )
        return None if row is None else str(row[0])

    def session(self, session_id: int) -> Session | None:
        row = self._one("select * from sessions where id = ?", session_id)
        return None if row is None else rows.session_of(row)

    # --- inside ----------------------------------------------------------------------

    def _insert(self, sql: str, values: tuple[object, ...]) -> int:
        row_id = self.writer.execute(sql, values).lastrowid
        assert row_id is not None  # noqa: S101  an insert has one
        return row_id

    def _one(self, sql: str, *values: object) -> sqlite3.Row | None:
        with closing(self._read(sql, values)) as cursor:
            row: sqlite3.Row | None = cursor.fetchone()
            return row

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """The rows of a query, for readers with a question of their own."""
        return self._all(sql, *values)

    def _all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        return self._read(sql, values).fetchall()

    def _read(self, sql: str, values: Sequence[object]) -> sqlite3.Cursor:
        with translating(self.path):
            return self.reader.execute(sql, values)

    def _still_ours(self) -> None:
        """SQLite writes on into a file that was deleted or replaced, without a word."""
        if _identity(self.path) != self._identity:
            raise StoreError(
                f"the database {self.path} was deleted or replaced while in use",
                hint="start again; what was recorded before is in the older file",
            )

    def _same_as(self, session_id: int, capture: Capture) -> int | None:
        key = (session_id, capture.request.method, capture.body_sha256)
        found = self._recent.get(key)
        if found and capture.received_at - found[1] <= SAME_WITHIN:
            return found[0]
        return None

    def _remember(self, session_id: int, capture: Capture, event_id: int) -> None:
        key = (session_id, capture.request.method, capture.body_sha256)
        self._recent.pop(key, None)
        self._recent[key] = (event_id, capture.received_at)
        while len(self._recent) > _RECENT:
            self._recent.pop(next(iter(self._recent)))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
