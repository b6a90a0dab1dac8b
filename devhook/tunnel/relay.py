"""The home-grown tunnel: one outbound WebSocket to a devhook relay, kept for ever.

The first connection is made at once or not at all. A lost one is made anew until the
tunnel is closed, ever more slowly, and the lease secret keeps the public URL the same.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from typing_extensions import override
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidStatus,
    ProxyError,
    WebSocketException,
)
from websockets.typing import Subprotocol

from devhook.core.clock import Clock
from devhook.core.network import Network, is_loopback, proxy_for, tls_context
from devhook.core.relay import (
    CONNECT_PATH,
    HEARTBEAT,
    MAX_MESSAGE,
    PATIENCE,
    SUBPROTOCOL,
    Farewell,
    Frame,
    Goodbye,
    Hello,
    ProtocolError,
    Welcome,
)
from devhook.core.relay_codec import decode, encode
from devhook.core.relay_lease import PublicBase
from devhook.errors import (
    ConfigError,
    DevhookError,
    LeaseError,
    RelayRefused,
    TunnelError,
    UsageError,
)
from devhook.tunnel import Tunnel
from devhook.tunnel.kept import Connection, KeptTunnel

_CONNECT_WITHIN: Final = 10.0

# websockets would log the handshake, which holds the token.
_silent = logging.getLogger("devhook.tunnel.websocket")
_silent.disabled = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a client reaches its relay, and who it says it is there."""

    base: PublicBase
    token: str = field(repr=False)
    hello: Hello
    network: Network

    @property
    def url(self) -> str:
        return self.base.text

    @property
    def secure(self) -> bool:
        return self.base.scheme == "https"


@asynccontextmanager
async def open_relay(
    relay: str,
    token: str | None,
    *,
    local: str,
    network: Network,
    clock: Clock,
    lease: str,
    instance: str,
    takeover: bool,
    chance: Callable[[], float],
    heartbeat: float = HEARTBEAT,
    patience: float = PATIENCE,
) -> AsyncIterator[Tunnel]:
    """Raises RelayRefused, LeaseError or TunnelError when it cannot be opened now."""
    way = Way(
        base=_base(relay),
        token=_token(token),
        hello=Hello(lease=lease, instance=instance, agent="devhook"),
        network=network,
    )
    # Taken over once: two clients that did it each time would never end.
    first = replace(way, hello=replace(way.hello, takeover=takeover))
    tunnel = KeptTunnel(
        lambda: _connected(way),
        local,
        warning=_warning(way),
        clock=clock,
        chance=chance,
        heartbeat=heartbeat,
        patience=patience,
    )
    tunnel.use(await _connected(first))
    failure: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(tunnel.keep())
            try:
                yield tunnel
            except Exception as exc:  # noqa: BLE001  raised below, and not as a group
                failure = exc
            finally:
                keeping.cancel()
    finally:
        await tunnel.leave()
    if failure is not None:
        raise failure


class _Socket:
    """A WebSocket as the carrier wants it."""

    def __init__(self, ws: ClientConnection) -> None:
        self._ws = ws

    async def send(self, message: bytes) -> None:
        try:
            await self._ws.send(message)
        except ConnectionClosed as exc:
            raise ConnectionError("the connection to the relay was lost") from exc

    async def receive(self) -> bytes:
        try:
            message = await self._ws.recv()
        except ConnectionClosed as exc:
            raise ConnectionError("the connection to the relay was lost") from exc
        if isinstance(message, str):
            raise ProtocolError("a message that is not binary")
        return message

    async def close(self) -> None:
        await self._ws.close()

    def abort(self) -> None:
        self._ws.transport.abort()


class _Connect(connect):
    """Follows no redirect: the token is for this relay."""

    @override
    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def _connected(way: Way) -> Connection:
    """Dial, say HELLO and be welcomed, within ten seconds."""
    try:
        async with asyncio.timeout(_CONNECT_WITHIN):
            ws = await _dialled(way)
            try:
                socket = _Socket(ws)
                await socket.send(encode(way.hello))
                welcome = _welcome(way, list(decode(await socket.receive())))
                return Connection(socket, way.hello, welcome)
            except BaseException:
                ws.transport.abort()
                raise
    except (OSError, WebSocketException, ProtocolError) as exc:
        raise _told(way, exc) from exc


async def _dialled(way: Way) -> ClientConnection:
    proxy = proxy_for(way.url, way.network)
    tls: dict[str, Any] = {}
    if way.secure:
        tls["ssl"] = tls_context(way.network)
    if proxy is not None and proxy.startswith("https:"):
        tls["proxy_ssl"] = tls_context(way.network)
    scheme = "wss" if way.secure else "ws"
    return await _Connect(
        f"{scheme}://{way.base.netloc}{CONNECT_PATH}",
        additional_headers={"Authorization": f"Bearer {way.token}"},
        user_agent_header="devhook",
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        compression=None,
        proxy=proxy,
        open_timeout=None,  # bounded by the caller, with the greeting
        ping_interval=None,  # the protocol has signs of life of its own
        close_timeout=2.0,
        logger=_silent,
        max_size=MAX_MESSAGE,
        max_queue=4,
        **tls,
    )


def _welcome(way: Way, frames: Sequence[Frame]) -> Welcome:
    match frames:
        case [Welcome() as welcome]:
            return welcome
        case [Goodbye(Farewell.LEASE_HELD)]:
            raise LeaseError(
                f"another client holds this public URL at the relay {way.url}",
                hint="end the other client, or take the URL over with --supersede",
            )
        case [Goodbye(Farewell.NO_COMMON_VERSION)]:
            raise TunnelError(
                f"the relay {way.url} speaks another version of the protocol",
                hint="install the same version of devhook at both ends",
            )
        case _:
            raise ProtocolError("no WELCOME")


def _told(way: Way, exc: Exception) -> DevhookError:
    """What stands between us and the relay, in words, and never with a secret."""
    match exc:
        case InvalidStatus() if exc.response.status_code == 401:
            return RelayRefused(
                f"the relay {way.url} does not know this token",
                hint="--relay-token-file FILE or DEVHOOK_RELAY_TOKEN, as on the relay",
            )
        case InvalidStatus():
            reason = f"it answered {exc.response.status_code}: is it a devhook relay?"
        case ProxyError():
            reason = "the proxy did not let us through"
        case TimeoutError():
            reason = f"no welcome within {_CONNECT_WITHIN:g} s"
        case ssl.SSLCertVerificationError():
            return TunnelError(
                f"the certificate of the relay {way.url} is not trusted",
                hint="--ca-file FILE names the authority that signed it",
            )
        case OSError():
            reason = _of_os_error(exc)
        case _:
            reason = "it does not speak the tunnel's protocol"
    return TunnelError(
        f"the relay {way.url} cannot be reached: {reason}",
        hint="check --relay and that `devhook relay serve` runs there",
    )


def _of_os_error(exc: OSError) -> str:
    if isinstance(exc, ConnectionRefusedError):
        return "connection refused"
    return (exc.strerror or str(exc) or type(exc).__name__).lower()


def _base(relay: str) -> PublicBase:
    try:
        base = PublicBase.parse(relay)
        if base.wildcard:
            raise ValueError("it must name one host")
    except ValueError as exc:
        raise UsageError(
            f"--relay is no URL of a relay: {exc}",
            hint="--relay https://relay.example.com",
        ) from exc
    return base


def _token(token: str | None) -> str:
    if not token:
        raise ConfigError(
            "there is no token for the relay",
            hint="--relay-token-file FILE or DEVHOOK_RELAY_TOKEN",
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            "the relay's token holds characters that no token has",
            hint="one line with the token alone in --relay-token-file",
        )
    return token


def _warning(way: Way) -> str | None:
    if way.secure or is_loopback(way.base.hostname):
        return None
    return "the relay is plain http: token and events travel readable by others"
