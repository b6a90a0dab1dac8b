"""`devhook events` lists what was recorded, and follows what comes."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from devhook.core.model import Outcome
from devhook.system import SystemClock
from tests.cli.recorded import HANGUP, Recorded, environment
from tests.terminal import ROOT
from tests.values import MIRROR, START

RINGING = b'{"type":"call_ringing","data":{"id":"c2","status":"ringing"}}'


def ids_of(objects: list[dict[str, Any]]) -> list[int]:
    return [found["id"] for found in objects]


def test_an_event_is_one_line_that_ends_with_its_outcome(recorded: Recorded) -> None:
    """The day stands before those that are not of today."""
    recorded.attempt(recorded.event(), 500)
    listed = recorded("events")
    assert (listed.code, listed.err) == (0, "")
    assert listed.out == (
        "2026-08-21 09:15:30.120 --> #1 call_hangup               hung up, busy,"
        " never answered   sig ok   <-- 500  19 ms FAILED\n"
    )


def test_the_newest_stand_last(recorded: Recorded) -> None:
    """As in a log; 50 of them, and a word of the others."""
    for _ in range(52):
        recorded.event()
    listed = recorded("events", "--json")
    assert ids_of(listed.objects()) == list(range(3, 53))
    assert listed.err == "The newest 50; --limit 0 lists all.\n"
    assert ids_of(recorded("events", "--json", "--limit", "0").objects())[0] == 1


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--limit", "2"], [5, 6]),
        (["--last", "2"], [5, 6]),
        (["--last", "4", "--limit", "2"], [5, 6]),
        (["--last", "2", "--limit", "0"], [5, 6]),
        (["--last", "2", "--type", "call_ringing"], [4, 6]),
    ],
)
def test_only_the_newest_are_taken(
    recorded: Recorded, args: list[str], expected: list[int]
) -> None:
    """Of those that match."""
    for n in range(6):
        recorded.event(RINGING if n % 2 else HANGUP)
    listed = recorded("events", "--json", *args)
    assert ids_of(listed.objects()) == expected
    assert listed.err == ""


def test_the_objects_have_every_field(recorded: Recorded) -> None:
    """And stdout has nothing else."""
    recorded.event(b"no json", to=[])
    (event,) = recorded("events", "--json").objects()
    assert event == {
        "type": "event",
        "id": 1,
        "uid": "019c1e0e-8f3b-7000-8000-000000000000",
        "session": 1,
        "received_at": "2026-08-21T09:15:30.120451Z",
        "source": "webhook",
        "event_type": None,
        "inferred": False,
        "resource": None,
        "resource_id": None,
        "summary": "not JSON: 7 bytes of text",
        "signature": "ok",
        "bytes": 7,
        "same_as": None,
        "status": None,
    }


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--type", "call_h*"], [1, 2]),
        (["--type", "call_hangup", "--type", "call_ringing"], [1, 2, 3]),
        (["--type", "call_hangup,call_ringing"], [1, 2, 3]),
        (["--since", "2026-08-21T09:15:31Z"], [2, 3, 4]),
        (["--since", "2026-08-21T09:15:31"], [2, 3, 4]),
        (["--until", "2026-08-21T09:15:31Z"], [1]),
        (["--session", "1"], [1, 2, 3, 4]),
        (["--session", "7"], []),
        (["--call", "c2"], [3]),
        (["--resource", "5f1c0000-0000-4000-8000-000000000001"], [1, 2]),
        (["--status", "failed"], [1]),
        (["--status", "failed", "--status", "ok"], [1, 2]),
        (["--status", "pending", "--type", "*"], [3]),
        (["--signature", "bad"], []),
        (["--where", "data.status==hangup"], [1, 2]),
        (["--where", "data.status~h", "--where", "data.hangup_reason!=busy"], []),
        (["--search", "RINGING"], [3]),
        (["--search", "ringing", "--search", "text"], [3, 4]),
    ],
)
def test_filters_choose(
    recorded: Recorded, args: list[str], expected: list[int]
) -> None:
    """Repeating a flag is OR, different flags are AND, repeated --where is AND."""
    recorded.attempt(recorded.event(), 500)
    recorded.attempt(recorded.event(), 200)
    recorded.event(RINGING)
    recorded.event(b"some text", to=[MIRROR])
    listed = recorded("events", "--json", *args)
    assert ids_of(listed.objects()) == expected


def test_a_time_may_be_told_from_now(recorded: Recorded) -> None:
    """`10m` is ten minutes ago."""
    recorded.event(received_at=SystemClock().now() - timedelta(minutes=5))
    assert recorded("events", "--since", "10m").out != ""
    assert recorded("events", "--until", "10m").out == ""
    assert recorded("events", "--since", "4m").out == ""


def test_times_without_an_offset_are_local(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the rules of their own date: Berlin was two hours ahead that summer."""
    recorded.event()
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    assert recorded("events", "--since", "2026-08-21T11:15:31").out == ""
    assert recorded("events", "--since", "2026-08-21T11:15:30").out != ""


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--where", "data.status"], "no operator at character 12"),
        (["--since", "yesterday"], "'yesterday' is no moment"),
        (["--since", "1h", "--until", "2h"], "--since 1h is not before --until 2h"),
        (["--status", "bad"], "'bad' is not one of 'failed', 'ok', 'pending'"),
        (["--last", "0"], "0 is not in the range x>=1"),
    ],
)
def test_a_filter_that_does_not_parse_is_an_error(
    recorded: Recorded, args: list[str], message: str
) -> None:
    """Exit 2, whether there are events or not."""
    code, said, hint = recorded("events", *args).error()
    assert code == 2
    assert message in said
    assert hint


def test_nothing_recorded_is_no_error(recorded: Recorded) -> None:
    """Nor does looking make a database."""
    listed = recorded("events")
    assert (listed.code, listed.out) == (0, "")
    assert listed.err.splitlines() == [
        "Nothing is recorded yet for profile default.",
        "hint: devhook up 3000 records; devhook demo shows it without an account",
    ]
    assert not recorded.db.exists()


def test_no_match_says_what_to_try(recorded: Recorded) -> None:
    """A type that is not there comes with those that are."""
    recorded.event()
    recorded.event(b"")
    by_type = recorded("events", "--type", "call_hangpu")
    assert (by_type.code, by_type.out) == (0, "")
    assert by_type.err.endswith("hint: there are call_hangup\n")
    by_text = recorded("events", "--search", "nothing")
    assert by_text.err.endswith("devhook events without filters lists the newest\n")
    assert recorded("events", "-q", "--search", "nothing").err == ""


def test_nothing_received_reaches_the_terminal_raw(recorded: Recorded) -> None:
    """Neither its controls nor the path secret."""
    recorded.event(b'{"type":"a","data":{"status":"\\u001b[31m\\u202e"}}')
    recorded.attempt(1, Outcome(started_at=START, seconds=0.1, error="\x1b[2J"))
    listed = recorded("events").out
    assert "\x1b" not in listed
    assert "\u202e" not in listed
    assert r"\x1b[2J" in listed


def test_a_listing_loads_no_loop_and_no_server(recorded: Recorded) -> None:
    """It is typed often, and answers at once."""
    recorded.event()
    heavy = ("asyncio", "aiohttp", "websockets", "ssl", "sqlite_utils", "yaml")
    also = ("logging", "platformdirs", "tomllib", "subprocess")
    code = (
        "import sys; from devhook.cli import main; main(['events'])\n"
        f"print([n for n in {heavy + also} if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(recorded.home) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    event, loaded = done.stdout.splitlines()
    assert "#1 call_hangup" in event
    assert loaded == "[]"


@dataclass
class Following:
    """A process of its own that follows; a line is waited for, not a time."""

    process: asyncio.subprocess.Process

    async def line(self) -> str:
        assert self.process.stdout is not None
        raw = await asyncio.wait_for(self.process.stdout.readline(), 20)
        return raw.decode().rstrip("\n")

    async def object(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.line())
        return found

    async def interrupt(self) -> tuple[int, bytes]:
        """Ctrl-C: the exit code, and what was not read yet."""
        self.process.send_signal(signal.SIGINT)
        out, _ = await self.process.communicate()
        return self.process.returncode or 0, out


@asynccontextmanager
async def following(recorded: Recorded, *args: str) -> AsyncIterator[Following]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "devhook",
        "events",
        "-f",
        *args,
        env=environment(recorded.home) | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        assert await process.stderr.readline() == b"Following; Ctrl-C ends this.\n"
        yield Following(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_what_comes_is_shown_as_on_the_screen(recorded: Recorded) -> None:
    """First what was there, then each event and each attempt; Ctrl-C is a good end."""
    recorded.attempt(recorded.event(), 200)
    async with following(recorded) as shown:
        assert (await shown.line()).endswith("sig ok   <-- 200  19 ms")
        recorded.event(RINGING)
        line = await shown.line()
        assert "--> #2 call_ringing" in line
        assert line.endswith("ringing   sig ok")
        recorded.attempt(2, 500)
        assert (await shown.line()).endswith(
            "<-- #2 500  19 ms  the platform would send this again   (devhook replay 2)"
        )
        assert await shown.interrupt() == (0, b"")


async def test_the_first_event_ever_is_waited_for(recorded: Recorded) -> None:
    """`events -f` may be started before `up`."""
    async with following(recorded, "--json") as shown:
        recorded.event()
        assert (await shown.object())["id"] == 1
        assert await shown.interrupt() == (0, b"")


async def test_ctrl_c_ends_the_wait_for_a_first_event_well(recorded: Recorded) -> None:
    """It is how one leaves."""
    async with following(recorded) as shown:
        assert await shown.interrupt() == (0, b"")


async def test_objects_of_attempts_come_with_v(recorded: Recorded) -> None:
    """Without it, `event` objects alone."""
    recorded.event()
    async with (
        following(recorded, "--json") as plain,
        following(recorded, "--json", "-v") as verbose,
    ):
        for shown in (plain, verbose):
            assert (await shown.object())["status"] == "pending"
        recorded.attempt(1, 404)
        recorded.event()
        found = [await verbose.object(), await verbose.object()]
        assert sorted(each["type"] for each in found) == ["attempt", "event"]
        (attempt,) = [each for each in found if each["type"] == "attempt"]
        assert (attempt["event"], attempt["verdict"]) == (1, "swallowed")
        assert (await plain.object())["id"] == 2


async def test_only_what_matches_is_followed(recorded: Recorded) -> None:
    """Attempts of other events are not shown either."""
    recorded.event(RINGING)
    async with following(recorded, "--type", "call_ringing") as shown:
        assert "--> #1" in await shown.line()
        recorded.attempt(recorded.event(HANGUP), 500)
        recorded.attempt(recorded.event(RINGING), 200)
        assert "--> #3" in await shown.line()
        assert "<-- #3" in await shown.line()
        recorded.event(RINGING)
        assert "--> #4" in await shown.line()


async def test_an_event_is_shown_when_it_comes_to_match(recorded: Recorded) -> None:
    """`events -f --status failed` tells of each failure, when it is one."""
    recorded.attempt(recorded.event(), 400)
    async with following(recorded, "--status", "failed") as shown:
        assert (await shown.line()).endswith("<-- 400  19 ms FAILED")
        recorded.event()
        recorded.attempt(recorded.event(), 200)
        recorded.attempt(2, 500)
        line = await shown.line()
        assert "--> #2 call_hangup" in line
        assert line.endswith("<-- 500  19 ms FAILED")
        recorded.replay(3, 503)
        assert (await shown.line()).endswith("<-- replay 503  19 ms FAILED")
