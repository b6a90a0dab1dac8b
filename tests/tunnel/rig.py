"""A tunnel as a session opens it, to a relay that really listens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from devhook.core.network import Network
from devhook.core.relay import HEARTBEAT, PATIENCE
from devhook.relay.config import Limits
from devhook.relay.server import Relay
from devhook.system import SystemClock
from devhook.tunnel import Change, Tunnel
from devhook.tunnel.relay import open_relay
from tests.endpoint import OK, Endpoint, Script, endpoint
from tests.relay.rig import SWIFT, TOKEN, Reply, a_relay, ask, path_of, request

LEASE = "canary-lease-secret"
NOBODY = "http://127.0.0.1:1"


def a_tunnel(
    relay: Relay | str,
    local: str,
    *,
    token: str | None = TOKEN,
    lease: str = LEASE,
    instance: str = "one",
    takeover: bool = False,
    network: Network | None = None,
    heartbeat: float = HEARTBEAT,
    patience: float = PATIENCE,
) -> AbstractAsyncContextManager[Tunnel]:
    return open_relay(
        relay if isinstance(relay, str) else relay.url,
        token,
        local=local,
        network=network or Network(),
        clock=SystemClock(),
        lease=lease,
        instance=instance,
        takeover=takeover,
        chance=lambda: 0.0,
        heartbeat=heartbeat,
        patience=patience,
    )


@dataclass(frozen=True)
class Way:
    """The whole way: relay, tunnel, local server."""

    relay: Relay
    tunnel: Tunnel
    local: Endpoint

    @property
    def path(self) -> str:
        return path_of(self.tunnel.public_url)

    async def ask(
        self, method: str, rest: str, *fields: str, body: bytes = b""
    ) -> Reply:
        asked = request(method, self.path + rest, *fields, body=body)
        return await ask(self.relay.url, asked)


@asynccontextmanager
async def the_whole_way(
    script: Script = OK, limits: Limits = SWIFT
) -> AsyncIterator[Way]:
    async with (
        endpoint(script) as local,
        a_relay(limits) as relay,
        a_tunnel(relay, local.url) as tunnel,
    ):
        yield Way(relay, tunnel, local)


async def next_change(tunnel: Tunnel) -> Change:
    async with asyncio.timeout(10):
        return await anext(aiter(tunnel.changes()))
