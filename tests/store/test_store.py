"""What the verbs of a store keep, and what becomes of a database in use."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from devhook.core.model import (
    Address,
    Delivery,
    Kind,
    State,
    Verdict,
)
from devhook.errors import StoreError, StoreLocked
from devhook.store.store import Store
from tests.values import APP, LIVE, MIRROR, START, answered, at, capture

REPLAY = Address(kind=Kind.REPLAY, target=APP)


def add_event(store: Store, session_id: int, *addresses: Address) -> int:
    with store.transaction():
        return store.add_event(session_id, capture(), addresses)


def fail_after_an_event(store: Store) -> None:
    with store.transaction():
        store.add_event(1, capture(), [LIVE])
        raise ZeroDivisionError


def only_delivery(store: Store, event_id: int) -> Delivery:
    (delivery,) = store.deliveries_of(event_id)
    return delivery


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as other:
        found = other.execute(f"select count(*) from {table}")  # noqa: S608
        return int(found.fetchone()[0])


def test_others_see_a_transaction_when_it_is_committed(
    store: Store, path: Path
) -> None:
    """Not before, and then all of it."""
    with store.transaction():
        store.add_event(1, capture(), [LIVE, MIRROR])
        assert count(path, "events") == 0
    assert (count(path, "events"), count(path, "deliveries")) == (1, 2)


def test_a_transaction_that_fails_leaves_nothing(store: Store, path: Path) -> None:
    """Whatever was done before it failed."""
    with pytest.raises(ZeroDivisionError):
        fail_after_an_event(store)
    assert count(path, "events") == 0


def test_a_verb_that_fails_is_undone_alone(store: Store, path: Path) -> None:
    """A bug in one must not lose the events of the others."""

    def broken() -> int:
        store.add_event(1, capture(b"broken"), [])
        raise ZeroDivisionError

    results = store.run(
        [
            lambda: store.add_event(1, capture(b"one"), []),
            broken,
            lambda: store.add_event(1, capture(b"two"), []),
        ]
    )
    assert [type(result) for result in results] == [int, ZeroDivisionError, int]
    assert count(path, "events") == 2


def test_a_verb_that_the_database_refuses_gives_a_store_error(store: Store) -> None:
    """SQLite's own errors stay inside."""
    (result,) = store.run([lambda: store.writer.execute("insert into nowhere")])
    assert isinstance(result, StoreError)


def test_a_full_disk_loses_nothing_that_was_committed(store: Store, path: Path) -> None:
    """What did not fit is an error; with room again, writing goes on."""
    add_event(store, 1)
    pages = store.writer.execute("pragma page_count").fetchone()[0]
    store.writer.execute(f"pragma max_page_count = {pages}")
    with pytest.raises(StoreError, match="no room"), store.transaction():
        store.add_event(1, capture(b"x" * 10**6), [])
    store.writer.execute("pragma max_page_count = 1000000")
    add_event(store, 1)
    assert count(path, "events") == 2


@pytest.mark.parametrize(
    "lose",
    [
        pytest.param(lambda path: path.unlink(), id="deleted"),
        pytest.param(lambda path: path.rename(f"{path}.old"), id="moved"),
        pytest.param(
            lambda path: (
                shutil.copy(path, f"{path}.new") and Path(f"{path}.new").replace(path)
            ),
            id="replaced",
        ),
    ],
)
def test_a_database_that_was_taken_away_is_not_written(
    store: Store, path: Path, lose: object
) -> None:
    """SQLite would write on into a file that nobody can find."""
    assert callable(lose)
    lose(path)
    with pytest.raises(StoreError, match="deleted or replaced"), store.transaction():
        pytest.fail("nothing may be written")


def test_a_database_another_program_holds_is_an_error(store: Store, path: Path) -> None:
    """After the wait that was asked for; reading goes on meanwhile."""
    add_event(store, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(StoreLocked), store.transaction(busy_ms=20):
            pytest.fail("nothing may be written")
        assert store.event(1) is not None
    add_event(store, 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_database_can_be_read_and_says_why_not_written(
    path: Path,
) -> None:
    """As on a mounted copy."""
    with Store(path) as store, closing(sqlite3.connect(path)) as keeps_the_log:
        add_event(store, 1)
        keeps_the_log.execute("select * from events").fetchall()
        path.chmod(0o400)
        with Store(path) as again:
            assert again.event(1) is not None
            with pytest.raises(StoreError, match="cannot be written"):
                add_event(again, 1)


def test_a_reader_of_a_ruined_database_says_so(path: Path) -> None:
    """However far into the result the damage is."""
    with Store(path) as store, store.transaction():
        for n in range(200):
            store.add_event(1, capture(b"%d" % n * 500), [])
    with Store(path) as store:  # the log is folded into the file by now
        raw = path.read_bytes()
        path.write_bytes(raw[: len(raw) // 2] + b"\xff" * (len(raw) // 2))
        with pytest.raises(StoreError, match="is damaged"):
            store.rows("select * from events")


def test_an_event_is_kept_with_a_pending_delivery_for_each_address(
    store: Store,
) -> None:
    """In the order of the addresses."""
    event_id = add_event(store, 1, LIVE, MIRROR)
    found = store.deliveries_of(event_id)
    assert [(d.kind, d.target, d.state) for d in found] == [
        (Kind.LIVE, LIVE.target, State.PENDING),
        (Kind.MIRROR, MIRROR.target, State.PENDING),
    ]


def test_a_delivery_is_claimed_by_one_process_only(store: Store, path: Path) -> None:
    """Two processes never both send it."""
    event_id = add_event(store, 1, LIVE)
    delivery = only_delivery(store, event_id)
    with Store(path) as other:
        with other.transaction():
            assert other.claim(delivery.id, "other", START)
        with store.transaction():
            assert not store.claim(delivery.id, "we", START)
    assert only_delivery(store, event_id).claimed_by == "other"


def test_a_delivery_that_is_settled_cannot_be_claimed(store: Store) -> None:
    """It has been sent, or never will be."""
    delivery = only_delivery(store, add_event(store, 1, LIVE))
    with store.transaction():
        store.settle(delivery.id, State.FAILED, reason="stale")
        assert not store.claim(delivery.id, "we", START)


def test_an_attempt_settles_its_delivery(store: Store) -> None:
    """Both in one row each, together."""
    event_id = add_event(store, 1, LIVE)
    delivery = only_delivery(store, event_id)
    with store.transaction():
        store.claim(delivery.id, "we", START)
        store.add_attempt(
            delivery.id, answered(500), Verdict.RETRIED, State.CLAIMED, next_at=at(1)
        )
    again = only_delivery(store, event_id)
    assert (again.state, again.next_at) == (State.CLAIMED, at(1))
    with store.transaction():
        store.add_attempt(delivery.id, answered(), Verdict.OK, State.DONE)
    again = only_delivery(store, event_id)
    assert (again.state, again.next_at) == (State.DONE, None)
    assert store.tries_of(delivery.id) == 2
    assert [a.outcome.status for a in store.attempts_of(event_id)] == [500, 200]


def test_open_deliveries_come_in_order_a_window_at_a_time(store: Store) -> None:
    """Pending ones of one session, each with its lane."""
    with store.transaction():
        for n in range(5):
            store.add_event(n % 2, capture(), [LIVE])
        store.claim(1, "we", START)
    found = store.open_deliveries(0, after=0, limit=1)
    assert [delivery.id for delivery, _ in found] == [3]
    found = store.open_deliveries(0, after=3, limit=9)
    assert [delivery.id for delivery, _ in found] == [5]


def test_what_is_pending_or_claimed_is_open(store: Store) -> None:
    """By kind, if asked."""
    add_event(store, 1, LIVE, MIRROR, REPLAY)
    with store.transaction():
        store.claim(1, "we", START)
        store.settle(3, State.DONE)
    assert store.count_open(1) == 2
    assert store.count_open(1, Kind.LIVE) == 1
    assert store.count_open(1, Kind.REPLAY) == 0
    assert store.count_open(2) == 0


def test_the_latest_live_target_is_where_a_replay_goes(store: Store) -> None:
    """Mirrors and replays do not count."""
    other = Address(kind=Kind.LIVE, target="http://127.0.0.1:4000")
    event_id = add_event(store, 1, LIVE, other, MIRROR, REPLAY)
    assert store.latest_live_target(event_id) == other.target
    assert store.latest_live_target(99) is None


@pytest.mark.parametrize("read", ["event", "delivery", "session"])
def test_what_is_not_there_is_none(store: Store, read: str) -> None:
    """No exception for an unknown id."""
    assert getattr(store, read)(99) is None
