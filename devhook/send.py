"""One HTTP request to a target -> what it came to.

Nothing here raises for a target that is down, slow or wrong: that is an `Outcome`, a
value like any other.
"""

import asyncio
from dataclasses import dataclass, field
from urllib.parse import urljoin

from devhook.core import http
from devhook.core.clock import Clock
from devhook.core.model import Outcome
from devhook.core.target import encoded
from devhook.wire import Answer, Wire, WireError

MAX_KEPT = 2**20
"""Bytes of an answer's body that are kept; what is longer is cut."""

_LOSE_THE_BODY = (301, 302, 303)
_REDIRECTS = (*_LOSE_THE_BODY, 307, 308)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One request to be made. `timeout` is seconds in all.

    `redirects` is how many are followed; one more is an error, as it is for the
    platform's sender.
    """

    method: str
    url: str = field(repr=False)
    headers: http.Headers
    body: bytes = field(repr=False)
    timeout: float
    redirects: int = 0


class Sender:
    """Makes requests on one pool of connections."""

    def __init__(self, wire: Wire, clock: Clock) -> None:
        self._wire = wire
        self._clock = clock

    async def send(self, sending: Sending) -> Outcome:
        """Make the request; the outcome carries the answer, or why there is none."""
        started_at, started = self._clock.now(), self._clock.monotonic()
        taken = _Taken()
        error: str | None = None
        try:
            async with asyncio.timeout(sending.timeout):
                await self._exchange(sending, taken, started)
        except TimeoutError:
            error = f"no whole answer within {sending.timeout:g} s"
        except WireError as exc:
            error = str(exc)
        return Outcome(
            started_at=started_at,
            seconds=self._clock.monotonic() - started,
            seconds_to_headers=taken.seconds_to_headers,
            status=taken.status,
            error=error,
            headers=taken.headers,
            body=bytes(taken.body),
            cut=taken.cut,
        )

    async def _exchange(
        self, sending: Sending, taken: "_Taken", started: float
    ) -> None:
        method, url, body = sending.method, sending.url, sending.body
        headers, left = sending.headers, sending.redirects
        while True:
            url = url.partition("#")[0]
            async with self._wire.exchange(method, url, headers, body) as answer:
                location = http.first(answer.headers, "Location")
                if not (sending.redirects and location and answer.status in _REDIRECTS):
                    taken.seconds_to_headers = self._clock.monotonic() - started
                    await taken.read(answer)
                    return
            if not left:
                raise WireError("redirected too often")
            left -= 1
            url = _next_url(url, location)
            if answer.status in _LOSE_THE_BODY:
                method, body = "GET", b""
                headers = http.without(headers, ("Content-Length", "Content-Type"))


@dataclass(slots=True)
class _Taken:
    """What has come so far: kept even when the rest never comes."""

    seconds_to_headers: float | None = None
    status: int | None = None
    headers: http.Headers = ()
    body: bytearray = field(default_factory=bytearray)
    cut: bool = False

    async def read(self, answer: Answer) -> None:
        self.status, self.headers = answer.status, answer.headers
        async for chunk in answer.chunks():
            room = MAX_KEPT - len(self.body)
            self.body += chunk[:room]
            if len(chunk) > room:
                self.cut = True
                return


def _next_url(url: str, location: str) -> str:
    try:
        return encoded(urljoin(url, location), "latin-1")
    except ValueError as exc:
        raise WireError("redirected to what is no URL") from exc
