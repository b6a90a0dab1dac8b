"""Pending delivery -> attempt -> row: the only code that sends to a target.

It follows the journal. Deliveries of one resource to one target form a lane and stay in
arrival order; lanes go in parallel, up to `concurrency` for each kind, so that a slow
mirror never holds up the application. What waits is on disk; a window of it is here.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from devhook.core import http
from devhook.core.clock import Clock
from devhook.core.model import Delivery, Event, Kind, Outcome, State, Verdict
from devhook.core.retry import PLATFORM, Policy, pause_before_next
from devhook.core.target import encoded, request_url
from devhook.core.verdict import judge
from devhook.errors import StoreError
from devhook.send import Sender, Sending
from devhook.store.journal import Journal
from devhook.store.store import STALE_AFTER

T = TypeVar("T")

_WINDOW = 5000

STORED_WITHIN = 15.0
"""Seconds: a database that takes nothing for longer ends the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """The original endpoint: its URI, whole, lives in memory only."""

    uri: str = field(repr=False)
    method: str

    @property
    def request_method(self) -> str:
        """The platform sends GET when the method is empty."""
        return self.method or "GET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """How deliveries are made. `overrides` are the user's own headers."""

    hop: str
    process: str
    policy: Policy
    timeout: float = 30.0
    concurrency: int = 16
    overrides: http.Headers = ()
    keep_host: bool = False
    tag: bool = True
    mirror: Mirror | None = None
    edit: Callable[[Event, Delivery], Event] = lambda event, _: event


class Forwarder:
    """Sends a session's deliveries until it is cancelled."""

    def __init__(
        self, journal: Journal, sender: Sender, how: Forwarding, clock: Clock
    ) -> None:
        self._journal = journal
        self._sender = sender
        self._how = how
        self._clock = clock
        self._lanes: dict[tuple[Kind, str, str], deque[Delivery]] = {}
        self._held = 0
        self._after = 0
        self._slots = {kind: asyncio.Semaphore(how.concurrency) for kind in Kind}

    async def run(self) -> None:
        """Never returns: cancel it, best after `drained`."""
        async with asyncio.TaskGroup() as group:
            while True:
                changed = self._journal.changed()
                if not self._load(group):
                    await changed.wait()

    async def drained(self) -> None:
        """Wait until nothing of this session is pending or under way."""
        while True:
            changed = self._journal.changed()
            if not self._journal.store.count_open(self._journal.session_id):
                return
            await changed.wait()

    def _load(self, group: asyncio.TaskGroup) -> int:
        room = _WINDOW - self._held
        if room <= 0:
            return 0
        found = self._journal.store.open_deliveries(
            self._journal.session_id, after=self._after, limit=room
        )
        for delivery, resource_id in found:
            self._after = delivery.id
            self._held += 1
            key = self._lane_key(delivery, resource_id)
            lane = (delivery.kind, delivery.target, key)
            if lane in self._lanes:
                self._lanes[lane].append(delivery)
            else:
                self._lanes[lane] = deque([delivery])
                group.create_task(self._work(lane))
        return len(found)

    def _lane_key(self, delivery: Delivery, resource_id: str | None) -> str:
        """One at a time means in order, whatever the resource."""
        if self._how.concurrency == 1:
            return ""
        return resource_id or f"#{delivery.event_id}"

    async def _work(self, lane: tuple[Kind, str, str]) -> None:
        waiting = self._lanes[lane]
        while waiting:
            await self._deliver(waiting.popleft())
            self._held -= 1
        del self._lanes[lane]

    async def _deliver(self, delivery: Delivery) -> None:
        event = self._journal.store.event(delivery.event_id)
        if event is None:
            return
        if delivery.kind is Kind.MIRROR and self._is_stale(event):
            await self._given_up(delivery, "stale")
            return
        tries = 0
        while True:
            async with self._slots[delivery.kind]:
                if not tries and not await self._claimed(delivery):
                    return
                outcome = await self._sender.send(self._sending(event, delivery))
            tries += 1
            pause = pause_before_next(self._policy(delivery), tries, outcome)
            await self._keep(delivery, outcome, pause)
            if pause is None:
                return
            await self._clock.sleep(pause)

    def _is_stale(self, event: Event) -> bool:
        """What the original missed for a minute is never sent to it by itself."""
        return self._clock.now() - event.received_at > STALE_AFTER

    async def _claimed(self, delivery: Delivery) -> bool:
        at, by = self._clock.now(), self._how.process
        journal = self._journal
        return await self._stored(
            lambda: journal.write(lambda: journal.store.claim(delivery.id, by, at))
        )

    async def _given_up(self, delivery: Delivery, why: str) -> None:
        journal, state = self._journal, State.FAILED
        await self._stored(
            lambda: journal.write(
                lambda: journal.store.settle(delivery.id, state, reason=why)
            )
        )

    async def _keep(
        self, delivery: Delivery, outcome: Outcome, pause: float | None
    ) -> None:
        verdict = judge(outcome)
        good = self._is_good(delivery.kind, verdict)
        if pause is not None:
            state, reason = State.CLAIMED, None
            next_at = self._clock.now() + timedelta(seconds=pause)
        else:
            state, reason = (State.DONE, None) if good else (State.FAILED, verdict)
            next_at = None
        await self._stored(
            lambda: self._journal.add_attempt(
                delivery, outcome, verdict, state, next_at=next_at, reason=reason
            )
        )

    async def _stored(self, write: Callable[[], Awaitable[T]]) -> T:
        """Written, though another program may hold the database for a while."""
        deadline = self._clock.monotonic() + STORED_WITHIN
        while True:
            try:
                return await write()
            except StoreError:
                if self._clock.monotonic() >= deadline:
                    raise
                await self._clock.sleep(1.0)

    def _is_good(self, kind: Kind, verdict: Verdict) -> bool:
        """An original that answers 4xx has been served as the platform would have."""
        good = {Verdict.OK, Verdict.SLOW}
        if kind is Kind.MIRROR:
            good.add(Verdict.SWALLOWED)
        return verdict in good

    def _policy(self, delivery: Delivery) -> Policy:
        return PLATFORM if delivery.kind is Kind.MIRROR else self._how.policy

    def _sending(self, event: Event, delivery: Delivery) -> Sending:
        mirror = self._how.mirror
        if delivery.kind is Kind.MIRROR and mirror is not None:
            return Sending(
                method=mirror.request_method,
                url=encoded(mirror.uri),
                headers=self._headers(event, delivery),
                body=event.request.body,
                timeout=30.0,
                redirects=2,
            )
        edited = self._how.edit(event, delivery)
        return Sending(
            method=edited.request.method,
            url=request_url(delivery.target, event.request.target),
            headers=self._headers(edited, delivery),
            body=edited.request.body,
            timeout=self._how.timeout,
        )

    def _headers(self, event: Event, delivery: Delivery) -> http.Headers:
        kept = http.end_to_end(event.request.headers)
        kept = http.without(kept, ("Expect", http.CONTROL))
        hops = http.first(kept, http.HOP)
        kept = http.without(kept, (http.HOP, http.EVENT, http.REPLAY))
        if not self._how.keep_host or delivery.kind is Kind.MIRROR:
            kept = http.without(kept, ("Host",))
        if delivery.kind is not Kind.MIRROR:
            kept = http.with_overrides(kept, self._how.overrides)
        ours = [(http.HOP, f"{hops},{self._how.hop}" if hops else self._how.hop)]
        if self._how.tag:
            ours.append((http.EVENT, str(event.id)))
        if self._how.tag and delivery.kind is Kind.REPLAY:
            ours.append((http.REPLAY, str(delivery.id)))
        return (*kept, *ours)
