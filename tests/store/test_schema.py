"""A database is made private and whole, and one that is not ours stays untouched."""

import errno
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from devhook.errors import StoreError, StoreLocked
from devhook.store import schema

TABLES = {"sessions", "events", "deliveries", "attempts", "gaps", "notices"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """In a folder that is not there yet."""
    return tmp_path / "data" / "acme.db"


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(schema.connect(path)) as opened:
        yield opened


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_of(db: sqlite3.Connection, type: str) -> set[str]:
    found = db.execute("select name from sqlite_master where type = ?", (type,))
    return {name for (name,) in found}


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_new_database_has_all_tables_and_views(db: sqlite3.Connection) -> None:
    """Readable names, as the documentation has them."""
    assert names_of(db, "table") >= TABLES
    assert names_of(db, "view") == {"event_list", "attempt_list"}


def test_what_is_committed_is_on_disk(db: sqlite3.Connection) -> None:
    """Write-ahead log, and a sync with every commit."""
    assert db.execute("pragma journal_mode").fetchone() == ("wal",)
    assert db.execute("pragma synchronous").fetchone() == (2,)


def test_only_the_user_may_read_it(path: Path, db: sqlite3.Connection) -> None:
    """Bodies are personal data: 0600 in 0700, the log beside it as well."""
    db.execute("insert into notices values (1, 1, '', '', '')")
    assert mode_of(path.parent) == 0o700
    assert {p.name: mode_of(p) for p in path.parent.iterdir()} == {
        "acme.db": 0o600,
        "acme.db-wal": 0o600,
        "acme.db-shm": 0o600,
    }


def test_a_database_others_may_read_is_closed_to_them(path: Path) -> None:
    """As after a copy with another umask."""
    schema.connect(path).close()
    path.chmod(0o644)
    schema.connect(path).close()
    assert mode_of(path) == 0o600


def test_a_folder_that_is_there_keeps_its_mode(path: Path) -> None:
    """The user chose it."""
    path.parent.mkdir(mode=0o755)
    path.parent.chmod(0o755)
    schema.connect(path).close()
    assert mode_of(path.parent) == 0o755


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "what?.db", "a#b.db", "é日.db"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    """No character of a path means anything to SQLite."""
    schema.connect(tmp_path / name).close()
    assert (tmp_path / name).stat().st_size > 0


def test_opening_again_changes_nothing(path: Path) -> None:
    """An up-to-date database is only read."""
    schema.connect(path).close()
    before = path.read_bytes()
    schema.connect(path).close()
    assert path.read_bytes() == before


def test_opening_again_does_not_load_sqlite_utils(path: Path) -> None:
    """It is slow to import and needed for a migration alone."""
    code = (
        "import sys; from pathlib import Path; from devhook.store import schema;"
        "schema.connect(Path(sys.argv[1])); print('sqlite_utils' in sys.modules)"
    )
    assert run_python(code, path).stdout == "True\n"
    assert run_python(code, path).stdout == "False\n"


def test_a_migration_that_was_cut_short_is_finished(path: Path) -> None:
    """Killed between the tables and the mark of their version."""
    with closing(schema.connect(path)) as db:
        db.execute("insert into notices values (7, 1, '', '', '')")
        db.execute("pragma user_version = 0")
    with closing(schema.connect(path)) as db:
        assert db.execute("pragma user_version").fetchone() == (schema.VERSION,)
        assert db.execute("select id from notices").fetchall() == [(7,)]


def test_processes_that_create_it_at_once_make_it_once(path: Path) -> None:
    """Each of them ends up with the same whole database."""
    code = (
        "import sys; from pathlib import Path; from devhook.store.store import Store\n"
        "with Store(Path(sys.argv[1])) as store, store.transaction():\n"
        "    store.open_gap(1, __import__('devhook.system').system.SystemClock().now(),"
        " sys.argv[2])\n"
    )
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda n: run_python(code, path, n), range(6)))
    assert [(d.returncode, d.stderr) for d in done] == [(0, "")] * 6
    with closing(schema.connect(path)) as db:
        migrations = db.execute("select name from _sqlite_migrations").fetchall()
        reasons = db.execute("select reason from gaps order by reason").fetchall()
    assert migrations == [("tables",)]
    assert reasons == [(str(n),) for n in range(6)]


def test_a_newer_database_is_left_as_it_is(path: Path) -> None:
    """We do not know what its tables mean: the hint is to upgrade."""
    with closing(schema.connect(path)) as db:
        db.execute("pragma user_version = 99")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"newer devhook \(tables 99") as caught:
        schema.connect(path)
    assert "upgrade" in str(caught.value.hint)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["acme.db"]


def test_a_file_that_is_no_database_is_left_as_it_is(path: Path) -> None:
    """It may be somebody's notes."""
    path.parent.mkdir()
    path.write_bytes(b"Dear diary, " * 500)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"acme\.db is damaged") as caught:
        schema.connect(path)
    assert "mv" in str(caught.value.hint)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["acme.db"]


def test_a_damaged_database_is_left_as_it_is(path: Path) -> None:
    """With a good head and a ruined first page."""
    schema.connect(path).close()
    ruined = path.read_bytes()[:100] + b"\xff" * 8000
    path.write_bytes(ruined)
    with (
        pytest.raises(StoreError, match=r"acme\.db is damaged"),
        closing(schema.connect(path)) as db,
        schema.translating(path),
    ):
        db.execute("select * from events").fetchall()
    assert path.read_bytes() == ruined


def test_a_folder_in_its_place_is_left_as_it_is(path: Path) -> None:
    """Its mode too."""
    path.mkdir(parents=True)
    path.chmod(0o755)
    with pytest.raises(StoreError, match="cannot be opened"):
        schema.connect(path)
    assert mode_of(path) == 0o755


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    """It names the path and the way out."""
    (tmp_path / "data").write_text("")
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        schema.connect(tmp_path / "data" / "acme.db")
    assert "DEVHOOK_HOME" in str(caught.value.hint)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_ours_to_write_is_an_error(tmp_path: Path) -> None:
    """The message has the path, the hint the way out."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="cannot be opened") as caught:
            schema.connect(tmp_path / "acme.db")
    finally:
        tmp_path.chmod(0o700)
    assert "DEVHOOK_HOME" in str(caught.value.hint)


def test_a_new_database_that_is_held_is_an_error(path: Path) -> None:
    """Another program has it for itself: nothing is changed."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(StoreLocked, match="held by another program"):
            schema.connect(path)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        pytest.param(errno.ENOSPC, "no room to write", id="full"),
        pytest.param(errno.EDQUOT, "no room to write", id="quota"),
        pytest.param(errno.EACCES, "cannot be opened", id="permission"),
        pytest.param(errno.EROFS, "cannot be opened", id="read-only"),
    ],
)
def test_an_error_of_the_system_says_what_to_do(number: int, message: str) -> None:
    """Each has a hint."""
    path = Path("/home/full/locked busy/acme.db")  # words that are no complaint
    with pytest.raises(StoreError, match=message) as caught, schema.translating(path):
        raise OSError(number, os.strerror(number), str(path))
    assert caught.value.hint


def test_a_full_disk_says_so(path: Path, db: sqlite3.Connection) -> None:
    """SQLite's own limit on pages stands for the disk's."""
    pages = db.execute("pragma page_count").fetchone()[0]
    db.execute(f"pragma max_page_count = {pages}")
    with pytest.raises(StoreError, match="no room to write"), schema.translating(path):
        db.execute("insert into notices values (1, 1, '', '', ?)", ("x" * 10**6,))


def sqlite_utils(*arguments: object) -> str:
    found = shutil.which("sqlite-utils", path=str(Path(sys.executable).parent))
    assert found, "sqlite-utils is a dependency"
    done = subprocess.run(
        [found, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_it_opens_in_sqlite_utils(path: Path, db: sqlite3.Connection) -> None:
    """Without a word of help."""
    assert {row["table"] for row in json.loads(sqlite_utils("tables", path))} > TABLES
    views = json.loads(sqlite_utils("views", path))
    assert {row["view"] for row in views} == {"event_list", "attempt_list"}
