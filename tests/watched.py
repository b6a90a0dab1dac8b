"""A watchdog with real guardians, over an account of the sandbox."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from devhook.core.clock import Clock
from devhook.core.guarding import Plan
from devhook.core.model import Stage, Takeover
from devhook.sandbox import Sandbox
from devhook.spawn import Start, start_guardian
from devhook.store.takeovers import Takeovers
from devhook.system import SystemClock, is_alive, process_mark
from devhook.watchdog import Watchdog, open_watchdog
from tests.guarded import MINE, open_sandbox, plan, record
from tests.running import until


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

    def stage(self) -> Stage | None:
        """Of the newest record, as the run knows it."""
        return None if self.watchdog.record is None else self.watchdog.record.stage

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
    lock: int | None = None,
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
                planned, clock or SystemClock(), start=started, lock=lock
            ) as watchdog:
                yield Rig(sandbox, planned, watchdog, guardians)
    finally:
        for guardian in guardians:
            guardian.kill()
            guardian.wait()
