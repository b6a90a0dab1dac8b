"""The head of a request, as the bytes that leave. Decides from values alone."""

import base64
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from devhook.core.http import Headers, first
from devhook.wire.answer import WireError


def parsed(url: str) -> SplitResult:
    """The parts of a URL that can be asked for; an account may hold any text as one."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise WireError("that is no http or https URL")
    return parts


def target_of(parts: SplitResult, *, absolute: bool) -> str:
    """The request target: `absolute` is for a proxy that passes requests on."""
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    return f"http://{_authority(parts)}{target}" if absolute else target


def framed(
    method: str, parts: SplitResult, headers: Headers, body: bytes | None
) -> Headers:
    """The headers with Host, and with a length that is true; None streams the body."""
    result = list(headers)
    if first(headers, "Host") is None:
        result.insert(0, ("Host", _authority(parts)))
    if first(headers, "Authorization") is None:
        result += basic(parts, "Authorization")
    declared = first(headers, "Content-Length")
    if body is None:
        if declared is None:
            result.append(("Transfer-Encoding", "chunked"))
    elif declared is not None:
        true = ("Content-Length", str(len(body)))
        if declared.strip() != true[1]:
            result = [
                true if n.lower() == "content-length" else (n, v) for n, v in result
            ]
    elif body or method in ("POST", "PUT", "PATCH"):
        result.append(("Content-Length", str(len(body))))
    return tuple(result)


def basic(parts: SplitResult, name: str) -> list[tuple[str, str]]:
    """Userinfo of a URL as the header it stands for."""
    userinfo, found, _ = parts.netloc.rpartition("@")
    if not found:
        return []
    user, _, password = userinfo.partition(":")
    raw = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return [(name, f"Basic {base64.b64encode(raw).decode()}")]


def head(method: str, target: str, headers: Headers) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in headers), "", ""]
    try:
        written = "\r\n".join(lines).encode("latin-1")
    except UnicodeEncodeError as exc:
        raise WireError("the URL or a header holds what HTTP cannot carry") from exc
    if written.count(b"\n") != len(lines) - 1 or b"\0" in written:
        raise WireError("a header holds a line break")
    return written


def _authority(parts: SplitResult) -> str:
    authority = parts.netloc.rpartition("@")[2]
    try:
        return authority if authority.isascii() else authority.encode("idna").decode()
    except UnicodeError as exc:
        raise WireError("the host is no name that DNS can hold") from exc
