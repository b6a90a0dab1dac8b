"""Developers' machines in process: each with records and a tunnel URL of its own.

Nobody sleeps: a clock that they share skips what it is told to wait for. What takes a
guardian or a real process has its test elsewhere.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devhook.core.clock import Clock
from devhook.core.model import Account, Setting, Stage, Takeover
from devhook.core.network import Credential, Network
from devhook.core.takeover import Restored
from devhook.core.taking import Who
from devhook.provider.client import AccountClient
from devhook.sandbox import Customer, Sandbox
from devhook.store.takeovers import Takeovers
from devhook.system import SystemClock, new_id, this_process
from devhook.takeover import Hold, recover
from tests.clock import SkippingClock
from tests.upbench import ACME

BOUND: Final = 60.0
ROOT: Final = Setting(uri="https://api.acme.example/voip?key=k", method="PUT")


@dataclass(frozen=True)
class Machine:
    """`uri` is where its tunnel leads."""

    sandbox: Sandbox
    client: AccountClient
    takeovers: Takeovers
    clock: Clock
    uri: str

    def hold(self) -> Hold:
        return Hold(self.client, self.takeovers, self.clock, bound=BOUND)

    async def take(
        self, hold: Hold | None = None, as_read: Account | None = None
    ) -> Hold:
        """Take the account, that it was classified `as_read`, or as it is now."""
        hold = hold or self.hold()
        who = Who(
            api_url=self.sandbox.api_url,
            profile="default",
            session_id=1,
            process=this_process(),
        )
        await hold.prepare(as_read or await self.client.get(), self.uri, who)
        await hold.point()
        return hold

    async def recover(self) -> Restored:
        """What the next command does about a run that was killed."""
        (record,) = self.takeovers.open_records()
        return await recover(
            self.client, self.takeovers, record, self.clock, bound=BOUND, within=20
        )

    @property
    def record(self) -> Takeover:
        return self.takeovers.history()[0]

    @property
    def stage(self) -> Stage:
        return self.record.stage


@asynccontextmanager
async def machines(
    folder: Path,
    names: Iterable[str] = "A",
    *,
    root: Setting = ROOT,
    api_url: str | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[list[Machine]]:
    """Of one account that says `root`; at the end no record of theirs is open."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(open_account(root))
        shared = clock or SkippingClock()
        found = [
            await stack.enter_async_context(
                machine(folder / name, sandbox, api_url or sandbox.api_url, shared)
            )
            for name in names
        ]
        yield found
        assert [record for m in found for record in m.takeovers.open_records()] == []


@asynccontextmanager
async def machine(
    folder: Path, sandbox: Sandbox, api_url: str, clock: Clock
) -> AsyncIterator[Machine]:
    """Its URI holds a secret as long as a real one."""
    uri = f"https://Relay.example/t/{folder.name}/{folder.name * 24}"
    credential = Credential(kind="access_key", value=sandbox.access_key, source="test")
    async with AccountClient(api_url, credential, Network(), timeout=2.0) as client:
        yield Machine(sandbox, client, Takeovers(folder), clock, uri)


@asynccontextmanager
async def open_account(root: Setting = ROOT) -> AsyncIterator[Sandbox]:
    customer = Customer(
        name=ACME.name,
        detail=ACME.detail,
        email=ACME.email,
        phone_number=ACME.phone_number,
        address=ACME.address,
        webhook_uri=root.uri,
        webhook_method=root.method,
    )
    async with Sandbox.open(
        clock=SystemClock(), new_id=new_id, customer=customer
    ) as sandbox:
        yield sandbox


def puts(sandbox: Sandbox) -> int:
    return sum(request.method == "PUT" for request in sandbox.requests)
