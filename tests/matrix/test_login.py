"""I: a login token, and two clocks that differ."""

from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from devhook.system import SystemClock
from tests.upbench import open_bench


@pytest.mark.case(146, "token judged with a skewed clock", "API's clock decides; told")
async def test_146_a_token_is_judged_by_the_apis_clock(
    tmp_path: Path, seen: Callable[[str], None]
) -> None:
    """By ours it lasts for a day, by the API's not for an hour."""
    async with open_bench(tmp_path) as b:
        theirs = SystemClock().now() + timedelta(hours=23, seconds=30)
        b.sandbox.fault(headers={"Date": format_datetime(theirs, usegmt=True)})
        day = b.sandbox.token_for(timedelta(days=1))
        async with b.up(ready=False, DEVHOOK_ACCESS_KEY="", DEVHOOK_TOKEN=day) as up:
            assert await up.over() == 6
            said = up.seen[-1]["message"]
        assert "ends in 59m" in said
        assert said.endswith("this machine's clock is 23h behind the API's")
        assert b.puts() == []
        seen("refused, both clocks told")
