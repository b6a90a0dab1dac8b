"""A session in this process: what would take a user's whole patience to see."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from devhook.config import Flags, Settings, load
from devhook.core.model import Notice, Setting
from devhook.core.network import Network
from devhook.core.takeover import Ending, adopted
from devhook.core.target import Routes
from devhook.provider.client import AccountClient
from devhook.session.opening import open_session
from devhook.session.options import Options
from devhook.session.stop import Stop, open_loops
from devhook.session.watch import watch_account
from devhook.store.entries import Cursor
from devhook.store.journal import Journal
from devhook.store.store import Store
from devhook.store.takeovers import Takeovers
from devhook.system import SystemClock, this_process
from devhook.takeover import Hold
from devhook.tunnel import Choice
from tests.clock import ManualClock
from tests.upbench import Bench, open_bench


def settings(b: Bench) -> Settings:
    return load(Flags(), b.terminal.environ, cwd=b.terminal.folder)


async def test_an_unattended_restore_is_given_up_in_time(tmp_path: Path) -> None:
    """Nobody is there to press Ctrl-C: unconfirmed, and the record stays open."""
    async with open_bench(tmp_path) as b:
        options = Options(
            routes=Routes(target=None),
            tunnel=Choice(public_url=f"http://127.0.0.1:{b.port}"),
            listen=("127.0.0.1", b.port),
            patience=0.3,
        )
        opening = open_session(settings(b), options, Stop(), SystemClock())
        async with opening as session:
            await session.take_over()
            b.sandbox.fault(status=503, times=None)
            restored = await session.restore()
        assert restored is not None
        assert restored.ending is Ending.UNCONFIRMED
        assert session.holds


async def test_an_api_that_stays_away_is_said_once_and_again_when_it_is_back(
    tmp_path: Path,
) -> None:
    """Without it nothing can be restored; one failed look is no news."""
    clock = ManualClock()
    async with open_bench(tmp_path) as b, held(b) as (hold, journal):
        b.sandbox.fault(status=503, times=3)
        async with open_loops() as loops:
            loops.start(watch_account(hold, journal, Stop(), clock))
            while len(notices(journal)) < 2:
                clock.advance(5)
                await asyncio.sleep(0.01)
        away, back = notices(journal)
        assert (away.type, back.type) == ("reconnecting", "reconnected")
        assert (away.body["what"], away.body["attempt"]) == ("API", 2)


@asynccontextmanager
async def held(b: Bench) -> AsyncIterator[tuple[Hold, Journal]]:
    """A hold on the account as it is, and a journal to say things in."""
    own, clock = settings(b), SystemClock()
    client = AccountClient(own.api_url, own.account_credential(), Network())
    process = this_process()
    with Store(own.db) as store:
        async with client, Journal(store, clock) as journal:
            await journal.begin(profile="p", account=None, source="up", process=process)
            record = adopted(
                await client.get(),
                Setting(uri="", method=""),
                api_url=own.api_url,
                profile="p",
                process=process,
                at=clock.now(),
            )
            takeovers = Takeovers(own.paths.state)
            yield Hold(client, takeovers, clock, bound=60.0, record=record), journal


def notices(journal: Journal) -> list[Notice]:
    entries, _ = journal.read(Cursor())
    return [entry for entry in entries if isinstance(entry, Notice)]
