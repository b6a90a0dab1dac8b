"""Making events happen: one with changes, many at once, a scenario in its time."""

import json

import pytest

from devhook.core.model import Json
from devhook.errors import FixtureError, UsageError
from devhook.sandbox import Moment, Sandbox
from tests.sandbox.conftest import CATALOGUE, open_sandbox
from tests.sandbox.target import HANG_UP, Target


def _body(received: bytes) -> bytes:
    return received.partition(b"\r\n\r\n")[2]


async def test_changes_are_put_into_the_events_data(
    sandbox: Sandbox, target: Target
) -> None:
    """Existing fields, deeper ones, list items and new ones."""
    sandbox.change(webhook_uri=target.url, webhook_method="POST")
    changes: dict[str, Json] = {
        "status": "busy",
        "source.target": "+1",
        "recording_ids.0": "r",
        "new": None,
    }
    await sandbox.emit("call_hangup", **changes)
    data = json.loads(_body(target.received[0]))["data"]
    assert data["status"] == "busy"
    assert data["source"] == {"type": "tel", "target": "+1"}
    assert data["recording_ids"] == ["r"]
    assert data["new"] is None
    assert CATALOGUE["call_hangup"]["data"]["status"] == "hangup"  # type: ignore[index,call-overload]


async def test_a_change_to_what_is_not_there_is_refused(sandbox: Sandbox) -> None:
    """The steps before the last must be in the event."""
    with pytest.raises(UsageError, match="'nowhere'"):
        await sandbox.emit("call_hangup", **{"nowhere.deep": 1})


async def test_an_unknown_type_names_those_near_it(sandbox: Sandbox) -> None:
    """So that a slip is quickly seen."""
    with pytest.raises(FixtureError) as refusal:
        await sandbox.emit("call_hangups")
    assert "call_hangup" in str(refusal.value.hint)


async def test_a_burst_sends_every_event_once_about_its_own_resource(
    sandbox: Sandbox, target: Target
) -> None:
    """The types in turn, in parallel."""
    sandbox.change(webhook_uri=target.url, webhook_method="POST")
    deliveries = await sandbox.burst(50)
    sent = [delivery.body for delivery in deliveries]
    assert sorted(map(_body, target.received)) == sorted(sent)
    assert len({json.loads(body)["data"]["id"] for body in sent}) == 50
    types = [json.loads(body)["type"] for body in sent]
    assert types == ["call_hangup", "message_created"] * 25


async def test_one_at_a_time_keeps_the_order(sandbox: Sandbox, target: Target) -> None:
    """For tests that want it."""
    sandbox.change(webhook_uri=target.url, webhook_method="POST")
    deliveries = await sandbox.burst(10, concurrency=1)
    assert [*map(_body, target.received)] == [d.body for d in deliveries]


async def test_a_seed_shuffles_a_burst_the_same_way_each_time() -> None:
    """The platform keeps no order; a seed makes the disorder repeatable."""
    orders = []
    for _ in range(2):
        async with open_sandbox(seed=7) as sandbox:
            deliveries = await sandbox.burst(20, concurrency=1)
            orders.append([json.loads(d.body)["type"] for d in deliveries])
    assert orders[0] == orders[1]
    assert orders[0] != ["call_hangup", "message_created"] * 10


async def test_a_scenario_is_played_in_its_own_time(
    sandbox: Sandbox, target: Target
) -> None:
    """Offsets are from its start, divided by the speed; an earlier one may hang."""
    sandbox.change(webhook_uri=target.url, webhook_method="POST")
    target.answers = [HANG_UP]
    moments = [
        Moment(offset_ms=1000, body=b"second"),
        Moment(offset_ms=0, body=b"first"),
    ]
    first, second = await sandbox.play(moments, speed=20)
    between = second.attempts[0].started_at - first.attempts[0].started_at
    assert (first.body, second.body) == (b"first", b"second")
    assert 0.04 <= between.total_seconds() < 0.5
