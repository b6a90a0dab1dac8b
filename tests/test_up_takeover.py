"""Who holds the account: two sessions, a colleague, and a session that was killed."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from devhook.store.takeovers import Takeovers
from tests.running import until
from tests.terminal import Terminal
from tests.upbench import Bench, free_port, open_bench, straight_to

COLLEAGUE = "https://colleague.example/hook"


def elsewhere(b: Bench, folder: Path) -> Terminal:
    """Another machine's home: it knows the account and has no record of anything."""
    folder.mkdir()
    terminal = Terminal(folder)
    terminal.environ = b.terminal.environ | {
        name: terminal.environ[name] for name in ("HOME", "DEVHOOK_HOME")
    }
    return terminal


async def killed(b: Bench) -> None:
    """Leave the account pointing at a session that is gone."""
    async with b.up() as up:
        await b.abandon(up)


# --- the quickstart and we ---------------------------------------------------------


async def test_the_quickstarts_own_put_blanks_what_ours_keeps(tmp_path: Path) -> None:
    """Two fields in a PUT are not enough: the other five are lost."""
    async with open_bench(tmp_path) as b:
        before = b.fields()
        async with b.up() as up:
            assert [*b.fields().values()][:5] == [*before.values()][:5]
            assert await up.end() == 0
        assert b.fields() == before
        assert [len(json.loads(put.body)) for put in b.puts()] == [7, 7]
        two = {"webhook_method": "POST", "webhook_uri": "https://acme.example/x"}
        await put(b, two)
        assert b.fields() == dict.fromkeys(before, "") | two


async def put(b: Bench, fields: dict[str, str]) -> None:
    async with aiohttp.ClientSession() as http:
        headers = {"Cookie": f"accesskey={b.sandbox.access_key}"}
        url = f"{b.sandbox.api_url}/customer"
        async with http.put(url, json=fields, headers=headers) as answer:
            assert answer.status == 200


# --- killed ------------------------------------------------------------------------


async def test_the_record_is_there_before_the_account_is_changed(
    tmp_path: Path,
) -> None:
    """Killed with the PUT under way it can be undone: the record names the root."""
    async with open_bench(tmp_path) as b:
        before = b.fields()
        b.sandbox.fault(method="PUT", hang=True)
        async with b.up(ready=False) as up:
            await until(b.puts)
            await b.abandon(up)
        records = Takeovers(tmp_path / "devhook" / "state").open_records()
        assert [record.root.uri for record in records] == [before["webhook_uri"]]
        assert b.fields() != before
        assert (await b.terminal("restore")).code == 0
        assert b.fields() == before


@pytest.mark.parametrize("command", ["status", "webhook show"])
async def test_the_next_command_settles_what_a_killed_session_left(
    tmp_path: Path, command: str
) -> None:
    """And says so, whatever the command is about."""
    async with open_bench(tmp_path) as b:
        before = b.fields()
        await killed(b)
        assert b.fields() != before
        done = await b.terminal(*command.split())
        assert done.code == 0
        assert "warning: a session on account Acme was killed" in done.err
        assert f"{b.original.url}/voip?key=***" in done.out
        assert b.fields() == before


async def test_restore_may_be_run_at_any_time(tmp_path: Path) -> None:
    """A dry run changes nothing; the second one finds nothing to do."""
    async with open_bench(tmp_path) as b:
        before = b.fields()
        await killed(b)
        dry = await b.terminal("restore", "--dry-run")
        assert (dry.code, len(b.puts())) == (0, 1)
        assert f"Would restore account Acme to PUT {b.original.url}" in dry.err
        first = await b.terminal("restore", "--json")
        assert first.code == 0
        assert [o["outcome"] for o in first.objects()] == ["restored"]
        assert b.fields() == before
        second = await b.terminal("restore")
        assert (second.code, len(b.puts())) == (0, 2)
        assert "Nothing to restore" in second.err


async def test_an_original_too_long_for_the_marker_is_restored_all_the_same(
    tmp_path: Path,
) -> None:
    """By this machine's record alone, which the user is told."""
    async with open_bench(tmp_path) as b:
        b.sandbox.change(webhook_uri=f"https://acme.example/{'x' * 900}")
        before = b.fields()
        async with b.up("--no-mirror") as up:
            await up.shown("carries no marker")
            assert "#" not in b.fields()["webhook_uri"]
            await b.abandon(up)
        assert (await b.terminal("restore")).code == 0
        assert b.fields() == before


async def test_restore_leaves_a_live_session_alone(tmp_path: Path) -> None:
    """3: whoever runs it may end it."""
    async with open_bench(tmp_path) as b, b.up() as up:
        code, message, _ = (await b.terminal("restore")).error()
        assert code == 3
        assert f"process {up.pid}" in message
        assert len(b.puts()) == 1


async def test_restore_leaves_a_foreign_value_alone(tmp_path: Path) -> None:
    """3, and no PUT."""
    async with open_bench(tmp_path) as b:
        await killed(b)
        b.sandbox.change(webhook_uri=COLLEAGUE)
        done = await b.terminal("restore")
        assert done.error()[0] == 3
        assert b.fields()["webhook_uri"] == COLLEAGUE
        assert len(b.puts()) == 1


async def test_an_account_can_be_restored_without_any_record(tmp_path: Path) -> None:
    """From another machine, by the marker, once a person or --root confirms it."""
    async with open_bench(tmp_path) as b:
        before = b.fields()
        await killed(b)
        other = elsewhere(b, tmp_path / "other")
        command = ("restore", "--from-account")
        for unconfirmed in ((), ("--yes", "--root", "https://forged.example")):
            refused = await other(*command, *unconfirmed)
            assert refused.error()[0] == 2
            assert len(b.puts()) == 1
        done = await other(*command, "--root", before["webhook_uri"], "--yes")
        assert done.code == 0
        assert b.fields() == before
        assert (await other(*command)).code == 0


# --- two sessions ------------------------------------------------------------------


async def test_a_second_session_on_this_machine_is_refused(tmp_path: Path) -> None:
    """By the lock, at once, with nothing changed."""
    async with open_bench(tmp_path) as b, b.up() as up:
        done = await b.terminal("up", "--yes", "--tunnel", "auto", *b.tunnel)
        code, message, _ = done.error()
        assert code == 3
        assert f"process {up.pid}" in message
        assert len(b.puts()) == 1


async def test_a_session_of_another_machine_is_refused(tmp_path: Path) -> None:
    """Its marker names it, and it answers its challenge."""
    async with open_bench(tmp_path) as b, b.up():
        other = elsewhere(b, tmp_path / "other")
        done = await other("up", "--yes", "--public-url", "http://127.0.0.1:9")
        code, message, hint = done.error()
        assert code == 3
        assert "it answers" in message
        assert "--supersede" in hint
        assert len(b.puts()) == 1
        assert (await other("status")).code == 3
        assert len(b.puts()) == 1


async def test_a_session_may_be_superseded(tmp_path: Path) -> None:
    """Each restores the root, never the other: the first one finds a foreign value."""
    async with open_bench(tmp_path) as b, AsyncExitStack() as stack:
        before, other = b.fields(), elsewhere(b, tmp_path / "other")
        first = await stack.enter_async_context(b.up())
        port = stack.enter_context(free_port())
        flags = ("--supersede", *straight_to(port))
        second = await stack.enter_async_context(b.up(*flags, terminal=other))
        assert second.ready["original"] == first.ready["original"]
        assert await first.end() == 3
        assert first.seen[-1]["outcome"] == "foreign"
        assert await second.end() == 0
        assert b.fields() == before


async def test_the_root_of_a_dead_session_is_adopted(tmp_path: Path) -> None:
    """Restored at the end is what was there before the first of them."""
    async with open_bench(tmp_path) as b:
        before = b.fields()
        await killed(b)
        other = elsewhere(b, tmp_path / "other")
        async with b.up(terminal=other) as up:
            assert up.ready["original"]["webhook_uri"].startswith(b.original.url)
            assert await up.end() == 0
        assert b.fields() == before


# --- a colleague -------------------------------------------------------------------


async def test_a_colleagues_webhook_is_told_and_left_alone(tmp_path: Path) -> None:
    """Within 15 s; at the end it is still there: 3."""
    async with open_bench(tmp_path) as b, b.up() as up:
        b.sandbox.change(webhook_uri=COLLEAGUE, webhook_method="GET")
        async with asyncio.timeout(15):
            conflict = await up.line("conflict")
        found = {"webhook_uri": COLLEAGUE, "webhook_method": "GET"}
        assert conflict["found"] == found
        await up.shown("changed by somebody else")
        assert await up.end() == 3
        assert up.seen[-1] == {"type": "restored", **found, "outcome": "foreign"}
        assert b.fields()["webhook_uri"] == COLLEAGUE
        assert len(b.puts()) == 1


async def test_a_colleagues_rename_is_kept(tmp_path: Path) -> None:
    """The restore takes the other five fields from the account as it is then."""
    async with open_bench(tmp_path) as b:
        before = b.fields()
        async with b.up() as up:
            b.sandbox.change(name="Acme Renamed", email="")
            assert await up.end() == 0
        assert b.fields() == before | {"name": "Acme Renamed", "email": ""}
