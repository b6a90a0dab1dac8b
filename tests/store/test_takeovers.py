"""Takeover records on disk: whole or not at all, and never lost for an upgrade."""

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from devhook.core.clock import Moment
from devhook.core.model import Setting, Stage, Takeover
from devhook.errors import StoreError
from devhook.store.takeovers import Step, Takeovers
from tests.values import START, at

RUN: Final = "100@boot:1"
GUARDIAN: Final = "101@boot:2"
RECORD: Final = Takeover(
    id=0,
    api_url="https://api.acme.example/v1.0",
    account_id="b3e8a1c0",
    account_name="Acme",
    profile="default",
    session_id=7,
    process=RUN,
    mine="https://relay.example/t/lease/s3cret#devhook=1.x",
    root=Setting(uri="https://api.acme.example/voip?key=k", method="PUT"),
    stage=Stage.PREPARED,
    started_at=START,
    guardian=GUARDIAN,
)
SENT: Final = replace(RECORD, stage=Stage.PUT_SENT, put=Moment(at(1), 4711.5, "boot"))

FIRST_VERSION: Final = """
create table takeovers (
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
);
insert into takeovers values (
    1, 'https://api', 'b3e8a1c0', 'Acme', 'default', 3, '90@boot:1', 'https://mine',
    'https://root', 'POST', 'restored', '2026-08-20T09:00:00.000000Z',
    '2026-08-20T09:00:01.000000Z', '2026-08-20T10:00:00.000000Z', null
), (
    2, 'https://api', 'b3e8a1c0', 'Acme', 'default', null, '91@boot:1', 'https://mine',
    '', '', 'active', '2026-08-21T09:00:00.000000Z', '2026-08-21T09:00:01.000000Z',
    null, null
), (
    3, 'https://api', 'b3e8a1c1', 'Beta', 'default', 5, '92@boot:1', 'https://mine',
    'https://root', 'POST', 'prepared', '2026-08-21T09:00:00.000000Z', null, null, null
);
"""


CUT_OFF: Final = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("pragma cache_size = 1")  # so that it reaches the file before the end
db.execute("begin immediate")
db.execute("update takeovers set mine = ?", ("x" * 100_000,))
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def takeovers(tmp_path: Path) -> Takeovers:
    return Takeovers(tmp_path / "state")


def kept(takeovers: Takeovers, record: Takeover, seconds: float = 0) -> Takeover:
    return takeovers.keep(record, at(seconds), RUN)


# --- kept ----------------------------------------------------------------------------


def test_without_a_file_there_is_no_record(takeovers: Takeovers) -> None:
    """And asking does not make one."""
    assert takeovers.open_records() == []
    assert takeovers.history() == []
    assert takeovers.find(1) is None
    assert takeovers.steps(1) == []
    assert not takeovers.path.parent.exists()


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        SENT,
        replace(RECORD, session_id=None, guardian=None),
        replace(RECORD, root=Setting(uri="", method="")),
        replace(SENT, stage=Stage.RESTORED, ended_at=at(2), error="nothing was sent"),
    ],
    ids=["prepared", "sent", "without", "empty root", "ended"],
)
def test_a_record_comes_back_as_it_was_kept(
    takeovers: Takeovers, record: Takeover
) -> None:
    """With the id it was given."""
    found = kept(takeovers, record)
    assert found == replace(record, id=1)
    assert takeovers.find(1) == found
    assert takeovers.history() == [found]


def test_it_is_for_nobody_elses_eyes(takeovers: Takeovers) -> None:
    """A root may hold a key in its query."""
    kept(takeovers, RECORD)
    assert stat.S_IMODE(takeovers.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(takeovers.path.parent.stat().st_mode) == 0o700


def test_a_record_is_moved_on_in_its_row(takeovers: Takeovers) -> None:
    """The URI as the server keeps it, the PUT's moment, the end."""
    first = kept(takeovers, RECORD)
    moved = replace(SENT, id=first.id, mine="https://relay.example/t/lease/s3cret")
    assert kept(takeovers, moved) == moved
    assert takeovers.history() == [moved]


@pytest.mark.parametrize("stage", list(Stage))
def test_a_record_is_open_until_nothing_more_is_to_be_done(
    takeovers: Takeovers, stage: Stage
) -> None:
    """Oldest first: they are settled in the order they were left."""
    first = kept(takeovers, RECORD)
    second = kept(takeovers, replace(SENT, stage=stage, started_at=at(5)))
    is_open = stage not in (Stage.RESTORED, Stage.SUPERSEDED)
    assert takeovers.open_records() == [first, second] if is_open else [first]


def test_the_newest_come_first_and_no_more_than_asked_for(takeovers: Takeovers) -> None:
    """For a screen."""
    for number in range(5):
        kept(takeovers, replace(RECORD, started_at=at(number)))
    assert [record.id for record in takeovers.history(limit=3)] == [5, 4, 3]


def test_another_guardian_is_named_without_touching_the_rest(
    takeovers: Takeovers,
) -> None:
    """The one before may just have moved the record on."""
    first = kept(takeovers, RECORD)
    moved = kept(takeovers, replace(SENT, id=first.id))
    takeovers.name_guardian(replace(first, guardian="102@boot:3"))
    assert takeovers.find(1) == replace(moved, guardian="102@boot:3")


# --- its history ---------------------------------------------------------------------


def test_every_stage_is_kept_with_its_time_and_who_kept_it(
    takeovers: Takeovers,
) -> None:
    """What a run began, its guardian ended."""
    first = kept(takeovers, RECORD)
    kept(takeovers, replace(SENT, id=1), 1)
    ended = replace(SENT, id=1, stage=Stage.RESTORING, error="answered 503")
    takeovers.keep(ended, at(2), GUARDIAN)
    assert takeovers.steps(first.id) == [
        Step(at(0), Stage.PREPARED, RUN, None),
        Step(at(1), Stage.PUT_SENT, RUN, None),
        Step(at(2), Stage.RESTORING, GUARDIAN, "answered 503"),
    ]


def test_what_is_kept_again_is_no_new_step(takeovers: Takeovers) -> None:
    """An API that is away for a night makes no thousand rows; a new error makes one."""
    record = kept(takeovers, RECORD)
    for error in ("answered 503", "answered 503", "cannot be reached"):
        kept(takeovers, replace(record, error=error))
    errors = [step.error for step in takeovers.steps(record.id)]
    assert errors == [None, "answered 503", "cannot be reached"]


# --- files that are lost, old, new, damaged ------------------------------------------


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_a_record_is_written_anew_when_its_file_is_gone(
    takeovers: Takeovers, replaced: bool
) -> None:
    """Under whatever id is free: another run's record is not overwritten."""
    first = kept(takeovers, RECORD)
    takeovers.path.unlink()
    others = []
    if replaced:
        others = [kept(takeovers, replace(RECORD, process="200@boot:9"))]
    again = kept(takeovers, replace(SENT, id=first.id))
    assert takeovers.open_records() == [*others, again]
    assert [step.stage for step in takeovers.steps(again.id)] == [Stage.PUT_SENT]


@pytest.fixture
def old(takeovers: Takeovers) -> Takeovers:
    """As the first version left it."""
    takeovers.path.parent.mkdir()
    with closing(sqlite3.connect(takeovers.path)) as db:
        db.executescript(FIRST_VERSION)
    return takeovers


def test_records_of_the_first_version_are_read_as_they_are(old: Takeovers) -> None:
    """A session of before the upgrade may have been killed: it is settled all the same.

    It knew the time of day alone, and no guardian.
    """
    active, prepared = old.open_records()
    assert (active.stage, active.root) == (Stage.ACTIVE, Setting(uri="", method=""))
    assert active.put is not None
    assert active.put.wall.isoformat() == "2026-08-21T09:00:01+00:00"
    assert (active.put.boot, active.guardian) == ("", None)
    assert (prepared.stage, prepared.put) == (Stage.PREPARED, None)
    assert old.steps(active.id) == []


def test_they_are_moved_on_in_the_file_of_this_version(old: Takeovers) -> None:
    """The first write brings the file up to date, and keeps the others."""
    active, prepared = old.open_records()
    ended = replace(active, stage=Stage.RESTORED, ended_at=at(3), guardian=GUARDIAN)
    assert old.keep(ended, at(3), GUARDIAN) == ended
    assert old.find(active.id) == ended
    assert old.open_records() == [prepared]
    assert [step.stage for step in old.steps(active.id)] == [Stage.RESTORED]
    assert kept(old, RECORD).id == 4
    assert [record.id for record in old.history()] == [4, 3, 2, 1]


def test_a_file_of_a_later_version_is_not_taken_back(takeovers: Takeovers) -> None:
    """What it added stays; the columns that we know are kept in it."""
    kept(takeovers, RECORD)
    with closing(sqlite3.connect(takeovers.path)) as db:
        db.execute("alter table takeovers add column colour text default 'red'")
        db.execute("pragma user_version = 99")
    second = kept(takeovers, replace(RECORD, started_at=at(1)))
    assert takeovers.find(second.id) == second
    with closing(sqlite3.connect(takeovers.path)) as db:
        assert db.execute("pragma user_version").fetchone() == (99,)


def test_an_empty_file_is_one_without_records(takeovers: Takeovers) -> None:
    """Killed between making the file and its first record."""
    takeovers.path.parent.mkdir()
    takeovers.path.touch()
    assert takeovers.open_records() == []
    assert kept(takeovers, RECORD).id == 1


def wreck(takeovers: Takeovers) -> None:
    takeovers.path.write_bytes(b"no database at all" * 100)


def put_in_the_way(takeovers: Takeovers) -> None:
    takeovers.path.unlink()
    takeovers.path.mkdir()


def give_an_unknown_stage(takeovers: Takeovers) -> None:
    with closing(sqlite3.connect(takeovers.path)) as db:
        db.execute("update takeovers set stage = 'dancing'")
        db.commit()


@pytest.mark.parametrize("damage", [wreck, put_in_the_way, give_an_unknown_stage])
def test_a_damaged_file_is_told_and_left_as_it_is(
    takeovers: Takeovers, damage: Callable[[Takeovers], None]
) -> None:
    """The account's own marker is the other way back."""
    kept(takeovers, RECORD)
    damage(takeovers)
    with pytest.raises(StoreError, match="cannot be read") as told:
        takeovers.open_records()
    assert "--from-account" in (told.value.hint or "")


@pytest.mark.parametrize("damage", [wreck, put_in_the_way])
def test_a_record_that_cannot_be_kept_is_told(
    takeovers: Takeovers, damage: Callable[[Takeovers], None]
) -> None:
    """Without a record no account is changed."""
    kept(takeovers, RECORD)
    damage(takeovers)
    with pytest.raises(StoreError, match="cannot be written"):
        kept(takeovers, RECORD)


def test_a_state_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    """DEVHOOK_HOME points at something else."""
    (tmp_path / "state").touch()
    with pytest.raises(StoreError, match="cannot be written") as told:
        kept(Takeovers(tmp_path / "state"), RECORD)
    assert "DEVHOOK_HOME" in (told.value.hint or "")


def test_text_that_no_database_holds_is_told(takeovers: Takeovers) -> None:
    """Half a character in an account's name: no record, so no takeover."""
    with pytest.raises(StoreError, match="cannot be written"):
        kept(takeovers, replace(RECORD, account_name="Acme \ud800"))
    assert takeovers.open_records() == []


# --- several at once -----------------------------------------------------------------


def test_runs_that_start_at_once_each_keep_theirs(takeovers: Takeovers) -> None:
    """The first of them makes the file and its tables."""
    gate = threading.Barrier(8)

    def start(number: int) -> None:
        gate.wait()
        kept(takeovers, replace(RECORD, process=f"{number}@boot:1"))

    threads = [threading.Thread(target=start, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {record.process for record in takeovers.history()} == {
        f"{number}@boot:1" for number in range(8)
    }


def test_one_that_is_locked_for_long_is_told(takeovers: Takeovers) -> None:
    """Somebody looks into the file by hand, in the middle of a transaction."""
    kept(takeovers, RECORD)
    with closing(sqlite3.connect(takeovers.path, isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(StoreError, match="locked"):
            kept(takeovers, SENT)


def test_a_transaction_that_was_cut_off_leaves_the_row_as_it_was(
    takeovers: Takeovers,
) -> None:
    """The next who reads rolls it back by its journal."""
    record = kept(takeovers, RECORD)
    done = subprocess.run([sys.executable, "-c", CUT_OFF, takeovers.path])
    assert done.returncode == -signal.SIGKILL
    assert takeovers.path.with_name("takeovers.db-journal").exists()
    assert takeovers.open_records() == [record]
