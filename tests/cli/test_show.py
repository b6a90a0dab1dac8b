"""`devhook show` tells all of one event, and gives its bytes."""

import asyncio
import base64
import subprocess
import sys
from dataclasses import replace

import pytest

from devhook.core.model import Kind
from tests.cli.recorded import HANGUP, HEADERS, SECRET, Recorded
from tests.endpoint import endpoint
from tests.values import LIVE, MIRROR, answered, at

PAGE = """\
2026-08-21 09:15:30.120 --> #1 call_hangup               hung up, busy, never answered   sig ok
  Signature   ok: made with the account's secret
  Source      webhook, session 1, from 127.0.0.1
  Resource    call 5f1c0000-0000-4000-8000-000000000001
  Uid         019c1e0e-8f3b-7000-8000-000000000000

POST /t/k3v9/…?a=1
Host: relay.example
X-Original-URI: /…
Content-Type: application/json

{
  "type": "call_hangup",
  "data": {
    "id": "5f1c0000-0000-4000-8000-000000000001",
    "status": "hangup",
    "hangup_reason": "busy"
  }
}

live -> http://127.0.0.1:3000/webhooks   failed (retried)
  2026-08-21 09:15:31.120  500  19 ms  the platform would send this again
      {
        "error": "no such agent"
      }

mirror -> https://api.acme.example/voip   pending

replay -> http://127.0.0.1:3000/webhooks   done
  2026-08-21 09:15:31.120  200  19 ms
"""  # noqa: E501


def test_the_page_tells_all_that_is_known(recorded: Recorded) -> None:
    """Request, badge with its meaning, and each delivery with each attempt."""
    recorded.event(
        to=[LIVE, MIRROR],
        target=f"/t/k3v9/{SECRET}?a=1",
        headers=(
            ("Host", "relay.example"),
            ("X-Original-URI", f"/{SECRET}"),
            ("Content-Type", "application/json"),
        ),
    )
    failed = answered(500, started_at=at(1))
    recorded.attempt(1, replace(failed, body=b'{"error":"no such agent"}'))
    recorded.replay(1)
    shown = recorded("show", "1")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == PAGE


@pytest.mark.parametrize("name", ["1", "#1"])
def test_an_id_may_be_written_as_it_is_shown(recorded: Recorded, name: str) -> None:
    """The lines say #1."""
    recorded.event()
    assert recorded("show", name).code == 0


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"one\n\x1b[2J\xe2\x80\xae", ["one", r"\x1b[2J\u202e"]),
        (b'{"a":"\\u001b\xe2\x80\xae"}', ["{", '  "a": "\\u001b\\u202e"', "}"]),
        (b"\x00\xff" + b"a" * 15, [
            f"00000000  00 ff {'61 ' * 14} ..aaaaaaaaaaaaaa",
            f"00000010  61 {' ' * 46}a",
        ]),
        (b"", []),
    ],
    ids=["text", "json", "no-text", "empty"],
)  # fmt: skip
def test_a_body_is_shown_and_never_obeyed(
    recorded: Recorded, body: bytes, lines: list[str]
) -> None:
    """JSON indented, other text as it is, all else as bytes."""
    recorded.event(body, to=[])
    shown = recorded("show", "1").out.splitlines()
    head = shown.index("Accept-Encoding: gzip")
    assert shown[head + 2 :] == lines


def test_a_long_answer_is_shortened_unless_v(recorded: Recorded) -> None:
    """And a body that is no text, too."""
    recorded.event(b"\xff" * 1000)
    answer = replace(answered(404), body=b"a" * 1000, cut=True)
    recorded.attempt(1, answer)
    short, whole = recorded("show", "1").out, recorded("show", "1", "-v").out
    assert "a" * 401 not in short
    assert "… 600 bytes more: -v shows them" in short
    assert "… 488 bytes more: -v shows them" in short
    assert "a" * 1000 in whole
    assert "bytes more" not in whole
    for shown in (short, whole):
        assert "… cut: the rest of the answer was not kept" in shown


def test_the_body_alone_is_its_very_bytes(recorded: Recorded) -> None:
    """Not a byte more: it can be piped."""
    body = bytes(range(256))
    recorded.event(body)
    assert recorded.bytes("show", "1", "--body") == (0, body, b"")


def test_the_raw_request_is_its_very_bytes(recorded: Recorded) -> None:
    """Head and body, but for the secret in its path."""
    headers = (("Host", "h"), ("X-Byte", "caf\xe9"), ("x-byte", ""))
    recorded.event(b"\xff\x00", headers=headers, target=f"/{SECRET}?a=\xe9")
    assert recorded.bytes("show", "1", "--raw") == (
        0,
        b"POST /%E2%80%A6?a=\xe9 HTTP/1.1\r\n"
        b"Host: h\r\nX-Byte: caf\xe9\r\nx-byte: \r\n\r\n\xff\x00",
        b"",
    )


def test_the_object_begins_like_that_of_the_list(recorded: Recorded) -> None:
    """Then all the rest, deliveries with their attempts within."""
    recorded.event(to=[LIVE, MIRROR])
    recorded.attempt(1, replace(answered(404, started_at=at(1)), body=b"\xff"))
    (listed,) = recorded("events", "--json").objects()
    (shown,) = recorded("show", "1", "--json").objects()
    assert list(shown)[: len(listed)] == list(listed)
    assert listed.items() <= shown.items()
    assert shown["target"] == "/…"
    assert shown["headers"] == [list(pair) for pair in HEADERS]
    assert (shown["body"], shown["body_base64"]) == (HANGUP.decode(), None)
    live, mirror = shown["deliveries"]
    assert (live["kind"], live["state"], live["reason"]) == (
        Kind.LIVE,
        "failed",
        "swallowed",
    )
    assert (mirror["state"], mirror["attempts"]) == ("pending", [])
    (attempt,) = live["attempts"]
    assert attempt == {
        "id": 1,
        "event": 1,
        "delivery": 1,
        "target": LIVE.target,
        "kind": "live",
        "status": 404,
        "error": None,
        "duration_ms": 19.0,
        "verdict": "swallowed",
        "started_at": "2026-08-21T09:15:31.120451Z",
        "headers": [],
        "body": None,
        "body_base64": base64.b64encode(b"\xff").decode(),
        "cut": False,
    }


@pytest.mark.parametrize(
    "args", [[], ["-v"], ["--json"], ["--raw"], ["--as", "curl"], ["--as", "python"]]
)
def test_the_path_secret_is_shown_nowhere(recorded: Recorded, args: list[str]) -> None:
    """Whoever has it can send events to this machine while the session lasts."""
    repeated = (("X-Forwarded-Path", f"/{SECRET}"), ("X-B", SECRET))
    recorded.event(headers=repeated, target=f"/t/x/{SECRET}?again={SECRET}")
    recorded.attempt(1)
    shown = recorded("show", "1", *args)
    assert shown.code == 0
    assert SECRET not in shown.out + shown.err


async def test_a_snippet_sends_it_to_where_it_went(recorded: Recorded) -> None:
    """The latest live target, with the query the event came with."""
    async with endpoint() as app:
        recorded.event(to=[replace(LIVE, target=f"{app.url}/hook")])
        shown = recorded("show", "1", "--as", "python")
        assert shown.err == ""
        assert await run(shown.out) == 0
    assert app.bodies == [HANGUP]
    assert app.requests[0].startswith(b"POST /hook HTTP/1.1\r\n")


def test_a_snippet_of_what_went_nowhere_says_so(recorded: Recorded) -> None:
    """The target of the profile or project, else the usual port."""
    recorded.event(to=[MIRROR])
    shown = recorded("show", "1", "--as", "curl")
    assert "POST http://127.0.0.1:3000/ " in shown.out
    assert "never forwarded" in shown.err
    (recorded.home / ".devhook.toml").write_text('target = "4000/hook"\n')
    shown = recorded("show", "1", "--as", "curl")
    assert "POST http://127.0.0.1:4000/hook " in shown.out
    assert shown.err == ""


@pytest.mark.parametrize(
    ("args", "message", "hint"),
    [
        (["99"], "there is no event 99", "the newest is 2; devhook events lists them"),
        (["0"], "there is no event 0", "the newest is 2; devhook events lists them"),
        (["x"], "'x' is no event id", "devhook events shows them: #412 is 412"),
        (["9" * 30], f"'{'9' * 30}' is no event id", "devhook events shows them: #412 is 412"),  # noqa: E501
        (
            ["1", "--body", "--raw"],
            "--body, --raw, --as and --json exclude each other",
            "devhook show 1 --body",
        ),
        (
            ["1", "--json", "--as", "curl"],
            "--body, --raw, --as and --json exclude each other",
            "devhook show 1 --body",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_an_error(
    recorded: Recorded, args: list[str], message: str, hint: str
) -> None:
    """Exit 2; an unknown id comes with the newest one."""
    recorded.event()
    recorded.event()
    assert recorded("show", *args).error() == (2, message, hint)


def test_nothing_recorded_has_nothing_to_show(recorded: Recorded) -> None:
    """Exit 2, and no database is made by asking."""
    assert recorded("show", "1").error() == (
        2,
        "there is no event 1: nothing is recorded yet for profile default",
        "devhook up 3000 records; devhook demo shows it without an account",
    )
    assert not recorded.db.exists()


async def run(program: str) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=subprocess.DEVNULL
    )
    return await process.wait()
