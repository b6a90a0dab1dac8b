"""What is written is on disk before anybody is told, in order, and read by all."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing, contextmanager
from pathlib import Path

import pytest

from devhook.core.clock import Clock
from devhook.core.model import (
    Address,
    Attempt,
    Capture,
    Event,
    Gap,
    JournalEntry,
    Kind,
    Notice,
    State,
    Verdict,
)
from devhook.errors import StoreError
from devhook.store.entries import Cursor
from devhook.store.journal import QUICK, Journal
from devhook.store.store import Store
from devhook.system import SystemClock
from tests.clock import ManualClock
from tests.values import APP, LIVE, MIRROR, START, answered, at, capture


@pytest.fixture
async def journal(store: Store) -> AsyncIterator[Journal]:
    async with asyncio.timeout(30), Journal(store, ManualClock()) as opened:
        await begin(opened)
        yield opened


async def begin(journal: Journal) -> int:
    return await journal.begin(
        profile="acme", account=None, source="up", process="1@now", target=APP
    )


async def add_event(
    journal: Journal, captured: Capture | None = None, *addresses: Address
) -> int:
    return await journal.write(
        lambda: journal.store.add_event(
            journal.session_id, captured or capture(), addresses
        )
    )


async def take(
    count: int, journal: Journal, after: Cursor | None = None
) -> list[JournalEntry]:
    found: list[JournalEntry] = []
    async with aclosing(journal.follow(after)) as entries:
        while len(found) < count:
            found.append(await anext(entries))
    return found


def bodies(entries: list[JournalEntry]) -> list[bytes]:
    return [entry.request.body for entry in entries if isinstance(entry, Event)]


def count_events(path: Path) -> int:
    with closing(sqlite3.connect(path)) as other:
        return int(other.execute("select count(*) from events").fetchone()[0])


@contextmanager
def away(path: Path) -> Iterator[None]:
    """Nothing can be stored inside."""
    elsewhere = path.with_suffix(".away")
    path.rename(elsewhere)
    yield
    elsewhere.rename(path)


def numbered(count: int) -> list[bytes]:
    return [b"%d" % n for n in range(count)]


# --- writing --------------------------------------------------------------------------


async def test_a_write_returns_when_it_is_on_disk(journal: Journal, path: Path) -> None:
    """Every other connection sees it by then."""
    for n in range(1, 20):
        assert await add_event(journal) == n
        assert count_events(path) == n


async def test_what_is_written_in_one_turn_is_one_commit(journal: Journal) -> None:
    """A burst costs one sync."""
    statements: list[str] = []
    journal.store.writer.set_trace_callback(statements.append)
    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(add_event(journal))
    assert [s for s in statements if s in ("begin immediate", "commit")] == [
        "begin immediate",
        "commit",
    ]


@pytest.mark.parametrize(
    "clock",
    [SystemClock(), ManualClock(tick=QUICK * 10)],
    ids=["real", "as-on-a-slow-disk"],
)
async def test_writes_are_kept_in_the_order_they_were_asked_for(
    store: Store, clock: Clock
) -> None:
    """On the loop, on the thread, and in more than one group."""
    async with asyncio.timeout(30), Journal(store, clock) as journal:
        await begin(journal)
        tasks = []
        async with asyncio.TaskGroup() as group:
            for n, body in enumerate(numbered(1500)):
                tasks.append(group.create_task(add_event(journal, capture(body))))
                if n % 100 == 0:
                    await asyncio.sleep(0)
        ids = [task.result() for task in tasks]
    assert ids == list(range(1, 1501))
    found = store.rows("select body from events order by id")
    assert [row["body"] for row in found] == numbered(1500)


async def test_commits_move_to_a_thread_while_the_disk_is_slow(store: Store) -> None:
    """And back to the loop, which is cheaper, when it is quick again."""
    clock = ManualClock(tick=QUICK * 10)
    loop_s = threading.get_ident()
    async with asyncio.timeout(30), Journal(store, clock) as journal:
        slow = [await journal.write(threading.get_ident) for _ in range(8)]
        clock.tick = 0.0
        quick = [await journal.write(threading.get_ident) for _ in range(64)]
    assert slow[0] == loop_s
    assert slow[-1] != loop_s
    assert quick[0] != loop_s
    assert quick[-1] == loop_s


async def test_a_write_that_nobody_awaits_any_more_is_kept(
    journal: Journal, path: Path
) -> None:
    """The provider may have hung up: the event came all the same."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(add_event(journal))
        await asyncio.sleep(0)
        task.cancel()
    await add_event(journal)
    assert count_events(path) == 2


async def test_leaving_waits_for_what_is_under_way(store: Store, path: Path) -> None:
    """On the thread as well."""
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        async with Journal(store, ManualClock(tick=QUICK * 100)) as journal:
            await begin(journal)
            for _ in range(700):
                group.create_task(add_event(journal))
            await asyncio.sleep(0)
        assert count_events(path) == 700


async def test_a_write_that_fails_fails_alone(journal: Journal, path: Path) -> None:
    """Whoever asked for it is told; the events of the same turn are kept."""
    async with asyncio.TaskGroup() as group:
        group.create_task(add_event(journal))
        with pytest.raises(ZeroDivisionError):
            await journal.write(lambda: 1 // 0)
    assert count_events(path) == 1


async def test_everybody_is_told_when_nothing_could_be_kept(
    journal: Journal, path: Path
) -> None:
    """And writing goes on when the database is back."""
    with away(path):
        results = await asyncio.gather(
            *(add_event(journal) for _ in range(3)), return_exceptions=True
        )
    assert [type(result) for result in results] == [StoreError] * 3
    await add_event(journal)
    assert count_events(path) == 1


async def test_another_program_s_lock_does_not_hold_up_the_loop(
    journal: Journal, path: Path
) -> None:
    """The thread waits for it, and what came meanwhile follows in order."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        async with asyncio.TaskGroup() as group:
            first = group.create_task(add_event(journal))
            for _ in range(5):
                await asyncio.sleep(0)
            second = group.create_task(add_event(journal))
            await asyncio.sleep(0)
            assert not first.done()
            other.execute("commit")
    assert (first.result(), second.result()) == (1, 2)


# --- following ------------------------------------------------------------------------


async def test_a_reader_gets_each_entry_once_and_in_order(journal: Journal) -> None:
    """However writing and reading take turns."""
    async with asyncio.TaskGroup() as group:
        reader = group.create_task(take(600, journal))
        for n, body in enumerate(numbered(600)):
            group.create_task(add_event(journal, capture(body)))
            if n % 7 == 0:
                await asyncio.sleep(0)
    assert bodies(reader.result()) == numbered(600)


async def test_a_slow_reader_loses_nothing(journal: Journal) -> None:
    """It has a cursor of its own, and so has the quick one."""
    found: list[JournalEntry] = []
    async with aclosing(journal.follow()) as slow:
        for body in numbered(500):
            await add_event(journal, capture(body))
            if int(body) % 100 == 0:
                found.append(await anext(slow))
        quick = await take(500, journal)
        while len(found) < 500:
            found.append(await anext(slow))
    assert bodies(found) == bodies(quick) == numbered(500)


async def test_a_reader_goes_on_from_its_cursor(journal: Journal) -> None:
    """A browser that comes back sees what it has not seen."""
    for body in numbered(10):
        await add_event(journal, capture(body))
    _, cursor = journal.read(Cursor(), limit=6)
    assert bodies(await take(4, journal, cursor)) == numbered(10)[6:]


async def test_a_reader_sees_nothing_of_earlier_sessions(journal: Journal) -> None:
    """Its session begins with nothing."""
    await add_event(journal, capture(b"earlier"))
    await begin(journal)
    await add_event(journal, capture(b"ours"))
    assert bodies(await take(1, journal)) == [b"ours"]


async def test_a_reader_waits_for_what_is_to_come(journal: Journal) -> None:
    """It is woken by the commit."""
    async with asyncio.TaskGroup() as group:
        reader = group.create_task(take(1, journal))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not reader.done()
        await add_event(journal, capture(b"at last"))
    assert bodies(reader.result()) == [b"at last"]


async def test_a_commit_wakes_whoever_waits_for_a_change(journal: Journal) -> None:
    """Take it, look, then wait: nothing is missed in between."""
    changed = journal.changed()
    assert not changed.is_set()
    await add_event(journal)
    assert changed.is_set()
    assert not journal.changed().is_set()


async def test_notices_and_gaps_are_entries_too(journal: Journal) -> None:
    """As they were told."""
    await journal.tell("reconnecting", what="tunnel", attempt=1, in_seconds=0.5)
    await journal.missed("tunnel", at(1), at(3))
    notice, gap = await take(2, journal)
    assert isinstance(notice, Notice)
    assert (notice.at, notice.type) == (START, "reconnecting")
    assert notice.body == {"what": "tunnel", "attempt": 1, "in_seconds": 0.5}
    assert isinstance(gap, Gap)
    assert (gap.started_at, gap.ended_at, gap.reason) == (at(1), at(3), "tunnel")


async def test_what_cannot_be_stored_is_told_from_memory(
    journal: Journal, path: Path
) -> None:
    """The screen says that the disk is full, once."""
    await add_event(journal, capture(b"before"))
    with away(path):
        await journal.tell("storage", message="no room")
    await journal.tell("storage", message="room again")
    await add_event(journal, capture(b"after", received_at=at(1)))
    event, lost, stored, after = await take(4, journal)
    assert bodies([event, after]) == [b"before", b"after"]
    told = {e.body["message"] for e in (lost, stored) if isinstance(e, Notice)}
    assert told == {"no room", "room again"}


async def test_a_slow_reader_hears_all_that_was_told_from_memory(
    journal: Journal, path: Path
) -> None:
    """Also what is told while it is busy with the one before."""
    told: list[JournalEntry] = []
    with away(path):
        await journal.tell("storage", n=0)
        async with aclosing(journal.follow()) as entries:
            for n in range(1, 5):
                told.append(await anext(entries))
                await journal.tell("storage", n=n)
            told.append(await anext(entries))
    assert [e.body["n"] for e in told if isinstance(e, Notice)] == [0, 1, 2, 3, 4]


# --- attempts -------------------------------------------------------------------------


async def attempt(journal: Journal, delivery_id: int, status: int = 200) -> Attempt:
    delivery = journal.store.delivery(delivery_id)
    assert delivery is not None
    return await journal.add_attempt(delivery, answered(status), Verdict.OK, State.DONE)


async def test_an_attempt_is_given_back_as_it_is_stored(journal: Journal) -> None:
    """And comes after its event."""
    event_id = await add_event(journal, None, LIVE)
    made = await attempt(journal, 1)
    assert journal.store.attempts_of(event_id) == [made]
    event, told = await take(2, journal)
    assert isinstance(event, Event)
    assert told == made


async def test_the_first_attempt_is_waited_for(journal: Journal) -> None:
    """By as many as want it; that one of them gives up is nothing to the others."""
    event_id = await add_event(journal, None, LIVE)
    async with asyncio.TaskGroup() as group:
        patient = group.create_task(journal.first_attempt(event_id))
        impatient = group.create_task(journal.first_attempt(event_id))
        await asyncio.sleep(0)
        impatient.cancel()
        made = await attempt(journal, 1)
    assert impatient.cancelled()
    assert patient.result() == made


async def test_the_first_attempt_may_have_been_made_already(journal: Journal) -> None:
    """Later ones do not count."""
    event_id = await add_event(journal, None, LIVE)
    made = await attempt(journal, 1, 500)
    await attempt(journal, 1, 200)
    assert await journal.first_attempt(event_id) == made


@pytest.mark.parametrize(
    "other", [MIRROR, Address(kind=Kind.REPLAY, target=APP)], ids=["mirror", "replay"]
)
async def test_only_a_live_attempt_is_the_application_s_answer(
    journal: Journal, other: Address
) -> None:
    """What somebody else answered sooner is not waited for."""
    event_id = await add_event(journal, None, other, LIVE)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(journal.first_attempt(event_id))
        await asyncio.sleep(0)
        await attempt(journal, 1, 404)
        await asyncio.sleep(0)
        assert not waiting.done()
        made = await attempt(journal, 2, 201)
    assert waiting.result() == made
