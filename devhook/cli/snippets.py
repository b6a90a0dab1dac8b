"""A request as something to paste: it sends the same bytes to the application.

Headers travel as they do when devhook forwards: all but Host and those of one
connection. What a client would add by itself is switched off, where it can be.
"""

import base64
import re
import shlex
from collections.abc import Callable
from urllib.parse import urlsplit

from devhook.core import http
from devhook.core.model import Request
from devhook.core.target import request_url

_LEFT_OUT = (
    "Host",
    "Content-Length",
    "Expect",
    http.CONTROL,
    http.EVENT,
    http.HOP,
    http.REPLAY,
)
_LONGEST_ARGUMENT = 100_000
"""Bytes; Linux refuses arguments of 128 KiB."""

_PLAIN = re.compile(r"[\n\x20-\x7e]*")


def as_curl(request: Request, target: str) -> str:
    """For bash and zsh."""
    url, body = request_url(target, request.target), request.body
    parts = ["curl", "-i", "-X", _quoted(request.method), _quoted(url)]
    if re.search(r"[][{}]", url):
        parts.insert(1, "--globoff")
    for name, value in _headers(request):
        # curl takes "Name:" for a wish to leave it out, "Name;" for an empty value.
        text = f"{name}: {value}" if value.strip() else f"{name};"
        parts += ["\\\n  -H", _quoted(text)]
    for name in _added(request, "Accept", "User-Agent", "Content-Type", "Expect"):
        parts += ["\\\n  -H", f"'{name}:'"]
    if not body and request.method == "GET":
        return " ".join(parts)
    if _fits_an_argument(body):
        return " ".join(
            [*parts, "\\\n  --data-binary", _quoted(body.decode("latin-1"))]
        )
    return _piped(body, " ".join([*parts, "\\\n  --data-binary @-"]))


def as_httpie(request: Request, target: str) -> str:
    url, body = request_url(target, request.target), request.body
    parts = [_quoted(request.method), _quoted(url)]
    for name, value in _headers(request):
        text = f"{name}: {value}" if value.strip() else f"{name};"
        parts += ["\\\n  " + _quoted(text)]
    for name in _added(
        request, "Accept", "Accept-Encoding", "User-Agent", "Content-Type"
    ):
        parts += [f"\\\n  {name}:"]
    if not body:
        return " ".join(["http --ignore-stdin", *parts])
    return _piped(body, " ".join(["http", *parts]))


def as_python(request: Request, target: str) -> str:
    """Standard library alone; headers with case and repeats as they came."""
    url = urlsplit(request_url(target, request.target))
    kind = "HTTPSConnection" if url.scheme == "https" else "HTTPConnection"
    path = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
    headers = "".join(f"    {pair!a},\n" for pair in _headers(request))
    return f"""\
import http.client

body = {request.body!r}
headers = [
{headers}]
connection = http.client.{kind}({url.hostname!a}, {url.port}, timeout=30)
connection.putrequest({request.method!a}, {path!a}, skip_accept_encoding=True)
for name, value in headers:
    connection.putheader(name, value.encode("latin-1"))
connection.putheader("Content-Length", str(len(body)))
connection.endheaders(body)
answer = connection.getresponse()
print(answer.status, answer.reason)
print(answer.read().decode(errors="replace"))"""


FORMS: dict[str, Callable[[Request, str], str]] = {
    "curl": as_curl,
    "httpie": as_httpie,
    "python": as_python,
}


def _headers(request: Request) -> http.Headers:
    return http.without(http.end_to_end(request.headers), _LEFT_OUT)


def _added(request: Request, *names: str) -> list[str]:
    """Those a client adds where the event has none."""
    return [n for n in names if http.first(_headers(request), n) is None]


def _quoted(text: str) -> str:
    """Each character one byte, the way a shell reads it."""
    if _PLAIN.fullmatch(text):
        return shlex.quote(text)
    return f"$'{''.join(map(_escaped, text))}'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    return character if _PLAIN.fullmatch(character) else f"\\x{ord(character):02x}"


def _fits_an_argument(body: bytes) -> bool:
    """UTF-8 without NUL, not too long, and not to be read as `@file`."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    return (
        len(body) <= _LONGEST_ARGUMENT and "\0" not in text and not text.startswith("@")
    )


def _piped(body: bytes, command: str) -> str:
    return f"echo {base64.b64encode(body).decode()} | base64 -d | {command}"
