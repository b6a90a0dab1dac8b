"""Takeovers as they must not be: each a world that the search has to see through."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from typing_extensions import override

from devhook.core.clock import Moment
from devhook.core.model import Account, Setting, Takeover
from devhook.core.restoring import Restoring
from devhook.core.takeover import Keep, Put, setting_of, with_setting
from devhook.core.taking import Taking
from tests.core.takeover_state import INITIAL, Phase, Session, State


class Predecessor(Taking):
    """Takes what it finds for the original, another devhook's URL too."""

    @override
    def _prepared(self, account: Account, now: Moment) -> Taking:
        taking = super()._prepared(account, now)
        if not isinstance(taking.action, Keep):
            return taking
        record = replace(taking.action.record, root=setting_of(account))
        return replace(taking, action=Keep(record, taking.action.then))


class Hasty(Taking):
    """Takes somebody's setting for a sign that its own PUT arrived before."""

    @override
    def _overtaken(self, record: Takeover, now: Moment) -> Taking:
        return Taking._overtaken(replace(self, is_accepted=True), record, now)


class TwoFields(Restoring):
    """Sends the two fields that the quickstart's example sends."""

    @override
    def _ours(self, account: Account, now: Moment) -> Restoring:
        blank = dict.fromkeys(account.fields(), "")
        return _putting(super()._ours(account, now), replace(account, **blank))


class Snapshot(Restoring):
    """Restores the five other fields too, as they were at the takeover."""

    @override
    def _ours(self, account: Account, now: Moment) -> Restoring:
        return _putting(super()._ours(account, now), INITIAL)


@dataclass(frozen=True, kw_only=True)
class ToPredecessor(Restoring):
    """Restores to the session that was taken over, if that still answers."""

    alive: Setting | None = None

    @override
    def _ours(self, account: Account, now: Moment) -> Restoring:
        machine = super()._ours(account, now)
        if not isinstance(machine.action, Put) or self.alive is None:
            return machine
        put = Put(with_setting(account, self.alive), now)
        return replace(machine, action=put)


def to_predecessor(machine: Restoring, state: State) -> Restoring:
    alive = next(
        (
            Setting(uri=me.disk.value.mine, method="POST")
            for me in state.sessions
            if me.phase is Phase.HOLDING and me.disk and not _is_of(machine, me)
        ),
        None,
    )
    return ToPredecessor(**_values(machine), alive=alive)


def turned(kind: type[Restoring]) -> Callable[[Restoring, State], Restoring]:
    """The same restore, by another kind of machine."""

    def turn(machine: Restoring, _: State) -> Restoring:
        return kind(**_values(machine))

    return turn


def _putting(machine: Restoring, others: Account) -> Restoring:
    if not isinstance(machine.action, Put):
        return machine
    put = machine.action
    whole = with_setting(others, setting_of(put.account))
    return replace(machine, action=replace(put, account=whole))


def _values(machine: Restoring) -> dict[str, Any]:
    return {f.name: getattr(machine, f.name) for f in fields(machine)}


def _is_of(machine: Restoring, session: Session) -> bool:
    disk = session.disk
    return disk is not None and disk.value.mine == machine.record.mine
