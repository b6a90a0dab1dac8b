"""Who may hold which public URL of a relay: tokens, names, and the shape of the URLs.

The name of a lease is derived from the client's own secret, so the same client gets the
same URL again from a relay that remembers nothing, and nobody else can ask for it. The
token's name goes into it too: holders of different tokens never share a name. Names are
26 letters and digits that also fit into a domain name.
"""

import hashlib
import hmac
import re
from base64 import b32encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

_NAME = re.compile(r"[a-z2-7]{26}")
_PURPOSE = b"devhook relay lease 1\0"
_PATH = "/t/"
_WILDCARD = "*."


@dataclass(frozen=True, slots=True)
class Token:
    """What lets a client in. `name` is "" for a token that was given none."""

    name: str
    digest: bytes = field(repr=False)


def token(secret: str, name: str = "") -> Token:
    return Token(name, _digest(secret))


def parse_tokens(text: str) -> tuple[Token, ...]:
    """A token a line, alone or after its name; `#` starts a comment.

    Two tokens of one name lead to the same URLs: so a token is changed without a break.
    Raises ValueError that names the line, and not what is in it.
    """
    tokens = []
    for number, line in enumerate(text.splitlines(), start=1):
        match line.partition("#")[0].split():
            case []:
                pass
            case [secret]:
                tokens.append(token(secret))
            case [name, secret]:
                tokens.append(token(secret, name))
            case _:
                raise ValueError(f"line {number} is neither TOKEN nor NAME TOKEN")
    return tuple(tokens)


def holder(tokens: Iterable[Token], secret: str) -> str | None:
    """The name of the token that was presented, in constant time; None for no token."""
    presented = _digest(secret)
    found = None
    for known in tokens:
        if hmac.compare_digest(known.digest, presented):
            found = known.name
    return found


def lease_name(token_name: str, lease: str) -> str:
    key = _PURPOSE + token_name.encode()
    digest = hmac.digest(key, lease.encode(), hashlib.sha256)
    return b32encode(digest).decode().lower()[:26]


@dataclass(frozen=True, slots=True)
class PublicBase:
    """Where the world reaches a relay: one host, or every host below `wildcard`."""

    scheme: str
    netloc: str
    wildcard: bool

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises ValueError, which says why, for what cannot be such a URL."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it must begin with http:// or https:// and name a host")
        if parts.username is not None or parts.path.strip("/"):
            raise ValueError("it must be a scheme and a host, without user or path")
        if parts.query or parts.fragment:
            raise ValueError("it must have no query and no fragment")
        _ = parts.port  # raises ValueError when it is none
        wildcard = parts.netloc.startswith(_WILDCARD)
        netloc = parts.netloc.removeprefix(_WILDCARD).lower()
        if "*" in netloc:
            raise ValueError("`*.` may stand at its beginning only")
        return cls(parts.scheme, netloc, wildcard)

    @property
    def text(self) -> str:
        return f"{self.scheme}://{_WILDCARD * self.wildcard}{self.netloc}"

    @property
    def hostname(self) -> str:
        return urlsplit(f"//{self.netloc}").hostname or ""

    def url(self, name: str) -> str:
        """The public URL of a lease, without a slash at its end."""
        if self.wildcard:
            return f"{self.scheme}://{name}.{self.netloc}"
        return f"{self.scheme}://{self.netloc}{_PATH}{name}"

    def leads(self, host: str, target: str) -> bool:
        """Whether a request is for a lease, and not for the relay itself."""
        if self.wildcard:
            return _without_port(host).endswith("." + _without_port(self.netloc))
        return target.startswith(_PATH)

    def name(self, host: str, target: str) -> str | None:
        """The lease that a request is for; None when no lease can have that name."""
        if self.wildcard:
            name = _without_port(host).partition(".")[0]
            fits = f"{name}.{_without_port(self.netloc)}" == _without_port(host)
        else:
            name = re.split(r"[/?]", target.removeprefix(_PATH), maxsplit=1)[0]
            fits = True
        return name if fits and _NAME.fullmatch(name) else None


def _without_port(netloc: str) -> str:
    return re.sub(r":\d*$", "", netloc).lower()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()
