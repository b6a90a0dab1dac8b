"""The seam behind which every kind of tunnel stands: a public URL to a loopback URL.

A kind is one file: an async context manager that yields a `Tunnel`. What a session
needs is the public URL, and word of when the tunnel is away and when it is back.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeAlias, assert_never

from devhook.core.clock import Clock
from devhook.core.network import Network
from devhook.errors import TunnelError, UsageError

Kind: TypeAlias = Literal["relay", "fixed"]

_NONE_READY = (
    "a devhook relay: --relay URL --relay-token-file FILE; "
    "a public URL of your own: --public-url URL --listen HOST:PORT"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the user said about the tunnel; None is not said.

    `takeover` takes the public URL from another client that holds it.
    """

    kind: str = "auto"
    relay: str | None = None
    relay_token: str | None = field(default=None, repr=False)
    public_url: str | None = None
    takeover: bool = False

    def resolved(self) -> Kind:
        """The kind to open: what was named, or the first that is ready.

        Raises TunnelError when none is, UsageError when the named one lacks its URL.
        """
        match self.kind:
            case "auto" | "fixed" if self.public_url is not None:
                return "fixed"
            case "auto" | "relay" if self.relay is not None:
                return "relay"
            case "auto":
                raise TunnelError("no tunnel is configured", hint=_NONE_READY)
            case "relay" | "fixed":
                raise UsageError(f"no URL for --tunnel {self.kind}", hint=_NONE_READY)
            case _:
                raise UsageError(f"no tunnel is called {self.kind!r}", hint=_NONE_READY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """The tunnel leads here again, by this public URL."""

    public_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """It does not; `since` is when it last showed that it did."""

    reason: str
    attempt: int
    in_seconds: float
    since: datetime


Change: TypeAlias = Up | Down


class Tunnel(Protocol):
    """An open tunnel. `public_url` is a base without a slash at its end."""

    @property
    def kind(self) -> str: ...

    @property
    def public_url(self) -> str: ...

    @property
    def warning(self) -> str | None:
        """What the user should know of this way in, e.g. that it is not encrypted."""

    def changes(self) -> AsyncIterator[Change]:
        """Every change since the tunnel was opened, for ever; for one reader."""


def open_tunnel(
    choice: Choice,
    *,
    local: str,
    network: Network,
    clock: Clock,
    lease: str,
    instance: str,
    chance: Callable[[], float],
) -> AbstractAsyncContextManager[Tunnel]:
    """Open the kind that was chosen, to the loopback URL `local`.

    `lease` is a secret of 128 bits or more from which a relay derives the public URL;
    `instance` names this run; `chance` gives numbers in [0, 1).

    Raises TunnelError, RelayRefused or LeaseError when it cannot be opened; a tunnel
    that is lost later is retried for ever.
    """
    kind = choice.resolved()
    match kind:
        case "fixed":
            from devhook.tunnel.fixed import open_fixed

            return open_fixed(choice.public_url or "")
        case "relay":
            from devhook.tunnel.relay import open_relay

            return open_relay(
                choice.relay or "",
                choice.relay_token,
                local=local,
                network=network,
                clock=clock,
                lease=lease,
                instance=instance,
                takeover=choice.takeover,
                chance=chance,
            )
        case _:
            assert_never(kind)
