"""What the database of one profile holds, read through a connection that never writes.

Nothing that is under way in a transaction is seen, and none is ever waited for.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Self

from devhook.core.model import Attempt, Delivery, Event, Kind, Session
from devhook.store import rows
from devhook.store.schema import connect, translating


class Reader:
    """For one thread. A query that fails raises StoreError.

    `db` is a connection to use, and to close; without one, the database is made if
    need be.
    """

    def __init__(self, path: Path, db: sqlite3.Connection | None = None) -> None:
        self.path = path
        self._opened = ExitStack()
        self.reader = self._opened.enter_context(closing(db or connect(path)))
        self.reader.row_factory = sqlite3.Row

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._opened.close()

    def event(self, event_id: int) -> Event | None:
        row = self._one("select * from events where id = ?", event_id)
        return None if row is None else rows.event_of(row)

    def delivery(self, delivery_id: int) -> Delivery | None:
        row = self._one("select * from deliveries where id = ?", delivery_id)
        return None if row is None else rows.delivery_of(row)

    def deliveries_of(self, event_id: int) -> list[Delivery]:
        found = self.rows(
            "select * from deliveries where event_id = ? order by id", event_id
        )
        return [rows.delivery_of(row) for row in found]

    def attempts_of(self, event_id: int) -> list[Attempt]:
        found = self.rows(
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
        found = self.rows(
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

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read inside is of one moment."""
        with translating(self.path):
            self.reader.execute("begin")
            try:
                yield
            finally:
                self.reader.execute("rollback")

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """The rows of a query, for readers with a question of their own."""
        with translating(self.path):
            return self.reader.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: object) -> sqlite3.Row | None:
        with translating(self.path), closing(self.reader.execute(sql, values)) as found:
            row: sqlite3.Row | None = found.fetchone()
            return row
