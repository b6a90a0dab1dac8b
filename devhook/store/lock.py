"""One devhook per account and machine: a lock that dies with its holders.

The lock belongs to an open file, so a watchdog process that inherits the descriptor
keeps it when the run is killed. The file names its holders, a mark of a process a line:
the run, empty once it has left, then its guardian. Where the file system has no such
locks, those marks are the lock: it stands while a process of them lives, and whoever
finds none takes over by making the file with the next number, which only one can.
Standard library alone.
"""

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devhook.errors import ChangedElsewhere, StoreError

Alive = Callable[[str], bool]
"""Whether the process of a mark still runs."""

Flock = Callable[[int, int], None]
"""`fcntl.flock`, or what a file system makes of it."""

_MISSING: Final = frozenset(
    (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
)
"""What flock(2) says on a file system that has none."""

_LOOKS: Final = 1_000
"""Milliseconds to wait until nobody looks at a lock that nobody holds."""


@dataclass(frozen=True, slots=True)
class Locked:
    """What a child may inherit to keep the lock; a warning if it is the weaker kind.

    That one is kept by the marks in it alone: name the child there, by `rewrite`.
    """

    descriptor: int
    warning: str | None = None


@contextmanager
def account_lock(
    state: Path,
    api_url: str,
    account_id: str,
    *,
    process: str,
    alive: Alive,
    inheritable: bool = False,
    flock: Flock = fcntl.flock,
) -> Iterator[Locked]:
    """Hold the account in the name of `process`, the mark of this very one.

    Raises ChangedElsewhere at once, naming the process that holds it.
    """
    path = _path(state, api_url, account_id)
    locked = _locked(path, process, alive, flock)
    try:
        os.set_inheritable(locked.descriptor, inheritable)
        yield locked
    finally:
        with suppress(OSError):
            marks = _marks(locked.descriptor)
            left = ["" if mark == process else mark for mark in marks]
            rewrite(locked.descriptor, *left)
        os.close(locked.descriptor)


def holder(
    state: Path,
    api_url: str,
    account_id: str,
    alive: Alive,
    *,
    flock: Flock = fcntl.flock,
) -> str | None:
    """The mark of the process that holds the account now; None when it is free.

    "unknown" when the lock names none.
    """
    path = _path(state, api_url, account_id)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _cannot_open(path, exc) from exc
    try:
        if _granted(descriptor, fcntl.LOCK_SH, flock):
            return None
        return _named(_marks(descriptor), alive)
    except OSError as exc:
        if exc.errno not in _MISSING:
            raise _cannot_open(path, exc) from exc
        _, marks = _newest(path)
        return _named(marks, alive) if _living(marks, alive) else None
    finally:
        os.close(descriptor)


def rewrite(descriptor: int, *processes: str) -> None:
    """Name who holds a lock by now, such as a run and its guardian."""
    text = "".join(f"{mark}\n" for mark in processes).encode()
    # In this order a reader sees at least one of them at any moment.
    os.pwrite(descriptor, text, 0)
    os.ftruncate(descriptor, len(text))


def _locked(path: Path, process: str, alive: Alive, flock: Flock) -> Locked:
    descriptor = _opened(path)
    try:
        is_ours, marks = _exclusive(descriptor, flock), _marks(descriptor)
    except OSError as exc:
        os.close(descriptor)
        if exc.errno not in _MISSING:
            raise _cannot_open(path, exc) from exc
        return Locked(_claimed(path, process, alive), _weaker(path.parent))
    if not is_ours:
        os.close(descriptor)
        raise _held(marks, alive)
    with suppress(OSError):  # a full disk must not keep anybody from restoring
        rewrite(descriptor, process)
    return Locked(descriptor)


def _path(state: Path, api_url: str, account_id: str) -> Path:
    key = hashlib.sha256(f"{api_url}\n{account_id}".encode()).hexdigest()
    return state / "locks" / f"{key[:32]}.lock"


def _opened(path: Path) -> int:
    try:
        path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise _cannot_open(path, exc) from exc


# --- a file system with locks --------------------------------------------------------


def _exclusive(descriptor: int, flock: Flock) -> bool:
    """Whether it is ours now. One who only looks, see `holder`, is waited for."""
    for _ in range(_LOOKS):
        if _granted(descriptor, fcntl.LOCK_EX, flock):
            return True
        if not _granted(descriptor, fcntl.LOCK_SH, flock):
            return False
        flock(descriptor, fcntl.LOCK_UN)
        time.sleep(0.001)
    return False


def _granted(descriptor: int, kind: int, flock: Flock) -> bool:
    try:
        flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# --- a file system without -----------------------------------------------------------


def _claimed(path: Path, process: str, alive: Alive) -> int:
    """Take it over from holders that are gone; the descriptor of the file that says so.

    The file with the highest number counts, and it is never removed: who made one with
    a lower number, having looked before others took over, finds it and gives way.
    """
    while True:
        number, marks = _newest(path)
        if _living(marks, alive):
            raise _held(marks, alive)
        descriptor = _made(path, number + 1, process)
        if descriptor is None:
            continue
        if _highest(path) > number + 1:
            _numbered(path, number + 1).unlink(missing_ok=True)
            os.close(descriptor)
            continue
        for old in _numbers(path):
            if old <= number:
                _numbered(path, old).unlink(missing_ok=True)
        return descriptor


def _made(path: Path, number: int, process: str) -> int | None:
    """The file, with the mark in it from its first moment; None if there is one."""
    import tempfile  # few file systems need it

    try:
        descriptor, fresh = tempfile.mkstemp(".new", f"{path.stem}-", path.parent)
    except OSError as exc:
        raise _cannot_lock(path.parent, exc) from exc
    try:
        rewrite(descriptor, process)
        os.link(fresh, _numbered(path, number))
    except OSError as exc:
        os.close(descriptor)
        if isinstance(exc, FileExistsError):
            return None
        raise _cannot_lock(path.parent, exc) from exc
    finally:
        Path(fresh).unlink(missing_ok=True)
    return descriptor


def _newest(path: Path) -> tuple[int, list[str]]:
    """The highest number and the marks in its file; 0 when there is none."""
    while True:
        number = _highest(path)
        if number == 0:
            return 0, []
        file = _numbered(path, number)
        try:
            return number, _read(file.read_bytes())
        except FileNotFoundError:
            continue  # there is a higher one by now
        except OSError as exc:
            raise _cannot_open(file, exc) from exc


def _highest(path: Path) -> int:
    return max(_numbers(path), default=0)


def _numbers(path: Path) -> list[int]:
    suffixes = (found.suffix[1:] for found in path.parent.glob(f"{path.stem}.*"))
    return [int(suffix) for suffix in suffixes if suffix.isdecimal()]


def _numbered(path: Path, number: int) -> Path:
    return path.with_suffix(f".{number}")


# --- who holds it --------------------------------------------------------------------


def _marks(descriptor: int) -> list[str]:
    return _read(os.pread(descriptor, 4096, 0))


def _read(text: bytes) -> list[str]:
    """The run's line, then the others; empty where no process can have written it."""
    lines = text.decode("ascii", "replace").removesuffix("\n").split("\n")
    return [line if line.partition("@")[0].isdecimal() else "" for line in lines]


def _living(marks: list[str], alive: Alive) -> list[str]:
    return [mark for mark in marks if mark and alive(mark)]


def _named(marks: list[str], alive: Alive) -> str:
    """A living one, else the first."""
    return [*_living(marks, alive), *filter(None, marks), "unknown"][0]


def _held(marks: list[str], alive: Alive) -> ChangedElsewhere:
    pid = _named(marks, alive).partition("@")[0]
    living = _living(marks, alive)
    if living and marks[0] not in living:
        return ChangedElsewhere(
            f"the guardian (process {pid}) of a session that is gone is restoring this"
            " account",
            hint="devhook status",
        )
    return ChangedElsewhere(
        f"another devhook holds this account (process {pid})",
        hint=f"Ctrl-C in its terminal, or kill {pid if any(marks) else 'it'};"
        " it restores first",
    )


def _cannot_open(path: Path, exc: OSError) -> StoreError:
    return StoreError(
        f"{path} cannot be opened: {exc.strerror}",
        hint="make its folder writable, or set DEVHOOK_HOME to one that is",
    )


def _cannot_lock(folder: Path, exc: OSError) -> StoreError:
    return StoreError(
        f"nothing in {folder} can be locked: {exc.strerror}",
        hint="set DEVHOOK_HOME to a folder on another file system",
    )


def _weaker(folder: Path) -> str:
    return (
        f"the file system of {folder} has no locks: a second devhook is kept off this"
        " account by its process id alone, and one on another machine is not"
    )
