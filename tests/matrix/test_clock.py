"""I: clocks that are wrong, that somebody sets, that begin anew."""

import sqlite3
import ssl
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from devhook.core.account_api import token_expiry
from devhook.core.clock import Moment, elapsed
from devhook.core.model import Event, Stage
from devhook.core.network import Credential, Network
from devhook.core.restoring import Restoring, begin_restoring
from devhook.core.takeover import (
    Ending,
    Get,
    Keep,
    Kept,
    Pause,
    Rested,
    Shown,
)
from devhook.errors import Unreachable
from devhook.provider.client import AccountClient
from devhook.store import entries
from devhook.store.entries import Cursor
from devhook.store.store import Store
from devhook.store.takeovers import Takeovers
from devhook.system import is_alive, this_process
from tests.clock import SkippingClock
from tests.core.takeovers import account, moment, record
from tests.endpoint import answer, endpoint
from tests.matrix.bench import any_command, open_short
from tests.matrix.machines import BOUND, machines
from tests.values import capture

Seen = Callable[[str], None]

KEY = Credential(kind="access_key", value="vb_key", source="test")
WRONG = {
    "1970": datetime(1970, 1, 1, tzinfo=UTC),
    "2100": datetime(2100, 1, 1, tzinfo=UTC),
}


@pytest.mark.parametrize("days", [1, -1], ids=["forward", "back"])
@pytest.mark.case(143, "wall clock set by a day in session", "nothing happens")
async def test_143_a_clock_that_is_set_changes_nothing(
    tmp_path: Path, days: int, seen: Seen
) -> None:
    """While it waits to be seen, while it holds, and while it is restored."""
    clock = SkippingClock()
    async with machines(tmp_path, clock=clock) as (a,):
        before, read = a.sandbox.account.fields(), await a.client.get()
        a.sandbox.fault(method="GET", stale=True, skip=2, times=3)
        hold = a.hold()
        began = clock.monotonic()
        clock.set(days)
        await a.take(hold, as_read=read)
        clock.set(days)
        assert (await hold.look()).foreign is None
        a.sandbox.fault(method="PUT", status=503)
        clock.set(-3 * days)
        assert (await hold.end()).ending is Ending.RESTORED
        assert a.sandbox.account.fields() == before
        assert clock.monotonic() - began < 10
    seen("deadlines and spacing by ticks; original")


@pytest.mark.parametrize("days", [1, -1], ids=["forward", "back"])
@pytest.mark.case(143, "wall clock set while a PUT is under way", "the bound holds")
def test_143_a_put_under_way_is_waited_for_all_the_same(days: int, seen: Seen) -> None:
    """Neither for a day nor not at all."""
    sent = record(Stage.PUT_SENT, put=moment())
    begun = begin_restoring(sent, moment(1.0, days=days), bound=BOUND)
    assert is_waiting(begun, moment(BOUND - 1, days=days))
    assert not is_waiting(begun, moment(BOUND + 1, days=days))
    seen("60 s, by ticks")


def is_waiting(machine: Restoring, now: Moment) -> bool:
    """Whether it still looks, for a PUT that a GET does not show."""
    while isinstance(machine.action, Keep | Pause):
        answer = Rested() if isinstance(machine.action, Pause) else Kept(machine.record)
        machine = machine.then(answer, now)
    assert isinstance(machine.action, Get)
    return isinstance(machine.then(Shown(account()), now).action, Pause)


@pytest.mark.parametrize("year", WRONG)
@pytest.mark.case(144, "clock wrong at start (1970, 2100)", "TLS error explained")
async def test_144_a_certificate_of_another_time(year: str, seen: Seen) -> None:
    """A server's clock is as wrong to ours as ours to it: here it is the server's."""
    start = WRONG[year]
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served = authority.issue_cert(
        "127.0.0.1", not_before=start, not_after=start + timedelta(days=90)
    )
    served.configure_cert(tls)
    network = Network(ca_pem=authority.cert_pem.bytes().decode())
    async with endpoint(tls=tls) as api:
        client = AccountClient(f"{api.url}/v1.0", KEY, network)
        async with client:
            with pytest.raises(Unreachable, match="by this machine's clock") as caught:
                await client.get()
        assert "look at the clock" in str(caught.value.hint)
        assert api.requests == []
    seen("'by this machine's clock its certificate ...'")


@pytest.mark.case(144, "clock goes back to 1970 in between", "rows by sequence")
def test_144_rows_are_ordered_by_sequence(tmp_path: Path, seen: Seen) -> None:
    """Of events and of records: what came later is later."""
    times = (WRONG["2100"], WRONG["1970"], datetime(2026, 8, 21, tzinfo=UTC))
    takeovers = Takeovers(tmp_path)
    for at in times:
        takeovers.keep(replace(record(Stage.ACTIVE), id=0, started_at=at), at, "1@x")
    assert [kept.started_at for kept in takeovers.open_records()] == [*times]
    with Store(tmp_path / "acme.db") as store:
        with store.transaction():
            session = store.open_session(
                profile="acme", account=None, source="up", process="1@x", at=times[0]
            )
            for at in times:
                store.add_event(session, capture(received_at=at), [])
        page, _ = entries.read(store, session, Cursor(), [], limit=9)
    assert [entry.received_at for entry in page if isinstance(entry, Event)] == [*times]
    seen("in the order in which they came")


@pytest.mark.slow
@pytest.mark.case(145, "daylight saving, another time zone", "times stored in UTC")
async def test_145_times_are_stored_in_utc(tmp_path: Path, seen: Seen) -> None:
    """In the hour that there is twice, as in any other."""
    async with open_short(tmp_path) as b:
        b.terminal.environ["TZ"] = "XST+5YDT+4,J1/0,J365/23"  # summer, all the year
        async with b.up() as up:
            await b.sandbox.emit("call_hangup")
            event = await up.line("event")
            assert await up.end() == 0
        assert event["received_at"].endswith("Z")
        ((received_at,),) = b.rows("select received_at from events")
        assert received_at.endswith("Z")
        now = b.sandbox.requests[-1].at
        stored = datetime.fromisoformat(received_at)
        assert abs((now - stored).total_seconds()) < 60
        (step, *_) = b.takeovers.steps(1)
        assert step.at.utcoffset() == timedelta(0)
        assert abs((now - step.at).total_seconds()) < 60
    seen("UTC in events and records")


@pytest.mark.case(145, "a leap second in what the API says", "no time, no error")
async def test_145_a_leap_second_harms_nobody(seen: Seen) -> None:
    """No clock of ours has one."""
    leap = "Sat, 31 Dec 2016 23:59:60 GMT"
    body = b'{"id": "x", "tm_update": "2016-12-31T23:59:60Z"}'
    async with (
        endpoint(answer(200, body, f"Date: {leap}")) as api,
        AccountClient(f"{api.url}/v1.0", KEY, Network()) as client,
    ):
        assert (await client.get()).tm_update == "2016-12-31T23:59:60Z"
        assert client.server_time is None
    assert token_expiry("x.eyJleHBpcmUiOiIyMDE2LTEyLTMxVDIzOjU5OjYwWiJ9.x") is None
    seen("read as no time at all")


# --- a reboot ------------------------------------------------------------------------


@pytest.mark.case(147, "reboot before the recovery", "pid and start not trusted")
def test_147_a_process_of_another_boot_is_dead(seen: Seen) -> None:
    """The same number, and the same ticks since the boot: it is another process."""
    assert is_alive(this_process())
    assert not is_alive(before_a_reboot(this_process()))
    seen("known as dead")


def before_a_reboot(mark: str) -> str:
    """Of the process that had the same number and start in the boot before."""
    pid, _, started = mark.partition("@")
    boot, _, ticks = started.partition(":")
    assert boot
    return f"{pid}@another-{boot[8:]}:{ticks}"


@pytest.mark.case(147, "reboot with a PUT under way", "bound by the wall clock")
def test_147_the_bound_is_counted_across_a_boot(seen: Seen) -> None:
    """By the wall clock; where that went back it is counted from now on."""
    sent = record(Stage.PUT_SENT, put=moment())
    anew = replace(moment(30.0, boot="next"), ticks=5.0)
    assert elapsed(moment(), anew) == 30.0
    begun = begin_restoring(sent, anew, bound=BOUND)
    assert is_waiting(begun, anew)
    assert not is_waiting(begun, replace(moment(61.0, boot="next"), ticks=36.0))
    back = replace(moment(0.0, boot="next", days=-1), ticks=5.0)
    begun = begin_restoring(sent, back, bound=BOUND)
    assert is_waiting(begun, replace(back, ticks=64.0))
    assert not is_waiting(begun, replace(back, ticks=66.0))
    seen("original; never sooner than 60 s")


@pytest.mark.slow
@pytest.mark.case(147, "reboot while active, then any command", "original")
async def test_147_the_next_command_restores(tmp_path: Path, seen: Seen) -> None:
    """The pids of the dead run and guardian are given to processes that live."""
    async with open_short(tmp_path) as b:
        async with b.up() as up:
            await b.abandon(up)
        old = before_a_reboot(this_process())
        with closing(sqlite3.connect(b.takeovers.path, isolation_level=None)) as db:
            sql = "update takeovers set process = ?, guardian = ?, put_boot = 'before'"
            db.execute(sql, (old, old))
        await any_command(b)
    seen("original by the next command")
