"""A broken file of somebody's repository must not stand in the way of a restore."""

from pathlib import Path

from tests.upbench import open_bench


async def test_a_broken_project_file_does_not_stop_a_restore(tmp_path: Path) -> None:
    """The account matters more than what a folder says of targets."""
    async with open_bench(tmp_path) as b:
        before = b.fields()
        async with b.up() as up:
            await b.abandon(up)
        (b.terminal.folder / ".devhook.toml").write_text("x = ")
        assert (await b.terminal("events")).code == 2
        done = await b.terminal("restore")
        assert done.code == 0, done.err
        assert b.fields() == before


async def test_a_killed_session_shows_without_its_credential(tmp_path: Path) -> None:
    """Nobody looked at the account; the record alone is reason enough for 4."""
    async with open_bench(tmp_path) as b:
        async with b.up() as up:
            await b.abandon(up)
        done = await b.terminal("status", DEVHOOK_ACCESS_KEY="", DEVHOOK_API_URL="")
        assert done.code == 4, done.err
        assert "not settled" in done.out
