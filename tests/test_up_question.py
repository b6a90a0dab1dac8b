"""Whether the account may be changed is asked once, and only where it matters."""

from pathlib import Path

import pytest

from tests.running import CTRL_C, CTRL_D
from tests.upbench import open_bench


async def test_the_original_is_shown_before_it_is_replaced(tmp_path: Path) -> None:
    """Old and new, secrets masked; y goes on."""
    async with (
        open_bench(tmp_path) as b,
        b.up(attended=True, yes=False, ready=False) as up,
    ):
        await up.shown("Continue? [y/N] ")
        old, new = f"{b.original.url}/voip?key=***", f"http://127.0.0.1:{b.port}"
        assert f"{old}  ->  {new}" in up.screen
        assert b.puts() == []
        up.type(b"y\n")
        await up.line("ready")


@pytest.mark.parametrize(
    ("keys", "code"),
    [(b"\n", 2), (CTRL_D, 2), (CTRL_C, 130)],
    ids=["enter", "ctrl-d", "ctrl-c"],
)
async def test_anything_but_yes_changes_nothing(
    tmp_path: Path, keys: bytes, code: int
) -> None:
    """The default is no; an interrupt is one."""
    async with open_bench(tmp_path) as b:
        async with b.up(attended=True, yes=False, ready=False) as up:
            await up.shown("[y/N]")
            up.type(keys)
            assert await up.over() == code
        assert b.puts() == []


async def test_an_account_without_a_webhook_is_not_asked_about(tmp_path: Path) -> None:
    """Nobody loses anything; and empty is what it is again at the end."""
    async with open_bench(tmp_path, original=False) as b:
        before = b.fields()
        async with b.up(attended=True, yes=False) as up:
            assert "Continue?" not in up.screen
            assert await up.end() == 0
        assert b.fields() == before
