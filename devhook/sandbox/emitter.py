"""Makes the account's events happen: one, many at once, or a scenario in its time."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from devhook.core.clock import Clock, NewId
from devhook.core.model import Json
from devhook.errors import FixtureError, UsageError
from devhook.sandbox.account import Account
from devhook.sandbox.catalogue import Moment, found, written
from devhook.sandbox.sender import Delivery, Sender


class Emitter:
    """`catalogue` has one body for each type, `scenarios` the moments of each name."""

    def __init__(
        self,
        *,
        catalogue: Mapping[str, Json],
        scenarios: Mapping[str, Sequence[Moment]],
        sender: Sender,
        account: Account,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self.catalogue = catalogue
        self.scenarios = scenarios
        self._sender = sender
        self._account = account
        self._clock = clock
        self._new_id = new_id

    def emit(self, type: str, changes: Mapping[str, Json]) -> Delivery:
        """Start one event; raises FixtureError or UsageError as `catalogue` does."""
        return self.deliver(self.body(type, changes))

    def deliver(self, body: bytes) -> Delivery:
        """Start these very bytes, enveloped or not."""
        return self._sender.start(body)

    def body(self, type: str, changes: Mapping[str, Json]) -> bytes:
        event = found("event type", type, self.catalogue)
        return written(event, changes, customer_id=self._account.now.id)

    def mixed(self, types: Sequence[str], count: int) -> list[bytes]:
        """So many bodies, the types in turn, each about a resource of its own."""
        names = types or sorted(self.catalogue)
        if not names:
            raise FixtureError("the sandbox was opened without a catalogue")
        return [
            self.body(names[i % len(names)], {"data.id": self._new_id()})
            for i in range(count)
        ]

    async def burst(
        self, bodies: Iterable[bytes], *, concurrency: int
    ) -> list[Delivery]:
        """All of them, so many at a time; one at a time keeps their order."""
        if concurrency < 1:
            raise UsageError(f"concurrency is at least 1, not {concurrency}")
        slots = asyncio.Semaphore(concurrency)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one(body, slots)) for body in bodies]
        return [task.result() for task in tasks]

    async def play(self, moments: Iterable[Moment], *, speed: float) -> list[Delivery]:
        """Each event at its time, earlier ones finished or not; then wait for all."""
        if not speed > 0:
            raise UsageError(f"speed is more than 0, not {speed:g}")
        start = self._clock.monotonic()
        deliveries = []
        for moment in sorted(moments, key=lambda moment: moment.offset_ms):
            due = start + moment.offset_ms / 1000 / speed
            await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
            deliveries.append(self.deliver(moment.body))
        for delivery in deliveries:
            await delivery.done.wait()
        return deliveries

    async def _one(self, body: bytes, slots: asyncio.Semaphore) -> Delivery:
        async with slots:
            delivery = self.deliver(body)
            await delivery.done.wait()
        return delivery
