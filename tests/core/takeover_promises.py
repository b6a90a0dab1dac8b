"""What devhook promises of a takeover, held against each state of the model.

The names are those of the invariants: I1 write-ahead, I2 own-only, I3 the other fields,
I4 roots, I5 convergence, I6 no dead end, I7 unknown is not done, I15 visible. I8, that
many restores are as one, and I9, that nobody else puts anything, are in what the model
lets happen: recoveries begin whenever a record is open, and none but these put. W1 is
the one window in which an edit may be lost; it is a fault where that is looked for.
"""

from collections.abc import Iterator
from dataclasses import replace

from devhook.core.marker import is_marked
from devhook.core.model import Account, Setting, Stage, Takeover
from devhook.core.restoring import Restoring
from devhook.core.takeover import (
    ENDS,
    Ending,
    Put,
    Restored,
    is_ours,
    lost,
    same_setting,
    setting_of,
    with_setting,
)
from devhook.core.taking import Taking
from tests.core.takeover_state import (
    INITIAL,
    NAME,
    NOW,
    ORIGINAL,
    URI,
    Phase,
    Session,
    State,
    put_of,
)
from tests.core.takeover_world import TUNNEL


def is_open(me: Session) -> bool:
    return me.disk is not None and me.disk.value.stage not in ENDS


def is_at_rest(state: State) -> bool:
    """Nothing is under way, nobody is at work, no record is left to recover."""
    at_rest = (Phase.IDLE, Phase.GONE)
    return not state.late and all(
        me.phase in at_rest and me.restoring is None and not is_open(me)
        for me in state.sessions
    )


# --- held when a step is decided or taken ---------------------------------------------


def after_look(state: State, who: int, before: Taking, found: Account) -> State:
    """A run has read the account, and may have decided on a PUT."""
    taking = state.sessions[who].taking
    put = None if taking is None else put_of(taking.value.action)
    if taking is None or put is None:
        return state
    record = taking.value.record
    if record is None:
        return _broken(state, "I1: a PUT was decided on without a record")
    if record.stage is Stage.RESTORING:
        whole = replace(found, **lost(before.before, found))
        return _held_restore(state, record, put, found, whole)
    if not same_setting(before.before, found):
        return _broken(state, "I2: what is taken is not what was classified")
    if _others(put.account) != _others(found):
        return _broken(state, "I3: the PUT of a takeover changes other fields")
    return state


def after_restorers_look(
    state: State, who: int, before: Restoring, found: Account
) -> State:
    """Who restores has read the account, and may have decided on a PUT."""
    restoring = state.sessions[who].restoring
    put = None if restoring is None else put_of(restoring.value.action)
    if put is None:
        return state
    if NOW in (before.put, before.record.put):
        return _broken(state, "two PUTs within a second")
    return _held_restore(state, before.record, put, found, found)


def _held_restore(
    state: State, record: Takeover, put: Put, found: Account, whole: Account
) -> State:
    if not is_ours(record, found.webhook_uri):
        return _broken(state, "I2: what is written over is not ours")
    if _others(put.account) != _others(whole):
        return _broken(state, "I3: the PUT of a restore changes other fields")
    if _is_devhook(put.account.webhook_uri):
        return _broken(state, "I4: a devhook URL is restored")
    return state


def before_put(state: State, who: int, put: Put) -> State:
    disk = state.sessions[who].disk
    if disk is None:
        return _broken(state, "I1: a PUT without a record")
    if put.looked != NOW:
        return _broken(state, "I2: a PUT goes by what the account said long ago")
    is_takeover = put.account.webhook_uri == disk.value.mine
    if is_takeover and disk.value.stage is not Stage.PUT_SENT:
        return _broken(state, "I1: the record does not say that a PUT is sent")
    return state


def after_commit(state: State, record: Takeover) -> State:
    if _is_devhook(record.root.uri):
        return _broken(state, "I4: a devhook URL is recorded as the root")
    return state


def after_end(state: State, machine: Restoring, restored: Restored) -> State:
    """What is said of a restore is what its record says."""
    stage = machine.record.stage
    match restored.ending:
        case Ending.RESTORED:
            is_true = stage in (Stage.RESTORED, Stage.PARKED)
            is_true = is_true and restored.setting == machine.record.root
        case Ending.FOREIGN:
            is_true = stage is Stage.SUPERSEDED
        case Ending.UNCONFIRMED:
            is_true = stage not in ENDS
    return state if is_true else _broken(state, f"I15: {restored.ending} as {stage}")


# --- held in every state --------------------------------------------------------------


def faults_of(state: State) -> Iterator[str]:
    """The promises that are broken here."""
    if state.broken:
        yield state.broken
    uri = state.register.value.webhook_uri
    for me in state.sessions:
        if me.disk is None or is_open(me):
            continue
        record, late = me.disk.value, state.late
        if is_ours(record, uri) and me.phase is not Phase.TAKING:
            yield "I6: the account points at a session whose record is closed"
        if any(is_ours(record, put.account.value.webhook_uri) for put in late):
            yield "I7: a record is closed while its PUT is under way"
    if not state.lost & NAME and state.register.value.name != state.name:
        yield "I3: a colleague's edit of the name is lost"
    if state.lost & URI:
        yield "W1: a colleague's edit is run over between a GET and its PUT"
    if is_at_rest(state):
        yield from _faults_at_rest(state)


def _faults_at_rest(state: State) -> Iterator[str]:
    account = state.register.value
    found, edited = setting_of(account), state.edited
    if _is_devhook(account.webhook_uri):
        yield "I5: a dead URL is left on the account"
    if edited is None and found != ORIGINAL:
        yield "I5: the original is not back"
    if edited is not None and found != edited and not state.lost & URI:
        yield "I5: a colleague's edit is lost, and not in the one window"
    if _others(account) != _others(replace(INITIAL, name=account.name)):
        yield "I5: another field is lost"


def _is_devhook(uri: str) -> bool:
    return uri.startswith(TUNNEL) or is_marked(uri)


def _others(account: Account) -> dict[str, str]:
    return with_setting(account, Setting(uri="", method="")).fields()


def _broken(state: State, what: str) -> State:
    return state._replace(broken=state.broken or what)
