"""Commands that start at once, each in a process of its own.

An interpreter takes 0.4 s to import what devhook needs. So one does it once, and for
each command forks a process that finds everything imported: with the command's own
environment, folder and standard streams, it goes the way of `python -m devhook`. What
is about the start itself (an import that is missing, say) needs a real one: see
`tests.running` and `test_package`.
"""

import asyncio
import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from tempfile import TemporaryFile
from typing import IO

_ROOT = Path(__file__).parent.parent
_APART = ("pytest_plugin", "testing", "demo", "__main__")


async def command(
    args: Sequence[str], *, stdin: bytes, folder: Path, environ: Mapping[str, str]
) -> tuple[int, bytes, bytes]:
    """Exit code, output and errors; the code is negative if a signal ended it."""
    wish = json.dumps({"args": args, "folder": str(folder), "environ": dict(environ)})
    with ExitStack() as stack:
        asked, given, out, err = (stack.enter_context(TemporaryFile()) for _ in "1234")
        _write(asked, wish.encode())
        _write(given, stdin)
        told, telling = os.pipe()
        stack.callback(os.close, told)
        files = [file.fileno() for file in (asked, given, out, err)]
        socket.send_fds(_forker(), [b"."], [*files, telling])
        os.close(telling)
        code = int(await asyncio.to_thread(os.read, told, 8))
        return code, _all(out), _all(err)


def _write(file: IO[bytes], data: bytes) -> None:
    file.write(data)
    file.seek(0)


def _all(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


@cache
def _forker() -> socket.socket:
    """The way to the process that forks; it ends when this one does."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forking", str(theirs.fileno())],
            cwd=_ROOT,
            pass_fds=[theirs.fileno()],
        )
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


# --- the process that forks ----------------------------------------------------------


def _serve(door: socket.socket) -> None:
    """Returns in a process that is to become a command, and at the end."""
    import devhook

    for module in walk_packages(devhook.__path__, "devhook.", onerror=str):
        if not any(part in module.name for part in _APART):
            with suppress(Exception):  # it fails again in the command that needs it
                import_module(module.name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    while True:
        word, files, _, _ = socket.recv_fds(door, 1, 5)
        if not word:
            os._exit(0)
        if os.fork() == 0:
            door.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            asked, *streams, telling = files
            child = os.fork()
            if child == 0:
                os.close(telling)
                _become(asked, streams)
                return
            _, status = os.waitpid(child, 0)
            os.write(telling, b"%d" % os.waitstatus_to_exitcode(status))
            os._exit(0)
        for file in files:
            os.close(file)


def _become(asked: int, streams: Sequence[int]) -> None:
    with open(asked, "rb") as file:
        wish = json.load(file)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(wish["environ"])
    time.tzset()
    os.chdir(wish["folder"])
    sys.path[0] = wish["folder"]
    sys.argv[1:] = wish["args"]


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("devhook", run_name="__main__", alter_sys=True)
