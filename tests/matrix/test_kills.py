"""A: killed at moments that no named point has, and what a dead machine leaves.

The named points are walked by `test_points.py`.
"""

import asyncio
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from devhook.system import SystemClock
from tests.matrix.bench import (
    KILLED,
    alone,
    any_command,
    elsewhere,
    home,
    open_short,
    stages,
)
from tests.matrix.halfway import halving
from tests.running import until
from tests.upbench import Bench

Seen = Callable[[str], None]


@pytest.mark.slow
@pytest.mark.case(6, "killed during the commit of the first record", "original")
async def test_06_a_commit_is_whole_or_absent(tmp_path: Path, seen: Seen) -> None:
    """Another program reads the file: the commit has to wait, and is met by a kill."""
    async with open_short(tmp_path) as b:
        async with b.up() as up:
            assert await up.end() == 0  # the file is there
        journal = b.takeovers.path.with_name("takeovers.db-journal")
        with closing(sqlite3.connect(b.takeovers.path)) as reader:
            reader.execute("begin")
            reader.execute("select count(*) from takeovers").fetchone()
            async with b.up(ready=False) as up:
                await until(lambda: journal.exists() and journal.stat().st_size)
                assert await up.end(signal.SIGKILL) == KILLED
                await alone(b)
        assert [record.id for record in b.takeovers.history()] == [1]
        assert len(b.puts()) == 2
    seen("row absent, no PUT")


@pytest.mark.slow
@pytest.mark.case(9, "killed with the PUT half sent", "original")
async def test_09_half_a_put_changes_nothing(tmp_path: Path, seen: Seen) -> None:
    """The guardian waits for the in-flight bound, and finds the root."""
    async with open_short(tmp_path) as b, halving(b.sandbox.api_url) as api:
        b.terminal.environ["DEVHOOK_API_URL"] = api.url
        async with b.up(ready=False) as up:
            await api.halved.wait()
            await up.end(signal.SIGKILL)
            await alone(b)
        assert stages(b) == ["prepared", "put_sent", "restored"]
        assert b.puts() == []
    seen("never applied, looked at until the bound")


@pytest.mark.case(10, "killed with the PUT applied, its answer unread", "original")
async def test_10_an_applied_put_that_nobody_saw_answered_is_undone(
    tmp_path: Path, seen: Seen
) -> None:
    """A GET shows it, so that nothing is waited for but the second between PUTs."""
    clock = SystemClock()
    async with open_short(tmp_path, "60s") as b:
        before = b.fields()
        b.sandbox.fault(method="PUT", hang=True)
        async with b.up(ready=False) as up:
            await until(b.puts)
            assert b.fields() != before
            killed = clock.monotonic()
            up.send(signal.SIGKILL)
            await until(lambda: b.fields() == before)
            took = clock.monotonic() - killed
            await alone(b)
        assert took < 10
    seen(f"original after {took:.1f} s, with a bound of 60 s")


@pytest.mark.slow
@pytest.mark.case(
    11, "killed, the PUT applied up to a second before the bound", "original"
)
async def test_11_a_late_put_is_waited_for(tmp_path: Path, seen: Seen) -> None:
    """Unanswered, and applied 1, 2 and 3 s later; the bound is 4 s."""

    async def late(seconds: float) -> None:
        async with open_short(home(tmp_path, f"{seconds:g}"), "4s") as b:
            b.sandbox.fault(method="PUT", hang=True, apply_after=seconds)
            async with b.up(ready=False) as up:
                await until(b.puts)
                await up.end(signal.SIGKILL)
                await alone(b)
            assert stages(b)[2:] == ["restoring", "restored"]
            assert len(b.puts()) == 2

    await asyncio.gather(*map(late, (1.0, 2.0, 3.0)))
    seen("undone after 1, 2 and 3 s, with a bound of 4 s")


@pytest.mark.slow
@pytest.mark.case(
    12, "killed, the PUT applied after the bound", "ours; next run restores"
)
async def test_12_a_put_beyond_the_bound_is_reported(
    tmp_path: Path, seen: Seen
) -> None:
    """No process can wait for ever: the marker tells, and undoes it."""
    async with open_short(tmp_path, "500ms") as b:
        before = b.fields()
        b.sandbox.fault(method="PUT", hang=True, apply_after=2.5)
        async with b.up(ready=False) as up:
            await until(b.puts)
            await up.end(signal.SIGKILL)
            await alone(b)
        assert stages(b)[-1] == "restored"
        await until(lambda: b.fields() != before)
        status = await b.terminal("status")
        assert status.code == 4
        root = before["webhook_uri"]
        done = await b.terminal("restore", "--from-account", "--root", root, "--yes")
        assert done.code == 0, done.err
    seen("status says so (4); restore --from-account: original")


@pytest.mark.case(15, "run killed while active, idle", "original within 2 s")
async def test_15_a_killed_run_is_restored(tmp_path: Path, seen: Seen) -> None:
    """Nobody does anything: the guardian puts the root back."""
    clock = SystemClock()
    async with open_short(tmp_path) as b:
        before = b.fields()
        async with b.up() as up:
            killed = clock.monotonic()
            up.send(signal.SIGKILL)
            await until(lambda: b.fields() == before)
            took = clock.monotonic() - killed
            await alone(b)
        assert took < 2
        seen(f"original after {took * 1000:.0f} ms")


@pytest.mark.slow
@pytest.mark.case(16, "run killed while active, under load", "original; nothing lost")
async def test_16_what_was_answered_under_load_is_recorded(
    tmp_path: Path, seen: Seen
) -> None:
    """Killed in the middle of a burst: an event answered 200 is in the database."""
    async with open_short(tmp_path) as b:
        before = b.fields()
        async with b.up("--no-mirror") as up, asyncio.TaskGroup() as group:
            burst = group.create_task(b.sandbox.burst(1000, concurrency=50))
            await until(lambda: len(answered(b)) > 200)
            up.send(signal.SIGKILL)
            await until(lambda: b.fields() == before)
            await alone(b)
            await burst
        stored = {body for (body,) in b.rows("select body from events")}
        acknowledged = answered(b)
        assert acknowledged <= stored
    seen(f"{len(acknowledged)} answered, 0 of them missing")


def answered(b: Bench) -> set[bytes]:
    """The bodies that were delivered to us, not to the original."""
    return {
        delivery.body
        for delivery in b.sandbox.deliveries
        if "#devhook=" in delivery.setting.uri
        and delivery.attempts
        and delivery.attempts[-1].status == 200
    }


@pytest.mark.slow
@pytest.mark.case(20, "killed while it lingers after the restore", "original")
async def test_20_a_kill_in_the_linger_finds_all_done(
    tmp_path: Path, seen: Seen
) -> None:
    """The record was closed before: nobody sends anything any more."""
    async with open_short(tmp_path) as b:
        async with b.up(DEVHOOK_LINGER="1h") as up:
            up.send(signal.SIGTERM)
            await up.line("restored", outcome="restored")
            assert await up.end(signal.SIGKILL) == KILLED
            await alone(b)
        assert len(b.puts()) == 2
    seen("original, no further PUT")


@pytest.mark.case(21, "run and guardian killed while active", "ours; next run restores")
async def test_21_the_next_command_restores(tmp_path: Path, seen: Seen) -> None:
    """And says so, whatever it is about."""
    async with open_short(tmp_path) as b:
        before = b.fields()
        async with b.up() as up:
            await b.abandon(up)
        assert b.fields() != before
        done = await b.terminal("events")
        assert (
            "a session on account Acme was killed; its webhook is restored" in done.err
        )
    seen("original by `devhook events`, which says so")


@pytest.mark.slow
@pytest.mark.case(22, "both killed, the records deleted", "ours; marker restores")
async def test_22_the_marker_restores_without_records(
    tmp_path: Path, seen: Seen
) -> None:
    """Here, and on a machine that has never seen the account."""

    async def burnt(b: Bench) -> str:
        root = b.fields()["webhook_uri"]
        async with b.up() as up:
            await b.abandon(up)
        b.takeovers.path.unlink()
        return root

    for name in ("here", "there"):
        async with open_short(home(tmp_path, name)) as b:
            root = await burnt(b)
            terminal = b.terminal if name == "here" else elsewhere(b)
            done = await terminal("restore", "--from-account", "--root", root, "--yes")
            assert done.code == 0, done.err
    seen("original by restore --from-account, here and on another machine")


@pytest.mark.slow
@pytest.mark.case(23, "both killed, another machine starts up", "original at the end")
async def test_23_another_machine_adopts_the_root(tmp_path: Path, seen: Seen) -> None:
    """It has no record; what it restores is the root, not the dead URI it found."""
    async with open_short(tmp_path) as b:
        async with b.up() as up:
            await b.abandon(up)
        async with b.up(terminal=elsewhere(b)) as up:
            original = up.ready["original"]["webhook_uri"]
            assert original.startswith(b.original.url)
            assert await up.end() == 0
        await any_command(b)  # closes the record of the machine that died
    seen("root taken from the marker, original at the end")


@pytest.mark.slow
@pytest.mark.case(24, "killed during recovery, five times in a row", "original")
async def test_24_five_killed_recoveries_are_as_good_as_none(
    tmp_path: Path, seen: Seen
) -> None:
    """Each further on than the one before; the sixth is left alone."""
    points = ("active.keep", "restoring.get", "restoring.put", "restoring.answered")
    async with open_short(tmp_path) as b:
        async with b.up() as up:
            await b.abandon(up)
        for point in (*points, "restoring.keep"):
            done = await b.terminal("restore", DEVHOOK_FAULT=f"recovery.{point}:kill")
            assert done.code == KILLED, done.err
        assert (await b.terminal("restore")).code == 0
        assert len(b.puts()) == 2
    seen("original, by one PUT in all")
