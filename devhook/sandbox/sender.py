"""The webhook sender: one delivery an event, tried three times, by its own setting.

It works from a copy of the account's setting that is brought up to date a while after
a change, reads that copy once per event, and sends the same bytes each time; anything
under 500 counts as delivered (voipbin/monorepo
`bin-webhook-manager/pkg/webhookhandler/message.go`, 2026-08-22).
"""

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from devhook.core.clock import Clock
from devhook.core.model import Request
from devhook.sandbox.background import Background
from devhook.sandbox.go_client import GoClient
from devhook.sandbox.go_connection import TransportError
from devhook.sandbox.go_request import GoRequest, NotSent, delivery_request
from devhook.sandbox.signing import signature
from devhook.sandbox.timing import Timing

TRIES = 3


class Outcome(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"  # any status under 500
    FAILED = "failed"  # after the third try
    REFUSED = "refused"  # before the first try
    NOWHERE = "nowhere"  # no URI is set


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the sender knows of the account."""

    uri: str
    method: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try: what was written (more than one request when redirected), what came."""

    started_at: datetime
    seconds: float
    requests: tuple[Request, ...]
    status: int | None
    error: str | None


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One event on its way; `done` is set when nothing more will be tried."""

    id: int
    setting: Setting
    body: bytes = field(repr=False)
    attempts: list[Attempt] = field(default_factory=list)
    outcome: Outcome = Outcome.PENDING
    reason: str | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def request(self) -> Request:
        """What was written first; an IndexError when nothing was."""
        return self.attempts[0].requests[0]


class Sender:
    """`setting` is the account's to bring up to date; the newest `keep` are kept."""

    def __init__(
        self,
        *,
        client: GoClient,
        work: Background,
        clock: Clock,
        timing: Timing,
        keep: int = 20_000,
    ) -> None:
        self.setting = Setting(uri="", method="", secret="")
        self.deliveries: deque[Delivery] = deque(maxlen=keep)
        self._client = client
        self._work = work
        self._clock = clock
        self._pause = timing.pause
        self._ids = itertools.count(1)

    def start(self, body: bytes) -> Delivery:
        delivery = Delivery(id=next(self._ids), setting=self.setting, body=body)
        self.deliveries.append(delivery)
        self._work.start(self._deliver(delivery))
        return delivery

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            delivery.outcome = await self._outcome(delivery)
        except NotSent as refusal:
            delivery.outcome, delivery.reason = Outcome.REFUSED, str(refusal)
        finally:
            delivery.done.set()

    async def _outcome(self, delivery: Delivery) -> Outcome:
        setting = delivery.setting
        if not setting.uri:
            return Outcome.NOWHERE
        signed = signature(setting.secret, delivery.body) if setting.secret else None
        request = delivery_request(setting.method, setting.uri, delivery.body, signed)
        await self._client.check(request.url)
        for _ in range(TRIES):
            if delivery.attempts:
                await self._clock.sleep(self._pause)
            attempt = await self._attempt(request)
            delivery.attempts.append(attempt)
            if attempt.status is not None and attempt.status < 500:
                return Outcome.DELIVERED
        return Outcome.FAILED

    async def _attempt(self, request: GoRequest) -> Attempt:
        started_at, start = self._clock.now(), self._clock.monotonic()
        sent: list[Request] = []
        status, error = None, None
        try:
            status = await self._client.send(request, sent)
        except TransportError as failure:
            error = str(failure)
        return Attempt(
            started_at=started_at,
            seconds=self._clock.monotonic() - start,
            requests=tuple(sent),
            status=status,
            error=error,
        )
