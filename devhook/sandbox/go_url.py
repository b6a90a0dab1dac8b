"""URLs as Go's `net/url` and `net/http` treat them: what is refused, what is sent.

Python's own parser lower-cases hosts and drops characters, so the reading is done here.
Checked against requests recorded from Go 1.26 (`tests/sandbox/go_requests.json`).
"""

import base64
import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote_to_bytes, urljoin

_PARTS = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?"
    r"(?://(?:(?P<userinfo>[^/?#]*)@)?(?P<host>[^/?#@]*))?"
    r"(?P<path>[^?#]*)"
    r"(?:\?(?P<query>[^#]*))?"
    r"(?:\#(?P<fragment>.*))?",
    re.DOTALL,
)
_HOST = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:]*))(?::(?P<port>[0-9]*))?")
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_SENT_AS_IS = re.compile(r"(?:[A-Za-z0-9\-_.~$&+,/:;=@!'()*\[\]]|%[0-9A-Fa-f]{2})*")
_KEPT = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~$&+,/:;=@"
)


class NotAUrl(Exception):
    """`url.Parse` would refuse it; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoUrl:
    """`netloc` is the host as written, with its port; `query` None without a `?`."""

    text: str
    scheme: str
    userinfo: str | None = field(repr=False)
    netloc: str
    hostname: str
    port: int
    path: str
    query: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises NotAUrl."""
        if _CONTROL.search(text):
            raise NotAUrl("control character in URL")
        parts = _PARTS.fullmatch(text)
        if parts is None:
            raise NotAUrl("not a URL")
        for name in ("userinfo", "host", "path", "fragment"):
            if _BAD_ESCAPE.search(parts[name] or ""):
                raise NotAUrl(f"invalid URL escape in the {name}")
        host = _HOST.fullmatch(parts["host"] or "")
        if host is None:
            raise NotAUrl("invalid port or host")
        name = host["v6"] or host["name"] or ""
        hostname = _ascii(name)
        netloc = (parts["host"] or "").removesuffix(":")
        scheme = (parts["scheme"] or "").lower()
        return cls(
            text=text,
            scheme=scheme,
            userinfo=parts["userinfo"],
            netloc=netloc if netloc.isascii() else netloc.replace(name, hostname),
            hostname=hostname,
            port=int(host["port"] or (443 if scheme == "https" else 80)),
            path=parts["path"],
            query=parts["query"],
        )

    def target(self) -> bytes:
        """The request target: path escaped where it must be, query as written."""
        path = self.path if _SENT_AS_IS.fullmatch(self.path) else _escaped(self.path)
        query = "" if self.query is None else f"?{self.query}"
        return (path or "/").encode() + query.encode()

    def authorization(self) -> str | None:
        """Userinfo goes out as Basic; None when there is none."""
        if self.userinfo is None:
            return None
        user, _, password = self.userinfo.partition(":")
        pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
        return f"Basic {base64.b64encode(pair).decode()}"

    def referer(self) -> str:
        """What a followed redirect says it came from: no userinfo, yet the fragment."""
        if self.userinfo is None:
            return self.text
        return self.text.replace(f"{self.userinfo}@", "", 1)

    def joined(self, location: str) -> Self:
        """The URL a redirect leads to; raises NotAUrl."""
        parsed = self.parse(location)
        if parsed.scheme:
            return parsed
        return self.parse(urljoin(self.text, location))


def _ascii(name: str) -> str:
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode()
    except UnicodeError as error:
        raise NotAUrl("host name has no ASCII form") from error


def _escaped(path: str) -> str:
    """`url.escape` of the decoded path: an escaped slash comes out as a plain one."""
    return "".join(
        chr(byte) if byte in _KEPT else f"%{byte:02X}"
        for byte in unquote_to_bytes(path)
    )
