"""What a session left unsent: taken over at once, never sent by itself later."""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from tests.endpoint import OK, Endpoint, read_request, speaking
from tests.upbench import Bench, open_bench

AGO = "-2 minutes"


@asynccontextmanager
async def left_behind(folder: Path) -> AsyncIterator[tuple[Bench, Endpoint]]:
    """Three events of one call: a killed session was still at the first of them.

    The application is well again.
    """
    well = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_request(reader):
            if well.is_set():
                app.requests.append(request)
                writer.write(OK)

    app = Endpoint()
    async with open_bench(folder) as b, speaking(speak, app):
        async with b.up(target=str(app.port)) as up:
            for status in ("dialing", "ringing", "hangup"):
                data = b'{"id":"a","status":"%b"}' % status.encode()
                await b.sandbox.deliver(b'{"type":"call_updated","data":%b}' % data)
            await up.lines(3, "event")
            await up.end(signal.SIGKILL)
        well.set()
        yield b, app


def age(b: Bench) -> None:
    """As if all of it had happened some minutes ago."""
    with closing(sqlite3.connect(b.db)) as db:
        for table, column in (
            ("sessions", "started_at"),
            ("events", "received_at"),
            ("deliveries", "claimed_at"),
            ("attempts", "started_at"),
        ):
            changed = f"strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '{AGO}')"
            db.execute(f"update {table} set {column} = {changed}")  # noqa: S608
        db.commit()


async def test_a_restart_at_once_takes_over_what_was_pending(tmp_path: Path) -> None:
    """For the same target, in the order it came."""
    async with left_behind(tmp_path) as (b, app):
        async with b.up(target=str(app.port)) as up:
            taken = await up.lines(3, "attempt", kind="live", status=200)
            assert [attempt["event"] for attempt in taken] == [1, 2, 3]
            assert up.seen[0]["type"] == "ready"
        assert len(app.requests) == 3


@pytest.mark.parametrize("what", ["old", "for-another-target"])
async def test_a_stale_backlog_is_never_sent_by_itself(
    tmp_path: Path, what: str
) -> None:
    """It fails as stale, is said so, and can be replayed."""
    async with left_behind(tmp_path) as (b, app):
        if what == "old":
            age(b)
        target = f"{app.port}/other" if what == "for-another-target" else f"{app.port}"
        async with b.up(target=target) as up:
            await b.sandbox.emit("call_hangup")
            attempt = await up.line("attempt", kind="live", status=200)
            assert attempt["event"] == 4
        assert len(app.requests) == 1
        stale = "select count(*) from deliveries where reason = 'stale' and kind = ?"
        assert b.rows(stale, "live") == [(3,)]
        done = await b.terminal("replay", "1..3", "--to", str(app.port))
        assert (done.code, len(app.requests)) == (0, 4)
