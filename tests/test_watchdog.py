"""The run's end of its guardian: told, asked, left, and what it inherits."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from devhook.core.guarding import BEAT_EVERY
from devhook.core.model import Stage
from devhook.core.takeover import Ending
from devhook.spawn import start_guardian
from devhook.system import SystemClock, this_process
from devhook.watchdog import ANSWERS_WITHIN, open_watchdog
from tests.clock import ManualClock
from tests.guarded import ACME, MINE, open_sandbox, plan, record
from tests.running import until
from tests.values import at
from tests.watched import Rig, rig


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


async def test_a_parking_says_nothing_of_what_is_kept_after_it(tmp_path: Path) -> None:
    """The account was taken again meanwhile: nobody is to take it from us."""
    async with rig(tmp_path, clock=ManualClock(), silence=0.2) as r:
        kept = await r.hold()
        await r.watchdog.parked.wait()
        await r.watchdog.keep(replace(kept, started_at=at(1), stage=Stage.PREPARED))
        assert not r.watchdog.parked.is_set()


async def test_a_parking_of_the_takeover_before_is_no_news(tmp_path: Path) -> None:
    """It comes to its end while the next takeover is being told."""
    async with rig(tmp_path, clock=ManualClock(), silence=0.2) as r:
        kept = await r.hold()
        r.sandbox.fault(method="GET", delay=0.5)
        await until(lambda: r.stage() is Stage.RESTORING)
        following = replace(kept, started_at=at(1), stage=Stage.PREPARED)
        await r.watchdog.keep(following)
        assert r.fields == ACME.fields()
        assert r.watchdog.record == following
        assert not r.watchdog.parked.is_set()


async def test_a_record_does_not_move_back(tmp_path: Path) -> None:
    """What is told and not yet heard is newer than what the guardian says."""
    async with rig(tmp_path, clock=ManualClock(), silence=0.2) as r:
        kept = await r.hold()
        r.sandbox.fault(method="GET", delay=0.5)
        await until(lambda: r.stage() is Stage.RESTORING)
        again = replace(kept, error="told once more")
        await r.watchdog.keep(again)
        assert r.fields == ACME.fields()
        assert r.watchdog.record == again
        assert r.watchdog.parked.is_set()


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


async def test_an_order_ends_with_its_own_end(tmp_path: Path) -> None:
    """A restore that is asked for while one parks is not over with the parking."""
    async with rig(tmp_path) as r:
        await r.hold()
        r.sandbox.fault(method="GET", delay=0.5)
        async with asyncio.TaskGroup() as group:
            parking = group.create_task(r.watchdog.restore(parks=True))
            await until(lambda: r.stage() is Stage.RESTORING)
            restoring = group.create_task(r.watchdog.restore())
            assert (await parking).ending is Ending.RESTORED
            assert r.stage() is Stage.PARKED
        assert restoring.result().ending is Ending.RESTORED
        assert r.stage() is Stage.RESTORED


async def test_an_order_answers_those_before_it(tmp_path: Path) -> None:
    """Who parked may restore for good instead: both of them are told."""
    async with rig(tmp_path) as r:
        await r.hold()
        r.sandbox.fault(status=503, retry_after=60)
        async with asyncio.TaskGroup() as group:
            parking = group.create_task(r.watchdog.restore(parks=True))
            await until(lambda: r.watchdog.trouble)
            restoring = group.create_task(r.watchdog.restore())
        assert parking.result() == restoring.result()
        assert r.stage() is Stage.RESTORED
        assert len(r.guardians) == 1


async def test_a_guardian_at_work_is_given_the_time_of_an_exchange(
    tmp_path: Path,
) -> None:
    """Killed in the middle of its PUT, it would leave one that may still land."""
    async with rig(tmp_path, clock=ManualClock(), silence=0.2) as r:
        await r.hold()
        r.sandbox.fault(method="PUT", delay=ANSWERS_WITHIN + 1)
        await until(lambda: r.stage() is Stage.RESTORING)
        assert (await r.watchdog.restore()).ending is Ending.RESTORED
        assert len(r.guardians) == 1
        assert sum(request.method == "PUT" for request in r.sandbox.requests) == 1


# --- what it inherits ----------------------------------------------------------------


async def test_the_lock_goes_with_the_guardian(tmp_path: Path) -> None:
    """And names both of them, from the first moment on."""
    with (tmp_path / "lock").open("w+") as lock:
        number = lock.fileno()
        async with rig(tmp_path, lock=number) as r:
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
