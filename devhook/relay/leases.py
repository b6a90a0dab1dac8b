"""Which client holds which name, and who waits for a client to come back.

Nothing is stored: a name is its client's for as long as the client is connected, and
for a while after it was lost. For a while after the start every name may be somebody's,
because a relay that was restarted knows nobody yet; then it is waited for as well.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from devhook.core.clock import Clock
from devhook.core.relay import Farewell
from devhook.relay.answer import BUSY, CLIENT_AWAY, NO_SUCH_URL, Declined
from devhook.relay.config import Limits
from devhook.relay.line import Line


@dataclass(slots=True)
class _Lease:
    """`ends_at` is when a name without a client is forgotten, in monotonic seconds."""

    ends_at: float
    line: Line | None = None
    requests: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


class Leases:
    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._grace_ends_at = clock.monotonic() + limits.grace
        self._leases: dict[str, _Lease] = {}

    def lines(self) -> list[Line]:
        return [lease.line for lease in self._leases.values() if lease.line]

    def may_claim(self, name: str, *, instance: str, takeover: bool) -> bool:
        """A client may replace itself at once, another only when it says so."""
        lease = self._leases.get(name)
        held = lease.line if lease else None
        return held is None or takeover or held.instance == instance

    def claim(self, name: str, line: Line) -> None:
        """Give the name to this line; whoever had it leaves, and is told why."""
        self._forget()
        lease = self._leases.setdefault(name, _Lease(self._grace_ends_at))
        if lease.line is not None:
            itself = lease.line.instance == line.instance
            lease.line.leave(Farewell.REPLACED if itself else Farewell.TAKEN_OVER)
        lease.line = line
        lease.arrived.set()

    def release(self, name: str, line: Line) -> None:
        """The line has ended; a client that did not take its leave is waited for."""
        lease = self._leases.get(name)
        if lease is not None and lease.line is line:
            lease.line = None
            lease.arrived.clear()
            if not line.done:
                lease.ends_at = self._clock.monotonic() + self._limits.keep
            self._forget()

    @asynccontextmanager
    async def request(self, name: str | None) -> AsyncIterator[Line]:
        """The line for one public request, waited for; Declined when there is none."""
        lease = self._wanted(name)
        if lease is None:
            raise Declined(NO_SUCH_URL)
        if lease.requests >= self._limits.requests:
            raise Declined(BUSY)
        lease.requests += 1
        try:
            yield await self._arrived(lease)
        finally:
            lease.requests -= 1

    def _wanted(self, name: str | None) -> _Lease | None:
        if name is None:
            return None
        now = self._clock.monotonic()
        lease = self._leases.get(name)
        if lease is None and now < self._grace_ends_at:
            lease = self._leases[name] = _Lease(self._grace_ends_at)
        if lease is None or (lease.line is None and now >= lease.ends_at):
            return None
        return lease

    async def _arrived(self, lease: _Lease) -> Line:
        try:
            async with asyncio.timeout(self._limits.wait):
                while lease.line is None:
                    await lease.arrived.wait()
        except TimeoutError:
            raise Declined(CLIENT_AWAY) from None
        return lease.line

    def _forget(self) -> None:
        now = self._clock.monotonic()
        self._leases = {
            name: lease
            for name, lease in self._leases.items()
            if lease.line or lease.requests or now < lease.ends_at
        }
