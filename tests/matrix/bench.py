"""What a takeover that was met by a fault is held against, whatever the fault was."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from devhook.store.lock import holder
from devhook.system import is_alive
from tests.running import Running, until
from tests.terminal import Terminal
from tests.upbench import Bench, open_bench

KILLED: Final = -signal.SIGKILL


@asynccontextmanager
async def open_short(folder: Path, bound: str = "2s") -> AsyncIterator[Bench]:
    """In which a PUT is waited for only so long; what is settled at the end."""
    async with open_bench(folder) as b:
        before = b.fields()
        b.terminal.environ["DEVHOOK_IN_FLIGHT_BOUND"] = bound
        yield b
        check_settled(b, before)


async def over(up: Running) -> int:
    """End it once it is ready, unless it ends before: its exit code."""
    await is_ready_or_over(up)
    if up.code is None:
        with suppress(ProcessLookupError):
            up.send(signal.SIGTERM)
    return await up.over()


async def is_ready_or_over(up: Running) -> None:
    await until(lambda: up.code is not None or up.is_ready)


async def alone(b: Bench) -> None:
    """Wait until no process of ours lives: none holds the lock, none bears its mark."""
    await until(lambda: _is_free(b) and not any(map(is_alive, marks(b))))


def check_settled(b: Bench, before: dict[str, str]) -> None:
    """All seven fields are as before, no record is open, no process of ours lives."""
    assert b.fields() == before
    assert b.takeovers.open_records() == []
    assert _is_free(b)
    assert not any(map(is_alive, marks(b)))


def marks(b: Bench) -> set[str]:
    """Every process that had to do with a takeover of this machine."""
    found = set[str | None]()
    for record in b.takeovers.history():
        steps = b.takeovers.steps(record.id)
        found |= {record.process, record.guardian, *(step.process for step in steps)}
    return {mark for mark in found if mark}


def stages(b: Bench) -> list[str]:
    """What became of the newest takeover, step by step."""
    return [str(step.stage) for step in b.takeovers.steps(b.takeovers.history()[0].id)]


def settled_by(b: Bench) -> str:
    """Who brought the newest takeover to its end."""
    history = b.takeovers.history()
    if not history:
        return "nobody, nothing begun"
    record = history[0]
    last = b.takeovers.steps(record.id)[-1].process
    if last == record.process:
        return "run"
    return "guardian" if last == record.guardian else "next command"


async def any_command(b: Bench) -> None:
    """Settles what nobody looks after any more; this one is about something else."""
    done = await b.terminal("status")
    assert done.code == 0, done.err


def elsewhere(b: Bench) -> Terminal:
    """Another machine: it knows the account and has no record of anything."""
    terminal = Terminal(home(b.terminal.home, "elsewhere"))
    terminal.environ = b.terminal.environ | {
        name: terminal.environ[name] for name in ("HOME", "DEVHOOK_HOME")
    }
    return terminal


def home(folder: Path, name: str) -> Path:
    """For one of several benches side by side."""
    made = folder / name
    made.mkdir()
    return made


def _is_free(b: Bench) -> bool:
    """Whether the account's lock is, which a guardian inherits."""
    state, account = b.takeovers.path.parent, b.sandbox.customer_id
    return holder(state, b.sandbox.api_url, account, is_alive) is None
