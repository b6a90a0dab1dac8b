"""Taking an account over and giving it back, against the platform's sandbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from devhook.core.model import Account, Stage
from devhook.core.network import Credential, Network
from devhook.core.takeover import Ending
from devhook.core.taking import Who
from devhook.errors import ChangedElsewhere
from devhook.provider.client import AccountClient
from devhook.sandbox import Customer, Sandbox
from devhook.store.takeovers import Takeovers
from devhook.system import SystemClock, new_id, this_process
from devhook.takeover import Hold, recover

URI = "https://relay.example/t/lease/s3cret"
CUSTOMER = Customer(
    name="Acme",
    detail="staging",
    email="ops@acme.example",
    phone_number="+12025550100",
    address="1 Example Way",
    webhook_method="PUT",
    webhook_uri="https://api.acme.example/voip",
)


@dataclass
class Bench:
    sandbox: Sandbox
    client: AccountClient
    takeovers: Takeovers

    def hold(self, bound: float = 60.0) -> Hold:
        return Hold(self.client, self.takeovers, SystemClock(), bound=bound)

    async def begin(self, hold: Hold, account: Account | None = None) -> None:
        await self.prepare(hold, account)
        await hold.point()

    async def prepare(self, hold: Hold, account: Account | None = None) -> None:
        who = Who(
            api_url=self.sandbox.api_url,
            profile="default",
            session_id=1,
            process=this_process(),
        )
        await hold.prepare(account or await self.client.get(), URI, who)

    def stage(self) -> Stage:
        return self.takeovers.history()[0].stage

    def puts(self) -> int:
        return sum(request.method == "PUT" for request in self.sandbox.requests)


@asynccontextmanager
async def bench(folder: Path, customer: Customer = CUSTOMER) -> AsyncIterator[Bench]:
    clock = SystemClock()
    async with Sandbox.open(clock=clock, new_id=new_id, customer=customer) as sandbox:
        key = Credential(kind="access_key", value=sandbox.access_key, source="test")
        client = AccountClient(sandbox.api_url, key, Network(), timeout=2.0)
        async with client:
            yield Bench(sandbox, client, Takeovers(folder))


def fields(customer: Customer) -> tuple[str, ...]:
    return (
        customer.name,
        customer.detail,
        customer.email,
        customer.phone_number,
        customer.address,
        customer.webhook_method,
        customer.webhook_uri,
    )


async def test_the_record_is_on_disk_before_the_account_is_changed(
    tmp_path: Path,
) -> None:
    """A kill at any moment after that can be undone."""
    async with bench(tmp_path) as b:
        b.sandbox.fault(method="PUT", hang=True, applies=False)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await b.begin(b.hold())
        (record,) = b.takeovers.open_records()
        assert record.stage is Stage.PUT_SENT
        assert record.root.uri == CUSTOMER.webhook_uri
        assert fields(b.sandbox.account) == fields(CUSTOMER)


async def test_an_account_changed_since_it_was_read_is_not_taken(
    tmp_path: Path,
) -> None:
    """Whoever changed it a moment ago must not lose that."""
    async with bench(tmp_path) as b:
        account = await b.client.get()
        b.sandbox.change(webhook_uri="https://colleague.example/hook")
        with pytest.raises(ChangedElsewhere):
            await b.begin(b.hold(), account)
        assert b.puts() == 0
        assert b.takeovers.open_records() == []


async def test_a_restore_waits_for_an_api_that_is_away(tmp_path: Path) -> None:
    """503 for a while, then back."""
    async with bench(tmp_path) as b:
        hold = b.hold()
        await b.begin(hold)
        b.sandbox.fault(status=503, times=2)
        assert (await hold.end()).ending is Ending.RESTORED
        assert fields(b.sandbox.account) == fields(CUSTOMER)


async def test_a_record_of_a_killed_run_is_settled_by_another(tmp_path: Path) -> None:
    """The next command does what the run could not."""
    async with bench(tmp_path) as b:
        await b.begin(b.hold())
        (record,) = b.takeovers.open_records()
        restored = await recover(
            b.client, b.takeovers, record, SystemClock(), bound=60, within=5
        )
        assert restored.ending is Ending.RESTORED
        assert fields(b.sandbox.account) == fields(CUSTOMER)
        assert b.takeovers.open_records() == []


async def test_our_puts_are_a_second_apart(tmp_path: Path) -> None:
    """The sender's cache may otherwise keep the older one."""
    async with bench(tmp_path) as b:
        hold, clock = b.hold(), SystemClock()
        await b.begin(hold)
        started = clock.monotonic()
        await hold.end()
        assert clock.monotonic() - started > 0.8
        assert b.puts() == 2
