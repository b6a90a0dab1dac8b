"""A public URL of the user's own that leads to `--listen`: nothing is opened."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from devhook.core.network import is_loopback
from devhook.errors import UsageError
from devhook.tunnel import Change, Tunnel, Up

_HINT = "--public-url https://hooks.example.com/dev --listen 127.0.0.1:8765"


class Fixed:
    """Never away, as far as we can know: the session's challenge tells more."""

    kind = "public-url"

    def __init__(self, public_url: str, warning: str | None) -> None:
        self.public_url = public_url
        self.warning = warning

    async def changes(self) -> AsyncIterator[Change]:
        await asyncio.Event().wait()
        yield Up(public_url=self.public_url)  # never: nothing tells us of a change


@asynccontextmanager
async def open_fixed(public_url: str) -> AsyncIterator[Tunnel]:
    """Raises UsageError for what cannot be a base that we add a path to."""
    parts = urlsplit(public_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("--public-url is no http or https URL", hint=_HINT)
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError(
            "--public-url holds more than scheme, host, port and path", hint=_HINT
        )
    warning = None
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        warning = "the public URL is plain http: events travel readable by others"
    yield Fixed(public_url.rstrip("/"), warning)
