"""Recorded events sent again: what is planned, in which order, at which pace."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from devhook.config import Paths, Settings
from devhook.core import http
from devhook.core.model import Attempt, Json, Kind, Signature, State
from devhook.core.network import Network
from devhook.core.signature import badge
from devhook.errors import StoreError, UsageError
from devhook.replay import Edits, Pace, Planned, Replay, open_replay, plan
from devhook.store.reader import Reader
from devhook.system import SystemClock
from tests.endpoint import (
    OK,
    answer,
    endpoint,
    read_request,
    speaking,
)
from tests.forwarding import Hasty
from tests.replayed import SECRET, Past, hangup

NOTHING = Edits()
APP = "http://127.0.0.1:3000/"


class Leaping(SystemClock):
    """Sleeping takes no time, but the time has passed."""

    def __init__(self) -> None:
        self._leapt = 0.0

    @override
    def monotonic(self) -> float:
        return super().monotonic() + self._leapt

    @override
    async def sleep(self, seconds: float) -> None:
        self._leapt += seconds
        await asyncio.sleep(0)


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path / "data" / "default.db")


@asynccontextmanager
async def replaying(
    past: Past,
    planned: Sequence[Planned],
    *,
    edits: Edits = NOTHING,
    secret: str | None = None,
    clock: SystemClock | None = None,
    **pace: Any,
) -> AsyncIterator[Replay]:
    root = past.db.parent
    settings = Settings(
        profile="default",
        api_url="http://127.0.0.1:9/v1.0",
        credential=None,
        network=Network(),
        paths=Paths(config=root / "config.toml", data=root, state=root),
    )
    async with asyncio.timeout(20):
        async with open_replay(
            settings,
            planned,
            edits=edits,
            secret=secret,
            pace=Pace(**pace),
            clock=clock or SystemClock(),
        ) as opened:
            yield opened


async def tried(replay: Replay, count: int) -> list[Attempt]:
    """The first so many attempts, in the order of their ends."""
    found: list[Attempt] = []
    async with aclosing(replay.journal.follow()) as entries:
        async for entry in entries:
            if isinstance(entry, Attempt):
                found.append(entry)
            if len(found) == count:
                break
    return found


def planned(past: Past, ids: Sequence[int], to: str, edits: Edits = NOTHING) -> Any:
    with Reader(past.db) as reader:
        return plan(reader, ids, to=to, fallback=None, edits=edits)


async def replayed(past: Past, ids: Sequence[int], to: str, **how: Any) -> None:
    edits = how.get("edits", NOTHING)
    async with replaying(past, planned(past, ids, to, edits), **how) as replay:
        await tried(replay, len(ids))


# --- the plan ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "live", "fallback", "target"),
    [
        ("4000/x", APP, "5000", "http://127.0.0.1:4000/x"),
        (None, APP, "5000", APP),
        (None, None, "5000/y", "http://127.0.0.1:5000/y"),
    ],
    ids=["as named", "where it went", "to the profile's target"],
)
def test_an_event_goes_where_it_was_named_or_went_before(
    past: Past, to: str | None, live: str | None, fallback: str, target: str
) -> None:
    """In this order."""
    event = past.event(target=live)
    with Reader(past.db) as reader:
        ((event_id, address),) = plan(
            reader, [event], to=to, fallback=fallback, edits=NOTHING
        )
    assert (event_id, address.kind, address.target) == (event, Kind.REPLAY, target)


def test_an_event_that_went_nowhere_needs_a_target(past: Past) -> None:
    """The error says how to name one."""
    event = past.event()
    with Reader(past.db) as reader, pytest.raises(UsageError) as error:
        plan(reader, [event], to=None, fallback=None, edits=NOTHING)
    assert f"event {event} was never forwarded" in error.value.message
    assert error.value.hint == f"devhook replay {event} --to 3000"


def test_a_target_that_is_refused_is_refused_wherever_it_stands(past: Past) -> None:
    """A database may come from elsewhere."""
    event = past.event(target="http://169.254.169.254/latest")
    with Reader(past.db) as reader, pytest.raises(UsageError, match="refused"):
        plan(reader, [event], to=None, fallback=None, edits=NOTHING)


def test_an_edit_that_does_not_fit_names_the_event(past: Past) -> None:
    """Before anything is sent."""
    fits, other = past.event(hangup()), past.event(b'{"type":"x","data":{}}')
    edits = Edits(sets={"data.hangup_reason": "busy"})
    with Reader(past.db) as reader, pytest.raises(UsageError) as error:
        plan(reader, [fits, other], to="3000", fallback=None, edits=edits)
    assert error.value.message.startswith(f"event {other}: there is no")


@pytest.mark.parametrize(
    ("edits", "row"),
    [
        (NOTHING, None),
        (Edits(sets={"a": 1}), {"set": {"a": 1}}),
        (Edits(unsets=("a", "b")), {"unset": ["a", "b"]}),
        (Edits(adds={"a": None}, resign=True), {"add": {"a": None}, "resign": True}),
    ],
    ids=["nothing", "set", "unset", "add and resign"],
)
def test_edits_are_json_in_the_row(edits: Edits, row: Json) -> None:
    """What is not asked for is not there."""
    assert edits.as_json() == row


# --- what is sent --------------------------------------------------------------------


async def test_an_event_is_sent_again_byte_for_byte(past: Past) -> None:
    """With its own signature, and the marks of a replay."""
    body = b'{ "type":"call_hangup",\n"data":{} }'
    event = past.event(body, incoming="/s3cret?a=%41")
    async with endpoint() as app:
        await replayed(past, [event], f"{app.url}/hook")
    assert app.requests[0].startswith(b"POST /hook?a=%41 HTTP/1.1\r\n")
    assert app.bodies == [body]
    headers = app.headers()
    assert badge(headers, body, SECRET) is Signature.OK
    assert http.first(headers, http.EVENT) == str(event)
    (delivery,) = past.deliveries(event)
    assert http.first(headers, http.REPLAY) == str(delivery.id)


async def test_a_replay_is_a_row_like_all_others(past: Past) -> None:
    """A session, a delivery that is done, an attempt; the event is as it was."""
    event = past.event()
    async with endpoint() as app:
        await replayed(past, [event], app.url)
    (delivery,) = past.deliveries(event)
    assert (delivery.kind, delivery.state) == (Kind.REPLAY, State.DONE)
    assert past.statuses(event) == [200]
    assert past.sessions()[1] == ("replay", f"{app.url}/", "done")


async def test_an_edited_body_keeps_its_old_signature(past: Past) -> None:
    """So that a test may send what must be refused; the row says what was changed."""
    event = past.event(hangup(reason="normal"))
    edits = Edits(
        sets={"data.hangup_reason": "<busy>"}, unsets=["type"], adds={"data.new.at": 1}
    )
    async with endpoint() as app:
        await replayed(past, [event], app.url, edits=edits)
    data = json.loads(app.bodies[0])["data"]
    assert (data["hangup_reason"], data["new"]) == ("<busy>", {"at": 1})
    assert b"\\u003cbusy\\u003e" in app.bodies[0]
    assert b'"type"' not in app.bodies[0]
    assert http.first(app.headers(), "Content-Length") == str(len(app.bodies[0]))
    assert badge(app.headers(), app.bodies[0], SECRET) is Signature.BAD
    assert past.deliveries(event)[0].edits == edits.as_json()


async def test_an_edited_body_is_signed_anew_when_asked(past: Past) -> None:
    """The secret is nowhere in the database."""
    event = past.event(hangup())
    edits = Edits(sets={"data.hangup_reason": "busy"}, resign=True)
    async with endpoint() as app:
        await replayed(past, [event], app.url, edits=edits, secret="canary-secret")
    assert badge(app.headers(), app.bodies[0], "canary-secret") is Signature.OK
    assert (past.deliveries(event)[0].edits or {})["resign"] is True
    for path in past.db.parent.iterdir():
        assert b"canary-secret" not in path.read_bytes()


@pytest.mark.parametrize(
    ("script", "state", "reason"),
    [(answer(500), State.FAILED, "retried"), (answer(404), State.FAILED, "swallowed")],
    ids=["500", "404"],
)
async def test_a_failing_application_is_tried_once(
    past: Past, script: bytes, state: State, reason: str
) -> None:
    """Whoever replays is there to see it."""
    event = past.event()
    async with endpoint(script) as app:
        await replayed(past, [event], app.url)
    assert len(app.requests) == 1
    (delivery,) = past.deliveries(event)
    assert (delivery.state, delivery.reason) == (state, reason)


async def test_a_stale_backlog_is_never_sent_by_itself(past: Past) -> None:
    """What an earlier session left pending stays so, for the same target even."""
    async with endpoint() as app:
        left = past.event(hangup(1), target=f"{app.url}/")
        wanted = past.event(hangup(2))
        await replayed(past, [wanted], app.url)
    assert app.bodies == [hangup(2)]
    assert [delivery.state for delivery in past.deliveries(left)] == [State.PENDING]


# --- order and pace ------------------------------------------------------------------


class Slow:
    """An application that notes how many requests it has at once."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.most = 0
        self._now = 0

    async def speak(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while request := await read_request(reader):
            self.bodies.append(request.partition(b"\r\n\r\n")[2])
            self._now += 1
            self.most = max(self.most, self._now)
            await asyncio.sleep(0.01)
            self._now -= 1
            writer.write(OK)


async def test_events_go_one_after_the_other_as_they_were_named(past: Past) -> None:
    """Whatever resource they are of."""
    ids = past.events(6)
    slow = Slow()
    async with speaking(slow.speak) as app:
        await replayed(past, [*reversed(ids), ids[0]], app.url)
    order = [*reversed(range(6)), 0]
    assert slow.bodies == [hangup(number) for number in order]
    assert slow.most == 1


async def test_so_many_go_at_once_as_asked_for(past: Past) -> None:
    """And no more."""
    ids = past.events(12)
    slow = Slow()
    async with speaking(slow.speak) as app:
        await replayed(past, ids, app.url, concurrency=4)
    assert slow.most == 4
    assert sorted(slow.bodies) == sorted(hangup(number) for number in range(12))


async def test_a_rate_is_a_pause_between_two_of_them(past: Past) -> None:
    """And none before the first."""
    ids = past.events(3)
    clock = Hasty()
    async with endpoint() as app:
        await replayed(past, ids, app.url, rate=0.1, clock=clock)
    first, *pauses = clock.slept
    assert first == 0.0
    assert [round(pause) for pause in pauses] == [10, 10]


async def test_what_an_interrupted_replay_did_not_reach_is_not_pending(
    past: Past,
) -> None:
    """Nobody sends it later; what was under way is said to be interrupted."""
    ids = past.events(3)

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        arrived.set()
        await reader.read()

    arrived = asyncio.Event()
    async with speaking(speak) as app, replaying(past, planned(past, ids, app.url)):
        await arrived.wait()
    (delivery,) = past.deliveries(ids[0])
    assert (delivery.state, delivery.reason) == (State.FAILED, "interrupted")
    assert past.deliveries(ids[1]) == past.deliveries(ids[2]) == []
    assert past.sessions()[1][2] == "interrupted"


async def test_a_database_that_is_gone_ends_the_replay(past: Past) -> None:
    """With the error, not for ever waiting."""
    ids = past.events(2)

    def script(_: bytes) -> bytes:
        past.db.rename(f"{past.db}.away")
        return OK

    async with endpoint(script) as app:
        with pytest.raises(ExceptionGroup) as group:
            await replayed(past, ids, app.url, clock=Leaping())
    assert group.group_contains(StoreError, match="deleted or replaced")
