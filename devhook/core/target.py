"""Where events are forwarded to: TARGET as typed -> URL -> the URL of one request."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

from devhook.core.account_api import mask_url
from devhook.core.match import matches_glob
from devhook.core.network import refused_address
from devhook.errors import UsageError

_PORT = re.compile(r":?(\d{1,5})(/.*)?\Z", re.DOTALL)
_HOST_PORT = re.compile(
    r"(\[[0-9A-Fa-f:.]+\]|[^/:?#@\s]+):(\d{1,5})([/?].*)?\Z", re.DOTALL
)
_BLANK = re.compile(r"[\x00-\x20\x7f]")
_ORIGIN = re.compile(r"[A-Za-z]+://[^/?#]*")
_NOT_IN_A_LINE = re.compile(r"[^\x21-\x7e]+")
_HINT = "type a port (3000), host:port, 3000/webhooks or a URL"


def parse_target(text: str) -> str:
    """The URL that `3000`, `:3000`, `host:port`, `3000/webhooks` or a URL stand for.

    Raises UsageError for what is none of these, and for addresses that events must
    never reach (link-local, cloud metadata).
    """
    text = text.strip()
    if match := _PORT.match(text):
        url = f"http://127.0.0.1:{match[1]}{match[2] or '/'}"
    elif match := _HOST_PORT.match(text):
        url = f"http://{match[1]}:{match[2]}{match[3] or '/'}"
    else:
        url = text
    try:
        parts = urlsplit(url)
        wrong = parts.port == 0 or _BLANK.search(text)
    except ValueError:
        raise UsageError(f"{_shown(text)} is no target", hint=_HINT) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or wrong:
        raise UsageError(f"{_shown(text)} is no target", hint=_HINT)
    if reason := refused_address(parts.hostname):
        raise UsageError(
            f"{_shown(text)} is refused as a target: {reason}",
            hint="name the address of your own application",
        )
    path, query = parts.path or "/", parts.query
    return encoded(urlunsplit((parts.scheme, parts.netloc, path, query, "")))


def encoded(url: str, encoding: str = "utf-8") -> str:
    """What no request line can hold is percent-encoded, all else stays as it is.

    The host too stays: it never stands in a request line.
    """
    origin = _ORIGIN.match(url)
    at = origin.end() if origin else 0

    def percent(found: re.Match[str]) -> str:
        return quote(found[0], encoding=encoding)

    return url[:at] + _NOT_IN_A_LINE.sub(percent, url[at:])


def request_url(target: str, incoming: str) -> str:
    """The target's path as given; the query of the incoming raw target appended."""
    query = incoming.partition("?")[2]
    if not query:
        return target
    return f"{target}{'&' if '?' in target else '?'}{query}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Which event goes where: the first route whose glob matches, else the target.

    `only` limits forwarding to the event types it matches; empty is all.
    """

    target: str | None
    routes: Sequence[tuple[str, str]] = ()
    only: Sequence[str] = ()

    def target_of(self, event_type: str | None) -> str | None:
        name = event_type or ""
        if self.only and not matches_glob(name, self.only):
            return None
        for glob, url in self.routes:
            if matches_glob(name, (glob,)):
                return url
        return self.target


def parse_route(text: str) -> tuple[str, str]:
    """`GLOB=URL`, the URL in any form a target has."""
    glob, equals, target = text.partition("=")
    if not equals or not glob or not target:
        raise UsageError(
            f"{text!r} is no route", hint="--route 'call_*=http://localhost:4000/calls'"
        )
    return glob, parse_target(target)


def _shown(text: str) -> str:
    """A target may hold a password."""
    return repr(mask_url(text))
