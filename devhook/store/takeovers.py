"""Takeover records: what must survive to put an account's setting back.

A database of its own, beside the state and apart from the events: a full or damaged
event store must not block a restore. Standard library alone, since the watchdog process
uses it too. Records are never deleted: they are the history of what was changed.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from devhook.core.model import Setting, Stage, Takeover
from devhook.errors import StoreError

NAME = "takeovers.db"
ENDS = (Stage.RESTORED, Stage.SUPERSEDED)
"""Stages nothing more is to be done about."""

_TABLE = """
create table if not exists takeovers (
    id integer primary key autoincrement,
    api_url text not null,
    account_id text not null,
    account_name text not null,
    profile text not null,
    session_id integer,
    process text not null,
    mine text not null,
    root_uri text not null,
    root_method text not null,
    stage text not null,
    started_at text not null,
    put_at text,
    ended_at text,
    error text
)
"""


class Takeovers:
    """The records of this machine's state folder."""

    def __init__(self, state: Path) -> None:
        self.path = state / NAME

    def open_records(self) -> list[Takeover]:
        """Those that are not known to be settled, oldest first; cheap when none are."""
        return self._select("where stage not in (?, ?) order by id", *ENDS)

    def history(self, limit: int = 50) -> list[Takeover]:
        """All, newest first."""
        return self._select("order by id desc limit ?", limit)

    def find(self, record_id: int) -> Takeover | None:
        found = self._select("where id = ?", record_id)
        return found[0] if found else None

    def add(
        self,
        *,
        api_url: str,
        account_id: str,
        account_name: str,
        profile: str,
        session_id: int | None,
        process: str,
        mine: str,
        root: Setting,
        at: datetime,
    ) -> Takeover:
        """A new record in stage `prepared`, on disk when this returns."""
        record = Takeover(
            id=0,
            api_url=api_url,
            account_id=account_id,
            account_name=account_name,
            profile=profile,
            session_id=session_id,
            process=process,
            mine=mine,
            root=root,
            stage=Stage.PREPARED,
            started_at=at,
            put_at=None,
            ended_at=None,
            error=None,
        )
        return self.keep(record)

    def keep(self, record: Takeover) -> Takeover:
        """A record made elsewhere, on disk and with its id when this returns."""
        with self._written() as db:
            return _inserted(db, record)

    def advance(
        self,
        record: Takeover,
        stage: Stage,
        at: datetime,
        *,
        mine: str | None = None,
        error: str | None = None,
    ) -> Takeover:
        """The record in its new stage, on disk when this returns.

        It is written anew when the file was deleted or replaced meanwhile.
        """
        moved = replace(
            record,
            stage=stage,
            mine=mine or record.mine,
            put_at=at if stage is Stage.PUT_SENT else record.put_at,
            ended_at=at if stage in ENDS else None,
            error=error,
        )
        with self._written() as db:
            changed = db.execute(
                "update takeovers set stage = ?, mine = ?, put_at = ?, ended_at = ?,"
                " error = ? where id = ? and mine = ?",
                (
                    moved.stage,
                    moved.mine,
                    moved.put_at and _to_text(moved.put_at),
                    moved.ended_at and _to_text(moved.ended_at),
                    moved.error,
                    record.id,
                    record.mine,
                ),
            ).rowcount
            return moved if changed else _inserted(db, moved)

    @contextmanager
    def _written(self) -> Iterator[sqlite3.Connection]:
        try:
            self._create_private()
            with closing(self._connect()) as db:
                db.execute(_TABLE)
                db.execute("begin immediate")
                yield db
                db.execute("commit")
        except (sqlite3.Error, OSError) as exc:
            raise StoreError(
                f"the takeover record {self.path} cannot be written: {exc}",
                hint=f"make {self.path.parent} writable, or set DEVHOOK_HOME",
            ) from exc

    def _select(self, clause: str, *values: object) -> list[Takeover]:
        if not self.path.exists():
            return []
        try:
            with closing(self._connect()) as db:
                db.row_factory = sqlite3.Row
                sql = f"select * from takeovers {clause}"  # noqa: S608  our own clauses
                return [_takeover(row) for row in db.execute(sql, values)]
        except sqlite3.OperationalError as exc:
            if "no such table" in str(exc):
                return []
            raise self._unreadable(exc) from exc
        except (sqlite3.Error, ValueError) as exc:
            raise self._unreadable(exc) from exc

    def _unreadable(self, exc: Exception) -> StoreError:
        return StoreError(
            f"the takeover record {self.path} cannot be read: {exc}",
            hint="devhook restore --from-account reads the original from the account",
        )

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, timeout=2)
        db.execute("pragma synchronous = full")
        return db

    def _create_private(self) -> None:
        """The file and its entry in the folder must both survive a loss of power."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            return
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _inserted(db: sqlite3.Connection, record: Takeover) -> Takeover:
    row_id = db.execute(
        "insert into takeovers (api_url, account_id, account_name, profile, session_id,"
        " process, mine, root_uri, root_method, stage, started_at, put_at, ended_at,"
        " error) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record.api_url,
            record.account_id,
            record.account_name,
            record.profile,
            record.session_id,
            record.process,
            record.mine,
            record.root.uri,
            record.root.method,
            record.stage,
            _to_text(record.started_at),
            record.put_at and _to_text(record.put_at),
            record.ended_at and _to_text(record.ended_at),
            record.error,
        ),
    ).lastrowid
    assert row_id is not None  # noqa: S101  an insert has one
    return replace(record, id=row_id)


def _takeover(row: sqlite3.Row) -> Takeover:
    return Takeover(
        id=row["id"],
        api_url=row["api_url"],
        account_id=row["account_id"],
        account_name=row["account_name"],
        profile=row["profile"],
        session_id=row["session_id"],
        process=row["process"],
        mine=row["mine"],
        root=Setting(uri=row["root_uri"], method=row["root_method"]),
        stage=Stage(row["stage"]),
        started_at=datetime.fromisoformat(row["started_at"]),
        put_at=_to_time(row["put_at"]),
        ended_at=_to_time(row["ended_at"]),
        error=row["error"],
    )


def _to_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def _to_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
