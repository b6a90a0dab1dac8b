"""A session's journal with a forwarder on it, for tests of what leaves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from typing_extensions import override

from devhook.core.http import Headers
from devhook.core.model import Address, Attempt, Delivery, Kind, Reading
from devhook.core.network import Network
from devhook.core.retry import local
from devhook.forward import Forwarder, Forwarding
from devhook.send import Sender
from devhook.store.journal import Journal
from devhook.store.store import Store
from devhook.system import SystemClock, this_process
from devhook.wire import Wire
from tests.endpoint import Endpoint
from tests.values import at, capture

HOP = "hop-of-this-session"
ORIGINAL = Address(kind=Kind.MIRROR, target="http://127.0.0.1/voip?key=***")


class Hasty(SystemClock):
    """The real clock, but pauses are over at once; `slept` says how long they were."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.has_slept = asyncio.Event()

    @override
    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.has_slept.set()
        await asyncio.sleep(0)


@dataclass
class Open:
    """A session's journal, and a forwarder to be run on it."""

    journal: Journal
    forwarder: Forwarder
    clock: Hasty

    @property
    def store(self) -> Store:
        return self.journal.store

    async def event(
        self,
        *addresses: Address,
        body: bytes = b"{}",
        resource: str | None = None,
        headers: Headers = (("Content-Type", "application/json"),),
        age: float = 0.0,
        target: str = "/s3cret",
        method: str = "POST",
    ) -> int:
        captured = capture(
            body,
            headers=headers,
            target=target,
            method=method,
            received_at=self.clock.now() - (at(age) - at(0)),
            reading=Reading(event_type="call_updated", resource_id=resource),
        )
        session = self.journal.session_id
        return await self.journal.write(
            lambda: self.store.add_event(session, captured, addresses)
        )

    async def forwarded(self) -> None:
        """Everything that is pending, to its end."""
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            running = group.create_task(self.forwarder.run())
            await self.forwarder.drained()
            running.cancel()

    def delivery(self, event_id: int, index: int = 0) -> Delivery:
        return self.store.deliveries_of(event_id)[index]

    def attempts(self, event_id: int) -> list[Attempt]:
        return self.store.attempts_of(event_id)


Opener: TypeAlias = Callable[..., AbstractAsyncContextManager[Open]]


def opener(path: Path) -> Opener:
    """Opens the database at the path with what `Forwarding` is to be told."""

    @asynccontextmanager
    async def opened(**how: Any) -> AsyncIterator[Open]:
        clock = Hasty()
        how = {"hop": HOP, "process": this_process(), "policy": local(0), **how}
        with Store(path) as store:
            async with Journal(store, clock) as journal, Wire(Network()) as wire:
                await journal.begin(
                    profile="p", account=None, source="up", process=this_process()
                )
                sender = Sender(wire, clock)
                forwarder = Forwarder(journal, sender, Forwarding(**how), clock)
                yield Open(journal, forwarder, clock)

    return opened


def live(end: Endpoint, path: str = "/hook") -> Address:
    return Address(kind=Kind.LIVE, target=end.url + path)


def statuses(attempts: list[Attempt]) -> list[int | None]:
    return [attempt.outcome.status for attempt in attempts]
