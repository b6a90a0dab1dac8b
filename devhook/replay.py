"""Recorded events sent again, as a session of their own.

Replay is adding a delivery: what is chosen is bound for a target, edits and all, and
then walks the way of every other event, so that each try is a row. Deliveries are added
as there is room for them: order and pace are those of the adding, and what an
interrupted replay did not reach was never there to be sent by itself.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

from devhook import system
from devhook.config import Settings
from devhook.core.clock import Clock
from devhook.core.fixture import with_changes
from devhook.core.model import Address, Delivery, Event, Json, Kind
from devhook.core.retry import local
from devhook.core.signature import signed
from devhook.core.target import parse_target
from devhook.errors import StoreError, UsageError
from devhook.forward import Forwarder, Forwarding
from devhook.send import Sender
from devhook.store.journal import Journal
from devhook.store.reader import Reader
from devhook.store.store import Store
from devhook.wire import Wire

Planned: TypeAlias = tuple[int, Address]
"""An event's id, and the delivery that it will get."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What is changed before it is sent: by path, as `with_changes` does it.

    The delivery's row keeps them, but never a secret.
    """

    sets: Mapping[str, Json] = field(default_factory=dict)
    unsets: Sequence[str] = ()
    adds: Mapping[str, Json] = field(default_factory=dict)
    resign: bool = False

    def as_json(self) -> dict[str, Json] | None:
        """None when nothing is changed."""
        every: dict[str, Json] = {
            "set": dict(self.sets),
            "unset": list(self.unsets),
            "add": dict(self.adds),
            "resign": self.resign,
        }
        return {name: value for name, value in every.items() if value} or None

    def applied(self, event: Event, secret: str | None) -> Event:
        """The edited event; its signature stays as it came unless it is to be new.

        Raises UsageError when a path is not there.
        """
        body, headers = event.request.body, event.request.headers
        if self.sets or self.unsets or self.adds:
            body = with_changes(
                body, sets=self.sets, unsets=self.unsets, adds=self.adds
            )
        if self.resign:
            headers = signed(headers, body, secret)
        return replace(
            event, request=replace(event.request, body=body, headers=headers)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`rate` is in deliveries a second, None for no limit; `timeout` in seconds."""

    concurrency: int = 1
    rate: float | None = None
    timeout: float = 30.0


def plan(
    reader: Reader,
    event_ids: Iterable[int],
    *,
    to: str | None,
    fallback: str | None,
    edits: Edits,
) -> list[Planned]:
    """What would be sent where, each tried out once on its event.

    `to` and `fallback` are targets as typed. Without `to` an event goes where it was
    last forwarded to, else to the fallback. Raises UsageError when it can go nowhere,
    or an edit does not fit.
    """
    named = None if to is None else parse_target(to)
    found = []
    for event_id in event_ids:
        target = named or _own_target(reader, event_id, fallback)
        _try_out(reader, event_id, edits)
        address = Address(kind=Kind.REPLAY, target=target, edits=edits.as_json())
        found.append((event_id, address))
    return found


class Replay:
    """A running replay: `journal` tells of each try as it ends."""

    def __init__(self, journal: Journal, clock: Clock, pace: Pace) -> None:
        self.journal = journal
        self.all_added = False
        self._clock = clock
        self._pace = pace

    async def add(self, planned: Sequence[Planned]) -> None:
        """Add each delivery when its turn has come; returns once all were added."""
        due = self._clock.monotonic()
        at = 0
        while at < len(planned):
            room = await self._room()
            if self._pace.rate is not None:
                await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
                due = self._clock.monotonic() + 1 / self._pace.rate
                room = 1
            turn = planned[at : at + room]
            await self.journal.write(partial(self._add_all, turn))
            at += len(turn)
        self.all_added = True

    def _add_all(self, turn: Sequence[Planned]) -> None:
        store, session_id = self.journal.store, self.journal.session_id
        for event_id, address in turn:
            store.add_delivery(session_id, event_id, address)

    async def _room(self) -> int:
        """How many more may be under way, at least one."""
        while True:
            changed = self.journal.changed()
            under_way = self.journal.store.count_open(self.journal.session_id)
            if under_way < self._pace.concurrency:
                return self._pace.concurrency - under_way
            await changed.wait()


@asynccontextmanager
async def open_replay(
    settings: Settings,
    planned: Sequence[Planned],
    *,
    edits: Edits,
    secret: str | None,
    pace: Pace,
    clock: Clock,
) -> AsyncIterator[Replay]:
    """Send all that is planned, while the block follows the journal.

    Leaving the block ends the session; what is under way then is given up.
    """

    def edit(event: Event, _: Delivery) -> Event:
        return edits.applied(event, secret)

    how = Forwarding(
        hop=system.new_id(),
        process=system.this_process(),
        policy=local(0),
        timeout=pace.timeout,
        concurrency=pace.concurrency,
        edit=edit,
    )
    targets = {address.target for _, address in planned}
    async with AsyncExitStack() as stack:
        store = stack.enter_context(Store(settings.db))
        journal = await stack.enter_async_context(Journal(store, clock))
        await journal.begin(
            profile=settings.profile,
            account=None,
            source="replay",
            process=how.process,
            target=targets.pop() if len(targets) == 1 else None,
        )
        replay = Replay(journal, clock, pace)
        stack.push_async_callback(_end, replay, clock)
        wire = await stack.enter_async_context(Wire(settings.network))
        forwarder = Forwarder(journal, Sender(wire, clock), how, clock)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = [
            group.create_task(forwarder.run()),
            group.create_task(replay.add(planned)),
        ]
        try:
            yield replay
        finally:
            for task in tasks:
                task.cancel()


async def _end(replay: Replay, clock: Clock) -> None:
    journal, now = replay.journal, clock.now()
    store, session_id = journal.store, journal.session_id
    is_done = replay.all_added and not store.count_open(session_id)

    def verb() -> None:
        store.release(session_id)
        store.end_session(session_id, now, "done" if is_done else "interrupted")

    with suppress(StoreError):  # it was said already, and the next start buries it
        await journal.write(verb)


def _own_target(reader: Reader, event_id: int, fallback: str | None) -> str:
    target = reader.latest_live_target(event_id) or fallback
    if target is None:
        raise UsageError(
            f"event {event_id} was never forwarded, and the profile names no target",
            hint=f"devhook replay {event_id} --to 3000",
        )
    return parse_target(target)


def _try_out(reader: Reader, event_id: int, edits: Edits) -> None:
    event = reader.event(event_id)
    if event is None:
        raise UsageError(f"there is no event {event_id}", hint="devhook events")
    try:
        edits.applied(event, None)
    except UsageError as exc:
        raise UsageError(f"event {event_id}: {exc.message}", hint=exc.hint) from exc
