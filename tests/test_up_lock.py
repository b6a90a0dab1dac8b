"""Who holds an account: a run, then its guardian, then nobody."""

import signal
from pathlib import Path

from devhook.store.lock import holder
from devhook.system import is_alive
from tests.running import until
from tests.upbench import Bench, open_bench


def holding(b: Bench) -> int | None:
    """The process that holds the bench's account."""
    state = b.terminal.home / "devhook" / "state"
    mark = holder(state, b.sandbox.api_url, b.sandbox.customer_id, is_alive)
    return None if mark is None else int(mark.partition("@")[0])


async def test_an_account_is_held_until_run_and_guardian_are_gone(
    tmp_path: Path,
) -> None:
    """The guardian of a run that was killed still has the root to put back."""
    async with open_bench(tmp_path) as b, b.up() as up:
        guardian, held = b.guardian(), [holding(b)]
        b.sandbox.fault(status=503, times=None)
        await up.end(signal.SIGKILL)
        held.append(holding(b))
        b.sandbox.clear_faults()
        await until(lambda: holding(b) is None)
        assert held == [up.pid, guardian]
