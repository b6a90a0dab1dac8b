"""Account locks of this process and of others, on either kind of file system."""

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from devhook.store import lock
from devhook.store.lock import Flock, Locked
from devhook.system import is_alive, this_process

API = "https://api.example/v1.0"
DEAD = f"{os.getpid()}@an-earlier-boot:1"
"""This process's number, given to another one before."""

PRELUDE = """
import errno, fcntl, sys
from contextlib import ExitStack
from pathlib import Path
from devhook.errors import ChangedElsewhere
from devhook.store.lock import account_lock
from devhook.system import is_alive, this_process

state, kind = Path(sys.argv[1]), sys.argv[2]

def no_flock(descriptor, operation):
    raise OSError(errno.ENOLCK, "No locks available")

def hold(account):
    return account_lock(
        state,
        "https://api.example/v1.0",
        account,
        process=this_process(),
        alive=is_alive,
        flock=no_flock if kind == "without" else fcntl.flock,
    )
"""

HOLDS = """
with hold("a"):
    print(this_process(), flush=True)
    sys.stdin.read()
"""


def no_flock(descriptor: int, operation: int) -> None:
    """What flock(2) says on a network file system without a lock daemon."""
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


KINDS = {"with": fcntl.flock, "without": no_flock}
both_kinds = pytest.mark.parametrize("kind", KINDS)


def account_lock(
    state: Path,
    account: str = "a",
    *,
    api_url: str = API,
    inheritable: bool = False,
    flock: Flock = fcntl.flock,
) -> AbstractContextManager[Locked]:
    return lock.account_lock(
        state,
        api_url,
        account,
        process=this_process(),
        alive=is_alive,
        inheritable=inheritable,
        flock=flock,
    )


def holder(state: Path, *, flock: Flock = fcntl.flock) -> str | None:
    return lock.holder(state, API, "a", is_alive, flock=flock)


def lock_file(state: Path, kind: str = "with") -> Path:
    """The one that names the holder; without locks there is an empty one as well."""
    suffix = ".lock" if kind == "with" else ".1"
    (file,) = (state / "locks").glob(f"*{suffix}")
    return file


@contextmanager
def running(code: str, state: Path, kind: str) -> Iterator["subprocess.Popen[str]"]:
    """A process of its own, which ends with its stdin."""
    with subprocess.Popen(
        [sys.executable, "-c", PRELUDE + code, str(state), kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


@contextmanager
def child_with(descriptor: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that was given the descriptor and ends with its stdin."""
    wait = "import sys; sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", wait], stdin=subprocess.PIPE, pass_fds=[descriptor]
    ) as child:
        yield child


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def until_done(process: "subprocess.Popen[str]") -> list[str]:
    return list(iter(lambda: said(process), "done"))


def start(processes: "list[subprocess.Popen[str]]") -> None:
    """Let them go on, once all of them are ready."""
    for process in processes:
        assert said(process) == "ready"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
