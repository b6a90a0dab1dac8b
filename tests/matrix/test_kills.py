"""A: killed at each step of a takeover, a restore and a recovery."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from devhook.system import SystemClock
from tests.running import until
from tests.upbench import open_bench


@pytest.mark.case(15, "run killed while active, idle", "original within 2 s")
async def test_15_a_killed_run_is_restored(
    tmp_path: Path, seen: Callable[[str], None]
) -> None:
    """Nobody does anything: the guardian puts the root back."""
    clock = SystemClock()
    async with open_bench(tmp_path) as b:
        before = b.fields()
        async with b.up() as up:
            killed = clock.monotonic()
            up.send(signal.SIGKILL)
            await until(lambda: b.fields() == before)
            took = clock.monotonic() - killed
        assert took < 2
        seen(f"original after {took * 1000:.0f} ms")
