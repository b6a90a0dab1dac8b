"""The watch over a login token, with a clock that the test advances."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from devhook.core.model import Notice
from devhook.core.network import Credential, Network
from devhook.core.token_life import Login
from devhook.provider.client import AccountClient
from devhook.session.stop import Stop, Why, open_loops
from devhook.session.watch import watch_login
from devhook.store.entries import Cursor
from devhook.store.journal import Journal
from devhook.store.store import Store
from devhook.system import this_process
from tests.clock import ManualClock
from tests.values import START, at

HOUR = 3600.0


@dataclass(frozen=True)
class Watch:
    clock: ManualClock
    client: AccountClient
    journal: Journal
    stop: Stop

    async def pass_by(self, seconds: float) -> None:
        """Let so much time pass, and the watch look."""
        self.clock.advance(seconds)
        for _ in range(20):  # a notice is written by a task or two of the journal's
            await asyncio.sleep(0)

    def told(self) -> list[str]:
        entries, _ = self.journal.read(Cursor())
        notices = [entry for entry in entries if isinstance(entry, Notice)]
        assert {notice.type for notice in notices} <= {"warning"}
        return [str(notice.body["text"]) for notice in notices]


@asynccontextmanager
async def watched(
    folder: Path, left: float, *, tells: bool = True
) -> AsyncIterator[Watch]:
    """The watch over a token that ends so many seconds from now."""
    clock, stop = ManualClock(), Stop()
    credential = Credential(kind="token", value="t", source="test")
    client = AccountClient("http://127.0.0.1:1/v1.0", credential, Network())
    login = Login(
        ends=at(left),
        api_time=START,
        our_time=START,
        heard=clock.moment().ticks,
        source="test",
        profile="p",
    )
    with Store(folder / "events.db") as store:
        async with Journal(store, clock) as journal, open_loops() as loops:
            await journal.begin(
                profile="p", account=None, source="up", process=this_process()
            )
            watch = Watch(clock, client, journal, stop)
            loops.start(watch_login(login, client, journal, stop, clock, tells=tells))
            await watch.pass_by(0)
            yield watch


async def test_the_end_is_told_once_half_an_hour_before(tmp_path: Path) -> None:
    """And not again with every look."""
    async with watched(tmp_path, HOUR) as watch:
        await watch.pass_by(HOUR / 2 - 1)
        assert watch.told() == []
        await watch.pass_by(1)
        assert len(watch.told()) == 1
        assert "ends in 30m" in watch.told()[0]
        await watch.pass_by(600)
        await watch.pass_by(600)
        assert len(watch.told()) == 1


async def test_the_session_is_ended_two_minutes_before(tmp_path: Path) -> None:
    """While the token can still restore."""
    async with watched(tmp_path, HOUR) as watch:
        await watch.pass_by(HOUR - 121)
        assert watch.stop.why is None
        await watch.pass_by(1)
        assert watch.stop.why is Why.CREDENTIAL


async def test_a_session_that_ends_before_its_token_is_not_warned(
    tmp_path: Path,
) -> None:
    """`--for` was found to fit; should its timer fail, the token's end still counts."""
    async with watched(tmp_path, 900, tells=False) as watch:
        assert watch.told() == []
        await watch.pass_by(900 - 120)
        assert watch.told() == []
        assert watch.stop.why is Why.CREDENTIAL


async def test_time_that_our_clock_slept_through_counts(tmp_path: Path) -> None:
    """The API's next answer tells how late it is."""
    async with watched(tmp_path, 8 * HOUR) as watch:
        watch.client.server_time = at(7.75 * HOUR)
        await watch.pass_by(1)
        assert "ends in 15m" in watch.told()[0]
        watch.client.server_time = None  # an answer that does not say changes nothing
        await watch.pass_by(HOUR / 4 - 121)
        assert watch.stop.why is None
        await watch.pass_by(1)
        assert watch.stop.why is Why.CREDENTIAL
