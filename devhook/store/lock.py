"""One devhook per account and machine: a lock that dies with its holders.

The lock belongs to an open file, so a watchdog process that inherits the descriptor
keeps it when the run is killed. Standard library alone.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devhook.errors import ChangedElsewhere, StoreError


@contextmanager
def account_lock(
    state: Path, api_url: str, account_id: str, *, inheritable: bool = False
) -> Iterator[int]:
    """Hold the account; gives the descriptor that a child may inherit.

    Raises ChangedElsewhere at once, naming the process that holds it.
    """
    descriptor = _opened(_path(state, api_url, account_id))
    try:
        _lock(descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        os.set_inheritable(descriptor, inheritable)
        yield descriptor
    finally:
        os.close(descriptor)


def _path(state: Path, api_url: str, account_id: str) -> Path:
    key = hashlib.sha256(f"{api_url}\n{account_id}".encode()).hexdigest()
    return state / "locks" / f"{key[:32]}.lock"


def _opened(path: Path) -> int:
    try:
        path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise StoreError(
            f"{path} cannot be opened: {exc.strerror}",
            hint="make its folder writable, or set DEVHOOK_HOME to one that is",
        ) from exc


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        raise ChangedElsewhere(
            f"another devhook holds this account (process {holder or 'unknown'})",
            hint=f"Ctrl-C in its terminal, or kill {holder or 'it'}; it restores first",
        ) from None
