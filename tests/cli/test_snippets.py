"""What is pasted sends the same bytes, and the same headers."""

import asyncio
import subprocess
import sys
from shutil import which

import pytest

from devhook.cli.snippets import FORMS
from devhook.core.http import Headers
from devhook.core.model import Request
from tests.endpoint import endpoint

FORM = pytest.mark.parametrize(
    "form",
    [
        pytest.param(
            "curl",
            marks=pytest.mark.skipif(
                which("curl") is None or which("bash") is None,
                reason="there is no curl, or no bash to run it in",
            ),
        ),
        "python",
    ],
)
SIGNED: Headers = (
    ("Host", "relay.example"),
    ("User-Agent", "Go-http-client/1.1"),
    ("Content-Length", "2"),
    ("Transfer-Encoding", "chunked"),
    ("Content-Type", "application/json"),
    ("x-VoIPBIN-signature", "sha256=0123"),
    ("Accept-Encoding", "gzip"),
    ("X-Devhook-Hop", "us"),
)
BODIES = {
    "json": b'{"type":"call_hangup","data":{"note":"it\'s $HOME `id` \\"!\\" %s"}}',
    "empty": b"",
    "lines": b"one\ntwo\r\n\n",
    "controls": b"\x1b[31m\tred \\x41 \\",
    "beyond-ascii": '{"text":"日本 é \u202e"}'.encode(),
    "no-text": bytes(range(256)),
    "zero": b"a\0b",
    "at-sign": b"@/etc/passwd",
    "long": b'{"a":"' + b"x" * 300_000 + b'"}',
    "very-long": b"y" * 2_000_000,
}


def request(body: bytes, headers: Headers = SIGNED, method: str = "POST") -> Request:
    return Request(
        method=method, target="/s3cret?a=1&b=[2]", headers=headers, body=body
    )


async def run(form: str, text: str) -> str:
    """As pasted into bash, or into a file of Python."""
    command = ["bash"] if form == "curl" else [sys.executable, "-"]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate(text.encode())
    assert process.returncode == 0, err.decode()
    return out.decode()


@FORM
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_the_body_arrives_byte_for_byte(form: str, body: bytes) -> None:
    """Whatever it is, however long; else its signature would not hold."""
    async with endpoint() as app:
        said = await run(form, FORMS[form](request(body), f"{app.url}/hook?key=1"))
    assert app.bodies == [body]
    assert app.requests[0].startswith(b"POST /hook?key=1&a=1&b=[2] HTTP/1.1\r\n")
    assert "200" in said
    assert said.endswith("ok\n" if form == "python" else "ok")


@FORM
@pytest.mark.parametrize(
    "headers",
    [
        SIGNED,
        (),
        (("Content-Type", "text/plain"), ("X-A", "1"), ("X-A", "2"), ("x-a", "")),
        (("X-Quote", 'it\'s "$HOME" \\'), ("X-Byte", "caf\xe9"), ("Expect", "x")),
    ],
    ids=["signed", "none", "repeats", "bytes"],
)
async def test_the_headers_arrive_as_they_came(form: str, headers: Headers) -> None:
    """In order, case and repeats kept, and none that a client likes to add."""
    async with endpoint() as app:
        await run(form, FORMS[form](request(b"{}", headers), app.url))
    dropped = ("Host", "Content-Length", "Transfer-Encoding", "Expect", "X-Devhook-Hop")
    expected = [pair for pair in headers if pair[0] not in dropped]
    found = [(name.rstrip(":"), value) for name, value in app.headers()]
    assert [p for p in found if p[0] not in ("Host", "Content-Length")] == expected


@FORM
async def test_the_method_is_the_events(form: str) -> None:
    """An account may have its events sent by GET, without a body."""
    async with endpoint() as app:
        await run(form, FORMS[form](request(b"", (), "GET"), app.url))
    assert app.requests[0].startswith(b"GET /?a=1&b=[2] HTTP/1.1\r\n")


def test_a_plain_event_makes_a_readable_line() -> None:
    """Nothing is escaped that need not be."""
    plain = Request(
        method="POST",
        target="/s3cret",
        headers=(("Content-Type", "application/json"), ("User-Agent", "Go")),
        body=b'{"type":"call_hangup"}',
    )
    assert FORMS["curl"](plain, "http://127.0.0.1:3000/") == (
        "curl -i -X POST http://127.0.0.1:3000/ \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        "  -H 'User-Agent: Go' \\\n"
        "  -H 'Accept:' \\\n"
        "  -H 'Expect:' \\\n"
        """  --data-binary '{"type":"call_hangup"}'"""
    )


def test_httpie_takes_the_body_from_its_input() -> None:
    """Its own items would be JSON of its making."""
    given = request(b"{}", (("Content-Type", "text/plain"), ("X-Empty", "")))
    assert FORMS["httpie"](given, "http://127.0.0.1:3000/") == (
        "echo e30= | base64 -d | http POST 'http://127.0.0.1:3000/?a=1&b=[2]' \\\n"
        "  'Content-Type: text/plain' \\\n"
        "  'X-Empty;' \\\n"
        "  Accept: \\\n"
        "  Accept-Encoding: \\\n"
        "  User-Agent:"
    )


def test_httpie_without_a_body_reads_no_input() -> None:
    """It would wait for it."""
    given = request(b"", (), "GET")
    assert FORMS["httpie"](given, "http://a/").startswith("http --ignore-stdin GET ")
