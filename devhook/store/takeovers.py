"""Takeover records: what must survive to put an account's setting back.

A database of its own, beside the state and apart from the events: a full or damaged
event store must not block a restore. Standard library alone, since the watchdog process
uses it too. Records are never deleted, and every stage of each is a row of its own: the
history of what was changed, by whom and when.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from devhook.core.clock import Moment
from devhook.core.model import Setting, Stage, Takeover
from devhook.core.takeover import ENDS
from devhook.errors import StoreError

T = TypeVar("T")

NAME = "takeovers.db"

_VERSION = 2
_TABLES = """
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
    error text,
    put_ticks real,
    put_boot text,
    guardian text
);
create table if not exists takeover_steps (
    id integer primary key autoincrement,
    takeover_id integer not null references takeovers (id),
    at text not null,
    stage text not null,
    process text not null,
    error text
);
create index if not exists takeover_steps_takeover on takeover_steps (takeover_id);
"""
_ADDED = (("put_ticks", "real"), ("put_boot", "text"), ("guardian", "text"))
"""Columns that a file of the first version lacks."""


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a takeover: when, and which process kept it."""

    at: datetime
    stage: Stage
    process: str
    error: str | None


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

    def of_account(self, api_url: str, account_id: str) -> list[Takeover]:
        """All of one account, newest first."""
        where = "where api_url = ? and account_id = ? order by id desc"
        return self._select(where, api_url, account_id)

    def find(self, record_id: int) -> Takeover | None:
        found = self._select("where id = ?", record_id)
        return found[0] if found else None

    def steps(self, record_id: int) -> list[Step]:
        """Every stage that was kept of it, oldest first."""
        sql = "select * from takeover_steps where takeover_id = ? order by id"
        return self._read(_step, sql, record_id)

    def keep(self, record: Takeover, at: datetime, process: str) -> Takeover:
        """The record on disk, with its id, when this returns.

        `process` is the mark of who keeps it. It is written anew when the file was
        deleted or replaced meanwhile.
        """
        values = _values(record)
        with self._written() as db:
            before = db.execute(
                "select stage, error from takeovers"
                " where id = ? and process = ? and started_at = ?",
                (record.id, values["process"], values["started_at"]),
            ).fetchone()
            if before is None:
                record = replace(record, id=_insert(db, "takeovers", values))
            else:
                columns = ", ".join(f"{name} = :{name}" for name in values)
                db.execute(
                    f"update takeovers set {columns} where id = :id",  # noqa: S608
                    {**values, "id": record.id},
                )
            if before != (record.stage, record.error):
                step = {
                    "takeover_id": record.id,
                    "at": _to_text(at),
                    "stage": record.stage,
                    "process": process,
                    "error": record.error,
                }
                _insert(db, "takeover_steps", step)
        return record

    def name_guardian(self, record: Takeover) -> None:
        """Who looks after it by now; nothing else of what is kept changes."""
        values = (record.guardian, record.id, record.process)
        with self._written() as db:
            sql = "update takeovers set guardian = ? where id = ? and process = ?"
            db.execute(sql, values)

    @contextmanager
    def _written(self) -> Iterator[sqlite3.Connection]:
        try:
            self._create_private()
            with closing(self._connect()) as db:
                db.execute("begin immediate")
                _migrate(db)
                yield db
                db.execute("commit")
        except (sqlite3.Error, OSError, ValueError) as exc:
            raise StoreError(
                f"the takeover record {self.path} cannot be written: {exc}",
                hint=f"make {self.path.parent} writable, or set DEVHOOK_HOME",
            ) from exc

    def _select(self, clause: str, *values: object) -> list[Takeover]:
        sql = f"select * from takeovers {clause}"  # noqa: S608  our own clauses
        return self._read(_takeover, sql, *values)

    def _read(
        self, what: Callable[[sqlite3.Row], T], sql: str, *values: object
    ) -> list[T]:
        if not self.path.exists():
            return []
        try:
            with closing(self._connect()) as db:
                db.row_factory = sqlite3.Row
                return [what(row) for row in db.execute(sql, values)]
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


def _migrate(db: sqlite3.Connection) -> None:
    """Bring the file to this version; one of a later version is left as it is."""
    if db.execute("pragma user_version").fetchone()[0] >= _VERSION:
        return
    is_old = db.execute("pragma table_info(takeovers)").fetchone() is not None
    for name, kind in _ADDED if is_old else ():
        db.execute(f"alter table takeovers add column {name} {kind}")
    for statement in _TABLES.split(";"):
        db.execute(statement)
    db.execute(f"pragma user_version = {_VERSION}")


def _insert(db: sqlite3.Connection, table: str, values: Mapping[str, object]) -> int:
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    sql = f"insert into {table} ({names}) values ({places})"  # noqa: S608  our own
    return int(db.execute(sql, values).lastrowid or 0)


def _values(record: Takeover) -> dict[str, object]:
    put = record.put
    return {
        "api_url": record.api_url,
        "account_id": record.account_id,
        "account_name": record.account_name,
        "profile": record.profile,
        "session_id": record.session_id,
        "process": record.process,
        "mine": record.mine,
        "root_uri": record.root.uri,
        "root_method": record.root.method,
        "stage": record.stage,
        "started_at": _to_text(record.started_at),
        "put_at": put and _to_text(put.wall),
        "put_ticks": put and put.ticks,
        "put_boot": put and put.boot,
        "ended_at": record.ended_at and _to_text(record.ended_at),
        "error": record.error,
        "guardian": record.guardian,
    }


def _step(row: sqlite3.Row) -> Step:
    return Step(
        at=datetime.fromisoformat(row["at"]),
        stage=Stage(row["stage"]),
        process=row["process"],
        error=row["error"],
    )


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
        put=_put(row),
        ended_at=_to_time(row["ended_at"]),
        error=row["error"],
        guardian=row["guardian"] if "guardian" in row.keys() else None,  # noqa: SIM118
    )


def _put(row: sqlite3.Row) -> Moment | None:
    """A file of the first version says nothing but the time of day."""
    if row["put_at"] is None:
        return None
    wall = datetime.fromisoformat(row["put_at"])
    is_old = "put_boot" not in row.keys() or row["put_boot"] is None  # noqa: SIM118
    return Moment(
        wall, 0.0 if is_old else row["put_ticks"], "" if is_old else row["put_boot"]
    )


def _to_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def _to_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
