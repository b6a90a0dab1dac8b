"""Who holds an account: a run, then its guardian, then nobody."""

import signal
from pathlib import Path

from devhook.errors import ChangedElsewhere
from devhook.store.lock import account_lock, holder
from devhook.system import is_alive, this_process
from tests.running import until
from tests.upbench import Bench, open_bench


def holding(b: Bench) -> int | None:
    """The process that holds the bench's account."""
    state = b.terminal.home / "devhook" / "state"
    mark = holder(state, b.sandbox.api_url, b.sandbox.customer_id, is_alive)
    return None if mark is None else int(mark.partition("@")[0])


def refusal(b: Bench) -> str | None:
    """What a second devhook is told; None once the account is free."""
    state = b.terminal.home / "devhook" / "state"
    api_url, account = b.sandbox.api_url, b.sandbox.customer_id
    me = this_process()
    try:
        with account_lock(state, api_url, account, process=me, alive=is_alive):
            return None
    except ChangedElsewhere as exc:
        return exc.message


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


async def test_a_guardian_is_not_called_another_devhook(tmp_path: Path) -> None:
    """To kill it would not make it restore first: it is at that already."""
    async with open_bench(tmp_path) as b, b.up() as up:
        guardian, told = b.guardian(), [refusal(b)]
        b.sandbox.fault(status=503, times=None)
        asked = len(b.sandbox.requests)
        await up.end(signal.SIGKILL)
        await until(lambda: len(b.sandbox.requests) > asked)
        told.append(refusal(b))
        b.sandbox.clear_faults()
        await until(lambda: refusal(b) is None)
        assert told == [
            f"another devhook holds this account (process {up.pid})",
            f"the guardian (process {guardian}) of a session that is gone is restoring"
            " this account",
        ]
