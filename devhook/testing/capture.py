"""A capture server for a test: what was sent to its URL, and waiting for it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from devhook.capture import Door, open_capture
from devhook.core.match import matches_glob, parse_where
from devhook.core.model import Event
from devhook.store.journal import Journal
from devhook.store.store import Store
from devhook.system import SystemClock, new_id, new_secret, this_process
from devhook.testing.background import Background


class Captured:
    """What came to `url`, in order."""

    background: Background

    def __init__(self, url: str, journal: Journal) -> None:
        self.url = url
        self._journal = journal

    @property
    def events(self) -> list[Event]:
        return self.background.run(self._events())

    def wait_for(
        self, *, type: str = "*", where: str | None = None, timeout: float = 5.0
    ) -> Event:
        """The first event whose type matches the glob, and whose body the expression.

        `timeout` is in seconds; AssertionError names what came instead.
        """
        try:
            return self.background.run(self._wait_for(type, where, timeout))
        except TimeoutError:
            came = [event.reading.event_type for event in self.events]
            wish = f"{type} where {where}" if where else type
            raise AssertionError(
                f"no event {wish} within {timeout:g} s; came: {came or 'nothing'}"
            ) from None

    async def _events(self) -> list[Event]:
        store = self._journal.store
        ids = [row["id"] for row in store.rows("select id from events order by id")]
        found = [store.event(event_id) for event_id in ids]
        return [event for event in found if event is not None]

    async def _wait_for(self, type: str, where: str | None, within: float) -> Event:
        expression = parse_where(where) if where else None
        async with asyncio.timeout(within):
            while True:
                changed = self._journal.changed()
                for event in await self._events():
                    fits = matches_glob(event.reading.event_type or "", [type])
                    if fits and (
                        expression is None or expression.matches(_json(event))
                    ):
                        return event
                await changed.wait()


def _json(event: Event) -> Any:
    try:
        return json.loads(event.request.body)
    except ValueError:
        return None


@asynccontextmanager
async def captured(path: Path) -> AsyncIterator[Captured]:
    clock = SystemClock()
    door = Door(
        path_secret=new_secret(),
        control_key=new_secret(),
        hop=new_id(),
        addresses=lambda _: (),
    )
    with Store(path) as store:
        async with Journal(store, clock) as journal:
            await journal.begin(profile="pytest", source="up", process=this_process())
            async with open_capture(door, journal, clock, new_id) as server:
                yield Captured(f"{server.url}/{door.path_secret}", journal)
