"""Keep the path secret out of what people read, paste and share.

It is the last segment of the path an event came in by. Proxies on the way may have put
the path into headers of theirs.
"""

from dataclasses import replace
from typing import Final

from devhook.core.model import Request

SHOWN: Final = "…"
IN_A_URL: Final = "%E2%80%A6"
"""The same sign, for what must stay a request line or a header."""

_SHORTEST: Final = 16
"""Characters: what is shorter is no secret of ours, and may be a word."""


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
