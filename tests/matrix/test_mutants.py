"""Each safeguard of a takeover, taken out: what holds with it must not hold without.

A check that passes for a mutant too would show nothing about the product.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from devhook.core.model import Stage
from devhook.sandbox import Sandbox
from devhook.store.takeovers import Takeovers
from devhook.system import SystemClock, is_alive
from tests.guarded import ACME, open_sandbox
from tests.running import until
from tests.terminal import ROOT


@dataclass
class Held:
    """An account, the run in miniature that holds it, and what it says."""

    sandbox: Sandbox
    process: asyncio.subprocess.Process
    takeovers: Takeovers

    @property
    def is_as_before(self) -> bool:
        return self.sandbox.account.fields() == ACME.fields()

    @property
    def stage(self) -> Stage | None:
        newest = self.takeovers.history(1)
        return newest[0].stage if newest else None

    @property
    def guardian(self) -> str:
        """The mark of the one that looks after it now."""
        return self.takeovers.history(1)[0].guardian or ""

    async def active(self) -> None:
        await until(lambda: self.stage is Stage.ACTIVE)

    async def alone(self, within: float = 20.0) -> None:
        """Wait until its guardian has ended too, but no longer than that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await until(lambda: not is_alive(self.guardian))

    def puts(self) -> int:
        return sum(request.method == "PUT" for request in self.sandbox.requests)

    async def end(self) -> None:
        """Kill all that is left of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()
        if self.stage is not None and is_alive(self.guardian):
            os.kill(int(self.guardian.partition("@")[0]), signal.SIGKILL)


Check: TypeAlias = Callable[[Held], Awaitable[bool]]


@asynccontextmanager
async def holding(folder: Path, part: str) -> AsyncIterator[Held]:
    """The leader of a process group of its own."""
    state = folder / part
    async with open_sandbox() as sandbox:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.matrix.holding"),
            *(part, state, sandbox.api_url, sandbox.access_key),
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,
        )
        held = Held(sandbox, process, Takeovers(state))
        try:
            yield held
        finally:
            await held.end()


async def is_caught(check: Check, folder: Path, mutant: str) -> bool:
    """Whether the product passes and the mutant fails, side by side."""

    async def passes(part: str) -> bool:
        async with holding(folder, part) as held:
            return await check(held)

    async with asyncio.TaskGroup() as group:
        product = group.create_task(passes("none"))
        deviant = group.create_task(passes(mutant))
    return product.result() and not deviant.result()


# --- the guardian's process ----------------------------------------------------------


async def outlives_its_group(held: Held) -> bool:
    await held.active()
    os.killpg(held.process.pid, signal.SIGKILL)
    await held.alone()
    return held.is_as_before


async def test_a_guardian_in_the_group_of_its_run_is_caught(tmp_path: Path) -> None:
    """One SIGKILL for both: nobody is left who restores."""
    assert await is_caught(outlives_its_group, tmp_path, "guardian in our group")


async def hears_the_end_of_its_run(held: Held) -> bool:
    await held.active()
    held.process.kill()
    await held.alone(within=2.5)
    return held.is_as_before


@pytest.mark.case(40, "pipe leaked to a grandchild", "the end is not heard: caught")
async def test_40_a_pipe_that_leaks_to_a_grandchild_is_caught(
    tmp_path: Path, seen: Callable[[str], None]
) -> None:
    """The run is gone and its pipe is open: the guardian hears of it with the leak."""
    assert await is_caught(hears_the_end_of_its_run, tmp_path, "leaked pipe")
    seen("original within 2.5 s; with the leak the tunnel's URL stays")


@pytest.mark.slow
async def test_40_it_is_the_leak_that_keeps_the_end_from_it(tmp_path: Path) -> None:
    """Once the grandchild has ended, the root is put back."""
    async with holding(tmp_path, "leaked pipe") as held:
        await held.active()
        held.process.kill()
        assert held.process.stdout is not None
        leak = int(await held.process.stdout.readline())
        os.kill(leak, signal.SIGKILL)
        await held.alone()
        assert held.is_as_before


async def is_followed_by_another(held: Held) -> bool:
    await held.active()
    first = held.guardian
    os.kill(int(first.partition("@")[0]), signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(3):
            await until(lambda: held.guardian != first)
    held.process.kill()
    await held.alone()
    return held.is_as_before


@pytest.mark.slow
async def test_a_guardian_that_nobody_follows_is_caught(tmp_path: Path) -> None:
    """Killed first, it cannot see to a run that is killed after it."""
    assert await is_caught(is_followed_by_another, tmp_path, "no successor")


# --- a run that stands still, and one that does not ----------------------------------


async def notices_a_standstill(held: Held) -> bool:
    await held.active()
    held.process.send_signal(signal.SIGSTOP)
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            await until(lambda: held.is_as_before)
    return held.is_as_before


@pytest.mark.slow
async def test_a_guardian_that_minds_no_silence_is_caught(tmp_path: Path) -> None:
    """A stopped run closes no pipe: without the rule its dead tunnel stays."""
    assert await is_caught(notices_a_standstill, tmp_path, "no silence rule")


async def holds_on_while_it_lives(held: Held) -> bool:
    await held.active()
    with suppress(TimeoutError):
        async with asyncio.timeout(4):
            await until(lambda: held.stage is not Stage.ACTIVE)
    return held.stage is Stage.ACTIVE


@pytest.mark.slow
async def test_a_run_without_a_heartbeat_is_caught(tmp_path: Path) -> None:
    """It lives, and its guardian takes it for one that stands still."""
    assert await is_caught(holds_on_while_it_lives, tmp_path, "no heartbeat")


# --- the PUT -------------------------------------------------------------------------


async def undoes_a_put_that_comes_late(held: Held) -> bool:
    clock = SystemClock()
    held.sandbox.fault(method="PUT", hang=True, apply_after=1.0)
    await until(held.puts)
    sent = clock.monotonic()
    held.process.kill()
    await held.alone()
    await until(lambda: clock.monotonic() > sent + 1.5)  # so that it has come
    return held.is_as_before


@pytest.mark.slow
async def test_a_guardian_that_waits_for_no_put_in_flight_is_caught(
    tmp_path: Path,
) -> None:
    """It finds the root and is content; then the PUT comes."""
    mutant = "no wait for a PUT in flight"
    assert await is_caught(undoes_a_put_that_comes_late, tmp_path, mutant)


async def leaves_the_other_five_alone(held: Held) -> bool:
    await until(lambda: held.puts() and held.stage is not Stage.PUT_SENT)
    held.process.kill()
    await held.alone()
    return held.is_as_before


@pytest.mark.parametrize(
    "whose", ["run", pytest.param("guardian", marks=pytest.mark.slow)]
)
async def test_a_put_of_two_fields_is_caught(tmp_path: Path, whose: str) -> None:
    """As in the quickstart: it blanks the account's name, e-mail, phone and address."""
    mutant = f"two fields by the {whose}"
    assert await is_caught(leaves_the_other_five_alone, tmp_path, mutant)
