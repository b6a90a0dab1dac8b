"""A guardian by itself: the real process, told and heard over its pipes."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from devhook.core.guarding import (
    Order,
    Plan,
    Word,
    line,
    packed_plan,
    packed_record,
    read_line,
    read_record,
    read_restored,
)
from devhook.core.marker import with_marker
from devhook.core.model import Setting, Stage, Takeover
from devhook.core.network import Credential, Network
from devhook.core.takeover import Restored
from devhook.sandbox import Customer, Sandbox
from devhook.spawn import Start, start_guardian
from devhook.store.takeovers import Takeovers
from devhook.system import SystemClock, moment, new_id, process_mark, this_process
from tests.running import WITHIN

ROOT: Final = Setting(uri="https://api.acme.example/voip?key=k", method="PUT")
MINE: Final = with_marker("https://relay.example/t/lease/s3cret", ROOT)
ACME: Final = Customer(
    name="Acme",
    detail="staging",
    email="ops@acme.example",
    phone_number="+12025550100",
    address="1 Example Way",
    webhook_uri=ROOT.uri,
    webhook_method=ROOT.method,
)


@dataclass(frozen=True)
class Guarded:
    """A guardian's process, and both ends of what it says."""

    process: "subprocess.Popen[bytes]"
    words: asyncio.StreamReader

    def tell(self, order: Order, **fields: object) -> None:
        self.say(line(order, **fields))

    def say(self, text: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    async def hear(self, word: Word) -> dict[str, Any]:
        """What it says next, which is to be this; a record that moved on is no news."""
        said: dict[str, Any] = {"what": Word.MOVED}
        async with asyncio.timeout(WITHIN):
            while said["what"] == Word.MOVED != word:
                said = read_line(await self.words.readline() or b'{"what": "nothing"}')
        assert said["what"] == word, said
        return said

    async def keep(self, record: Takeover) -> None:
        self.tell(Order.KEEP, record=packed_record(record))
        await self.hear(Word.KEPT)

    async def ended(self) -> tuple[Restored, Takeover]:
        """How a restore under way ends."""
        said = await self.hear(Word.ENDED)
        return read_restored(said["restored"]), read_record(said["record"])

    async def restored(self, order: Order = Order.RESTORE) -> tuple[Restored, Takeover]:
        self.tell(order, number=1)
        await self.hear(Word.RESTORING)
        return await self.ended()

    def leave(self) -> None:
        """Close the pipe, as the death of the run does."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def over(self) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.to_thread(self.process.wait, WITHIN)


@asynccontextmanager
async def guarded(start: Start = start_guardian) -> AsyncIterator[Guarded]:
    """One that was told nothing yet; left with the block, and killed if it stays."""
    process = start(())
    words = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(words), process.stdout
    )
    found = Guarded(process, words)
    try:
        await found.hear(Word.READY)
        yield found
    finally:
        found.leave()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, 2.0)
        process.kill()
        process.wait()
        transport.close()


@dataclass(frozen=True)
class Post:
    """A guardian that has its plan, for an account of the sandbox."""

    sandbox: Sandbox
    guarded: Guarded
    plan: Plan
    takeovers: Takeovers

    async def hold(self, stage: Stage = Stage.ACTIVE) -> Takeover:
        """Point the account at us, and have the guardian hold the record of it."""
        self.sandbox.change(webhook_uri=MINE, webhook_method="POST")
        found = replace(record(self.sandbox, stage), guardian=self.plan.guardian)
        kept = self.takeovers.keep(found, found.started_at, found.process)
        await self.guarded.keep(kept)
        return kept

    @property
    def fields(self) -> dict[str, str]:
        return self.sandbox.account.fields()

    def asked(self, method: str) -> int:
        return sum(request.method == method for request in self.sandbox.requests)


@asynccontextmanager
async def post(folder: Path, **changes: Any) -> AsyncIterator[Post]:
    """Of a `Plan` with these changes."""
    async with open_sandbox() as sandbox, guarded() as found:
        mark = process_mark(found.process.pid)
        planned = replace(plan(sandbox, folder), guardian=mark, **changes)
        found.tell(Order.PLAN, plan=packed_plan(planned))
        yield Post(sandbox, found, planned, Takeovers(Path(planned.state)))


def open_sandbox(**options: Any) -> Any:
    return Sandbox.open(clock=SystemClock(), new_id=new_id, customer=ACME, **options)


def plan(sandbox: Sandbox, folder: Path) -> Plan:
    return Plan(
        state=str(folder / "state"),
        api_url=sandbox.api_url,
        credential=Credential(
            kind="access_key", value=sandbox.access_key, source="test"
        ),
        network=Network(),
        bound=60.0,
    )


def record(sandbox: Sandbox, stage: Stage) -> Takeover:
    """Of a takeover whose PUT left long enough ago for the next one to follow."""
    now = moment()
    return Takeover(
        id=0,
        api_url=sandbox.api_url,
        account_id=sandbox.customer_id,
        account_name=ACME.name,
        profile="default",
        session_id=1,
        process=this_process(),
        mine=MINE,
        root=ROOT,
        stage=stage,
        started_at=now.wall,
        put=None if stage is Stage.PREPARED else replace(now, ticks=now.ticks - 2.0),
    )
