"""What a relay is told when it is started."""

import ssl
from dataclasses import dataclass

from devhook.core.relay import HEARTBEAT, PATIENCE, REQUESTS, WINDOW
from devhook.core.relay_lease import PublicBase, Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds and bytes.

    `wait`: how long a request waits for its client to come back. `grace`: how long
    after the start every well-formed name is waited for, since a relay that was
    restarted knows nobody. `keep`: how long a client that was lost is still waited for.
    `answer`: from the last byte passed on to the head of the answer. `idle`: between
    two pieces of a body. `stop`: what is under way may take so long at the end.
    `requests`: under way at once for one client, waiting ones included.
    """

    body: int = 16 * 1024 * 1024
    wait: float = 10.0
    grace: float = 30.0
    keep: float = 3600.0
    answer: float = 60.0
    idle: float = 60.0
    stop: float = 10.0
    hello: float = 10.0
    keep_alive: float = 30.0
    requests: int = REQUESTS
    window: int = WINDOW
    heartbeat: float = HEARTBEAT
    patience: float = PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayConfig:
    """`port` 0 takes a free one; `public` None is the address that is listened on."""

    host: str
    port: int
    tokens: tuple[Token, ...]
    public: PublicBase | None = None
    tls: ssl.SSLContext | None = None
    limits: Limits = Limits()
