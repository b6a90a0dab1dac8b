"""An event as something to paste: it sends the same bytes to the application."""

import base64
import shlex
from collections.abc import Callable

from devhook.core.http import Headers, end_to_end, without
from devhook.core.model import Event

_BY_THE_CLIENT = ("Host", "Content-Length", "Accept-Encoding", "User-Agent")


def as_curl(event: Event, target: str) -> str:
    parts = ["curl", "-X", event.request.method]
    for name, value in _headers(event):
        parts += ["-H", f"{name}: {value}"]
    command = " ".join(shlex.quote(part) for part in parts)
    body, pipe = event.request.body, ""
    if _is_shell_text(body):
        command += f" --data-binary {shlex.quote(body.decode())}"
    else:
        pipe = f"echo {base64.b64encode(body).decode()} | base64 -d | "
        command += " --data-binary @-"
    return f"{pipe}{command} {shlex.quote(target)}"


def as_httpie(event: Event, target: str) -> str:
    encoded = base64.b64encode(event.request.body).decode()
    headers = " ".join(shlex.quote(f"{n}:{v}") for n, v in _headers(event))
    method = event.request.method
    return (
        f"echo {encoded} | base64 -d | http {method} {shlex.quote(target)} {headers}"
    ).rstrip()


def as_python(event: Event, target: str) -> str:
    """Standard library alone."""
    return (
        "import urllib.request\n\n"
        "request = urllib.request.Request(\n"
        f"    {target!r},\n"
        f"    data={event.request.body!r},\n"
        f"    headers={dict(_headers(event))!r},\n"
        f"    method={event.request.method!r},\n"
        ")\n"
        "with urllib.request.urlopen(request) as answer:\n"
        "    print(answer.status, answer.read())"
    )


FORMS: dict[str, Callable[[Event, str], str]] = {
    "curl": as_curl,
    "httpie": as_httpie,
    "python": as_python,
}


def _headers(event: Event) -> Headers:
    return without(end_to_end(event.request.headers), _BY_THE_CLIENT)


def _is_shell_text(body: bytes) -> bool:
    """An argument can hold it: UTF-8 without NUL, and not to be read as `@file`."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    return "\0" not in text and not text.startswith("@")
