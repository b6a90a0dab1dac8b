"""Request -> event -> committed row -> answer: the one door in.

Every tunnel ends here. Whoever knows the path secret is recorded and answered 200 after
the commit; everybody else gets the same 404 and is only counted. What cannot be stored
is answered 503, which the platform sends again; never 200, never another 4xx. This room
knows nothing of forwarding: it hands the journal an event and the addresses it is bound
for, and with `--ack app` waits for what the journal says became of it.
"""

import asyncio
import hashlib
import hmac
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from devhook.core import http
from devhook.core.clock import Clock, NewId
from devhook.core.model import (
    Address,
    Capture,
    Request,
    Signature,
    Source,
)
from devhook.core.reading import read
from devhook.core.signature import badge, challenge_answer
from devhook.errors import DevhookError, StoreError
from devhook.store.journal import Journal

METHODS = frozenset(("POST", "PUT", "GET", "DELETE"))
MAX_BODY = 16 * 2**20
MAX_HELD = 64 * 2**20
"""Bytes of all bodies not yet committed; above it, 503."""

STORE_WITHIN = 4.0
READ_WITHIN = 10.0
APP_WITHIN = 4.0


@dataclass(slots=True, kw_only=True)
class Door:
    """What the capture server must know of its session.

    `prefixes` are the paths that some tunnels put before the secret's own and pass on.
    `account_secret` is the account's signing secret, None while it is not known.
    """

    path_secret: str = field(repr=False)
    control_key: str = field(repr=False)
    hop: str
    addresses: Callable[[Capture], Sequence[Address]]
    ack_app: bool = False
    require_signature: bool = False
    account_secret: str | None = field(default=None, repr=False)
    prefixes: tuple[str, ...] = ("",)

    def leads_in(self, path: bytes) -> bool:
        """Compared in constant time for each way in."""
        ways = [f"{p}/{self.path_secret}".encode("latin-1") for p in self.prefixes]
        return True in [hmac.compare_digest(path, way) for way in ways]


class CaptureServer:
    """The handler and what it counts. `failing_since` is monotonic, None when well."""

    def __init__(
        self, door: Door, journal: Journal, clock: Clock, new_id: NewId
    ) -> None:
        self.door = door
        self.refused = 0
        self.failing_since: float | None = None
        self._failed_at = 0.0
        self.url = ""
        self._journal = journal
        self._clock = clock
        self._new_id = new_id
        self._held = 0
        self._first_lost: datetime | None = None

    @property
    def failing_for(self) -> float:
        """Seconds from the first event that could not be stored to the latest.

        One failure and then silence is no trouble that lasts: nobody lost anything.
        """
        since = self.failing_since
        return 0.0 if since is None else self._failed_at - since

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        target = request.raw_path.encode("utf-8", "surrogateescape")
        headers = http.from_raw(request.raw_headers)
        if not self.door.leads_in(target.partition(b"?")[0]):
            return self._not_ours()
        nonce = http.first(headers, http.CHALLENGE)
        if nonce is not None and request.method == "GET":
            return web.Response(text=challenge_answer(self.door.path_secret, nonce))
        source = self._source(headers)
        if source is None or request.method not in METHODS:
            return self._not_ours()
        if self.door.hop in (http.first(headers, http.HOP) or "").split(","):
            await self._journal.tell("loop", method=request.method)
            return web.Response(status=508)
        try:
            async with asyncio.timeout(READ_WITHIN):
                body = await self._body(request)
        except TimeoutError:
            await self._lost("storage")  # a 4xx would count as delivered, for good
            return _unavailable(close=True)
        except (ConnectionError, web.RequestPayloadError):
            return _unavailable(close=True)  # it hung up: nobody reads this
        if body is None:
            await self._lost("oversize")
            return _unavailable()
        try:
            return await self._record(
                Request(
                    method=request.method,
                    target=target.decode("latin-1"),
                    headers=http.without(headers, [http.CONTROL]),
                    body=body,
                ),
                source,
                request.remote,
            )
        finally:
            self._held -= len(body)

    async def _record(
        self, request: Request, source: Source, remote: str | None
    ) -> web.Response:
        started = self._clock.monotonic()
        capture = Capture(
            uid=self._new_id(),
            received_at=self._clock.now(),
            source=source,
            request=request,
            body_sha256=hashlib.sha256(request.body).hexdigest(),
            reading=read(request.body),
            signature=badge(request.headers, request.body, self.door.account_secret),
            remote=remote,
        )
        refused = self.door.require_signature and capture.signature != Signature.OK
        addresses = () if refused else self.door.addresses(capture)
        try:
            async with asyncio.timeout(STORE_WITHIN):
                event_id = await self._journal.write(
                    lambda: self._journal.store.add_event(
                        self._journal.session_id, capture, addresses
                    )
                )
        except StoreError as exc:
            return await self._not_stored(exc.message)
        except TimeoutError:
            return await self._not_stored("the database did not answer within 4 s")
        if self.failing_since is not None:
            await self._stored_again()
        if refused:
            return web.Response(status=401)
        if self.door.ack_app and addresses:
            left = APP_WITHIN - (self._clock.monotonic() - started)
            return await self._as_the_app(event_id, left)
        return web.Response()

    async def _as_the_app(self, event_id: int, within: float) -> web.Response:
        try:
            async with asyncio.timeout(within):
                attempt = await self._journal.first_attempt(event_id)
        except TimeoutError:
            return web.Response()
        return web.Response(status=attempt.outcome.status or 502)

    async def _body(self, request: web.BaseRequest) -> bytes | None:
        """The raw bytes, counted as held; None when they are too many."""
        if (request.content_length or 0) > MAX_BODY:
            return None
        chunks: list[bytes] = []
        size = 0
        kept = False
        try:
            async for chunk in request.content.iter_any():
                size += len(chunk)
                self._held += len(chunk)
                if size > MAX_BODY or self._held > MAX_HELD:
                    return None
                chunks.append(chunk)
            kept = True
        finally:
            if not kept:
                self._held -= size
        return b"".join(chunks)

    def _source(self, headers: http.Headers) -> Source | None:
        """Our own commands show the control key; a wrong one is not ours."""
        shown = http.first(headers, http.CONTROL)
        if shown is None:
            return Source.WEBHOOK
        key = self.door.control_key.encode()
        good = hmac.compare_digest(shown.encode("latin-1"), key)
        return Source.TRIGGER if good else None

    async def _lost(self, reason: str) -> None:
        now = self._clock.now()
        await self._missed(reason, now, now)

    async def _not_stored(self, why: str) -> web.Response:
        """Say it once for each time of trouble; the gap is kept when it is over."""
        self._failed_at = self._clock.monotonic()
        if self.failing_since is None:
            self.failing_since = self._failed_at
            self._first_lost = self._clock.now()
            await self._journal.tell("storage", message=why)
        return _unavailable()

    async def _stored_again(self) -> None:
        since, self._first_lost = self._first_lost, None
        self.failing_since = None
        if since is not None:
            await self._missed("storage", since, self._clock.now())

    async def _missed(self, reason: str, since: datetime, until: datetime) -> None:
        """A gap that cannot be kept must not change what the platform is answered."""
        with suppress(StoreError):
            await self._journal.missed(reason, since, until)

    def _not_ours(self) -> web.Response:
        self.refused += 1
        return web.Response(status=404)


def _unavailable(*, close: bool = False) -> web.Response:
    response = web.Response(status=503, headers={"Retry-After": "1"})
    if close:
        response.force_close()
    return response


@asynccontextmanager
async def open_capture(
    door: Door,
    journal: Journal,
    clock: Clock,
    new_id: NewId,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[CaptureServer]:
    """Serve until the block ends; requests in flight get 5 s to be answered.

    Raises DevhookError when the address is taken, or none of this machine.
    """
    server = CaptureServer(door, journal, clock, new_id)
    low_level = web.Server(
        server.handle,
        auto_decompress=False,
        access_log=None,
        keepalive_timeout=30,
        logger=_logger(),
    )
    runner = web.ServerRunner(low_level, shutdown_timeout=5.0)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        bound = runner.addresses[0]
        server.url = f"http://{_in_url(bound[0])}:{bound[1]}"
        yield server
    finally:
        await runner.cleanup()


async def _listen(runner: web.ServerRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as exc:
        reason = os.strerror(exc.errno) if exc.errno and exc.errno > 0 else str(exc)
        raise DevhookError(
            f"{_in_url(host)}:{port} cannot be listened on: {reason}",
            hint="name a free port: --listen 127.0.0.1:8765, or 0 for any",
        ) from exc


def _logger() -> logging.Logger:
    logger = logging.getLogger("devhook.capture")
    logger.addFilter(_not_their_fault)
    return logger


def _not_their_fault(record: logging.LogRecord) -> bool:
    """Whoever finds the public URL could fill the screen with malformed requests."""
    exc = record.exc_info[1] if record.exc_info else None
    return not isinstance(exc, HttpProcessingError)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
