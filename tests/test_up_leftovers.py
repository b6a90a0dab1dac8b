"""What a killed `up` leaves, met by commands in every unlucky order."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from devhook.store.takeovers import Takeovers
from tests.endpoint import answer, endpoint
from tests.upbench import Bench, open_bench


async def killed(b: Bench) -> None:
    async with b.up() as up:
        await b.abandon(up)


def takeovers(b: Bench) -> Takeovers:
    return Takeovers(b.terminal.home / "devhook" / "state")


def change(b: Bench, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(takeovers(b).path)) as db, db:
        db.execute(sql, values)


async def test_one_record_that_fails_does_not_keep_the_next_from_its_end(
    tmp_path: Path,
) -> None:
    """The older one is of a profile that was removed since."""
    async with open_bench(tmp_path) as b:
        before = b.fields()
        await killed(b)
        change(b, "update takeovers set id = 7")
        change(
            b,
            "insert into takeovers (id, api_url, account_id, account_name, profile,"
            " process, mine, root_uri, root_method, stage, started_at)"
            " select 1, api_url, 'another', 'Old', 'removed', process, mine, root_uri,"
            " root_method, stage, started_at from takeovers where id = 7",
        )
        done = await b.terminal("restore")
        assert b.fields() == before
        assert done.code != 0
        assert "removed" in done.err


@pytest.mark.parametrize("damage", ["garbage", "folder"])
async def test_the_marker_restores_where_the_records_are_damaged(
    tmp_path: Path, damage: str
) -> None:
    """Other commands warn and go on; `restore --from-account` needs no record."""
    async with open_bench(tmp_path) as b:
        before = b.fields()
        await killed(b)
        path = takeovers(b).path
        path.unlink()
        if damage == "garbage":
            path.write_bytes(b"x" * 8192)
        else:
            path.mkdir()
        listed = await b.terminal("events")
        assert listed.code == 0
        assert "warning" in listed.err
        root = before["webhook_uri"]
        done = await b.terminal("restore", "--from-account", "--root", root, "--yes")
        assert done.code == 0, done.err
        assert b.fields() == before


async def test_a_key_is_never_shown_to_the_api_of_another_record(
    tmp_path: Path,
) -> None:
    """A record names an address where by now something else may listen."""
    async with open_bench(tmp_path) as b, endpoint(answer(200, b"{}")) as later:
        await killed(b)
        change(b, "update takeovers set api_url = ?", f"{later.url}/v1.0")
        done = await b.terminal("events")
        assert done.code == 0
        assert "may still point" in done.err
        assert later.requests == []


async def test_an_original_that_redirects_to_nowhere_ends_nothing(
    tmp_path: Path,
) -> None:
    """A host name that no DNS can hold is an attempt that failed, no more."""
    nowhere = answer(307, b"", "Location: http://a..b/")
    async with endpoint(nowhere) as original, open_bench(tmp_path) as b:
        b.sandbox.change(webhook_uri=f"{original.url}/voip")
        async with b.up() as up:
            await b.sandbox.emit("call_hangup")
            tried = await up.line("attempt", kind="mirror")
            assert "does not resolve" in str(tried["error"])
            assert await up.end() == 0
