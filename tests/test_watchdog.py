"""The run's end of its guardian: told, asked, killed, started again."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from devhook.core.clock import Clock
from devhook.core.guarding import BEAT_EVERY, Plan
from devhook.core.model import Stage, Takeover
from devhook.core.takeover import Ending
from devhook.sandbox import Sandbox
from devhook.store.takeovers import Takeovers
from devhook.system import SystemClock, is_alive, process_mark, this_process
from devhook.watchdog import (
    BUSY_FOR,
    DEATHS,
    GuardianLost,
    Start,
    Watchdog,
    open_watchdog,
    start_guardian,
)
from tests.clock import ManualClock
from tests.guarded import ACME, MINE, open_sandbox, plan, record
from tests.running import until
from tests.values import at


@dataclass
class Rig:
    """A watchdog over an account of the sandbox, and every guardian it started."""

    sandbox: Sandbox
    plan: Plan
    watchdog: Watchdog
    guardians: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def takeovers(self) -> Takeovers:
        return Takeovers(Path(self.plan.state))

    @property
    def fields(self) -> dict[str, str]:
        return self.sandbox.account.fields()

    async def hold(self) -> Takeover:
        """Point the account at us, the guardian knowing of it."""
        found = record(self.sandbox, Stage.ACTIVE)
        kept = self.takeovers.keep(found, found.started_at, found.process)
        self.sandbox.change(webhook_uri=MINE, webhook_method="POST")
        await self.watchdog.keep(kept)
        return kept

    async def follower(self, of: int) -> None:
        """Wait until that many guardians were started, and the last one is ready."""
        await until(lambda: len(self.guardians) == of)
        await until(lambda: is_alive(self.watchdog.mark))
        assert self.watchdog.mark == process_mark(self.guardians[-1].pid)


@asynccontextmanager
async def rig(
    folder: Path,
    *,
    clock: Clock | None = None,
    start: Start = start_guardian,
    **changes: Any,
) -> AsyncIterator[Rig]:
    """With a `Plan` of these changes; its guardians are killed with the block."""
    guardians: list[subprocess.Popen[bytes]] = []

    def started(inherited: tuple[int, ...]) -> "subprocess.Popen[bytes]":
        guardians.append(start(inherited))
        return guardians[-1]

    try:
        async with open_sandbox() as sandbox:
            planned = replace(plan(sandbox, folder), **changes)
            async with open_watchdog(
                planned, clock or SystemClock(), start=started
            ) as watchdog:
                yield Rig(sandbox, planned, watchdog, guardians)
    finally:
        for guardian in guardians:
            guardian.kill()
            guardian.wait()


async def test_a_record_is_held_and_restored(tmp_path: Path) -> None:
    """What the guardian did is the run's newest record."""
    async with rig(tmp_path) as r:
        await r.watchdog.ready()
        kept = await r.hold()
        assert r.watchdog.record == kept
        assert (await r.watchdog.restore()).ending is Ending.RESTORED
        assert r.fields == ACME.fields()
        assert r.watchdog.record is not None
        assert r.watchdog.record.stage is Stage.RESTORED
        await r.watchdog.repeat()
        assert sum(request.method == "PUT" for request in r.sandbox.requests) == 2


async def test_a_guardian_with_nothing_left_to_do_is_waited_for(tmp_path: Path) -> None:
    """It gives the lock and the disk free before the command ends."""
    async with rig(tmp_path) as r:
        await r.watchdog.ready()
        await r.hold()
        await r.watchdog.restore()
    assert [guardian.poll() for guardian in r.guardians] == [0]


async def test_a_guardian_that_is_not_done_is_left_at_work(tmp_path: Path) -> None:
    """The run leaves; the root is back once the API is."""
    guardian = start_guardian(())
    async with open_sandbox() as sandbox:
        planned, found = plan(sandbox, tmp_path), record(sandbox, Stage.ACTIVE)
        sandbox.change(webhook_uri=MINE, webhook_method="POST")
        async with open_watchdog(
            planned, SystemClock(), start=lambda _: guardian
        ) as watchdog:
            await watchdog.keep(found)
            sandbox.fault(status=503)
        assert sandbox.account.webhook_uri == MINE
        assert await asyncio.to_thread(guardian.wait, 10) == 0
        assert sandbox.account.fields() == ACME.fields()


async def test_a_record_survives_its_file(tmp_path: Path) -> None:
    """Written anew it has another id; it is the same takeover all the same."""
    async with rig(tmp_path) as r:
        await r.hold()
        other = record(r.sandbox, Stage.ACTIVE)
        r.takeovers.path.unlink()
        for _ in range(3):  # so that the id is another
            r.takeovers.keep(other, other.started_at, other.process)
        await r.watchdog.restore()
        assert r.watchdog.record is not None
        assert r.watchdog.record.stage is Stage.RESTORED
        assert r.takeovers.find(r.watchdog.record.id) == r.watchdog.record


async def test_what_keeps_a_restore_from_its_end_is_known(tmp_path: Path) -> None:
    """For the screen; a new attempt starts without it."""
    async with rig(tmp_path) as r:
        await r.hold()
        r.sandbox.fault(status=503, times=None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await r.watchdog.restore()
        assert "answered 503" in (r.watchdog.trouble or "")
        r.sandbox.clear_faults()
        assert (await r.watchdog.restore()).ending is Ending.RESTORED


async def test_a_run_that_stood_still_learns_that_it_is_parked(tmp_path: Path) -> None:
    """Its guardian restored without being asked."""
    async with rig(tmp_path, clock=ManualClock(), silence=0.2) as r:
        await r.hold()
        async with asyncio.timeout(10):
            await r.watchdog.parked.wait()
        assert r.fields == ACME.fields()
        assert r.watchdog.record is not None
        assert r.watchdog.record.stage is Stage.PARKED


async def test_a_run_that_lives_is_never_parked(tmp_path: Path) -> None:
    """It beats, and its guardian answers."""
    clock = ManualClock()
    async with rig(tmp_path, clock=clock, silence=1.0) as r:
        await r.hold()
        for _ in range(15):
            clock.advance(BEAT_EVERY)
            await asyncio.sleep(0.1)
        assert not r.watchdog.parked.is_set()
        assert len(r.guardians) == 1


async def test_the_end_of_one_takeover_is_not_taken_for_that_of_the_next(
    tmp_path: Path,
) -> None:
    """The next may be told while the first is still being put back."""
    async with rig(tmp_path) as r:
        first = await r.hold()
        r.sandbox.fault(status=503)
        async with asyncio.TaskGroup() as group:
            restoring = group.create_task(r.watchdog.restore())
            await until(lambda: r.watchdog.trouble)
            now = r.takeovers.keep(
                replace(first, id=0, started_at=at(1), stage=Stage.PREPARED), at(1), ""
            )
            await r.watchdog.keep(now)
        assert restoring.result().ending is Ending.RESTORED
        assert r.watchdog.record == now
        assert len(r.guardians) == 1


# --- guardians that die --------------------------------------------------------------


async def test_a_guardian_that_is_killed_is_followed_by_another(tmp_path: Path) -> None:
    """Which holds the newest record: what follows is restored as ever."""
    async with rig(tmp_path) as r:
        await r.hold()
        r.guardians[0].kill()
        await r.follower(2)
        assert (await r.watchdog.restore()).ending is Ending.RESTORED
        assert r.fields == ACME.fields()


async def test_one_that_is_killed_while_it_restores_is_followed_too(
    tmp_path: Path,
) -> None:
    """The run goes on waiting for one and the same restore."""
    async with rig(tmp_path) as r:
        await r.hold()
        r.sandbox.fault(status=503, retry_after=60)
        async with asyncio.TaskGroup() as group:
            restoring = group.create_task(r.watchdog.restore())
            await until(lambda: r.watchdog.trouble)
            r.guardians[0].kill()
        assert restoring.result().ending is Ending.RESTORED
        assert len(r.guardians) == 2


async def test_one_that_is_stopped_is_given_up_for_another(tmp_path: Path) -> None:
    """It hears no order; the next one does."""
    async with rig(tmp_path) as r:
        await r.hold()
        r.guardians[0].send_signal(signal.SIGSTOP)
        assert (await r.watchdog.restore()).ending is Ending.RESTORED
        assert r.guardians[0].poll() == -signal.SIGKILL


async def test_one_that_says_nothing_for_long_is_given_up(tmp_path: Path) -> None:
    """Long before anything is wanted of it."""
    clock = ManualClock()
    async with rig(tmp_path, clock=clock) as r:
        await r.watchdog.ready()
        r.guardians[0].send_signal(signal.SIGSTOP)
        await until(lambda: advanced(clock, BUSY_FOR + 1) and len(r.guardians) == 2)
        r.guardians[0].wait()


def advanced(clock: ManualClock, seconds: float) -> bool:
    clock.advance(seconds)
    return True


async def test_after_some_deaths_there_is_none(tmp_path: Path) -> None:
    """Whoever waits for it is told, and whoever asks from then on."""
    async with rig(tmp_path) as r:
        await r.hold()
        r.sandbox.fault(status=503, retry_after=60, times=None)
        async with asyncio.TaskGroup() as group:
            restoring = group.create_task(refused(r.watchdog))
            for number in range(DEATHS):
                await r.follower(number + 1)
                r.guardians[number].kill()
        assert restoring.done()
        assert r.watchdog.lost.is_set()
        with pytest.raises(GuardianLost):
            await r.watchdog.keep(record(r.sandbox, Stage.ACTIVE))
        await r.watchdog.repeat()


async def refused(watchdog: Watchdog) -> None:
    with pytest.raises(GuardianLost):
        await watchdog.restore()


async def test_a_system_that_starts_no_process_is_told_of(tmp_path: Path) -> None:
    """By its own word: whoever has no guardian changes no account."""

    def unable(_: tuple[int, ...]) -> "subprocess.Popen[bytes]":
        raise BlockingIOError(11, "Resource temporarily unavailable")

    clock = ManualClock()
    async with rig(tmp_path, start=unable, clock=clock) as r:
        with pytest.raises(GuardianLost, match="Resource temporarily unavailable"):
            await r.watchdog.ready()
        clock.advance(BUSY_FOR + 1)
        await asyncio.sleep(0)
        assert r.guardians == []


async def test_a_program_that_is_no_guardian_is_given_up(tmp_path: Path) -> None:
    """It ends at once, again and again."""

    def wrong(_: tuple[int, ...]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    async with rig(tmp_path, start=wrong) as r:
        with pytest.raises(GuardianLost, match="it ends at once"):
            await r.watchdog.keep(record(r.sandbox, Stage.PREPARED))
        assert len(r.guardians) == DEATHS


# --- what it inherits ----------------------------------------------------------------


async def test_the_lock_goes_with_the_guardian(tmp_path: Path) -> None:
    """And names both of them, from the first moment on."""
    with (tmp_path / "lock").open("w+") as lock:
        number = lock.fileno()

        def start(_: tuple[int, ...]) -> "subprocess.Popen[bytes]":
            return start_guardian((number,))

        async with rig(tmp_path, start=start, lock=number) as r:
            await r.watchdog.ready()
            marks = (tmp_path / "lock").read_text().split()
            assert marks == [this_process(), r.watchdog.mark]
            assert (process_of(r) / "fd" / str(number)).samefile(lock.name)


async def test_nothing_of_the_environment_reaches_it_but_what_it_reads(
    tmp_path: Path,
) -> None:
    """A credential in a variable is none of its business."""
    os.environ["DEVHOOK_ACCESS_KEY"] = "vb_canary"
    try:
        async with rig(tmp_path) as r:
            await r.watchdog.ready()
            environ = (process_of(r) / "environ").read_bytes()
    finally:
        del os.environ["DEVHOOK_ACCESS_KEY"]
    assert b"vb_canary" not in environ


def process_of(r: Rig) -> Path:
    return Path(f"/proc/{r.guardians[-1].pid}")
