"""What a takeover is to restore one day: the root of an account, and how it is known.

Most accounts simply say it. For one that points at a devhook session its marker says
it or, where that is missing, a record of this machine: a devhook URI is never a root.
And one may point at a tunnel that somebody forgot: it is restored as it is, and told.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from devhook.core.marker import marked_root
from devhook.core.model import Account, Setting, Takeover
from devhook.core.takeover import is_ours, setting_of

TUNNELS: Final = {
    "ngrok": ("ngrok-free.app", "ngrok-free.dev", "ngrok.app", "ngrok.dev", "ngrok.io"),
    "cloudflared": ("trycloudflare.com", "cfargotunnel.com"),
    "localtunnel": ("loca.lt", "localtunnel.me"),
    "serveo": ("serveo.net", "serveousercontent.com"),
    "localhost.run": ("localhost.run", "lhr.life", "lhr.rocks"),
    "dev tunnels": ("devtunnels.ms",),
    "Pinggy": ("pinggy.link", "pinggy.io", "pinggy.online"),
    "Tailscale Funnel": ("ts.net",),
    "zrok": ("share.zrok.io", "shares.zrok.io"),
    "tunnelmole": ("tunnelmole.net",),
    "bore": ("bore.pub",),
    "Telebit": ("telebit.io", "telebit.cloud"),
    "LocalXpose": ("loclx.io",),
    "PageKite": ("pagekite.me",),
    "Expose": ("sharedwithexpose.com",),
    "Hookdeck": ("hkdk.events",),
}
"""The domains under which tunnels to developers' machines are given out."""


class Known(StrEnum):
    """What tells a root."""

    ACCOUNT = "account"
    MARKER = "marker"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Origin:
    """`is_confirmed`: a record of this machine names the same root as the marker."""

    root: Setting
    known: Known
    is_confirmed: bool = True

    @property
    def is_left(self) -> bool:
        """Whether the account points at a devhook session, of here or elsewhere."""
        return self.known is not Known.ACCOUNT


def origin_of(account: Account, records: Iterable[Takeover]) -> Origin:
    """`records` are this machine's of the account, those that have ended too.

    Raises TakeoverError for a marker that this version cannot read.
    """
    records = list(records)
    own = _recorded(records, account.webhook_uri)
    marked = marked_root(account.webhook_uri)
    if marked is not None and (deeper := _recorded(records, marked.uri)):
        return Origin(deeper, Known.RECORD)
    if marked is not None:
        return Origin(marked, Known.MARKER, is_confirmed=marked == own)
    if own is not None:
        return Origin(own, Known.RECORD)
    return Origin(setting_of(account), Known.ACCOUNT)


def tunnel_of(uri: str) -> str | None:
    """The tunnel service a URI belongs to by its host; None when it is none of them."""
    try:
        host = (urlsplit(uri).hostname or "").rstrip(".")
    except ValueError:
        return None
    return next(
        (
            name
            for name, domains in TUNNELS.items()
            if any(host == d or host.endswith(f".{d}") for d in domains)
        ),
        None,
    )


def _recorded(records: Iterable[Takeover], uri: str) -> Setting | None:
    return next((record.root for record in records if is_ours(record, uri)), None)
