"""Starting a guardian's process, and waiting for its end, without blocking the loop.

Not a subprocess of asyncio's: that would be killed when its transport is closed, and a
guardian must outlive the loop.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from devhook.core.fault import VARIABLE

_START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from devhook.guardian import main; main()"
)
_ROOT: Final = str(Path(__file__).parent.parent)
_PASSED_ON: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", VARIABLE)
"""What of the environment the guardian's modules read; a credential is none of it."""

_REAPED_WITHIN: Final = 5.0

_LEFT: Final[list["subprocess.Popen[bytes]"]] = []
"""Processes that go on without us: an object that is collected would complain."""

Start: TypeAlias = Callable[[tuple[int, ...]], "subprocess.Popen[bytes]"]
"""Starts a guardian that keeps these descriptors open."""


def start_guardian(inherited: tuple[int, ...]) -> "subprocess.Popen[bytes]":
    """In a session of its own: no signal of a terminal or a group reaches it."""
    return subprocess.Popen(  # noqa: S603  our own interpreter and module
        [sys.executable, "-I", "-S", "-c", _START, _ROOT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        start_new_session=True,
        pass_fds=inherited,
    )


async def born(start: Start, inherited: tuple[int, ...]) -> "subprocess.Popen[bytes]":
    """Started on a thread: it takes until the other program runs. Raises OSError.

    Cancelled meanwhile, it ends what it started, which was told nothing yet.
    """
    starting = asyncio.get_running_loop().run_in_executor(None, start, inherited)
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with suppress(OSError):
            process = await starting
            process.kill()
            await reaped(process)
        raise


async def reaped(process: "subprocess.Popen[bytes]") -> None:
    """Not waited for without a limit: the kernel may hold one that was killed."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_REAPED_WITHIN):
            while process.poll() is None:  # noqa: ASYNC110  no event tells of it
                await asyncio.sleep(0.01)
    let_go(process)


def let_go(process: "subprocess.Popen[bytes]") -> None:
    """One that goes on is nobody's child to wait for any more."""
    if process.poll() is None:
        _LEFT.append(process)
