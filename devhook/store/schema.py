"""The tables of a profile's database, as numbered migrations, and how it is opened.

Only `migrate` loads sqlite-utils; opening an up-to-date database does not.
"""

import errno
import fcntl
import os
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from devhook.errors import StoreError, StoreLocked

VERSION = 1

_TABLES = """
create table sessions (
    id integer primary key,
    profile text not null,
    account text,
    source text not null,
    tunnel text,
    public_url text,
    target text,
    process text,
    started_at text not null,
    ended_at text,
    ended_how text
);
create table events (
    id integer primary key autoincrement,
    uid text not null,
    session_id integer not null references sessions(id),
    received_at text not null,
    source text not null,
    method text not null,
    target text not null,
    headers blob not null,
    body blob not null,
    body_sha256 text not null,
    event_type text,
    inferred integer not null,
    resource text,
    resource_id text,
    activeflow_id text,
    call_id text,
    signature text not null,
    remote text,
    same_as integer references events(id),
    body_is_text integer not null
);
create index events_by_session on events (session_id);
create index events_by_time on events (received_at);
create index events_by_type on events (event_type);
create index events_by_resource on events (resource_id);
create index events_by_call on events (call_id) where call_id is not null;
create index events_by_activeflow on events (activeflow_id)
    where activeflow_id is not null;
create table deliveries (
    id integer primary key autoincrement,
    event_id integer not null references events(id),
    session_id integer not null references sessions(id),
    kind text not null,
    target text not null,
    state text not null,
    claimed_by text,
    claimed_at text,
    reason text,
    edits text,
    next_at text
);
create index deliveries_by_event on deliveries (event_id);
create index deliveries_open on deliveries (session_id, id)
    where state in ('pending', 'claimed');
create index deliveries_failed on deliveries (event_id) where state = 'failed';
create table attempts (
    id integer primary key autoincrement,
    delivery_id integer not null references deliveries(id),
    status integer,
    error text,
    headers blob not null,
    body blob not null,
    cut integer not null,
    started_at text not null,
    headers_us integer,
    duration_us integer not null,
    verdict text not null
);
create index attempts_by_delivery on attempts (delivery_id);
create table gaps (
    id integer primary key autoincrement,
    session_id integer not null references sessions(id),
    started_at text not null,
    ended_at text,
    reason text not null
);
create table notices (
    id integer primary key autoincrement,
    session_id integer not null references sessions(id),
    at text not null,
    type text not null,
    body text not null
);
create view event_list as
    select e.id, e.received_at, e.event_type, e.resource, e.resource_id, e.call_id,
        e.signature, e.method, length(e.body) as bytes, e.same_as, e.session_id,
        e.source,
        case when e.body_is_text then cast(e.body as text) else e.body end as body
    from events e;
create view attempt_list as
    select a.id, d.event_id, e.event_type, d.kind, d.target, a.status, a.error,
        a.duration_us / 1000.0 as duration_ms, a.verdict, a.started_at, d.state
    from attempts a
    join deliveries d on d.id = a.delivery_id
    join events e on e.id = d.event_id;
"""


_HELD = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_LOCKED = (
    "the database {path} is held by another program",
    "close what has it open, then try again",
)
_DAMAGED = (
    "{path} is damaged: {text}",
    "move it aside (mv '{path}' '{path}.damaged') and start again",
)
_REMEDIES = {
    sqlite3.SQLITE_CANTOPEN: (
        "the database {path} cannot be opened: {text}",
        "make {folder} writable, or set DEVHOOK_HOME to another folder",
    ),
    sqlite3.SQLITE_READONLY: (
        "the database {path} cannot be written: {text}",
        "check the permissions of {folder}, or set DEVHOOK_HOME",
    ),
    sqlite3.SQLITE_FULL: (
        "no room to write {path}: {text}",
        "free some space on that disk",
    ),
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
}
"""By result code: what failed, and what to type next."""

_OTHERWISE = ("the database {path} failed: {text}", "devhook status")


def connect(path: Path, *, share: bool = False) -> sqlite3.Connection:
    """Open the database, made if need be, and brought up to the newest tables.

    `share` allows use from another thread (by one at a time). Raises StoreError when it
    cannot be opened, is no database, or is newer than we are; it is untouched then.
    """
    with translating(path), ExitStack() as undo:
        _create_private(path)
        db = _opened(path, share=share)
        undo.callback(db.close)
        if _version(db, path) < VERSION:
            with _alone(path.parent):
                migrate(db, path)
        _prepare(db)
        undo.pop_all()
        return db


def connect_to_read(path: Path) -> sqlite3.Connection | None:
    """Open the database if there is one; nothing can be written through it."""
    with translating(path), ExitStack() as undo:
        if not path.exists():
            return None
        db = _opened(path)
        undo.callback(db.close)
        if _version(db, path) < VERSION:
            return connect(path)
        db.execute("pragma query_only = on")
        undo.pop_all()
        return db


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring the tables up to VERSION, each step in a transaction of its own."""
    from sqlite_utils import Database, Migrations

    _prepare(db)
    if _version(db, path) >= VERSION:  # another process was quicker
        return

    migrations = Migrations("devhook")

    @migrations()
    def tables(database: Database) -> None:
        for statement in _TABLES.split(";\n"):
            if statement.strip():
                database.execute(statement)

    migrations.apply(Database(db))
    db.execute(f"pragma user_version = {VERSION}")


@contextmanager
def translating(path: Path) -> Iterator[None]:
    """The database's complaints become errors a user can act on."""
    try:
        yield
    except (sqlite3.Error, OSError) as exc:
        complaint = _complaint(exc)
        message, hint = _REMEDIES.get(complaint, _OTHERWISE)
        known = {"path": path, "folder": path.parent, "text": exc}
        kind = StoreLocked if complaint in _HELD else StoreError
        raise kind(message.format(**known), hint=hint.format(**known)) from exc


def _complaint(exc: sqlite3.Error | OSError) -> int:
    """The SQLite result code that says it best."""
    if isinstance(exc, OSError):
        no_room = exc.errno in (errno.ENOSPC, errno.EDQUOT)
        return sqlite3.SQLITE_FULL if no_room else sqlite3.SQLITE_CANTOPEN
    code: int = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF  # the rest is detail


def _version(db: sqlite3.Connection, path: Path) -> int:
    found = int(db.execute("pragma user_version").fetchone()[0])
    if found > VERSION:
        raise StoreError(
            f"{path} was written by a newer devhook (tables {found}, ours {VERSION})",
            hint="upgrade devhook: pip install --upgrade devhook",
        )
    return found


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two processes that find a new database must not both make its tables."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _create_private(path: Path) -> None:
    """Make folder (0700) and file (0600) first: -wal and -shm inherit the mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            path.chmod(0o600)


def _opened(path: Path, *, share: bool = False) -> sqlite3.Connection:
    """Never makes a file."""
    return sqlite3.connect(
        f"file:{_quoted(path)}?mode=rw",
        uri=True,
        isolation_level=None,
        timeout=2,
        check_same_thread=not share,
    )


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    if sys.platform == "darwin":
        db.execute("pragma fullfsync = on")
        db.execute("pragma checkpoint_fullfsync = on")


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
