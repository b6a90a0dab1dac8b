"""Holds an account while a command changes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devhook.cli.base import Run
from devhook.store.lock import account_lock
from devhook.system import is_alive, this_process


@contextmanager
def hold_account(
    run: Run, state: Path, api_url: str, account_id: str
) -> Iterator[None]:
    """Warns where the file system has no lock that dies with its holder.

    Raises ChangedElsewhere when another devhook of this machine holds the account.
    """
    process = this_process()
    lock = account_lock(state, api_url, account_id, process=process, alive=is_alive)
    with lock as locked:
        if locked.warning:
            run.warn(locked.warning)
        yield
