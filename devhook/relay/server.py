"""The relay: one port for the world and for the clients of its tunnels.

Requests for a lease go to `carry`; the rest is the relay's own: `/connect`, where
clients come in, and `/healthz`. It answers 2xx for nobody else.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

from devhook.core.clock import Clock
from devhook.core.relay import (
    CONNECT_PATH,
    MAX_MESSAGE,
    SUBPROTOCOL,
    VERSION,
    Farewell,
    Goodbye,
    Hello,
    ProtocolError,
    Welcome,
)
from devhook.core.relay_codec import decode, encode
from devhook.core.relay_lease import PublicBase, holder, lease_name
from devhook.errors import DevhookError
from devhook.relay.answer import (
    NO_SUCH_URL,
    NO_WEBSOCKET,
    OK,
    STOPPING,
    WRONG_TOKEN,
    Declined,
    own_answer,
)
from devhook.relay.carry import carry, raw_target
from devhook.relay.config import RelayConfig
from devhook.relay.leases import Leases
from devhook.relay.line import Line

log = logging.getLogger(__name__)

# aiohttp would log the heads of requests that are no HTTP; they may hold a secret.
_silent = logging.getLogger("devhook.relay.http")
_silent.disabled = True


class Relay:
    """`url` is where it listens, `public` where the world and its clients find it."""

    def __init__(self, config: RelayConfig, clock: Clock, url: str) -> None:
        self.url = url
        self.public = config.public or PublicBase.parse(url)
        self._config = config
        self._limits = config.limits
        self._clock = clock
        self._leases = Leases(config.limits, clock)
        self._under_way = 0
        self._idle = asyncio.Event()
        self._stopping = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        host, target = request.headers.get("Host", ""), raw_target(request)
        try:
            if self.public.leads(host, target):
                return await self._carry(request, self.public.name(host, target))
            match target:
                case "/healthz":
                    return own_answer(request, OK)
                case _ if target == CONNECT_PATH:
                    return await self._connect(request)
                case _:
                    raise Declined(NO_SUCH_URL)
        except Declined as exc:
            return own_answer(request, exc.own)
        except Exception:
            log.exception("a request failed")
            raise

    async def stop(self) -> None:
        """Let what is under way end, within the limit; then say goodbye to clients."""
        self._stopping = True
        self._tell_idle()
        try:
            async with asyncio.timeout(self._limits.stop):
                await self._idle.wait()
        except TimeoutError:
            log.warning("%d requests were cut off", self._under_way)
        for line in self._leases.lines():
            line.leave(Farewell.STOPPING)

    async def _carry(
        self, request: web.BaseRequest, name: str | None
    ) -> web.StreamResponse:
        if self._stopping:
            raise Declined(STOPPING)
        self._under_way += 1
        try:
            async with self._leases.request(name) as line:
                return await carry(request, line, self._limits)
        finally:
            self._under_way -= 1
            self._tell_idle()

    def _tell_idle(self) -> None:
        if self._stopping and not self._under_way:
            self._idle.set()

    async def _connect(self, request: web.BaseRequest) -> web.StreamResponse:
        token_name = self._token_name(request)
        ws = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            compress=False,
            max_msg_size=MAX_MESSAGE + 1,
            timeout=2.0,
        )
        if self._stopping:
            raise Declined(STOPPING)
        if not ws.can_prepare(request):
            raise Declined(NO_WEBSOCKET)
        await ws.prepare(request)
        try:
            hello = await self._hello(ws)
        except ProtocolError as exc:
            return await _refuse(ws, Farewell.BROKEN_RULES, str(exc))
        if VERSION not in hello.versions:
            return await _refuse(ws, Farewell.NO_COMMON_VERSION)
        name = lease_name(token_name, hello.lease)
        if not self._leases.may_claim(
            name, instance=hello.instance, takeover=hello.takeover
        ):
            log.info("%s: refused, another client holds it", name)
            return await _refuse(ws, Farewell.LEASE_HELD)
        await self._hold(request, ws, name, hello)
        return ws

    async def _hold(
        self,
        request: web.BaseRequest,
        ws: web.WebSocketResponse,
        name: str,
        hello: Hello,
    ) -> None:
        """Serve a client's connection for as long as it lives."""
        welcome = Welcome(public_url=self.public.url(name), window=self._limits.window)
        line = Line(
            ws,
            request.transport,
            hello,
            welcome,
            limits=self._limits,
            clock=self._clock,
        )
        self._leases.claim(name, line)
        log.info("%s: connected from %s", name, request.remote)
        try:
            await line.run()
        finally:
            self._leases.release(name, line)
            log.info("%s: %s", name, "left" if line.done else "lost")

    def _token_name(self, request: web.BaseRequest) -> str:
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        name = holder(self._config.tokens, secret.strip())
        if kind.lower() != "bearer" or name is None:
            log.warning("a client with a wrong token from %s", request.remote)
            raise Declined(WRONG_TOKEN)
        return name

    async def _hello(self, ws: web.WebSocketResponse) -> Hello:
        try:
            message = await ws.receive(timeout=self._limits.hello)
        except TimeoutError:
            raise ProtocolError("no HELLO in time") from None
        if message.type is not WSMsgType.BINARY:
            raise ProtocolError("no HELLO")
        match list(decode(message.data)):
            case [Hello() as hello]:
                return hello
            case _:
                raise ProtocolError("no HELLO, or more than that")


@asynccontextmanager
async def serve_relay(config: RelayConfig, *, clock: Clock) -> AsyncIterator[Relay]:
    """Listen; at the end let what is under way finish, within the limit.

    Raises DevhookError when the address cannot be listened on.
    """
    listening = _listen(config.host, config.port)
    scheme = "https" if config.tls else "http"
    relay = Relay(config, clock, f"{scheme}://{_netloc(listening)}")
    server = web.Server(
        relay.handle,
        handler_cancellation=True,
        auto_decompress=False,
        access_log=None,
        logger=_silent,
        keepalive_timeout=config.limits.keep_alive,
    )
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(server, sock=listening, ssl=config.tls)
    try:
        yield relay
    finally:
        listener.close()
        await relay.stop()
        server.pre_shutdown()
        await server.shutdown(timeout=2.0)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as exc:
        raise DevhookError(
            f"{host}:{port} cannot be listened on: {exc.strerror or exc}",
            hint="choose another address: --listen HOST:PORT",
        ) from exc


def _netloc(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _refuse(
    ws: web.WebSocketResponse, why: Farewell, text: str = ""
) -> web.StreamResponse:
    await ws.send_bytes(encode(Goodbye(why, text)))
    await ws.close()
    return ws
