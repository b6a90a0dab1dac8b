"""Sends recorded events again: adds a delivery for each, and sends them as any other.

A replay is a session of its own, so that its attempts are rows like all others and no
other process ever sends its deliveries. What was changed on the way is kept in the
delivery's row; the secret that an edited body is signed with is not.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from devhook import system
from devhook.core.clock import Clock
from devhook.core.fixture import with_changes
from devhook.core.http import SIGNATURE, Headers, first
from devhook.core.model import (
    Address,
    Attempt,
    Delivery,
    Event,
    Json,
    Kind,
    Request,
)
from devhook.core.retry import local
from devhook.core.signature import sign
from devhook.errors import StoreError
from devhook.forward import Forwarder, Forwarding
from devhook.send import Sender
from devhook.store.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What is changed before an event is sent; `secret` lives in memory only."""

    sets: dict[str, Json] = field(default_factory=dict)
    unsets: tuple[str, ...] = ()
    adds: dict[str, Json] = field(default_factory=dict)
    secret: str | None = field(default=None, repr=False)

    @property
    def changes_body(self) -> bool:
        return bool(self.sets or self.unsets or self.adds)

    def row(self) -> dict[str, Json] | None:
        """What the delivery's row says of it; None when nothing is changed."""
        kept: dict[str, Json] = {}
        if self.sets:
            kept["set"] = self.sets
        if self.unsets:
            kept["unset"] = [*self.unsets]
        if self.adds:
            kept["add"] = self.adds
        if self.secret is not None:
            kept["resign"] = True
        return kept or None

    def applied(self, event: Event) -> Event:
        """The event as it is sent; UsageError for a path that is not there."""
        request = event.request
        if self.changes_body:
            body = with_changes(
                request.body, sets=self.sets, unsets=self.unsets, adds=self.adds
            )
            request = replace(request, body=body)
        if self.secret is not None:
            request = _signed(request, self.secret)
        return replace(event, request=request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One event to be sent again, and where to."""

    event_id: int
    target: str


@asynccontextmanager
async def open_replay(
    journal: Journal, *, profile: str, target: str | None, clock: Clock
) -> AsyncIterator[None]:
    """The session of a replay; what it leaves is never sent by itself."""
    session_id = await journal.begin(
        profile=profile,
        source="replay",
        process=system.this_process(),
        target=target,
    )
    how = "error"
    try:
        yield
        how = "done"
    finally:
        now, ended = clock.now(), how

        def verb() -> None:
            journal.store.release(session_id)
            journal.store.end_session(session_id, now, ended)

        with suppress(StoreError):
            await journal.write(verb)


async def replay(
    journal: Journal,
    sender: Sender,
    clock: Clock,
    wishes: Sequence[Wish],
    edits: Edits,
    *,
    rate: float | None,
    how: Forwarding,
) -> AsyncGenerator[Attempt, None]:
    """Every attempt as it is made; `rate` is in events a second, None for no limit."""
    forwarder = Forwarder(journal, sender, how, clock)
    async with asyncio.TaskGroup() as group:
        adding = group.create_task(_add(journal, clock, wishes, edits.row(), rate))
        sending = group.create_task(forwarder.run())
        left = len(wishes)
        async with aclosing(journal.follow()) as entries:
            async for entry in entries:
                if isinstance(entry, Attempt):
                    yield entry
                    left -= 1
                    if not left:
                        break
        await adding
        sending.cancel()


def forwarding(
    hop: str,
    edits: Edits,
    *,
    timeout: float,
    concurrency: int,
    overrides: Headers = (),
) -> Forwarding:
    """How a replay sends: once, with the edits applied on the way."""
    return Forwarding(
        hop=hop,
        process=system.this_process(),
        policy=local(0),
        timeout=timeout,
        concurrency=concurrency,
        overrides=overrides,
        edit=_editing(edits),
    )


def _editing(edits: Edits) -> Callable[[Event, Delivery], Event]:
    return lambda event, _: edits.applied(event)


async def _add(
    journal: Journal,
    clock: Clock,
    wishes: Sequence[Wish],
    edits: dict[str, Json] | None,
    rate: float | None,
) -> None:
    started = clock.monotonic()
    store, session_id = journal.store, journal.session_id
    for number, wish in enumerate(wishes):
        if rate is not None:
            left = started + number / rate - clock.monotonic()
            if left > 0:
                await clock.sleep(left)
        address = Address(kind=Kind.REPLAY, target=wish.target, edits=edits)
        event_id = wish.event_id

        def verb(event_id: int = event_id, address: Address = address) -> int:
            return store.add_delivery(session_id, event_id, address)

        await journal.write(verb)


def _signed(request: Request, secret: str) -> Request:
    """With a signature of these very bytes, where the old one stood."""
    value = sign(secret, request.body)
    if first(request.headers, SIGNATURE) is None:
        return replace(request, headers=(*request.headers, (SIGNATURE, value)))
    headers = tuple(
        (name, value if name.lower() == SIGNATURE.lower() else old)
        for name, old in request.headers
    )
    return replace(request, headers=headers)
