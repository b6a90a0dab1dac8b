"""Accounts, records and moments to drive the takeover's machines with, by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from devhook.core.clock import Moment
from devhook.core.marker import with_marker
from devhook.core.model import Account, Setting, Stage, Takeover
from devhook.core.restoring import Restoring
from devhook.core.takeover import Answer, Fail, Failed, Keep, Kept, Shown
from devhook.core.taking import Taking, Who

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ROOT = Setting(uri="https://api.acme.example/voip?key=1", method="PUT")
FOREIGN = "https://other.example/hook"
URI = "https://relay.example/t/abc/secret"
MINE = with_marker(URI, ROOT)
BOUND = 60.0
UNKNOWN = Failed(Fail.UNKNOWN, "no answer")

WHO = Who(
    api_url="https://api/v1.0",
    profile="default",
    session_id=1,
    process="1@x",
    guardian="2@x",
)


def moment(seconds: float = 0.0, *, boot: str = "boot", days: int = 0) -> Moment:
    """So many seconds after NOW, with a wall clock that was set by so many days."""
    wall = NOW + timedelta(days=days, seconds=seconds)
    return Moment(wall, 1000.0 + seconds, boot)


def account(uri: str = ROOT.uri, method: str = ROOT.method, **other: str) -> Account:
    given = {"name": "Acme", "detail": "", "email": "a@acme.example"}
    given |= {"phone_number": "", "address": "1 Way", "tm_update": "1"} | other
    return Account(id="b3e8a1c0", webhook_uri=uri, webhook_method=method, **given)


def ours(**other: str) -> Account:
    return account(MINE, "POST", **other)


def record(stage: Stage, *, put: Moment | None = None) -> Takeover:
    return Takeover(
        id=1,
        api_url="https://api/v1.0",
        account_id="b3e8a1c0",
        account_name="Acme",
        profile="default",
        session_id=1,
        process="1@x",
        guardian="2@x",
        mine=MINE,
        root=ROOT,
        stage=stage,
        started_at=NOW,
        put=put,
    )


def kept(machine: Taking | Restoring) -> Kept:
    """The answer to a machine that has a record to keep."""
    assert isinstance(machine.action, Keep), machine.action
    return Kept(replace(machine.action.record, id=1))


def shown(**other: str) -> Shown:
    return Shown(account(**other))


def after(machine: Taking, *answers: Answer | None, at: Moment) -> Taking:
    """The machine after these answers; None keeps the record that is to be kept."""
    for answer in answers:
        machine = machine.then(answer or kept(machine), at)
    return machine
