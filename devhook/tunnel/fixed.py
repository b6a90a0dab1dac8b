"""A public URL of the user's own that leads to `--listen`: nothing is opened."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from devhook.core.network import is_loopback
from devhook.errors import UsageError
from devhook.tunnel import Change, Tunnel, Up

_HINT = "--public-url https://hooks.example.com/dev --listen 127.0.0.1:8765"


@dataclass(frozen=True, slots=True)
class Fixed:
    """Never away, as far as we can know: the session's challenge tells more."""

    public_url: str
    warning: str | None
    kind: str = "public-url"

    async def changes(self) -> AsyncIterator[Change]:
        await asyncio.Event().wait()
        yield Up(public_url=self.public_url)  # never: nothing tells us of a change


@asynccontextmanager
async def open_fixed(public_url: str) -> AsyncIterator[Tunnel]:
    """Raises UsageError for what cannot be a base that we add a path to."""
    try:
        parts = urlsplit(public_url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = None
    if not known:
        raise UsageError("--public-url is no http or https URL", hint=_HINT)
    if "@" in parts.netloc or "?" in public_url or "#" in public_url:
        raise UsageError(
            "--public-url holds more than scheme, host, port and path", hint=_HINT
        )
    warning = None
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        warning = "the public URL is plain http: events travel readable by others"
    yield Fixed(public_url.rstrip("/"), warning)
