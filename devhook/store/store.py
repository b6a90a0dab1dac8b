"""The database of one profile, as synchronous verbs.

Two connections: one that writes and one that reads, so that a reader never waits for a
transaction that is under way on another thread. Verbs that write are meant to be run by
`Journal`, many in one transaction; `transaction` is that transaction.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NotRequired, TypedDict, Unpack

from devhook.core.model import (
    Address,
    Capture,
    Json,
    Outcome,
    State,
    Verdict,
)
from devhook.errors import StoreError
from devhook.store import rows
from devhook.store.reader import Reader
from devhook.store.recent import Recent
from devhook.store.schema import connect, translating

STALE_AFTER = timedelta(seconds=60)

_OPEN = "state in ('pending', 'claimed')"

_LAST_HEARD_OF = f"""
    select max(at) from (
        select sessions.started_at as at
        union all select received_at from events where session_id = sessions.id
        union all select at from notices where session_id = sessions.id
        union all select claimed_at from deliveries
            where session_id = sessions.id and {_OPEN}
        union all select a.started_at from attempts a
            join deliveries d on d.id = a.delivery_id
            where d.session_id = sessions.id and d.{_OPEN}
    )
"""  # noqa: S608


class SessionFacts(TypedDict):
    """What is known of a session at its start; `process` is a mark of ours."""

    profile: str
    account: NotRequired[str | None]
    source: str
    process: str
    tunnel: NotRequired[str | None]
    public_url: NotRequired[str | None]
    target: NotRequired[str | None]


class Store(Reader):
    """One database. Two events are the same if they are one row; a copy is another."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self.writer = self._opened.enter_context(closing(connect(path, share=True)))
        except StoreError:
            self.close()
            raise
        self._identity = _identity(path)
        self._recent = Recent()

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

    def run(
        self, verbs: Sequence[Callable[[], Any]], *, busy_ms: int = 2000
    ) -> list[Any]:
        """Run verbs in one transaction; the result of each, in order.

        A verb that fails is undone alone: its result is the exception.
        """
        with self.transaction(busy_ms=busy_ms):
            return [self._run_apart(verb) for verb in verbs]

    # --- what is written -------------------------------------------------------------

    def open_session(self, *, at: datetime, **facts: Unpack[SessionFacts]) -> int:
        columns = {**facts, "started_at": rows.to_text(at)}
        marks = ", ".join("?" for _ in columns)
        return self._insert(
            f"insert into sessions ({', '.join(columns)})"  # noqa: S608  our own names
            f" values ({marks})",
            tuple(columns.values()),
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
        same_as = self._recent.first(session_id, capture)
        event_id = self._insert(
            f"insert into events ({rows.EVENT_COLUMNS})"  # noqa: S608  our own names
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows.event_values(capture, session_id, same_as),
        )
        self._recent.add(session_id, capture, event_id)
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
        dead = [(row[0],) for row in found if not alive(row[1] or "")]
        self.writer.executemany(
            f"update sessions set ended_how = 'died', ended_at = ({_LAST_HEARD_OF})"  # noqa: S608
            " where id = ?",
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
            "update deliveries set session_id = ?, state = 'pending',"
            " claimed_by = null, claimed_at = null, next_at = null"
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

    # --- inside ----------------------------------------------------------------------

    def _run_apart(self, verb: Callable[[], Any]) -> Any:
        self.writer.execute("savepoint verb")
        try:
            with translating(self.path):
                result = verb()
        except Exception as exc:
            if not self.writer.in_transaction:  # SQLite has undone all of it
                raise
            self._recent.clear()
            self.writer.execute("rollback to verb")
            result = exc
        self.writer.execute("release verb")
        return result

    def _insert(self, sql: str, values: tuple[object, ...]) -> int:
        row_id = self.writer.execute(sql, values).lastrowid
        assert row_id is not None  # noqa: S101  an insert has one
        return row_id

    def _still_ours(self) -> None:
        """SQLite writes on into a file that was deleted or replaced, without a word."""
        if _identity(self.path) != self._identity:
            raise StoreError(
                f"the database {self.path} was deleted or replaced while in use",
                hint="start again; what was recorded before is in the older file",
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
