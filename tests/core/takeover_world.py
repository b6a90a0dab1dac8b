"""What surrounds the sessions of the takeover model: the API, time, colleagues."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Final, NamedTuple

from devhook.core.model import Account, Setting, Stage
from devhook.core.takeover import Answer, Failed, is_ours, with_setting
from devhook.core.taking import Taking
from tests.core.takeover_state import (
    ACCEPTED,
    ANSWERED,
    NAME,
    REFUSED,
    REJECTED,
    THROTTLED,
    UNKNOWN,
    URI,
    Cell,
    Late,
    Machine,
    State,
    cell,
    newest,
    older_session,
    outdated,
    put_of,
    shown,
)

TUNNEL: Final = "https://tunnel.example/"
HUMAN: Final = "https://human.example/"

Then = Callable[[State, Cell[Answer]], State]


class Move(NamedTuple):
    """`is_fault`: it need not happen, for all to come to an end."""

    label: str
    is_fault: bool
    state: State


def name_of(who: int) -> str:
    return "ABCDEF"[who]


def uri_of(who: int) -> str:
    """With a path secret long enough to be one."""
    return f"{TUNNEL}{name_of(who) * 20}"


@cache
def short(uri: str) -> str:
    """How a trace names a setting: O, A's, H1, nothing."""
    path = uri.partition("#")[0]
    if path.startswith(TUNNEL):
        return f"{path.removeprefix(TUNNEL)[0]}'s"
    if path.startswith(HUMAN):
        return f"H{path.removeprefix(HUMAN)}"
    return "the original" if path else "nothing"


def of_late_puts(state: State) -> Iterator[Move]:
    for index, late in enumerate(state.late):
        rest = state._replace(late=state.late[:index] + state.late[index + 1 :])
        uri = short(late.account.value.webhook_uri)
        label = f"{name_of(late.who)}'s PUT of {uri}"
        arrived = written(rest, late.account, late.blind)
        yield Move(f"{label} arrives", False, arrived)
        yield Move(f"{label} is lost", False, rest)


def of_time(state: State) -> Iterator[Move]:
    """It passes unless a PUT under way is at its bound."""
    if any(late.is_old for late in state.late):
        return
    aged = state._replace(
        sessions=tuple(older_session(me) for me in state.sessions),
        late=tuple(late._replace(is_old=True) for late in state.late),
    )
    if aged != state:
        yield Move("time passes", False, aged)


def of_colleagues(state: State) -> Iterator[Move]:
    account = state.register.value
    if state.left.edits:
        setting = Setting(uri=f"{HUMAN}{state.left.edits}", method="PUT")
        edited = with_setting(account, setting)
        spent = state.spent("edits")._replace(edited=setting)
        label = f"a colleague sets {short(setting.uri)}"
        yield Move(label, True, _edited(spent, edited, URI))
    if state.left.names:
        name = f"Acme {state.left.names}"
        edited = replace(account, name=name)
        spent = state.spent("names")._replace(name=name)
        yield Move("a colleague renames", True, _edited(spent, edited, NAME))


def _edited(state: State, account: Account, what: int) -> State:
    """PUTs that were decided on before do not know of it."""
    sessions = tuple(
        me._replace(
            blind=me.blind | (what if _is_put(me.taking) else 0),
            blinded=me.blinded | (what if _is_put(me.restoring) else 0),
        )
        for me in state.sessions
    )
    late = tuple(put._replace(blind=put.blind | what) for put in state.late)
    state = state._replace(sessions=sessions, late=late, lost=state.lost & ~what)
    return written(state, cell(account), 0)


def written(state: State, account: Cell[Account], blind: int) -> State:
    sessions = tuple(
        me if me.taking is None else me._replace(taking=outdated(me.taking))
        for me in state.sessions
    )
    return state._replace(
        register=newest(account),
        sessions=sessions,
        lost=state.lost | blind,
    )


def sent(
    state: State, who: int, name: str, account: Cell[Account], blind: int, then: Then
) -> Iterator[Move]:
    """What may become of a PUT, and of its answer."""
    label, left = f"{name} puts {short(account.value.webhook_uri)}", state.left
    applied = written(state, account, blind)
    yield Move(label, False, then(applied, ACCEPTED))
    if left.cuts:
        cut = then(applied.spent("cuts"), UNKNOWN)
        yield Move(f"{label}, unanswered", True, cut)
    if left.lates:
        late = Late(who, account, False, blind)
        spent = state.spent("lates")
        spent = spent._replace(late=tuple(sorted((*spent.late, late), key=_order)))
        yield Move(f"{label}, under way", True, then(spent, UNKNOWN))
    if left.damages and account.value.webhook_uri.startswith(TUNNEL):
        lossy = replace(account.value, email="")
        damaged = written(state.spent("damages"), cell(lossy), blind)
        yield Move(f"{label}, damaging", True, then(damaged, ACCEPTED))
    if left.errors:
        for answer in (ANSWERED, REFUSED, THROTTLED):
            error = then(state.spent("errors"), answer)
            yield Move(f"{label}: {_error(answer)}", True, error)
        done = applied.spent("errors")
        yield Move(f"{label}, 500 though done", True, then(done, ANSWERED))
    if left.rejects:
        yield Move(f"{label}: 400", True, then(state.spent("rejects"), REJECTED))
        done = applied.spent("rejects")
        yield Move(f"{label}, 400 though done", True, then(done, REJECTED))


def unread(state: State, name: str, then: Then) -> Iterator[Move]:
    if state.left.cuts:
        yield Move(f"{name} reads nothing", True, then(state.spent("cuts"), UNKNOWN))
    if state.left.errors:
        for answer in (ANSWERED, REFUSED, THROTTLED):
            error = then(state.spent("errors"), answer)
            yield Move(f"{name} reads: {_error(answer)}", True, error)


def outdated_look(
    state: State, name: str, taking: Taking, then: Then
) -> Iterator[Move]:
    """A copy from before our PUT, while this is there: it hides nobody else's."""
    record, uri = taking.record, state.register.value.webhook_uri
    if not state.left.stales or record is None or record.stage is not Stage.PUT_SENT:
        return
    if is_ours(record, uri):
        old = then(state.spent("stales"), shown(cell(taking.before)))
        yield Move(f"{name} reads an old copy", True, old)


def _is_put(machine: Cell[Machine] | None) -> bool:
    """Whether the next that it does is a PUT, or the record of one."""
    return machine is not None and put_of(machine.value.action) is not None


def _order(late: Late) -> tuple[int, str]:
    return late.who, late.account.value.webhook_uri


def _error(answer: Cell[Answer]) -> str:
    failed = answer.value
    return failed.message if isinstance(failed, Failed) else ""
