"""The state of the takeover model: one account, its sessions, PUTs that are under way.

Every state is written as of one moment, NOW: when time passes, what is remembered gets
older instead, and never older than the bound. What decides nothing, texts and counts of
failures, is left out. So the states are finitely many, though the machines are real.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from devhook.core.clock import Moment
from devhook.core.model import Account, Setting, Stage, Takeover
from devhook.core.restoring import Restoring, begin_restoring
from devhook.core.takeover import (
    Accepted,
    Action,
    Answer,
    Fail,
    Failed,
    Keep,
    Kept,
    Pause,
    Put,
    Rested,
    Restored,
    Shown,
    Stale,
)
from devhook.core.taking import Taking

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Machine: TypeAlias = Taking | Restoring

TICK: Final = 6.0
"""Seconds that pass at once: longer than a GET justifies a PUT."""

BOUND: Final = 12.0
"""Seconds in which the world applies a PUT, if ever; two ticks."""

_WALL = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
_AGES: Final = tuple(
    Moment(_WALL - timedelta(seconds=age), 1000.0 - age, "boot")
    for age in (0.0, TICK, BOUND)
)
NOW: Final = _AGES[0]

ORIGINAL: Final = Setting(uri="https://api.acme.example/voip", method="GET")
INITIAL: Final = Account(
    id="b3e8a1c0",
    name="Acme",
    detail="",
    email="a@acme.example",
    phone_number="+12025550123",
    address="1 Way",
    webhook_method=ORIGINAL.method,
    webhook_uri=ORIGINAL.uri,
    tm_update="newest",
)

URI, NAME = 1, 2
"""What a colleague edits, as bits: which edits a PUT does not know of."""


class Cell(Generic[T_co]):
    """A value that is known by its identity: equal ones are one, so that they hash
    quickly.
    """

    __slots__ = ("value",)

    def __init__(self, value: T_co) -> None:
        self.value: Final = value


_CELLS: dict[Any, Cell[Any]] = {}


def cell(value: T) -> Cell[T]:
    found = _CELLS.get(value)
    return found if found is not None else _CELLS.setdefault(value, Cell(value))


class Phase(StrEnum):
    IDLE = "idle"
    TAKING = "taking"
    HOLDING = "holding"
    RESUMING = "resuming"
    ENDING = "ending"
    GONE = "gone"


class Session(NamedTuple):
    """A run and its guardian, or who recovers what they left.

    `committed` is a record on disk that the guardian was not told yet; `told` the one
    that it was, or that it ended with. `silent` is a run that stood still for longer
    than a GET justifies a PUT. `blind` and `blinded` are edits made since the
    GET that justifies the next PUT: the run's, and the restorer's.
    """

    phase: Phase = Phase.IDLE
    taking: Cell[Taking] | None = None
    committed: bool = False
    stopped: bool = False
    silent: bool = False
    guarded: bool = False
    told: Cell[Takeover] | None = None
    restoring: Cell[Restoring] | None = None
    disk: Cell[Takeover] | None = None
    blind: int = 0
    blinded: int = 0


class Late(NamedTuple):
    """A PUT of session `who` that was not answered; it is applied yet, or never."""

    who: int
    account: Cell[Account]
    is_old: bool
    blind: int


class Left(NamedTuple):
    """How many faults of each kind may still happen."""

    kills: int = 0
    lates: int = 0
    cuts: int = 0
    edits: int = 0
    names: int = 0
    stops: int = 0
    errors: int = 0
    damages: int = 0
    fulls: int = 0
    rescues: int = 0
    rejects: int = 0
    stales: int = 0


class State(NamedTuple):
    """`lost` are edits that a PUT ran over unseen; `broken` a promise that was."""

    register: Cell[Account]
    sessions: tuple[Session, ...]
    left: Left
    late: tuple[Late, ...] = ()
    edited: Setting | None = None
    name: str = INITIAL.name
    lost: int = 0
    broken: str = ""

    def with_session(self, who: int, session: Session) -> "State":
        sessions = (*self.sessions[:who], session, *self.sessions[who + 1 :])
        register, _, left, late, edited, name, lost, broken = self
        return State(register, sessions, left, late, edited, name, lost, broken)

    def spent(self, kind: str) -> "State":
        one_less = {kind: getattr(self.left, kind) - 1}
        return self._replace(left=self.left._replace(**one_less))


# --- answers --------------------------------------------------------------------------

ACCEPTED: Final[Cell[Answer]] = cell(Accepted())
STALE: Final[Cell[Answer]] = cell(Stale())
UNKNOWN: Final[Cell[Answer]] = cell(Failed(Fail.UNKNOWN, "no answer"))
ANSWERED: Final[Cell[Answer]] = cell(Failed(Fail.ANSWERED, "internal error"))
REJECTED: Final[Cell[Answer]] = cell(Failed(Fail.REJECTED, "bad request"))
REFUSED: Final[Cell[Answer]] = cell(Failed(Fail.REFUSED, "no admin"))
THROTTLED: Final[Cell[Answer]] = cell(Failed(Fail.THROTTLED, "wait", None, 3.0))


@cache
def shown(register: Cell[Account]) -> Cell[Answer]:
    return cell(Shown(register.value))


@cache
def kept(record: Cell[Takeover]) -> Cell[Answer]:
    return cell(Kept(record.value))


@cache
def taking_after(taking: Cell[Taking], answer: Cell[Answer]) -> Cell[Taking]:
    return cell(plain_taking(taking.value.then(answer.value, NOW)))


@cache
def restoring_after(
    restoring: Cell[Restoring], answer: Cell[Answer]
) -> Cell[Restoring]:
    return cell(plain_restoring(restoring.value.then(answer.value, NOW)))


@cache
def begun(record: Cell[Takeover], bound: float, parks: bool) -> Cell[Restoring]:
    machine = begin_restoring(record.value, NOW, bound=bound, parks=parks)
    return cell(plain_restoring(machine))


@cache
def to_keep(machine: Cell[Machine]) -> Cell[Takeover]:
    """The record that a machine has come to; it is about to keep one."""
    action = machine.value.action
    assert isinstance(action, Keep)
    return cell(action.record)


@cache
def to_put(machine: Cell[Machine]) -> Cell[Account]:
    action = machine.value.action
    assert isinstance(action, Put)
    return cell(action.account)


# --- without what decides nothing -----------------------------------------------------


def plain_taking(taking: Taking) -> Taking:
    """Rests end at once: how long they take is left to the ticks."""
    while isinstance(taking.action, Pause):
        taking = taking.then(Rested(), NOW)
    is_sent = taking.record is not None and taking.record.stage is not Stage.PREPARED
    before = replace(taking.before, tm_update=None) if is_sent else taking.before
    return replace(
        taking,
        before=before,
        record=taking.record and plain_record(taking.record),
        action=plain_action(taking.action),
        unsent=taking.unsent if isinstance(taking.action, Put) else None,
        looks=0 if is_sent else taking.looks,
        unknown=None,
    )


def plain_restoring(restoring: Restoring) -> Restoring:
    while isinstance(restoring.action, Pause):
        restoring = restoring.then(Rested(), NOW)
    return replace(
        restoring,
        begun=NOW,
        record=plain_record(restoring.record),
        action=plain_action(restoring.action),
        failures=0,
    )


def plain_action(action: Action) -> Action:
    match action:
        case Keep(record, then):
            return Keep(plain_record(record), plain_action(then))
        case Put(account, looked):
            looked = looked if looked == NOW else _AGES[-1]
            return Put(replace(account, tm_update=None), looked)
        case Restored(ending, setting):
            return Restored(ending, setting)
        case Pause():
            return Pause(1.0)
        case _:
            return action


def plain_record(record: Takeover) -> Takeover:
    """Of a PUT that was seen to arrive it matters only whether it was just now."""
    is_seen = record.stage is not Stage.PUT_SENT and record.put != NOW
    put = _AGES[-1] if record.put and is_seen else record.put
    return replace(record, error=None, put=put)


@cache
def closed(record: Cell[Takeover]) -> Cell[Takeover]:
    """How it was closed is said already; whose it is, is still looked at."""
    return cell(replace(record.value, stage=Stage.RESTORED, put=None, ended_at=None))


def put_of(action: Action) -> Put | None:
    """The PUT that an action is, or is the record of."""
    match action:
        case Put() as put:
            return put
        case Keep(then=Put() as put):
            return put
        case _:
            return None


# --- as time passes -------------------------------------------------------------------


def older(moment: Moment | None) -> Moment | None:
    if moment is None:
        return None
    return _AGES[min(_AGES.index(moment) + 1, len(_AGES) - 1)]


@cache
def older_session(me: Session) -> Session:
    return me._replace(
        taking=older_taking(me.taking),
        told=older_record(me.told),
        restoring=older_restoring(me.restoring),
        disk=older_record(me.disk),
        silent=me.stopped,
    )


@cache
def older_record(record: Cell[Takeover] | None) -> Cell[Takeover] | None:
    if record is None:
        return None
    return cell(plain_record(replace(record.value, put=older(record.value.put))))


@cache
def older_taking(taking: Cell[Taking] | None) -> Cell[Taking] | None:
    if taking is None:
        return None
    value = taking.value
    aged = replace(
        value,
        unsent=value.unsent and replace(value.unsent, put=older(value.unsent.put)),
        record=value.record and replace(value.record, put=older(value.record.put)),
        action=_older_action(value.action),
    )
    return cell(plain_taking(aged))


@cache
def older_restoring(restoring: Cell[Restoring] | None) -> Cell[Restoring] | None:
    if restoring is None:
        return None
    value = restoring.value
    aged = replace(
        value,
        put=older(value.put),
        unanswered=older(value.unanswered),
        record=replace(value.record, put=older(value.record.put)),
        action=_older_action(value.action),
    )
    return cell(plain_restoring(aged))


def _older_action(action: Action) -> Action:
    match action:
        case Keep(record, then):
            aged = replace(record, put=older(record.put))
            return Keep(aged, _older_action(then))
        case Put(account, looked):
            return Put(account, older(looked) or looked)
        case _:
            return action


@cache
def newest(account: Cell[Account]) -> Cell[Account]:
    """The account as it is once it was written."""
    return cell(replace(account.value, tm_update="newest"))


@cache
def outdated(taking: Cell[Taking]) -> Cell[Taking]:
    """The account was written since this run's last look at it."""
    before = taking.value.before
    if before.tm_update is None:
        return taking
    return cell(replace(taking.value, before=replace(before, tm_update="older")))
