"""What a command about something else does for sessions that are gone."""

import asyncio
from dataclasses import replace
from pathlib import Path

from devhook.cli.base import Run
from devhook.cli.settle import settle
from devhook.config import Flags, load
from devhook.core.model import Takeover
from tests.upbench import Bench, open_bench


async def left(b: Bench) -> Takeover:
    """The record of a session that was killed, its guardian too."""
    async with b.up() as up:
        await b.abandon(up)
    (record,) = b.takeovers.open_records()
    return record


def another(b: Bench, record: Takeover) -> None:
    """One like it, of an account that no session holds."""
    other = replace(record, id=0, account_id="another", account_name="Other")
    b.takeovers.keep(other, record.started_at, record.process)


async def settled(b: Bench, *records: Takeover, within: float = 5.0) -> list[str]:
    """The warnings of a command that found those records open."""
    settings = load(Flags(), b.terminal.environ, cwd=b.terminal.folder)
    run, said = Run({}), list[str]()
    run.echo = lambda text, **_: said.append(text)
    run.settles = False
    await asyncio.to_thread(settle, run, settings, list(records), within)
    return said


async def test_each_record_is_tried_once(tmp_path: Path) -> None:
    """And warned of once, when the API refuses."""
    async with open_bench(tmp_path) as b:
        another(b, await left(b))
        b.sandbox.fault(status=403, times=None)
        asked = len(b.sandbox.requests)
        done = await b.terminal("events")
        assert (done.code, done.err.count("may still point")) == (0, 2)
        assert len(b.sandbox.requests) == asked + 2


async def test_once_the_time_is_over_the_other_records_are_left(
    tmp_path: Path,
) -> None:
    """With a warning of each: the command that was typed has waited long enough."""
    async with open_bench(tmp_path) as b:
        another(b, await left(b))
        b.sandbox.fault(hang=True, times=None)
        said = await settled(b, *b.takeovers.open_records(), within=0.2)
        assert ["no time left" in text for text in said] == [False, True]
        assert "account Other may still point" in said[1]


async def test_what_another_command_found_to_be_a_colleagues_is_not_called_restored(
    tmp_path: Path,
) -> None:
    """It ended after this one had read that it was open."""
    async with open_bench(tmp_path) as b:
        record = await left(b)
        b.sandbox.change(webhook_uri="https://colleague.example/hook")
        assert (await b.terminal("restore")).code == 3
        (said,) = await settled(b, record)
        assert "somebody else set its webhook" in said


async def test_a_record_that_is_gone_tells_nothing(tmp_path: Path) -> None:
    """Nobody knows what became of the account."""
    async with open_bench(tmp_path) as b:
        record = await left(b)
        b.takeovers.path.unlink()
        (said,) = await settled(b, record)
        assert "may still point" in said
        assert "its record is gone" in said


async def test_nothing_is_said_of_a_session_that_lives(tmp_path: Path) -> None:
    """Its account is held, so nobody asks for the credential of its profile."""
    async with open_bench(tmp_path) as b, b.up() as up:
        done = await b.terminal("events", DEVHOOK_ACCESS_KEY="")
        assert (done.code, "warning" in done.err) == (0, False), done.err
        assert b.fields()["webhook_uri"].startswith(up.ready["webhook_uri"])


async def test_an_account_is_named_without_what_a_terminal_would_obey(
    tmp_path: Path,
) -> None:
    """Also where the account alone told the name."""
    async with open_bench(tmp_path) as b:
        b.sandbox.change(name="Ac\x1b[2Jme")
        root = b.fields()["webhook_uri"]
        await left(b)
        b.takeovers.path.unlink()
        done = await b.terminal(
            "restore", "--from-account", "--root", root, "--yes", "--color", "always"
        )
        assert done.code == 0, done.err
        assert "Restored account Ac" in done.err
        assert "\x1b[2J" not in done.err
