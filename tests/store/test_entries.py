"""Entries come page by page, each once, in order."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core.model import Attempt, Event, Gap, JournalEntry, Notice, State, Verdict
from devhook.store import entries
from devhook.store.entries import Cursor
from devhook.store.store import Store
from tests.values import LIVE, answered, at, capture


@dataclass(frozen=True)
class Step:
    """One thing that was written, and the clock's seconds then."""

    what: str
    seconds: float


steps = st.builds(
    Step,
    what=st.sampled_from(["event", "attempt", "notice", "gap", "unstored"]),
    seconds=st.integers(0, 20),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("entries") / "acme.db") as opened:
        yield opened


def new_session(store: Store) -> int:
    with store.transaction():
        return store.open_session(
            profile="acme", account=None, source="up", process="1@now", at=at(0)
        )


def write(store: Store, session_id: int, script: list[Step]) -> list[Notice]:
    """Act the script out; the notices that were not stored."""
    unstored: list[Notice] = []
    delivery_id: int | None = None
    with store.transaction():
        for step in script:
            when = at(step.seconds)
            match step.what:
                case "event":
                    event = store.add_event(session_id, capture(received_at=when), [])
                    delivery_id = store.add_delivery(session_id, event, LIVE)
                case "attempt" if delivery_id:
                    outcome = answered(started_at=when, seconds=0)
                    store.add_attempt(delivery_id, outcome, Verdict.OK, State.DONE)
                case "notice":
                    store.add_notice(session_id, when, "check", {})
                case "gap":
                    store.open_gap(session_id, when, "tunnel")
                case "unstored":
                    notice = Notice(
                        id=0, session_id=session_id, at=when, type="check", body={}
                    )
                    unstored.append(notice)
                case _:  # an attempt, but nothing to attempt yet
                    pass
    return unstored


def read_all(
    store: Store, session_id: int, unstored: list[Notice], limit: int
) -> list[JournalEntry]:
    found: list[JournalEntry] = []
    cursor = Cursor()
    while True:
        page, cursor = entries.read(store, session_id, cursor, unstored, limit)
        assert len(page) <= limit
        if not page:
            return found
        found += page


def seconds_of(entry: JournalEntry) -> float:
    match entry:
        case Event():
            when = entry.received_at
        case Attempt():
            when = entry.outcome.started_at
        case Notice():
            when = entry.at
        case Gap():
            when = entry.started_at
    return (when - at(0)).total_seconds()


def in_order_of_time(script: list[Step]) -> list[Step]:
    return sorted(script, key=lambda step: step.seconds)


@given(st.lists(steps, max_size=25), st.integers(1, 6))
def test_entries_come_in_the_order_of_time(
    store: Store, script: list[Step], limit: int
) -> None:
    """Across all tables and pages, however small the page."""
    session_id = new_session(store)
    unstored = write(store, session_id, in_order_of_time(script))
    found = [
        seconds_of(entry) for entry in read_all(store, session_id, unstored, limit)
    ]
    assert found == sorted(found)


@given(st.lists(steps, max_size=25), st.integers(1, 6))
def test_each_entry_comes_once_whatever_the_clock_did(
    store: Store, script: list[Step], limit: int
) -> None:
    """In the order of its table, and an attempt after its event."""
    session_id = new_session(store)
    unstored = write(store, session_id, script)
    found = read_all(store, session_id, unstored, limit)
    for table, type_ in (
        ("events", Event),
        ("notices", Notice),
        ("gaps", Gap),
    ):
        ids = [e.id for e in found if isinstance(e, type_) and e.id]
        rows = store.rows(
            f"select id from {table} where session_id = ? order by id",  # noqa: S608
            session_id,
        )
        assert ids == [row["id"] for row in rows]
    assert [e for e in found if isinstance(e, Notice) and not e.id] == unstored
    tried = [step.what for step in script]
    first = tried.index("event") if "event" in tried else len(tried)
    attempts = [e for e in found if isinstance(e, Attempt)]
    assert len(attempts) == tried[first:].count("attempt")
    assert [e.id for e in attempts] == sorted(e.id for e in attempts)
    for attempt in attempts:
        events = [e for e in found[: found.index(attempt)] if isinstance(e, Event)]
        assert attempt.event_id in [e.id for e in events]


def test_an_attempt_of_an_earlier_session_s_event_comes_too(store: Store) -> None:
    """A replay: the event itself is not told again."""
    earlier, ours = new_session(store), new_session(store)
    with store.transaction():
        event_id = store.add_event(earlier, capture(), [])
        delivery_id = store.add_delivery(ours, event_id, LIVE)
        store.add_attempt(delivery_id, answered(), Verdict.OK, State.DONE)
    (found,) = read_all(store, ours, [], 200)
    assert isinstance(found, Attempt)
    assert found.event_id == event_id


def test_the_newest_cursor_is_after_everything(store: Store) -> None:
    """What is written later is after it."""
    session_id = new_session(store)
    script = [Step(what, 0) for what in ("event", "attempt", "notice", "gap")]
    write(store, session_id, script)
    cursor = entries.newest(store)
    assert entries.read(store, session_id, cursor, [], 200) == ([], cursor)
    write(store, session_id, script)
    found, _ = entries.read(store, session_id, cursor, [], 200)
    assert [type(entry) for entry in found] == [Event, Attempt, Notice, Gap]
