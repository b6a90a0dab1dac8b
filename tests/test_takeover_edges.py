"""What a takeover must survive besides: wrong credentials, lost records, late PUTs."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from typing_extensions import override

from devhook.core.guarding import Plan
from devhook.core.model import Account, Stage, Takeover
from devhook.core.network import Credential, Network
from devhook.core.takeover import Ending
from devhook.errors import ChangedElsewhere, Refused, TakeoverError
from devhook.provider.client import AccountClient
from devhook.spawn import start_guardian
from devhook.store.takeovers import Takeovers
from devhook.system import SystemClock
from devhook.takeover import Hold, Look, recover
from devhook.watchdog import Watchdog
from tests.clock import ManualClock
from tests.running import until
from tests.test_takeover import CUSTOMER, URI, bench, fields


async def test_a_record_that_was_deleted_is_written_anew(tmp_path: Path) -> None:
    """The plan is in memory; and whatever comes next is on record again."""
    async with bench(tmp_path) as b:
        hold = b.hold()
        await b.begin(hold)
        b.takeovers.path.unlink()
        assert (await hold.end()).ending is Ending.RESTORED
        assert fields(b.sandbox.account) == fields(CUSTOMER)
        assert b.stage() is Stage.RESTORED


async def test_a_refusal_does_not_forget_a_put_under_way(tmp_path: Path) -> None:
    """The root shows because our PUT has not arrived; that settles nothing."""
    async with bench(tmp_path) as b:
        hold, account = b.hold(bound=60), await b.client.get()
        b.sandbox.fault(method="PUT", status=504, applies=True, apply_after=1.5)
        b.sandbox.fault(method="GET", status=403, skip=2, times=2)
        with pytest.raises(Refused):
            await b.begin(hold, account)
        assert (await hold.end()).ending is Ending.UNCONFIRMED
        (record,) = b.takeovers.open_records()
        restored = await recover(
            b.client, b.takeovers, record, SystemClock(), bound=60, within=8
        )
        assert restored.ending is Ending.RESTORED
        assert fields(b.sandbox.account) == fields(CUSTOMER)


async def test_a_run_that_slept_before_its_put_looks_again(tmp_path: Path) -> None:
    """What a colleague set meanwhile stays; of durations alone it would notice none."""
    async with bench(tmp_path) as b:
        clock = ManualClock()
        hold = Hold(b.client, b.takeovers, clock, bound=60)
        await b.prepare(hold)
        clock.suspend(3600)
        b.sandbox.change(webhook_uri="https://colleague.example/hook")
        with pytest.raises(ChangedElsewhere):
            await hold.point()
        assert b.puts() == 0
        assert b.stage() is Stage.RESTORED


async def test_a_root_is_not_put_once_more_unseen(tmp_path: Path) -> None:
    """Without a look nobody knows whether it still stands there."""
    async with bench(tmp_path) as b:
        hold = b.hold()
        await b.begin(hold)
        await hold.end()
        b.sandbox.fault(status=503)
        await hold.repeat()
        assert b.puts() == 2


async def test_a_colleagues_new_method_is_not_undone(tmp_path: Path) -> None:
    """It changed between the record and the PUT: we do not begin."""
    async with bench(tmp_path) as b:
        hold, account = b.hold(), await b.client.get()
        b.sandbox.change(webhook_method="POST")
        with pytest.raises(TakeoverError, match="changed"):
            await b.begin(hold, account)
        assert b.puts() == 0
        assert b.sandbox.account.webhook_method == "POST"


async def test_a_restore_without_an_answer_is_not_sent_again_at_once(
    tmp_path: Path,
) -> None:
    """The older of two might land on what a colleague sets after the newer."""
    async with bench(tmp_path) as b:
        hold = b.hold(bound=60)
        await b.begin(hold)
        b.sandbox.fault(method="PUT", status=504, applies=True, apply_after=2.0)
        assert (await hold.end()).ending is Ending.RESTORED
        assert b.puts() == 2
        assert fields(b.sandbox.account) == fields(CUSTOMER)


async def test_a_restore_that_was_said_no_to_is_sent_again(tmp_path: Path) -> None:
    """An answer is an answer: nothing is under way."""
    async with bench(tmp_path) as b:
        hold = b.hold(bound=60)
        await b.begin(hold)
        b.sandbox.fault(method="PUT", status=503)
        async with asyncio.timeout(10):
            assert (await hold.end()).ending is Ending.RESTORED
        assert b.puts() == 3


class AtWork(Watchdog):
    """Its guardian restored for a run that stood still, and closes the record last."""

    @override
    async def keep(self, record: Takeover) -> None:
        if record.stage is Stage.PUT_SENT:
            closed = replace(record, stage=Stage.RESTORED)
            Takeovers(Path(self._plan.state)).keep(closed, record.started_at, "g@x")


async def test_a_guardian_at_work_does_not_close_the_record_of_a_put(
    tmp_path: Path,
) -> None:
    """When the PUT leaves, the record on disk says so, whoever else has kept one."""
    async with bench(tmp_path) as b:
        clock, network = SystemClock(), Network()
        key = Credential(kind="access_key", value=b.sandbox.access_key, source="test")
        plan = Plan(
            state=str(tmp_path),
            api_url=b.sandbox.api_url,
            credential=key,
            network=network,
            bound=60.0,
        )
        watchdog = AtWork(plan, clock, None, start_guardian)
        hold = Hold(b.client, b.takeovers, clock, bound=60.0, watchdog=watchdog)
        b.sandbox.fault(method="PUT", hang=True, applies=True)
        async with asyncio.TaskGroup() as group:
            beginning = group.create_task(b.begin(hold))
            await until(lambda: b.sandbox.account.webhook_uri.startswith(URI))
            assert b.stage() is Stage.PUT_SENT
            beginning.cancel()


class Lagging(AccountClient):
    """Its first GET is under way until `answers` is set."""

    asked = False
    answers: asyncio.Event

    @override
    async def get(self) -> Account:
        if not self.asked:
            self.asked = True
            await self.answers.wait()
        return await super().get()


async def test_a_look_during_our_own_restore_accuses_nobody(tmp_path: Path) -> None:
    """What it finds by then is what we put back."""
    async with bench(tmp_path) as b:
        taken = b.hold()
        await b.begin(taken)
        key = Credential(kind="access_key", value=b.sandbox.access_key, source="test")
        async with Lagging(b.sandbox.api_url, key, Network()) as client:
            client.answers = asyncio.Event()
            clock = SystemClock()
            hold = Hold(client, b.takeovers, clock, bound=60.0, record=taken.record)
            async with asyncio.TaskGroup() as group:
                looking = group.create_task(hold.look())
                await until(lambda: client.asked)
                assert (await hold.end()).ending is Ending.RESTORED
                client.answers.set()
            assert looking.result() == Look()
