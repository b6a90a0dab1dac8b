"""C, the way back: an API that is busy, away, or does not let us in any more."""

import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devhook.core.guarding import GIVEN_UP_AFTER
from devhook.core.model import Stage
from devhook.core.restoring import LONGEST_PAUSE, Restoring, begin_restoring
from devhook.core.takeover import (
    Accepted,
    Action,
    Answer,
    Ending,
    Fail,
    Failed,
    Get,
    Keep,
    Kept,
    Pause,
    Put,
    Rested,
    Restored,
    Shown,
)
from tests.core.takeovers import ROOT, moment, ours, record
from tests.matrix.bench import alone, open_short
from tests.matrix.machines import BOUND, machines, puts
from tests.running import until

Seen = Callable[[str], None]

GONE = '{"error": {"reason": "CUSTOMER_NOT_FOUND"}}'


@pytest.mark.case(60, "429 with Retry-After at the restore", "honoured; original")
async def test_60_a_throttled_restore_waits(tmp_path: Path, seen: Seen) -> None:
    """As long as it is asked to; nothing is sent meanwhile."""
    async with machines(tmp_path) as (a,):
        before, hold = a.sandbox.account.fields(), await a.take()
        began, asked = a.clock.monotonic(), len(a.sandbox.requests)
        a.sandbox.fault(method="GET", retry_after=7)
        a.sandbox.fault(method="PUT", retry_after=40)
        assert (await hold.end()).ending is Ending.RESTORED
        assert 47 <= a.clock.monotonic() - began < 60
        assert len(a.sandbox.requests) - asked == 6
        assert a.sandbox.account.fields() == before
    seen("waited 7 s and 40 s as told, original")


# --- away ----------------------------------------------------------------------------


class Outage:
    """An API that is away for so many seconds, and a clock that skips all pauses."""

    def __init__(self, machine: Restoring, away: float) -> None:
        self.machine = machine
        self.tries = 0
        self._away = away
        self._now = 10.0
        self._shown = ours()

    def settled(self) -> Restored:
        while not isinstance(self.machine.action, Restored):
            answer = self._answer(self.machine.action)
            self.machine = self.machine.then(answer, moment(self._now))
        return self.machine.action

    def _answer(self, action: Action) -> Answer:
        match action:
            case Keep(record):
                return Kept(record)
            case Pause(seconds):
                assert seconds <= LONGEST_PAUSE
                self._now += seconds
                return Rested()
            case Get() | Put() if self._now - 10.0 < self._away:
                self.tries += 1
                self._now += 0.1
                return Failed(Fail.UNKNOWN, "cannot be reached")
            case Get():
                return Shown(self._shown)
            case Put(account):
                self._shown = account
                return Accepted()
            case _:
                raise AssertionError(action)


def outage(away: float, stage: Stage = Stage.ACTIVE) -> Outage:
    begun = begin_restoring(
        record(stage, put=moment()), moment(10.0), bound=BOUND, within=GIVEN_UP_AFTER
    )
    return Outage(begun, away)


@pytest.mark.case(61, "network down at exit for 10 s / 1 h", "retried; original")
def test_61_an_outage_is_waited_out(seen: Seen) -> None:
    """Tried less and less often, once a minute at least."""
    for away, most in ((10.0, 8), (3600.0, 80)):
        met = outage(away)
        assert met.settled().ending is Ending.RESTORED
        assert met.tries <= most
        assert met.machine.record.stage is Stage.RESTORED
    seen("original once it is back")


@pytest.mark.slow
@pytest.mark.case(
    61, "network down when the run is killed", "status shows it; original"
)
async def test_61_status_shows_a_guardian_at_work(tmp_path: Path, seen: Seen) -> None:
    """It has the reason, and goes on for as long as it takes."""
    async with open_short(tmp_path) as b, b.up() as up:
        b.sandbox.fault(drop=True, times=None)
        await up.end(signal.SIGKILL)
        await until(lambda: b.takeovers.history()[0].error)
        status = await b.terminal("status", "--json")
        assert status.code == 4
        (shown,) = status.objects()
        assert shown["state"] == "open"
        assert shown["guardian"].startswith("restoring: ")
        b.sandbox.clear_faults()
        await alone(b)
    seen("'open', 'restoring: ...' (4); original")


@pytest.mark.case(
    62, "network down for more than 24 h", "unresolved; next run restores"
)
def test_62_a_day_away_is_left_to_the_next_run(seen: Seen) -> None:
    """A guardian is no service: it gives up, and says so in the record."""
    met = outage(25 * 3600)
    given_up = met.settled()
    assert given_up.ending is Ending.UNCONFIRMED
    left = met.machine.record
    assert (left.stage, left.error) == (Stage.UNRESOLVED, "cannot be reached")
    assert met.tries < 1500
    again = Outage(
        begin_restoring(left, moment(26 * 3600), bound=BOUND, within=5), away=0
    )
    assert again.settled() == Restored(Ending.RESTORED, ROOT)
    seen("unresolved after 24 h, original by the next run")


# --- not let in ----------------------------------------------------------------------

LOCKED_OUT: dict[str, tuple[dict[str, Any], str]] = {
    "63": ({"status": 401}, "does not accept the credential"),
    "64": ({"status": 403, "method": "PUT"}, "needs an admin"),
    "69": ({"status": 404, "body": GONE}, "there is no such account"),
}


async def locked_out(folder: Path, fault: dict[str, Any], reason: str) -> None:
    """It is told once, and not tried again before somebody lets us in."""
    async with machines(folder) as (a,):
        before, hold = a.sandbox.account.fields(), await a.take()
        asked = len(a.sandbox.requests)
        a.sandbox.fault(times=None, **fault)
        restored = await hold.end()
        assert restored.ending is Ending.UNCONFIRMED
        assert reason in str(restored.error)
        assert (a.stage, a.record.error) == (Stage.UNRESOLVED, restored.error)
        assert len(a.sandbox.requests) - asked <= 3
        a.sandbox.clear_faults()
        assert (await a.recover()).ending is Ending.RESTORED
        assert a.sandbox.account.fields() == before


@pytest.mark.case(63, "token expired (401)", "unresolved; a new token restores")
async def test_63_an_expired_token(tmp_path: Path, seen: Seen) -> None:
    """Nobody can restore with it."""
    await locked_out(tmp_path, *LOCKED_OUT["63"])
    seen("unresolved with its reason; original by a new one")


@pytest.mark.case(64, "rights lowered (403)", "unresolved; a new token restores")
async def test_64_lowered_rights(tmp_path: Path, seen: Seen) -> None:
    """It may still read the account."""
    await locked_out(tmp_path, *LOCKED_OUT["64"])
    seen("unresolved with its reason; original by a new one")


@pytest.mark.slow
@pytest.mark.case(63, "token expired, a run of `up`", "loud, 4; a new token restores")
async def test_63_a_run_with_an_expired_token_is_loud(
    tmp_path: Path, seen: Seen
) -> None:
    """The command that restores is on the screen; it works with another credential."""
    async with open_short(tmp_path) as b:
        token = b.sandbox.token_for(timedelta(hours=2))
        async with b.up(DEVHOOK_ACCESS_KEY="", DEVHOOK_TOKEN=token) as up:
            b.sandbox.fault(status=401, times=None)
            assert await up.end() == 4
            assert "STILL POINT AT THIS MACHINE" in up.screen
            assert "devhook restore" in up.screen
        b.sandbox.clear_faults()
        await alone(b)
        status = await b.terminal("status", "--history", "--json")
        assert status.objects()[-1]["stage"] == "restored"
    seen("loud (4); original with an access key")


@pytest.mark.case(69, "account frozen or deleted", "unresolved; no loop")
async def test_69_an_account_that_is_gone(tmp_path: Path, seen: Seen) -> None:
    """One that is frozen can be recovered, and is restored then."""
    await locked_out(tmp_path / "deleted", *LOCKED_OUT["69"])
    async with machines(tmp_path / "frozen") as (a,):
        hold = await a.take()
        asked, sent = len(a.sandbox.requests), puts(a.sandbox)
        a.sandbox.change(status="frozen")
        restored = await hold.end()
        assert restored.ending is Ending.UNCONFIRMED
        assert "frozen" in str(restored.error)
        assert a.stage is Stage.UNRESOLVED
        assert len(a.sandbox.requests) - asked == 1
        assert puts(a.sandbox) == sent
        a.sandbox.change(status="active")
        assert (await a.recover()).ending is Ending.RESTORED
    seen("unresolved with its reason, asked once")
