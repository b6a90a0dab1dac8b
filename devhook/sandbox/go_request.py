"""A delivery as Go's `net/http` writes it: every byte, header order included.

`Request.write` puts Host, User-Agent and Content-Length first, then the headers that
were set, by name, then what the transport adds (Accept-Encoding). `Header.Set` makes
the names canonical, so the signature travels as `X-Voipbin-Signature`. Recorded from
Go 1.26 with the platform's own client settings (`tests/sandbox/go_requests.json`).
"""

import re
from dataclasses import dataclass, field

from devhook.core.http import Headers
from devhook.core.model import Request
from devhook.sandbox.go_url import GoUrl, NotAUrl

_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_ALWAYS_A_LENGTH = frozenset(("POST", "PUT", "PATCH"))


class NotSent(Exception):
    """The sender gives up before its first try; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoRequest:
    """`headers` are those the sender sets itself; the rest follows from the others."""

    method: str
    url: GoUrl
    headers: Headers
    body: bytes = field(repr=False)

    def written(self) -> Request:
        """As it goes over the wire."""
        return Request(
            method=self.method,
            target=self.url.target().decode("latin-1"),
            headers=self._all_headers(),
            body=self.body,
        )

    def _all_headers(self) -> Headers:
        authorization = self.url.authorization()
        own = [*self.headers]
        if authorization is not None:
            own.append(("Authorization", authorization))
        has_length = self.body or self.method in _ALWAYS_A_LENGTH
        length = (("Content-Length", str(len(self.body))),) if has_length else ()
        gzip = (("Accept-Encoding", "gzip"),) if self.method != "HEAD" else ()
        return (
            ("Host", self.url.netloc.encode().decode("latin-1")),
            ("User-Agent", "Go-http-client/1.1"),
            *length,
            *sorted(own),
            *gzip,
        )


def delivery_request(
    method: str, uri: str, body: bytes, signature: str | None
) -> GoRequest:
    """The request of a delivery; an empty method is a GET, body and all.

    Raises NotSent for what `http.NewRequest` or the sender's own check would refuse.
    """
    if method and not _METHOD.fullmatch(method):
        raise NotSent(f"invalid method {method!r}")
    try:
        url = GoUrl.parse(uri)
    except NotAUrl as error:
        raise NotSent(str(error)) from error
    signed = () if signature is None else (("X-Voipbin-Signature", signature),)
    return GoRequest(
        method=method or "GET",
        url=url,
        headers=(("Content-Type", "application/json"), *signed),
        body=body,
    )


def redirected(
    previous: GoRequest, first: GoRequest, status: int, location: str | None
) -> GoRequest | None:
    """The request that follows a redirect; None when the answer is not one to follow.

    301, 302 and 303 become a GET without a body, 307 and 308 keep both. Raises NotAUrl.
    """
    if status not in (301, 302, 303, 307, 308) or not location:
        return None
    keeps = status in (307, 308)
    url = previous.url.joined(location)
    kept = tuple(p for p in first.headers if keeps or p[0] != "Content-Type")
    downgraded = previous.url.scheme == "https" and url.scheme == "http"
    referer = () if downgraded else (("Referer", _latin(previous.url.referer())),)
    method = previous.method if keeps or previous.method == "HEAD" else "GET"
    return GoRequest(
        method=method,
        url=url,
        headers=(*kept, *referer),
        body=first.body if keeps else b"",
    )


def wire_bytes(request: Request) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    return "\r\n".join((*lines, "", "")).encode("latin-1") + request.body


def _latin(text: str) -> str:
    return text.encode().decode("latin-1")
