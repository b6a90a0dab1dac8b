"""The sandbox, as a synchronous test sees it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from devhook import shipped
from devhook.sandbox import Customer, Sandbox, Timing
from devhook.system import SystemClock, new_id
from devhook.testing.background import Background


class SandboxView:
    """The platform on loopback; every test finds it as new."""

    background: Background

    def __init__(self, sandbox: Sandbox) -> None:
        self.api_url = sandbox.api_url
        self.access_key = sandbox.access_key
        self.secret = sandbox.secret
        self._sandbox = sandbox

    @property
    def customer(self) -> Customer:
        """The account as it is now."""
        return self._sandbox.account

    def point(self, webhook_uri: str, webhook_method: str = "POST") -> None:
        """Set where the account's events go, as a PUT of the API would."""
        self.background.run(self._point(webhook_uri, webhook_method))

    def emit(self, type: str, /, **changes: Any) -> int | None:
        """Make an event happen; the status that its endpoint answered last.

        A change names a field of the event's `data`. None when nobody answered.
        """
        return self.background.run(self._emit(type, changes))

    def fail_next(self, times: int = 1, *, status: int = 503, **script: Any) -> None:
        """Answer the next API requests with this status; see the sandbox's faults."""
        self.background.run(self._fail(times, status, script))

    def reset(self) -> None:
        self.background.run(self._reset())

    async def _point(self, uri: str, method: str) -> None:
        self._sandbox.change(webhook_uri=uri, webhook_method=method)

    async def _emit(self, type: str, changes: dict[str, Any]) -> int | None:
        delivery = await self._sandbox.emit(type, **changes)
        return delivery.attempts[-1].status if delivery.attempts else None

    async def _fail(self, times: int, status: int, script: dict[str, Any]) -> None:
        self._sandbox.fault(times=times, status=status, **script)

    async def _reset(self) -> None:
        self._sandbox.reset()


@asynccontextmanager
async def sandbox() -> AsyncIterator[SandboxView]:
    catalogue = {
        name: json.loads(shipped.event(name).events[0].body)
        for name in shipped.event_types()
    }
    opened = Sandbox.open(
        clock=SystemClock(),
        new_id=new_id,
        catalogue=catalogue,
        timing=Timing(cache_delay=0),
    )
    async with opened as running:
        yield SandboxView(running)
