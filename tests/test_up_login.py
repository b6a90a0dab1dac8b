"""`devhook up` with a login token: refused when nobody could restore any more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from devhook.system import SystemClock
from tests.running import Running
from tests.upbench import Bench, open_bench

HINT = "log in again: devhook profile add default"


@asynccontextmanager
async def logged_in(
    b: Bench, token: str, *flags: str, ready: bool = False
) -> AsyncIterator[Running]:
    """`up` by that token alone."""
    async with b.up(
        *flags, ready=ready, DEVHOOK_ACCESS_KEY="", DEVHOOK_TOKEN=token
    ) as up:
        yield up


@pytest.mark.parametrize(
    ("minutes", "flags", "left", "needed", "shorter"),
    [
        (26, (), "26m", "1h", ", or end before it does: --for 20m"),
        (64, ("--for", "1h"), "1h4m", "1h5m", ", or end before it does: --for 58m"),
        (5, ("--for", "5m"), "5m", "10m", ""),
    ],
    ids=["within-the-hour", "within-for", "nothing-fits"],
)
async def test_a_token_that_ends_too_soon_is_refused(
    tmp_path: Path,
    minutes: int,
    flags: tuple[str, ...],
    left: str,
    needed: str,
    shorter: str,
) -> None:
    """Before anything is changed; the hint is what would do."""
    async with open_bench(tmp_path) as b:
        token = b.sandbox.token_for(timedelta(minutes=minutes, seconds=30))
        async with logged_in(b, token, *flags) as up:
            assert await up.over() == 6
            error = up.seen[-1]
            assert (error["type"], error["code"]) == ("error", 6)
            said = f"the login token (DEVHOOK_TOKEN) ends in {left}"
            assert error["message"].startswith(said)
            said = f"this session needs it for {needed}"
            assert error["message"].endswith(said)
            assert error["hint"] == f"{HINT}{shorter}"
        assert b.puts() == []
        assert token not in up.screen


async def test_an_ended_token_is_refused_in_its_own_words(tmp_path: Path) -> None:
    """More than that the API does not accept it."""
    async with open_bench(tmp_path) as b:
        async with logged_in(b, b.sandbox.expired_token) as up:
            assert await up.over() == 6
            assert "the login token (DEVHOOK_TOKEN) ended" in up.seen[-1]["message"]
            assert up.seen[-1]["hint"] == HINT
        assert b.puts() == []


async def test_a_token_that_may_not_is_refused_for_that(tmp_path: Path) -> None:
    """One that lasts, but lacks the right."""
    async with open_bench(tmp_path) as b, logged_in(b, b.sandbox.agent_token) as up:
        assert await up.over() == 6
        assert "needs an admin" in up.seen[-1]["message"]


async def test_a_token_that_outlasts_its_session_is_let_in(tmp_path: Path) -> None:
    """As the hint proposes; nothing is said of the token."""
    async with open_bench(tmp_path) as b:
        before = b.fields()
        token = b.sandbox.token_for(timedelta(minutes=26, seconds=30))
        async with logged_in(b, token, "--for", "20m", ready=True) as up:
            assert await up.end() == 0
            assert "login token" not in up.screen
        assert b.fields() == before


async def test_a_session_ends_itself_before_its_token_and_restores(
    tmp_path: Path,
) -> None:
    """At first the API's clock is 2 h slow, which is told; then it is not."""
    async with open_bench(tmp_path) as b:
        before = b.fields()
        slow = format_datetime(SystemClock().now() - timedelta(hours=2), usegmt=True)
        b.sandbox.fault(times=None, headers={"Date": slow})
        token = b.sandbox.token_for(timedelta(seconds=110))
        async with logged_in(b, token, ready=True) as up:
            warning = await up.line("warning")
            assert warning["text"].startswith("this machine's clock is 2h")
            assert warning["hint"]
            b.sandbox.clear_faults()
            assert await up.over() == 6
            assert "The login token is about to end; restoring" in up.screen
            assert (await up.line("restored"))["outcome"] == "restored"
            assert b.rows("select ended_how from sessions") == [("credential",)]
        assert b.fields() == before
