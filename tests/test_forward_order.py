"""In which order deliveries leave, whose they are, and a database that is held."""

import asyncio
import sqlite3
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from devhook.core.model import State
from devhook.forward import Mirror
from devhook.system import this_process
from tests.endpoint import OK, endpoint, read_request, speaking
from tests.forwarding import ORIGINAL, Opener, live, opener, statuses
from tests.values import at


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    return opener(tmp_path / "events.db")


class Gate:
    """An application that answers a request only when it is let go."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self._arrived = asyncio.Event()
        self._open: dict[bytes, asyncio.Event] = {}

    async def speak(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while request := await read_request(reader):
            body = request.partition(b"\r\n\r\n")[2]
            self.waiting.append(body)
            self._arrived.set()
            await self._open.setdefault(body, asyncio.Event()).wait()
            writer.write(OK)

    async def has(self, count: int) -> list[bytes]:
        """The bodies that arrived, once there are so many."""
        while len(self.waiting) < count:
            self._arrived.clear()
            await self._arrived.wait()
        return self.waiting

    def let_go(self, *bodies: bytes) -> None:
        for body in bodies:
            self._open.setdefault(body, asyncio.Event()).set()


async def test_events_of_one_resource_stay_in_order(opened: Opener) -> None:
    """The next leaves after the answer to the one before."""
    gate = Gate()
    async with speaking(gate.speak) as app, opened() as run:
        for body in (b"1", b"2", b"3"):
            await run.event(live(app), body=body, resource="call-1")
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            running = group.create_task(run.forwarder.run())
            for n, body in enumerate((b"1", b"2", b"3"), 1):
                assert (await gate.has(n))[-1] == body
                assert len(gate.waiting) == n
                gate.let_go(body)
            await run.forwarder.drained()
            running.cancel()


async def test_other_resources_do_not_wait(opened: Opener) -> None:
    """Nor do events that are of none."""
    gate = Gate()
    async with speaking(gate.speak) as app, opened() as run:
        await run.event(live(app), body=b"slow", resource="call-1")
        await run.event(live(app), body=b"other", resource="call-2")
        await run.event(live(app), body=b"none")
        await run.event(live(app), body=b"none either")
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            running = group.create_task(run.forwarder.run())
            assert set(await gate.has(4)) == {
                b"slow",
                b"other",
                b"none",
                b"none either",
            }
            gate.let_go(*gate.waiting)
            await run.forwarder.drained()
            running.cancel()


async def test_no_more_go_at_once_than_asked_for(opened: Opener) -> None:
    """The rest waits its turn."""
    gate = Gate()
    bodies = [b"%d" % n for n in range(5)]
    async with speaking(gate.speak) as app, opened(concurrency=2) as run:
        for body in bodies:
            await run.event(live(app), body=body)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            running = group.create_task(run.forwarder.run())
            assert await gate.has(2) == bodies[:2]
            gate.let_go(b"0")
            assert await gate.has(3) == bodies[:3]
            gate.let_go(*bodies)
            await run.forwarder.drained()
            running.cancel()
    assert app.connections == 2


async def test_a_slow_original_does_not_hold_up_the_application(opened: Opener) -> None:
    """They have slots of their own."""
    gate = Gate()
    async with AsyncExitStack() as stack:
        original = await stack.enter_async_context(speaking(gate.speak))
        app = await stack.enter_async_context(endpoint())
        mirror = Mirror(uri=original.url, method="POST")
        async with opened(concurrency=1, mirror=mirror) as run:
            first = await run.event(ORIGINAL, live(app), body=b"1", resource="call-1")
            second = await run.event(ORIGINAL, live(app), body=b"2", resource="call-1")
            async with asyncio.timeout(10), asyncio.TaskGroup() as group:
                running = group.create_task(run.forwarder.run())
                await run.journal.first_attempt(second)
                assert await gate.has(1) == [b"1"]
                assert statuses(run.attempts(first)) == [200]
                gate.let_go(b"1", b"2")
                await run.forwarder.drained()
                running.cancel()


# --- whose deliveries ----------------------------------------------------------------


async def test_only_the_sessions_own_deliveries_are_sent(opened: Opener) -> None:
    """What another one left behind is not sent by itself."""
    async with endpoint() as app, opened() as run:
        left = await run.event(live(app), body=b"of another session")
        await run.journal.begin(
            profile="p", account=None, source="up", process=this_process()
        )
        await run.event(live(app), body=b"ours")
        await run.forwarded()
        delivery = run.delivery(left)
    assert app.bodies == [b"ours"]
    assert delivery.state is State.PENDING


async def test_a_delivery_that_somebody_else_claimed_is_left(opened: Opener) -> None:
    """Two processes never both send it."""
    async with endpoint() as app, opened() as run:
        event = await run.event(live(app), body=b"taken")
        await run.event(live(app), body=b"free")
        taken = run.delivery(event).id
        await run.journal.write(lambda: run.store.claim(taken, "other", at(0)))
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            running = group.create_task(run.forwarder.run())
            await run.journal.first_attempt(event + 1)
            running.cancel()
    assert app.bodies == [b"free"]


# --- when nothing can be stored ------------------------------------------------------


async def test_a_database_that_is_held_for_a_while_loses_no_attempt(
    opened: Opener,
) -> None:
    """The event is sent once, and its attempt written when that can be done again."""
    async with opened() as run:
        holder = sqlite3.connect(run.store.path, isolation_level=None)

        def script(_: bytes) -> bytes:
            holder.execute("begin immediate")
            return OK

        async with endpoint(script) as app:
            event = await run.event(live(app))
            async with asyncio.timeout(20), asyncio.TaskGroup() as group:
                running = group.create_task(run.forwarder.run())
                await run.clock.has_slept.wait()
                holder.execute("rollback")
                await run.forwarder.drained()
                running.cancel()
        holder.close()
        attempts = run.attempts(event)
    assert statuses(attempts) == [200]
    assert len(app.requests) == 1
