"""The path secret: the last segment of the path that events come in by.

It tells a URI of ours from all others, and must stay out of what people read, paste and
share. Proxies on the way may have put the path into headers of theirs.
"""

from dataclasses import replace
from typing import Final

from devhook.core.model import Request

SHOWN: Final = "…"
IN_A_URL: Final = "%E2%80%A6"
"""The same sign, for what must stay a request line or a header."""

_SHORTEST: Final = 16
"""Characters: what is shorter is no secret of ours, and may be a word."""


def path_secret(uri: str) -> str:
    """Of a webhook URI, whether or not a slash was put behind it."""
    path = uri.partition("#")[0].partition("?")[0]
    return path.rstrip("/").rpartition("/")[2]


def same_secret(one: str, two: str) -> bool:
    """Whether two URIs name one path secret, whatever an API made of their case."""
    secret = path_secret(one).lower()
    return len(secret) >= _SHORTEST and secret == path_secret(two).lower()


def masked(request: Request, sign: str = SHOWN) -> Request:
    path, question, query = request.target.partition("?")
    before, slash, secret = path.rpartition("/")
    if not secret:
        return request
    headers = request.headers
    if len(secret) >= _SHORTEST:
        headers = tuple((name, text.replace(secret, sign)) for name, text in headers)
        query = query.replace(secret, sign)
    target = f"{before}{slash}{sign}{question}{query}"
    return replace(request, target=target, headers=headers)
