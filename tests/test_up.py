"""The main job: every event recorded, forwarded, mirrored; then all as before."""

import asyncio
import hashlib
import json
from collections import Counter
from pathlib import Path

from devhook.core.gojson import decode, encode
from devhook.core.http import Headers, end_to_end, without
from devhook.relay.server import Relay
from devhook.sandbox.sender import Delivery
from devhook.system import new_id
from tests.endpoint import Endpoint
from tests.relay.rig import TOKEN, a_relay
from tests.upbench import Bench, catalogue, open_bench


def through(relay: Relay, folder: Path) -> tuple[str, ...]:
    token = folder / "relay-token"
    token.write_text(TOKEN)
    return "--relay", relay.url, "--relay-token-file", str(token)


MANY = 500
AT_ONCE = 100
OURS = ("Host", "X-Devhook-Hop", "X-Devhook-Event")


async def test_many_events_at_once_are_recorded_forwarded_and_mirrored(
    tmp_path: Path,
) -> None:
    """Byte for byte, each answered 200 after its commit; the account is as before."""
    async with open_bench(tmp_path) as b, a_relay() as relay:
        before = b.fields()
        async with b.up(tunnel=through(relay, tmp_path)) as up:
            sent = await send(b, mixed(MANY))
            await up.lines(MANY, "event", signature="ok", same_as=None)
            await up.lines(MANY, "attempt", kind="live", status=200, verdict="ok")
            await up.lines(MANY, "attempt", kind="mirror", status=200, verdict="ok")
            assert await up.end() == 0
        assert b.fields() == before
        assert recorded(b) == Counter(as_recorded(d) for d in sent)
        assert counted(b, "live") == counted(b, "mirror") == MANY
        assert arrived(b.app) == Counter(as_passed_on(d, "POST") for d in sent)
        assert arrived(b.original) == Counter(as_passed_on(d, "PUT") for d in sent)


async def send(b: Bench, bodies: list[bytes]) -> list[Delivery]:
    """All of them, so many at a time; none is answered before it is on disk."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(body: bytes) -> Delivery:
        async with slots:
            delivery = await b.sandbox.deliver(body)
            assert [a.status for a in delivery.attempts] == [200]
            digest = hashlib.sha256(body).hexdigest()
            kept = "select count(*) from events where body_sha256 = ?"
            assert b.rows(kept, digest) == [(1,)]
            return delivery

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(body)) for body in bodies]
    return [task.result() for task in tasks]


def mixed(count: int) -> list[bytes]:
    """The types in turn, each event about a resource of its own."""
    known = [encode(event) for event in catalogue().values()]
    bodies = []
    for i in range(count):
        event = decode(known[i % len(known)])
        assert isinstance(event, dict)
        data = event["data"]
        assert isinstance(data, dict)
        bodies.append(encode({**event, "data": {**data, "id": new_id()}}))
    return bodies


Message = tuple[str, Headers, bytes]


def as_recorded(delivery: Delivery) -> Message:
    request = delivery.request
    line = f"{request.method} {request.target}"
    return line, end_to_end(request.headers), request.body


def as_passed_on(delivery: Delivery, method: str) -> Message:
    """To the application by the method that came, to the original by its own."""
    request = delivery.request
    return method, without(end_to_end(request.headers), ("Host",)), request.body


def recorded(b: Bench) -> Counter[Message]:
    found = b.rows("select method, target, headers, body from events")
    return Counter(
        (f"{method} {target}", tuple((n, v) for n, v in json.loads(headers)), body)
        for method, target, headers, body in found
    )


def counted(b: Bench, kind: str) -> int:
    sql = "select count(*) from attempt_list where kind = ? and state = 'done'"
    return int(b.rows(sql, kind)[0][0])


def arrived(end: Endpoint) -> Counter[Message]:
    """What came, without what devhook may change and add."""
    return Counter(
        (
            request.partition(b" ")[0].decode(),
            without(end.headers(i), OURS),
            request.partition(b"\r\n\r\n")[2],
        )
        for i, request in enumerate(end.requests)
    )
