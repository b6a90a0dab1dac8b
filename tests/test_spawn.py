"""A guardian's process is started and waited for while the loop goes on."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devhook.spawn import Start, born, reaped


@contextmanager
def slowly(
    started: list["subprocess.Popen[bytes]"],
) -> Iterator[tuple[Start, threading.Event, threading.Event]]:
    """A start that has begun, and goes on when it is let."""
    begun, let = threading.Event(), threading.Event()

    def start(_: tuple[int, ...]) -> "subprocess.Popen[bytes]":
        begun.set()
        assert let.wait(10)
        code = "import signal; signal.pause()"
        started.append(subprocess.Popen([sys.executable, "-I", "-S", "-c", code]))
        return started[-1]

    try:
        yield start, begun, let
    finally:
        let.set()
        for process in started:
            process.kill()
            process.wait()


async def test_the_loop_goes_on_while_one_is_started() -> None:
    """A machine that swaps takes seconds for it: beat and events do not wait."""
    with slowly([]) as (start, begun, let):
        async with asyncio.TaskGroup() as group:
            starting = group.create_task(born(start, ()))
            assert await asyncio.to_thread(begun.wait, 10)
            assert not starting.done()
            let.set()
        assert starting.result().poll() is None


async def test_one_that_nobody_waits_for_any_more_is_ended() -> None:
    """The run left meanwhile; it was told nothing yet."""
    started: list[subprocess.Popen[bytes]] = []
    with slowly(started) as (start, begun, let):
        async with asyncio.TaskGroup() as group:
            starting = group.create_task(born(start, ()))
            assert await asyncio.to_thread(begun.wait, 10)
            starting.cancel()
            await asyncio.sleep(0)
            let.set()
        assert started[0].returncode == -signal.SIGKILL


async def test_a_start_that_fails_says_so() -> None:
    """By the system's own error."""

    def unable(_: tuple[int, ...]) -> "subprocess.Popen[bytes]":
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with pytest.raises(BlockingIOError):
        await born(unable, ())


async def test_the_loop_goes_on_while_one_ends() -> None:
    """And does not wait for ever: the kernel may hold one that was killed."""
    with asleep() as process:
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(reaped(process))
            await asyncio.sleep(0)
            assert not waiting.done()
            process.kill()
        assert process.returncode == -signal.SIGKILL


@contextmanager
def asleep() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that does nothing; ended with the block."""
    code = "import signal; signal.pause()"
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", code]) as process:
        try:
            yield process
        finally:
            process.kill()
