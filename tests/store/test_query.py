"""Which events match, in the order of their ids, out of any number of them."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core.match import Filter, parse_where
from devhook.core.model import Kind, Reading, Signature, State, Verdict
from devhook.errors import StoreError
from devhook.store import query
from devhook.store.reader import Reader
from devhook.store.store import Store
from tests.values import LIVE, MIRROR, START, answered, at, capture

CALL = "6c44f3f4-399c-4b46-84fa-c74aa9cbc99f"
OTHER = "70a14f6a-6744-49f5-ad19-f1d6cb650929"
TYPES = ("call_created", "call_hangup", "message_created", None)
CALLS = Filter(types=("call_*",))
STATUSES = ("ok", "failed", "pending", None)


def add(
    store: Store,
    event_type: str | None = "call_hangup",
    *,
    resource_id: str | None = CALL,
    call_id: str | None = CALL,
    session: int = 1,
    received_at: datetime = START,
    signature: Signature = Signature.OK,
    status: str | None = None,
    body: bytes = b"{}",
) -> int:
    """The id of an event of which an application made `status`."""
    reading = Reading(
        event_type=event_type,
        resource=event_type and event_type.partition("_")[0],
        resource_id=resource_id,
        call_id=call_id,
    )
    captured = capture(
        body, reading=reading, received_at=received_at, signature=signature
    )
    event_id = store.add_event(session, captured, [MIRROR, LIVE] if status else [])
    if status in ("ok", "failed"):
        live = store.deliveries_of(event_id) or None
        assert live is None  # the reader does not see an open transaction
        state = State.DONE if status == "ok" else State.FAILED
        store.settle(_newest_delivery(store), state)
    return event_id


def _newest_delivery(store: Store) -> int:
    found = store.writer.execute("select max(id) from deliveries").fetchone()
    return int(found[0])


def found(reader: Reader, chosen: Filter | None = None, **how: object) -> list[int]:
    return [*query.ids(reader, chosen or Filter(), **how)]  # type: ignore[arg-type]


@pytest.fixture
def known(store: Store) -> Store:
    """Eight events, each of them unlike the others."""
    hangup = b'{"data":{"status":"hangup","reason":"busy"}}'
    with store.transaction():
        add(store, "call_created", status="ok", received_at=at(0))
        add(store, "call_progressing", status="ok", received_at=at(10), session=2)
        add(store, "call_hangup", status="failed", received_at=at(20), body=hangup)
        add(store, "call_hangup", received_at=at(30), resource_id=OTHER, call_id=None)
        add(store, "recording_started", resource_id=OTHER, received_at=at(40))
        add(store, "message_created", status="pending", received_at=at(50), session=3)
        add(store, None, signature=Signature.ABSENT, received_at=at(60), call_id=None)
        add(
            store,
            "message_created",
            signature=Signature.BAD,
            received_at=at(70),
            body='{"data":{"status":"Straße"}}'.encode(),
        )
    return store


@pytest.mark.parametrize(
    ("chosen", "ids"),
    [
        (Filter(), [1, 2, 3, 4, 5, 6, 7, 8]),
        (Filter(types=("call_hangup",)), [3, 4]),
        (Filter(types=("call_*",)), [1, 2, 3, 4]),
        (Filter(types=("call_created", "message_*")), [1, 6, 8]),
        (Filter(types=("call_created,message_*",)), [1, 6, 8]),
        (Filter(types=("*",)), [1, 2, 3, 4, 5, 6, 7, 8]),
        (Filter(types=("",)), [7]),
        (Filter(types=("Call_*",)), []),
        (Filter(since=at(40)), [5, 6, 7, 8]),
        (Filter(until=at(20)), [1, 2]),
        (Filter(since=at(10), until=at(40)), [2, 3, 4]),
        (Filter(since=at(71)), []),
        (Filter(until=at(0)), []),
        (Filter(sessions=(2,)), [2]),
        (Filter(sessions=(2, 3)), [2, 6]),
        (Filter(calls=(CALL,)), [1, 2, 3, 5, 6, 8]),
        (Filter(calls=("nobody", CALL), sessions=(1,)), [1, 3, 5, 8]),
        (Filter(resources=(OTHER,)), [4, 5]),
        (Filter(resources=("message",)), [6, 8]),
        (Filter(resources=("message", OTHER)), [4, 5, 6, 8]),
        (Filter(statuses=("ok",)), [1, 2]),
        (Filter(statuses=("failed",)), [3]),
        (Filter(statuses=("pending",)), [6]),
        (Filter(statuses=("failed", "pending")), [3, 6]),
        (Filter(statuses=("ok", "pending")), [1, 2, 6]),
        (Filter(signatures=(Signature.BAD,)), [8]),
        (Filter(signatures=(Signature.BAD, Signature.ABSENT)), [7, 8]),
        (Filter(where=(parse_where("data.status==hangup"),)), [3]),
        (Filter(where=(parse_where("data.status!=hangup"),)), [8]),
        (Filter(search=("BUSY",)), [3]),
        (Filter(search=("strasse", "busy")), [3, 8]),
        (Filter(types=("call_hangup",), statuses=("failed",)), [3]),
        (Filter(types=("call_*",), resources=(OTHER,)), [4]),
        (Filter(types=("call_*",), sessions=(2,), since=at(20)), []),
        (
            Filter(
                where=(parse_where("data.status==hangup"), parse_where("data.x==1"))
            ),
            [],
        ),
    ],
)
def test_repeating_a_flag_is_or_and_different_flags_are_and(
    known: Store, chosen: Filter, ids: list[int]
) -> None:
    """Both ways round, and what is empty is not asked."""
    assert found(known, chosen) == ids
    assert found(known, chosen, newest_first=True) == ids[::-1]


any_of = st.lists
filters = st.builds(
    Filter,
    types=any_of(
        st.sampled_from(("call_*", "call_hangup", "*", "", "*_created", "x")),
        max_size=2,
    ).map(tuple),
    since=st.none() | st.integers(-5, 45).map(at),
    until=st.none() | st.integers(-5, 45).map(at),
    sessions=any_of(st.integers(1, 4), max_size=2).map(tuple),
    calls=any_of(st.sampled_from((CALL, OTHER, "x")), max_size=2).map(tuple),
    resources=any_of(
        st.sampled_from((CALL, OTHER, "call", "message", "x")), max_size=2
    ).map(tuple),
    statuses=any_of(st.sampled_from(STATUSES[:3]), max_size=2).map(tuple),
    signatures=any_of(st.sampled_from(Signature), max_size=2).map(tuple),
    where=any_of(
        st.sampled_from(("n<20", "n>=7", "even==true", "none==1")).map(parse_where),
        max_size=2,
    ).map(tuple),
    search=any_of(st.sampled_from(('"N":1', "true", "x")), max_size=2).map(tuple),
)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Forty events in which every attribute goes with every other, nearly."""
    path = tmp_path_factory.mktemp("query") / "mixed.db"
    with Store(path) as store:
        with store.transaction():
            for n in range(40):
                add(
                    store,
                    TYPES[n % 4],
                    resource_id=(CALL, OTHER, None)[n % 3],
                    call_id=(OTHER, None)[n // 3 % 2],
                    session=1 + n % 5,
                    received_at=at(n if n != 20 else 3),  # a clock was set back
                    signature=tuple(Signature)[n // 4 % 4],
                    status=STATUSES[n // 7 % 4],
                    body=json.dumps(
                        {"n": n, "even": n % 2 == 0}, separators=(",", ":")
                    ).encode(),
                )
        yield store


@given(filters, st.booleans(), st.integers(0, 45))
def test_the_database_agrees_with_the_filter(
    mixed: Reader, chosen: Filter, newest_first: bool, after: int
) -> None:
    """What SQL answers is what the filter itself says of each event."""
    expected = []
    for event_id in range(after + 1, 41):
        event = mixed.event(event_id)
        assert event is not None
        if chosen.matches(event, status=query.status_of(mixed, event_id)):
            expected.append(event_id)
    if newest_first:
        expected.reverse()
    assert found(mixed, chosen, newest_first=newest_first, after=after) == expected


@pytest.mark.parametrize(
    "chosen",
    [
        Filter(),
        Filter(types=("*_created",)),
        Filter(types=("call_created", "message_created", "")),
        Filter(statuses=("ok",)),
        Filter(resources=("call",)),
    ],
    ids=["all", "glob", "types", "status", "kind"],
)
def test_no_event_is_lost_or_doubled_between_pages(
    store: Store, chosen: Filter
) -> None:
    """Over more than two pages, both ways, by any walk."""
    with store.transaction():
        for n in range(1603):
            kind = ("call_created", "message_created", "call_hangup", None)[n // 3 % 4]
            add(store, kind, status=("ok", None)[n % 2])
    expected = [
        event_id
        for event_id in range(1, 1604)
        if (event := store.event(event_id)) is not None
        and chosen.matches(event, status=("ok", None)[(event_id - 1) % 2])
    ]
    assert len(expected) > 500
    assert found(store, chosen) == expected
    assert found(store, chosen, newest_first=True) == expected[::-1]


def test_ranges_have_both_ends_included(known: Store) -> None:
    """They may be several, and go together with a filter."""
    assert found(known, ranges=[(2, 3), (6, 6)]) == [2, 3, 6]
    assert found(known, ranges=[(3, 99)], newest_first=True) == [8, 7, 6, 5, 4, 3]
    assert found(known, Filter(types=("call_*",)), ranges=[(3, 8)]) == [3, 4]
    assert found(known, ranges=[(40, 50)]) == []
    assert found(known, ranges=[(4, 6), (1, 4), (5, 5)]) == [1, 2, 3, 4, 5, 6]


def test_a_walk_has_bounds(known: Store) -> None:
    """After the one, up to and with the other; one event is a walk too."""
    assert found(known, after=2, upto=5) == [3, 4, 5]
    assert found(known, after=2, upto=5, newest_first=True) == [5, 4, 3]
    assert found(known, after=8) == []
    assert [n for n in range(1, 9) if query.matches(known, CALLS, n)] == [1, 2, 3, 4]


def test_what_is_recorded_after_the_question_is_left_out(known: Store) -> None:
    """Else a walk behind a busy session would never end."""
    walk = query.ids(known, Filter())
    with known.transaction():
        add(known)
    assert [*walk] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert query.newest_id(known) == 9


def test_the_newest_delivery_to_the_application_decides(known: Store) -> None:
    """A mirror has no say; one that is under way is pending."""
    assert [query.status_of(known, n) for n in (1, 3, 4, 6, 99)] == [
        *("ok", "failed", None, "pending", None)
    ]
    with known.transaction():
        again = known.add_delivery(1, 3, LIVE)
        known.add_delivery(1, 3, MIRROR)
        known.claim(again, "us", START)
    assert query.status_of(known, 3) == "pending"
    with known.transaction():
        known.add_attempt(again, answered(), Verdict.OK, State.DONE)
    assert query.status_of(known, 3) == "ok"
    assert found(known, Filter(statuses=("failed",))) == []


def test_the_latest_delivery_comes_with_its_latest_attempt(known: Store) -> None:
    """Nothing for what was bound for no application."""
    with known.transaction():
        delivery = known.add_delivery(1, 6, LIVE)
        for status in (500, 404):
            known.add_attempt(delivery, answered(status), Verdict.RETRIED, State.FAILED)
    latest = query.latest(known, 6)
    assert latest is not None
    assert latest.delivery.kind is Kind.LIVE
    assert latest.attempt is not None
    assert latest.attempt.outcome.status == 404
    assert query.latest(known, 4) is None


def test_attempts_are_read_in_their_order(known: Store) -> None:
    """After the one, up to and with the other."""
    with known.transaction():
        for _ in range(4):
            known.add_attempt(2, answered(), Verdict.OK, State.DONE)
    assert [a.id for a in query.attempts(known, after=1, upto=3)] == [2, 3]
    assert [a.id for a in query.attempts(known, after=4, upto=4)] == []


def test_the_types_that_were_recorded_are_known(known: Store) -> None:
    """Each once, in alphabetical order."""
    assert query.types(known) == [
        "call_created",
        "call_hangup",
        "call_progressing",
        "message_created",
        "recording_started",
    ]


@pytest.mark.parametrize(
    ("chosen", "index"),
    [
        (Filter(resources=(CALL,)), "events_by_resource"),
        (Filter(resources=(CALL, OTHER)), "events_by_resource"),
        (Filter(calls=(CALL,)), "events_by_call"),
        (Filter(sessions=(2,)), "events_by_session"),
        (Filter(types=("call_created",)), "events_by_type"),
        (Filter(types=("call_*",)), "events_by_type"),
        (Filter(statuses=("failed",)), "deliveries_failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_index_answers_where_there_is_one(
    known: Store, chosen: Filter, index: str
) -> None:
    """So that few out of a million are found at once."""
    plan = plan_of(known, chosen)
    assert re.search(rf"INDEX {index}\b", plan), plan
    assert "SCAN e" not in plan


def plan_of(reader: Reader, chosen: Filter) -> str:
    """Of all statements that such a question asks, by SQLite's own word."""
    asked: list[str] = []
    reader.reader.set_trace_callback(asked.append)
    found(reader, chosen)
    reader.reader.set_trace_callback(None)
    plans = [reader.rows(f"explain query plan {sql}") for sql in asked]
    return "\n".join(row["detail"] for plan in plans for row in plan)


def test_an_index_of_times_answers_over_many_events(store: Store) -> None:
    """Where few lie in between, all are looked at by their ids."""
    with store.transaction():
        for n in range(600):
            add(store, received_at=at(n))
    chosen = Filter(since=at(590), until=at(595))
    assert found(store, chosen) == [591, 592, 593, 594, 595]
    assert "events_by_time" in plan_of(store, chosen)


def test_no_database_is_made_by_a_question(path: Path) -> None:
    """Nothing was recorded; and nothing is left on the disk."""
    assert query.open_reader(path) is None
    assert [*path.parent.iterdir()] == []


def test_nothing_can_be_written_by_a_question(known: Store, path: Path) -> None:
    """Whatever it says."""
    reader = query.open_reader(path)
    assert reader is not None
    with reader, pytest.raises(StoreError):
        reader.rows("delete from events")
    assert found(known) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_what_another_process_has_under_way_is_not_waited_for(
    known: Store, path: Path
) -> None:
    """Nor seen before it is committed."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        other.execute("delete from events where id = 1")
        reader = query.open_reader(path)
        assert reader is not None
        with reader:
            assert found(reader) == [1, 2, 3, 4, 5, 6, 7, 8]
        other.execute("rollback")
