"""A filter in SQL chooses what the same filter chooses event by event."""

import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core.match import Filter, parse_where
from devhook.core.model import (
    Address,
    Event,
    Kind,
    Reading,
    Signature,
    State,
    Verdict,
)
from devhook.errors import StoreError
from devhook.store.query import (
    attempts,
    ids,
    latest,
    matches,
    newest_id,
    open_reader,
    status_of,
    types,
)
from devhook.store.reader import Reader
from devhook.store.store import Store
from tests.values import APP, LIVE, MIRROR, START, answered, at, capture

CALL = "5f1c0000-0000-4000-8000-000000000001"
REPLAY = Address(kind=Kind.REPLAY, target=APP)
READINGS = (
    Reading(),
    Reading(event_type="call_hangup", resource="call", resource_id=CALL, call_id=CALL),
    Reading(event_type="call_updated", resource="call", resource_id="c2", call_id="c2"),
    Reading(event_type="transcript_created", resource="transcript", call_id=CALL),
    Reading(event_type="odd[*]", resource="odd[*]", resource_id="call"),
)
BODIES = (
    b'{"type":"call_hangup","data":{"status":"hangup","n":3}}',
    b'{"type":"call_updated","data":{"status":"Ringing","n":1}}',
    b"\xff no text",
    b"",
)
ENDS = (None, State.DONE, State.FAILED, State.CLAIMED, State.PENDING)


def recorded_events(store: Store) -> list[Event]:
    """Each reading, body, signature, session and end, in ever new company."""
    kinds = (LIVE, MIRROR, REPLAY)
    with store.transaction():
        for n in range(120):
            captured = capture(
                BODIES[n % 4],
                # The clock is set back now and then.
                received_at=at(n - 40 if n % 11 == 0 else n),
                reading=READINGS[n % 5],
                signature=list(Signature)[n % 3],
            )
            event_id = store.add_event(1 + n % 7, captured, [])
            for turn in range(n % 4):
                end = ENDS[(n + turn) % 5]
                if end is not None:
                    delivery = store.add_delivery(1, event_id, kinds[(n + turn) % 3])
                    store.settle(delivery, end)
    found = [store.event(event_id) for event_id in range(1, 121)]
    return [event for event in found if event is not None]


@pytest.fixture(scope="module")
def many(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Store, list[Event]]]:
    with Store(tmp_path_factory.mktemp("query") / "acme.db") as store:
        yield store, recorded_events(store)


def some(*values: object) -> st.SearchStrategy[tuple[object, ...]]:
    return st.just(()) | st.lists(st.sampled_from(values), min_size=1, max_size=3).map(
        tuple
    )


moments = st.none() | st.integers(-50, 130).map(at)
filters = st.builds(
    Filter,
    types=some(
        "call_hangup", "call_*", "*", "*_created", "odd[[]*", "none", "a,call_?*"
    ),
    since=moments,
    until=moments,
    sessions=some(1, 2, 5, 99),
    calls=some(CALL, "c2", "none"),
    resources=some(CALL, "c2", "call", "transcript", "none"),
    statuses=some("failed", "ok", "pending"),
    signatures=some(*Signature),
    where=some(parse_where("data.status==hangup"), parse_where("data.n>=1")),
    search=some("ringing", "no TEXT", "none"),
)
ranges = some((1, 1), (5, 20), (15, 60), (60, 61), (119, 400), (500, 600))


@given(filters, ranges, st.integers(0, 121), st.none() | st.integers(0, 121))
def test_sql_and_the_filter_itself_choose_alike(
    many: tuple[Store, list[Event]],
    chosen: Filter,
    ranges: tuple[tuple[int, int], ...],
    after: int,
    upto: int | None,
) -> None:
    """Whatever is asked, in either direction."""
    store, events = many
    expected = [
        event.id
        for event in events
        if chosen.matches(event, status=status_of(store, event.id))
        and after < event.id <= (200 if upto is None else upto)
        and (not ranges or any(first <= event.id <= last for first, last in ranges))
    ]
    found = ids(store, chosen, ranges=ranges, after=after, upto=upto)
    backwards = ids(
        store, chosen, ranges=ranges, after=after, upto=upto, newest_first=True
    )
    assert list(found) == expected
    assert list(backwards) == expected[::-1]


@given(filters, st.integers(1, 120))
def test_one_event_is_asked_about_like_many(
    many: tuple[Store, list[Event]], chosen: Filter, event_id: int
) -> None:
    """For whoever follows attempts."""
    store, events = many
    status = status_of(store, event_id)
    expected = chosen.matches(events[event_id - 1], status=status)
    assert matches(store, chosen, event_id) == expected


@pytest.fixture
def long(store: Store) -> Store:
    """More than a page of each type."""
    with store.transaction():
        for n in range(2600):
            store.add_event(
                1, capture(received_at=at(n), reading=READINGS[1 + n % 2]), []
            )
    return store


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Filter(), range(1, 2601)),
        (Filter(types=("call_hangup",)), range(1, 2601, 2)),
        (Filter(types=("call_*",)), range(1, 2601)),
        (Filter(since=at(100), until=at(2000)), range(101, 2001)),
        (Filter(since=at(9999)), range(0)),
        (Filter(until=START), range(0)),
    ],
    ids=["all", "one-type", "two-types", "a-time", "no-time-yet", "no-time-before"],
)
def test_pages_join_without_a_seam(
    long: Store, chosen: Filter, expected: range
) -> None:
    """Each event once, in order, there and back."""
    assert list(ids(long, chosen)) == list(expected)
    assert list(ids(long, chosen, newest_first=True)) == list(expected)[::-1]


def test_what_comes_later_is_left_out(long: Store) -> None:
    """However slowly the events are read: the reader knows how far it has come."""
    found = ids(long, Filter(types=("call_*",)))
    first = list(islice(found, 10))
    with long.transaction():
        long.add_event(1, capture(reading=READINGS[1]), [])
    assert [*first, *found] == list(range(1, 2601))


@pytest.mark.parametrize(
    ("chosen", "index"),
    [
        (Filter(), "INTEGER PRIMARY KEY"),
        (Filter(types=("call_hangup",)), "events_by_type"),
        (Filter(types=("call_*",), since=at(10)), "events_by_type"),
        (Filter(types=("*",), until=at(10)), "events_by_time"),
        (Filter(sessions=(2,)), "events_by_session"),
        (Filter(calls=(CALL,)), "events_by_call"),
        (Filter(resources=(CALL,)), "events_by_resource"),
        (Filter(statuses=("failed",)), "deliveries_failed"),
        (Filter(statuses=("pending",)), "deliveries_open"),
        (Filter(statuses=("ok",)), "deliveries_by_event"),
    ],
)
def test_no_table_is_read_from_end_to_end(
    long: Store, chosen: Filter, index: str
) -> None:
    """Nor sorted: SQLite tells how it goes about each query."""
    queries: list[str] = []
    long.reader.set_trace_callback(queries.append)
    list(ids(long, chosen, newest_first=True))
    long.reader.set_trace_callback(None)
    plans = [
        row["detail"]
        for query in queries
        for row in long.rows(f"explain query plan {query}")
    ]
    assert any(index in plan for plan in plans)
    scans = [plan for plan in plans if plan.startswith("SCAN")]
    partial = ("deliveries_failed", "deliveries_open", "CONSTANT", "types")
    assert [s for s in scans if not any(name in s for name in partial)] == []
    assert [plan for plan in plans if "TEMP B-TREE" in plan] == []


def test_bodies_are_held_one_at_a_time(store: Store) -> None:
    """Also where each of them is looked into, and none is what was looked for."""
    with store.transaction():
        for n in range(40):
            store.add_event(1, capture(b"x" * 1_000_000 + b"%d" % n), [])
    tracemalloc.start()
    try:
        assert list(ids(store, Filter(search=("nothing",)))) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize(
    ("deliveries", "status"),
    [
        ([], None),
        ([(MIRROR, State.FAILED)], None),
        ([(LIVE, State.PENDING)], "pending"),
        ([(LIVE, State.CLAIMED)], "pending"),
        ([(LIVE, State.DONE), (MIRROR, State.FAILED)], "ok"),
        ([(LIVE, State.FAILED), (REPLAY, State.DONE)], "ok"),
        ([(LIVE, State.DONE), (REPLAY, State.FAILED)], "failed"),
    ],
)
def test_the_newest_delivery_to_the_application_decides(
    store: Store, deliveries: list[tuple[Address, State]], status: str | None
) -> None:
    """An event that was replayed well has not failed; a mirror has no say."""
    with store.transaction():
        event_id = store.add_event(1, capture(), [])
        for address, state in deliveries:
            store.settle(store.add_delivery(1, event_id, address), state)
    assert status_of(store, event_id) == status


def test_the_latest_is_the_newest_attempt_of_the_newest_delivery(store: Store) -> None:
    """What an event's line ends with."""
    with store.transaction():
        store.add_event(1, capture(), [LIVE, MIRROR])
        store.add_attempt(1, answered(500), Verdict.RETRIED, State.CLAIMED)
        store.add_attempt(1, answered(404), Verdict.SWALLOWED, State.FAILED)
    found = latest(store, 1)
    assert found is not None
    assert found.attempt is not None
    assert (found.delivery.id, found.attempt.outcome.status) == (1, 404)
    with store.transaction():
        store.add_delivery(1, 1, REPLAY)
    found = latest(store, 1)
    assert found is not None
    assert (found.delivery.id, found.attempt) == (3, None)


def test_what_went_to_no_application_has_no_latest(store: Store) -> None:
    """A mirror is somebody else's."""
    with store.transaction():
        store.add_event(1, capture(), [MIRROR])
    assert latest(store, 1) is None


def test_attempts_are_read_in_order_between_two_ids(store: Store) -> None:
    """Of whatever event and kind."""
    with store.transaction():
        for _ in range(3):
            event_id = store.add_event(1, capture(), [LIVE])
            store.add_attempt(event_id, answered(), Verdict.OK, State.DONE)
    found = attempts(store, after=1, upto=3)
    assert [(a.id, a.event_id) for a in found] == [(2, 2), (3, 3)]
    assert list(attempts(store, after=3, upto=9)) == []


def test_types_are_told_once_each(long: Store) -> None:
    """Events without a type have none to tell."""
    with long.transaction():
        long.add_event(1, capture(reading=Reading()), [])
    assert types(long) == ["call_hangup", "call_updated"]


def test_an_empty_database_has_nothing(store: Store) -> None:
    """And says so without failing."""
    chosen = Filter(types=("*",), since=at(0), until=at(1), statuses=("failed",))
    assert list(ids(store, chosen)) == []
    assert (newest_id(store), types(store)) == (None, [])


def test_reading_makes_no_database(tmp_path: Path) -> None:
    """Nor a folder for one."""
    assert open_reader(tmp_path / "none" / "acme.db") is None
    assert list(tmp_path.iterdir()) == []


def test_nothing_can_be_written_while_reading(store: Store, path: Path) -> None:
    """A listing must not be able to harm what it lists."""
    reader = open_reader(path)
    assert reader is not None
    with reader, pytest.raises(StoreError):
        reader.rows("insert into notices values (1, 1, '', '', '')")


def test_what_another_process_has_under_way_is_not_waited_for(
    store: Store, path: Path
) -> None:
    """Nor seen before it is committed."""
    with store.transaction():
        store.add_event(1, capture(), [])
        reader = open_reader(path)
        assert reader is not None
        with reader:
            assert list(ids(reader, Filter())) == []


def test_a_reader_sees_what_another_process_commits(store: Store, path: Path) -> None:
    """Following depends on it, and on the version that changes with each commit."""
    reader = open_reader(path)
    assert reader is not None
    with reader:
        before = version(reader)
        with store.transaction():
            store.add_event(1, capture(), [])
        assert newest_id(reader) == 1
        assert version(reader) != before
        assert version(reader) == version(reader)


def test_a_database_that_was_never_finished_is_finished(path: Path) -> None:
    """Killed between making the file and its tables."""
    path.touch()
    reader = open_reader(path)
    assert reader is not None
    with closing(reader):
        assert newest_id(reader) is None


def test_what_is_no_database_is_an_error(path: Path) -> None:
    """Not a traceback."""
    path.write_text("hello " * 1000)
    with pytest.raises(StoreError, match="damaged"):
        open_reader(path)


def test_a_clock_set_back_hides_nothing(store: Store) -> None:
    """Ids go on while times go back."""
    with store.transaction():
        for n in range(1200):
            seconds = n - 600 if n >= 600 else n
            store.add_event(1, capture(received_at=START + timedelta(0, seconds)), [])
    found = list(ids(store, Filter(since=at(500), until=at(550))))
    assert found == [*range(501, 551), *range(1101, 1151)]


def version(reader: Reader) -> int:
    found: int = reader.rows("pragma data_version")[0][0]
    return found
