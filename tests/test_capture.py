"""The one door in: what is recorded, what is answered, and when."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from devhook.capture import MAX_BODY, CaptureServer, Door, open_capture
from devhook.core.model import (
    Address,
    Capture,
    Delivery,
    Event,
    Kind,
    Outcome,
    Signature,
    Source,
    State,
    Verdict,
)
from devhook.core.signature import challenge_answer, sign
from devhook.store.journal import Journal
from devhook.store.store import Store
from devhook.system import SystemClock, new_id, this_process

SECRET = "p4th-secret-of-this-test"
KEY = "control-key-of-this-test"
BODY = b'{"type":"call_hangup","data":{"id":"6c44f3f4-399c-4b46-84fa-c74aa9cbc99f"}}'
LIVE = Address(kind=Kind.LIVE, target="http://127.0.0.1:3000/")


@dataclass
class Open:
    server: CaptureServer
    journal: Journal
    store: Store

    async def send(self, raw: bytes) -> tuple[int, bytes]:
        """Write raw bytes; the status and body of the first answer."""
        host, _, port = self.server.url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(raw)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            )
            return int(head.split()[1]), await reader.readexactly(length)
        finally:
            writer.close()

    async def post(
        self,
        body: bytes = BODY,
        *,
        method: str = "POST",
        target: bytes = f"/{SECRET}".encode(),
        headers: bytes = b"",
    ) -> tuple[int, bytes]:
        line = method.encode() + b" " + target + b" HTTP/1.1\r\nHost: x\r\n"
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        return await self.send(line + headers + length + body)

    def events(self) -> list[Event]:
        ids = [row[0] for row in self.store.rows("select id from events order by id")]
        found = [self.store.event(event_id) for event_id in ids]
        return [event for event in found if event is not None]


@asynccontextmanager
async def opened(
    folder: Path,
    *,
    addresses: Sequence[Address] = (),
    ack_app: bool = False,
    require_signature: bool = False,
    account_secret: str | None = None,
) -> AsyncIterator[Open]:
    clock = SystemClock()

    def addresses_of(capture: Capture) -> Sequence[Address]:
        return addresses

    door = Door(
        path_secret=SECRET,
        control_key=KEY,
        hop="this-hop",
        addresses=addresses_of,
        ack_app=ack_app,
        require_signature=require_signature,
        account_secret=account_secret,
        prefixes=("", "/t/lease"),
    )
    with Store(folder / "events.db") as store:
        async with Journal(store, clock) as journal:
            await journal.begin(profile="p", source="up", process=this_process())
            async with open_capture(door, journal, clock, new_id) as server:
                yield Open(server, journal, store)


async def test_an_event_is_on_disk_before_it_is_answered(tmp_path: Path) -> None:
    """Another program sees the row as soon as the 200 is there."""
    async with opened(tmp_path) as door:
        assert await door.post() == (200, b"")
        with sqlite3.connect(door.store.path) as other:
            assert other.execute("select body from events").fetchall() == [(BODY,)]


@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE"])
async def test_every_method_the_platform_may_use_is_recorded(
    tmp_path: Path, method: str
) -> None:
    """An empty webhook_method is sent as GET, with the body."""
    async with opened(tmp_path) as door:
        assert (await door.post(method=method))[0] == 200
        assert [event.request.method for event in door.events()] == [method]


async def test_the_bytes_of_a_request_are_kept_as_they_came(tmp_path: Path) -> None:
    """Target, header order, case, repeats and bytes that are no text at all."""
    target = f"/t/lease/{SECRET}?x=%41&y=;z=a//b&&".encode()
    headers = b"x-b: 2\r\nX-A: \xff\xfe\r\nX-B:  1 \r\nX-Empty:\r\n"
    body = b"\x1f\x8b\x00not gzip\xff"
    gzip = b"Content-Encoding: gzip\r\n"
    async with opened(tmp_path) as door:
        assert (await door.post(body, target=target, headers=headers + gzip))[0] == 200
        (event,) = door.events()
    assert event.request.target == target.decode()
    assert event.request.headers == (
        ("Host", "x"),
        ("x-b", "2"),
        ("X-A", "\xff\xfe"),
        ("X-B", "1"),
        ("X-Empty", ""),
        ("Content-Encoding", "gzip"),
        ("Content-Length", str(len(body))),
    )
    assert event.request.body == body


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", b"/"),
        ("POST", b"/p4th-secret-of-this-tesT"),
        ("POST", b"/t/other/p4th-secret-of-this-test"),
        ("POST", b"/p4th-secret-of-this-test/"),
        ("POST", b"//p4th-secret-of-this-test"),
        ("POST", b"/%704th-secret-of-this-test"),
        ("PATCH", b"/p4th-secret-of-this-test"),
        ("OPTIONS", b"/p4th-secret-of-this-test"),
    ],
)
async def test_whoever_does_not_know_the_secret_gets_the_same_404(
    tmp_path: Path, method: str, target: bytes
) -> None:
    """Unrecorded and counted."""
    async with opened(tmp_path) as door:
        assert await door.post(method=method, target=target, body=b"") == (404, b"")
        assert door.events() == []
        assert door.server.refused == 1


async def test_a_challenge_is_answered_by_the_secret_alone(tmp_path: Path) -> None:
    """Keyed, and not recorded."""
    async with opened(tmp_path) as door:
        nonce = b"X-Devhook-Challenge: n0nce\r\n"
        status, body = await door.post(b"", method="GET", headers=nonce)
        assert (status, body.decode()) == (200, challenge_answer(SECRET, "n0nce"))
        assert door.events() == []


async def test_our_own_commands_show_the_control_key(tmp_path: Path) -> None:
    """It makes the event a trigger, and is not kept."""
    async with opened(tmp_path) as door:
        key = f"X-Devhook-Control: {KEY}\r\n".encode()
        assert (await door.post(headers=key))[0] == 200
        assert (await door.post(headers=b"X-Devhook-Control: wrong\r\n"))[0] == 404
        (event,) = door.events()
    assert event.source is Source.TRIGGER
    assert KEY not in str(event.request.headers)


async def test_a_body_over_the_limit_is_answered_503_and_kept_as_a_gap(
    tmp_path: Path,
) -> None:
    """A 4xx would count as delivered for good."""
    async with opened(tmp_path) as door:
        large = b"x" * (MAX_BODY + 1)
        line = f"POST /{SECRET} HTTP/1.1\r\nHost: x\r\n".encode()
        length = b"Content-Length: %d\r\n\r\n" % len(large)
        assert (await door.send(line + length))[0] == 503
        assert [r["reason"] for r in door.store.rows("select * from gaps")] == [
            "oversize"
        ]
        assert door.events() == []


async def test_what_cannot_be_stored_is_answered_503_and_said(tmp_path: Path) -> None:
    """Never a false 200; once it can be stored again the gap is on record."""
    async with opened(tmp_path) as door:
        aside = door.store.path.with_name("aside.db")
        door.store.path.rename(aside)
        assert (await door.post())[0] == 503
        assert door.server.failing_since is not None
        aside.rename(door.store.path)
        assert (await door.post())[0] == 200
        assert len(door.events()) == 1
        assert [r["reason"] for r in door.store.rows("select * from gaps")] == [
            "storage"
        ]


@pytest.mark.parametrize(
    ("value", "badge"),
    [
        (sign("s", BODY), Signature.OK),
        (sign("other", BODY), Signature.BAD),
        ("nonsense", Signature.BAD),
        (None, Signature.ABSENT),
    ],
)
async def test_a_signature_is_marked_and_refused_only_on_request(
    tmp_path: Path, value: str | None, badge: Signature
) -> None:
    """A bad one is recorded all the same; 401 only with --require-signature."""
    headers = f"X-VoIPBIN-Signature: {value}\r\n".encode() if value else b""
    async with opened(tmp_path / "a", account_secret="s") as door:
        assert (await door.post(headers=headers))[0] == 200
        assert [event.signature for event in door.events()] == [badge]
    strict = opened(
        tmp_path / "b", account_secret="s", require_signature=True, addresses=[LIVE]
    )
    async with strict as door:
        expected = 200 if badge is Signature.OK else 401
        assert (await door.post(headers=headers))[0] == expected
        (event,) = door.events()
        forwarded = door.store.deliveries_of(event.id)
        assert len(forwarded) == (1 if badge is Signature.OK else 0)


async def test_a_request_that_passed_here_already_is_stopped(tmp_path: Path) -> None:
    """An application that calls back into the tunnel must not go round for ever."""
    async with opened(tmp_path) as door:
        hop = b"X-Devhook-Hop: another,this-hop\r\n"
        assert (await door.post(headers=hop))[0] == 508
        assert door.events() == []


async def _attempt(door: Open, status: int | None) -> None:
    """Play the forwarder: settle the first delivery that appears."""
    while not (found := door.store.open_deliveries(1, after=0, limit=1)):
        await door.journal.changed().wait()
    delivery: Delivery = found[0][0]
    outcome = Outcome(
        started_at=SystemClock().now(),
        seconds=0.01,
        status=status,
        error=None if status else "connection refused",
    )
    await door.journal.add_attempt(delivery, outcome, Verdict.OK, State.DONE)


@pytest.mark.parametrize(("status", "answered"), [(201, 201), (500, 500), (None, 502)])
async def test_ack_app_passes_on_what_the_application_says(
    tmp_path: Path, status: int | None, answered: int
) -> None:
    """With an empty body; a connection failure is 502."""
    async with opened(tmp_path, addresses=[LIVE], ack_app=True) as door:
        async with asyncio.TaskGroup() as group:
            answer = group.create_task(door.post())
            group.create_task(_attempt(door, status))
        assert answer.result() == (answered, b"")


async def test_ack_app_does_not_wait_when_nothing_is_forwarded(tmp_path: Path) -> None:
    """An event no route takes is answered once recorded."""
    async with opened(tmp_path, ack_app=True) as door:
        assert await door.post() == (200, b"")
