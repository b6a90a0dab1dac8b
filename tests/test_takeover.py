"""Taking an account over and giving it back, against the platform's sandbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from devhook.core.model import Account, Stage
from devhook.core.network import Credential, Network
from devhook.core.takeover import Ending
from devhook.core.taking import Who
from devhook.errors import ChangedElsewhere, Refused, TakeoverError
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
        who = Who(
            api_url=self.sandbox.api_url,
            profile="default",
            session_id=1,
            process=this_process(),
        )
        await hold.prepare(account or await self.client.get(), URI, who)
        await hold.point()

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


@pytest.mark.parametrize(
    ("method", "uri"),
    [("POST", "https://api.acme.example/voip?k=1"), ("GET", "https://a"), ("", "")],
    ids=["post", "get", "empty"],
)
async def test_all_seven_fields_are_as_before(
    tmp_path: Path, method: str, uri: str
) -> None:
    """Whatever the original was: it is restored to exactly that."""
    customer = replace(CUSTOMER, webhook_method=method, webhook_uri=uri)
    async with bench(tmp_path, customer) as b:
        hold = b.hold()
        await b.begin(hold)
        during = b.sandbox.account
        assert during.webhook_uri.startswith(f"{URI}#devhook=1.")
        assert fields(during)[:5] == fields(customer)[:5]
        assert during.webhook_method == "POST"
        restored = await hold.end()
        assert restored.ending is Ending.RESTORED
        assert fields(b.sandbox.account) == fields(customer)
        assert b.stage() is Stage.RESTORED


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


async def test_a_foreign_setting_is_left_alone(tmp_path: Path) -> None:
    """A colleague's change during the session stays."""
    async with bench(tmp_path) as b:
        hold = b.hold()
        await b.begin(hold)
        b.sandbox.change(webhook_uri="https://colleague.example/hook")
        found = await hold.look()
        assert found.foreign is not None
        assert found.foreign.uri == "https://colleague.example/hook"
        restored = await hold.end()
        assert restored.ending is Ending.FOREIGN
        assert b.sandbox.account.webhook_uri == "https://colleague.example/hook"
        assert b.stage() is Stage.SUPERSEDED


async def test_a_colleagues_other_fields_survive_the_restore(tmp_path: Path) -> None:
    """Five fields come from the newest GET, not from a snapshot."""
    async with bench(tmp_path) as b:
        hold = b.hold()
        await b.begin(hold)
        b.sandbox.change(name="Acme Renamed", address="")
        assert (await hold.end()).ending is Ending.RESTORED
        assert b.sandbox.account.name == "Acme Renamed"
        assert b.sandbox.account.address == ""
        assert b.sandbox.account.webhook_uri == CUSTOMER.webhook_uri


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


async def test_a_put_whose_answer_is_lost_is_judged_by_what_shows(
    tmp_path: Path,
) -> None:
    """Applied, so we go on."""
    async with bench(tmp_path) as b:
        b.sandbox.fault(method="PUT", drop=True)
        hold = b.hold()
        await b.begin(hold)
        assert b.stage() is Stage.ACTIVE
        assert (await hold.end()).ending is Ending.RESTORED


async def test_a_stale_read_after_the_put_is_waited_out(tmp_path: Path) -> None:
    """A replica that lags shows the old value for a while."""
    async with bench(tmp_path) as b:
        hold, account = b.hold(), await b.client.get()
        b.sandbox.fault(method="GET", stale=True, skip=2, times=3)
        await b.begin(hold, account)
        assert b.stage() is Stage.ACTIVE


async def test_a_put_that_is_refused_leaves_nothing_open(tmp_path: Path) -> None:
    """A manager may read the account and not change it."""
    async with bench(tmp_path) as b:
        token = Credential(kind="token", value=b.sandbox.manager_token, source="test")
        manager = AccountClient(b.sandbox.api_url, token, Network())
        async with manager:
            hold = Hold(manager, b.takeovers, SystemClock(), bound=60)
            with pytest.raises(Refused):
                await b.begin(hold, await manager.get())
        assert b.takeovers.open_records() == []
        assert fields(b.sandbox.account) == fields(CUSTOMER)


async def test_a_put_applied_late_is_undone_all_the_same(tmp_path: Path) -> None:
    """Its outcome is unknown until a GET shows it, or the bound has passed."""
    async with bench(tmp_path) as b:
        b.sandbox.fault(method="PUT", hang=True, apply_after=2.0)
        hold = b.hold(bound=5.0)
        begun = asyncio.timeout(0.8)
        with pytest.raises(TimeoutError):
            async with begun:
                await b.begin(hold)
        assert b.stage() is Stage.PUT_SENT
        restored = await hold.end()
        assert restored.ending is Ending.RESTORED
        assert fields(b.sandbox.account) == fields(CUSTOMER)


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


async def test_a_put_that_loses_other_fields_is_an_error(tmp_path: Path) -> None:
    """An API that keeps our URI and blanks an e-mail must not go unnoticed."""
    async with bench(tmp_path) as b:
        b.sandbox.fault(method="PUT", stored={"email": ""})
        hold = b.hold()
        with pytest.raises(TakeoverError, match="other fields"):
            await b.begin(hold)
        await hold.end()
        assert b.sandbox.account.webhook_uri == CUSTOMER.webhook_uri


async def test_a_fragment_that_is_cut_off_is_recorded_as_it_shows(
    tmp_path: Path,
) -> None:
    """Comparison goes on byte for byte with what the account keeps."""
    async with bench(tmp_path) as b:
        b.sandbox.fault(method="PUT", strip_fragment=True)
        hold = b.hold()
        await b.begin(hold)
        assert hold.record is not None
        assert hold.record.mine == URI
        assert b.sandbox.account.webhook_uri == URI
        assert (await hold.end()).ending is Ending.RESTORED
        assert fields(b.sandbox.account) == fields(CUSTOMER)
