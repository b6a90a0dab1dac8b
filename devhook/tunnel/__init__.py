"""The seam behind which every kind of tunnel stands: a public URL to a loopback URL.

A kind is one file: an async context manager that yields a `Tunnel`. What a session
needs is the public URL, and word of when the tunnel is away and when it is back.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, assert_never

from devhook.core.clock import Clock
from devhook.core.network import Network
from devhook.errors import TunnelError

Kind: TypeAlias = Literal["auto", "relay", "fixed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the user said about the tunnel; None is not said."""

    kind: str = "auto"
    relay: str | None = None
    relay_token: str | None = field(default=None, repr=False)
    public_url: str | None = None

    def resolved(self) -> Literal["relay", "fixed"]:
        """The kind to open: what was named, or the first that is ready."""
        if self.public_url is not None:
            return "fixed"
        if self.kind == "relay" or (self.kind == "auto" and self.relay is not None):
            return "relay"
        raise TunnelError(
            "no tunnel is configured",
            hint=(
                "a URL of your own: --public-url URL --listen HOST:PORT; "
                "a devhook relay: --relay URL --relay-token-file FILE"
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """The tunnel leads here again, by this public URL."""

    public_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """It does not; the next try comes in so many seconds."""

    reason: str
    attempt: int
    in_seconds: float


Change: TypeAlias = Up | Down


class Tunnel(Protocol):
    """An open tunnel. `public_url` is a base without a slash at its end."""

    kind: str
    public_url: str
    warning: str | None

    def changes(self) -> AsyncIterator[Change]:
        """Every change from now on, for ever."""


def open_tunnel(
    choice: Choice, *, local: str, network: Network, clock: Clock
) -> AbstractAsyncContextManager[Tunnel]:
    """Open the kind that was chosen, to the loopback URL `local`.

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

            return open_relay(choice, local=local, network=network, clock=clock)
        case _:
            assert_never(kind)
