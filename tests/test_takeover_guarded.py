"""A hold with a guardian: who restores, and what becomes of it when nobody can."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from devhook.core.guarding import Plan
from devhook.core.model import Setting, Stage
from devhook.core.network import Credential, Network
from devhook.core.takeover import Ending
from devhook.errors import Refused, StoreError
from devhook.spawn import Start, start_guardian
from devhook.system import SystemClock, is_alive
from devhook.takeover import Hold, Look, recover
from devhook.watchdog import DEATHS, GuardianLost, Watchdog, open_watchdog
from tests.matrix.holding import started
from tests.running import until
from tests.test_takeover import CUSTOMER, Bench, bench, fields

COLLEAGUE = "https://colleague.example/hook"


@dataclass
class Guarded:
    """An account, a hold on it, and every guardian that was started for it."""

    bench: Bench
    hold: Hold
    watchdog: Watchdog
    guardians: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def is_as_before(self) -> bool:
        return fields(self.bench.sandbox.account) == fields(CUSTOMER)

    async def lose_them(self) -> None:
        """Kill every guardian that comes, until none does."""
        for number in range(DEATHS):
            await until(lambda: is_alive(self.watchdog.mark))
            await until(lambda n=number: len(self.guardians) > n)  # type: ignore[misc]
            self.guardians[number].kill()
        await self.watchdog.lost.wait()


@asynccontextmanager
async def guarded(
    folder: Path, *, start: Start = start_guardian
) -> AsyncIterator[Guarded]:
    guardians: list[subprocess.Popen[bytes]] = []

    def started(inherited: tuple[int, ...]) -> "subprocess.Popen[bytes]":
        guardians.append(start(inherited))
        return guardians[-1]

    async with bench(folder) as b:
        key = Credential(kind="access_key", value=b.sandbox.access_key, source="test")
        plan = Plan(
            state=str(folder),
            api_url=b.sandbox.api_url,
            credential=key,
            network=Network(),
            bound=3.0,
        )
        try:
            async with open_watchdog(plan, SystemClock(), start=started) as watchdog:
                hold = Hold(
                    b.client, b.takeovers, SystemClock(), bound=3.0, watchdog=watchdog
                )
                yield Guarded(b, hold, watchdog, guardians)
        finally:
            for guardian in guardians:
                await asyncio.to_thread(guardian.wait, 10)


def be_in_the_way(path: Path) -> None:
    """From now on no record can be kept there."""
    path.unlink(missing_ok=True)
    path.mkdir(parents=True)


# --- the usual way -------------------------------------------------------------------


async def test_what_the_run_took_its_guardian_restores(tmp_path: Path) -> None:
    """The clean end goes the way of the rare one; the run knows what came of it."""
    async with guarded(tmp_path) as g:
        await g.bench.begin(g.hold)
        assert (await g.hold.end()).ending is Ending.RESTORED
        assert g.is_as_before
        assert g.hold.record is not None
        assert g.hold.record.stage is Stage.RESTORED
        steps = g.bench.takeovers.steps(g.hold.record.id)
        assert steps[-1].process == g.watchdog.mark
        await g.hold.repeat()
        assert g.bench.puts() == 3


async def test_a_parked_hold_is_looked_at_no_more(tmp_path: Path) -> None:
    """The root shows, and that is as it should be; its end finds it so."""
    async with guarded(tmp_path) as g:
        await g.bench.begin(g.hold)
        assert (await g.hold.park()).ending is Ending.RESTORED
        assert g.bench.stage() is Stage.PARKED
        assert await g.hold.look() == Look()
        assert (await g.hold.end()).ending is Ending.RESTORED
        assert g.bench.stage() is Stage.RESTORED
        assert g.bench.puts() == 2


async def test_what_keeps_the_guardian_is_what_keeps_the_hold(tmp_path: Path) -> None:
    """For the screen, while it waits."""
    async with guarded(tmp_path) as g:
        await g.bench.begin(g.hold)
        assert g.hold.error is None
        g.bench.sandbox.fault(status=503, times=2)
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(g.hold.end())
            await until(lambda: g.hold.error)
            assert "answered 503" in (g.hold.error or "")
        assert ending.result().ending is Ending.RESTORED


async def test_a_guardian_that_was_at_work_does_not_have_the_last_word(
    tmp_path: Path,
) -> None:
    """Before a PUT leaves the record on disk says so, whoever wrote there meanwhile."""

    def busy(_: tuple[int, ...]) -> "subprocess.Popen[bytes]":
        return started("tests.matrix.deviant", "busy")

    async with guarded(tmp_path, start=busy) as g:
        await g.bench.begin(g.hold)
        assert g.hold.record is not None
        kept = [step.stage for step in g.bench.takeovers.steps(g.hold.record.id)]
        sent = [Stage.PREPARED, Stage.PUT_SENT]
        assert kept[:4] == [*sent, *sent]
        assert (await g.hold.end()).ending is Ending.RESTORED


# --- when there is none --------------------------------------------------------------


async def test_without_any_guardian_the_run_restores_by_itself(tmp_path: Path) -> None:
    """They died while they were at it; the record says how far they came."""
    async with guarded(tmp_path) as g:
        await g.bench.begin(g.hold)
        g.bench.sandbox.fault(status=503, retry_after=60, times=None)
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(g.hold.end())
            await g.lose_them()
            g.bench.sandbox.clear_faults()
        assert ending.result().ending is Ending.RESTORED
        assert g.is_as_before
        assert g.bench.stage() is Stage.RESTORED
        puts = g.bench.puts()
        await g.hold.repeat()
        assert g.bench.puts() == puts + 1
        g.bench.sandbox.change(webhook_uri=COLLEAGUE)
        await g.hold.repeat()
        assert g.bench.puts() == puts + 1


async def test_without_any_guardian_no_account_is_taken(tmp_path: Path) -> None:
    """Nobody would clean up; what was recorded is closed."""

    def unable(_: tuple[int, ...]) -> "subprocess.Popen[bytes]":
        raise BlockingIOError(11, "Resource temporarily unavailable")

    async with guarded(tmp_path, start=unable) as g:
        with pytest.raises(GuardianLost):
            await g.bench.begin(g.hold)
        assert (await g.hold.end()).ending is Ending.RESTORED
        assert g.bench.puts() == 0
        assert g.bench.takeovers.history()[0].error == "nothing was sent"


async def test_a_takeover_under_way_goes_on_without_them(tmp_path: Path) -> None:
    """The PUT has left: its outcome has to be known, with or without a guardian."""
    async with guarded(tmp_path) as g:
        account = await g.bench.client.get()
        g.bench.sandbox.fault(method="GET", stale=True, skip=2, times=None)
        async with asyncio.TaskGroup() as group:
            beginning = group.create_task(g.bench.begin(g.hold, account))
            await until(g.bench.puts)
            await g.lose_them()
            g.bench.sandbox.clear_faults()
        assert beginning.done()
        assert g.bench.stage() is Stage.ACTIVE
        assert (await g.hold.end()).ending is Ending.RESTORED
        assert g.is_as_before


# --- when nothing can be kept --------------------------------------------------------


async def test_without_a_record_no_account_is_taken(tmp_path: Path) -> None:
    """A full disk, say: nothing could be undone after a kill."""
    async with guarded(tmp_path) as g:
        be_in_the_way(g.bench.takeovers.path)
        with pytest.raises(StoreError):
            await g.bench.begin(g.hold)
        assert g.bench.puts() == 0


async def test_a_disk_that_fills_up_after_the_put_keeps_nobody(tmp_path: Path) -> None:
    """The takeover goes on and is restored: the guardian holds the record."""
    async with guarded(tmp_path) as g:
        account = await g.bench.client.get()
        g.bench.sandbox.fault(method="GET", stale=True, skip=2, times=None)
        async with asyncio.TaskGroup() as group:
            beginning = group.create_task(g.bench.begin(g.hold, account))
            await until(g.bench.puts)
            be_in_the_way(g.bench.takeovers.path)
            g.bench.sandbox.clear_faults()
        assert beginning.done()
        assert (await g.hold.end()).ending is Ending.RESTORED
        assert g.is_as_before


# --- looks, and what is out of order -------------------------------------------------


async def test_a_look_tells_what_became_of_the_account(tmp_path: Path) -> None:
    """Somebody's own setting; a write that left all as it was; another account."""
    async with bench(tmp_path) as b:
        hold = b.hold()
        await b.begin(hold)
        assert await hold.look() == Look()
        mine = b.sandbox.account.webhook_uri
        b.sandbox.change(webhook_uri=COLLEAGUE)
        found = Setting(uri=COLLEAGUE, method="POST")
        assert await hold.look() == Look(foreign=found)
        b.sandbox.change(webhook_uri=mine)
        await hold.look()
        b.sandbox.change(webhook_uri=mine)
        assert await hold.look() == Look(was_written=True)
        other = replace(b.takeovers.history()[0], account_id="another")
        strange = Hold(b.client, b.takeovers, SystemClock(), bound=1, record=other)
        with pytest.raises(Refused, match="another account"):
            await strange.look()


@pytest.mark.parametrize("fault", [{"status": 503}, {"hang": True}])
async def test_a_recovery_that_takes_too_long_says_why(
    tmp_path: Path, fault: dict[str, object]
) -> None:
    """The command was about something else, and goes on."""
    async with bench(tmp_path) as b:
        await b.begin(b.hold())
        (record,) = b.takeovers.open_records()
        b.sandbox.fault(**fault, times=None)
        restored = await recover(
            b.client, b.takeovers, record, SystemClock(), bound=60, within=0.4
        )
        why = "the API did not answer" if "hang" in fault else "answered 503"
        assert restored.ending is Ending.UNCONFIRMED
        assert why in (restored.error or "")


async def test_steps_that_are_out_of_order_are_told(tmp_path: Path) -> None:
    """They are faults of ours; nothing is sent for them."""
    async with bench(tmp_path) as b:
        hold = b.hold()
        for step in (hold.point, hold.look, hold.end, hold.park):
            with pytest.raises(RuntimeError):
                await step()
        assert b.sandbox.requests == []
