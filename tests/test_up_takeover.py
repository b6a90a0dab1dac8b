"""What a run puts, and what is put right when it was killed."""

import json
from pathlib import Path

import aiohttp
import pytest

from devhook.store.takeovers import Takeovers
from tests.matrix.bench import elsewhere
from tests.running import until
from tests.upbench import Bench, open_bench

COLLEAGUE = "https://colleague.example/hook"


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
        other = elsewhere(b)
        command = ("restore", "--from-account")
        for unconfirmed in ((), ("--yes", "--root", "https://forged.example")):
            refused = await other(*command, *unconfirmed)
            assert refused.error()[0] == 2
            assert len(b.puts()) == 1
        done = await other(*command, "--root", before["webhook_uri"], "--yes")
        assert done.code == 0
        assert b.fields() == before
        assert (await other(*command)).code == 0


async def test_a_session_without_a_record_is_not_called_nothing(tmp_path: Path) -> None:
    """Whoever runs `restore` elsewhere, or lost the state folder, is told what does."""
    async with open_bench(tmp_path) as b:
        await killed(b)
        b.takeovers.path.unlink()
        code, message, hint = (await b.terminal("restore")).error()
        assert code == 3
        assert "no record here" in message
        assert "restore --from-account" in hint
