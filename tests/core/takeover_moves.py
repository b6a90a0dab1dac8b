"""What may happen next in the takeover model, and what must never have happened.

The runs drive `Taking`, guardians and recoveries drive `Restoring`: the real ones. Each
move is one step of one of them, of the API, of time, or of who disturbs them. The rules
of the road are the drivers': a guardian holds a record before the run goes on; the end
of a run, of any kind, is the begin of its guardian's restore; a guardian that is killed
is replaced while its run lives; a record of the dead is recovered by a next command.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from devhook.core.marker import is_marked, root_of
from devhook.core.model import Account, Stage, Takeover
from devhook.core.restoring import Restoring
from devhook.core.takeover import (
    Answer,
    Ending,
    Get,
    Keep,
    NotTaken,
    Put,
    Restored,
    Took,
    adopted,
    is_fresh,
    with_setting,
)
from devhook.core.taking import Taking, Who
from tests.core.takeover_promises import (
    after_commit,
    after_end,
    after_look,
    after_restorers_look,
    before_put,
    faults_of,
    is_open,
)
from tests.core.takeover_state import (
    BOUND,
    INITIAL,
    NOW,
    STALE,
    Cell,
    Left,
    Phase,
    Session,
    State,
    begun,
    cell,
    closed,
    kept,
    plain_restoring,
    plain_taking,
    put_of,
    restoring_after,
    shown,
    taking_after,
    to_keep,
    to_put,
)
from tests.core.takeover_world import (
    Move,
    name_of,
    of_colleagues,
    of_late_puts,
    of_time,
    outdated_look,
    sent,
    short,
    unread,
    uri_of,
)

_API: Final = "https://api/v1.0"
_PARKABLE: Final = (Stage.PUT_SENT, Stage.ACTIVE, Stage.RESTORING)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How many sessions, how many faults; and, to make a mutant, other machines.

    `reads_again`: a run that is about to send its PUT reads the record on disk again,
    and keeps its own anew where a guardian at work has kept another. `asks_again`: who
    is about to send a PUT asks whether the look that justifies it is fresh.
    """

    sessions: int
    left: Left
    taking: type[Taking] = Taking
    known_bound: float = BOUND
    reads_again: bool = True
    asks_again: bool = True
    restoring: Callable[[Restoring, State], Restoring] | None = None
    unchecked: frozenset[str] = frozenset({"W1"})

    def start(self) -> State:
        return State(cell(INITIAL), (Session(),) * self.sessions, self.left)

    def moves(self, state: State) -> Iterator[Move]:
        """What may happen; a step that concerns nobody else is not interleaved."""
        for who, me in enumerate(state.sessions):
            if _is_alone(me):
                yield from self._of_session(state, who, me)
                return
        yield from of_late_puts(state)
        yield from of_time(state)
        for who, me in enumerate(state.sessions):
            yield from self._of_session(state, who, me)
            if me.phase is Phase.IDLE:
                break  # the next one is as this one, by another name
        yield from of_colleagues(state)

    def fault_of(self, state: State) -> str:
        """The promise that is broken here, of those that are looked at."""
        faults = faults_of(state)
        seen = (f for f in faults if f.partition(":")[0] not in self.unchecked)
        return next(seen, "")

    def _of_session(self, state: State, who: int, me: Session) -> Iterator[Move]:
        yield from self._of_run(state, who, me)
        yield from self._of_restorer(state, who, me)
        yield from self._of_killer(state, who, me)

    # --- a run -----------------------------------------------------------------------

    def _of_run(self, state: State, who: int, me: Session) -> Iterator[Move]:
        name = name_of(who)
        if me.stopped:
            going = _changed(state, who, stopped=False, silent=False)
            yield Move(f"{name} goes on", False, going)
            return
        match me.phase:
            case Phase.IDLE:
                yield Move(f"{name} starts", True, self._begun(state, who, None))
                yield from self._of_rescuer(state, who)
            case Phase.TAKING:
                yield from self._of_taking(state, who, me)
            case Phase.HOLDING:
                is_parked = me.told and me.told.value.stage is not Stage.ACTIVE
                if me.restoring is None and is_parked:
                    yield Move(f"{name} resumes", False, self._resumed(state, who))
                yield Move(f"{name} is ended", False, self._ended(state, who))
            case _:
                pass
        if state.left.stops and me.phase in (Phase.TAKING, Phase.HOLDING):
            stopped = _changed(state.spent("stops"), who, stopped=True)
            yield Move(f"{name} is stopped", True, stopped)

    def _of_rescuer(self, state: State, who: int) -> Iterator[Move]:
        """Somebody on another machine restores by the marker, without a record."""
        account = state.register.value
        if state.left.rescues and is_marked(account.webhook_uri):
            found = adopted(
                account,
                root_of(account),
                api_url=_API,
                profile="p",
                process="1@x",
                at=NOW.wall,
            )
            state = _changed(state.spent("rescues"), who, phase=Phase.GONE)
            rescued = self._restored(state, who, cell(found))
            yield Move(f"{name_of(who)} restores from the account", True, rescued)

    def _begun(self, state: State, who: int, before: Account | None) -> State:
        identity = Who(api_url=_API, profile="p", session_id=who, process="1@x")
        found = before or state.register.value
        taking = self.taking(who=identity, uri=uri_of(who), before=found)
        return _changed(
            state,
            who,
            phase=Phase.TAKING,
            guarded=True,
            taking=cell(plain_taking(taking)),
            told=None,
        )

    def _of_taking(self, state: State, who: int, me: Session) -> Iterator[Move]:
        taking, name = me.taking, name_of(who)
        assert taking is not None

        def then(state: State, answer: Cell[Answer]) -> State:
            return self._taking_at(state, who, taking_after(taking, answer))

        match taking.value.action:
            case Get():
                looking = _changed(state, who, blind=0)
                after = then(looking, shown(state.register))
                yield Move(
                    f"{name} reads {short(state.register.value.webhook_uri)}",
                    False,
                    after_look(after, who, taking.value, state.register.value),
                )
                yield from unread(looking, name, then)
                yield from outdated_look(looking, name, taking.value, then)
            case Keep(record, after_it) if not me.committed:
                is_due = isinstance(after_it, Put) or record.stage is Stage.PREPARED
                committed = _changed(state, who, committed=True, disk=to_keep(taking))
                committed = after_commit(committed, record)
                yield Move(f"{name} commits {record.stage}", False, committed)
                if state.left.fulls:
                    full = state.spent("fulls")
                    full = (
                        self._ended(full, who)
                        if is_due
                        else _changed(full, who, committed=True)
                    )
                    yield Move(f"{name} finds the disk full", True, full)
            case Keep(record, after_it) if me.restoring is None:
                told = _changed(state, who, committed=False, told=to_keep(taking))
                if isinstance(after_it, Put) and self.reads_again:
                    told = _changed(told, who, disk=to_keep(taking))
                after = then(told, kept(to_keep(taking)))
                yield Move(f"{name} tells its guardian {record.stage}", False, after)
            case Put() as due if self._is_old(due):
                yield Move(f"{name} looks again", False, then(state, STALE))
            case Put() as due:
                leaving = _changed(before_put(state, who, due), who, blind=0)
                put = to_put(taking)
                yield from sent(leaving, who, name, put, me.blind, then)
            case _:
                pass

    def _is_old(self, put: Put) -> bool:
        return self.asks_again and not is_fresh(put, NOW)

    def _taking_at(self, state: State, who: int, taking: Cell[Taking]) -> State:
        match taking.value.action:
            case Took():
                return _changed(state, who, phase=Phase.HOLDING, taking=None)
            case NotTaken():
                return self._ended(state, who)
            case _:
                return _changed(state, who, taking=taking)

    def _ended(self, state: State, who: int) -> State:
        """A clean end: the guardian restores while its run waits."""
        state = _changed(state, who, phase=Phase.ENDING, taking=None, committed=False)
        me = state.sessions[who]
        if me.restoring is not None:
            return state  # it parks; once at that, it is told
        if me.told is None:
            return _gone(state, who)
        return self._restored(state, who, me.told)

    def _resumed(self, state: State, who: int) -> State:
        """A run that stood still first ends the parked record."""
        told = state.sessions[who].told
        assert told is not None
        state = _changed(state, who, phase=Phase.RESUMING)
        return self._restored(state, who, told)

    # --- a guardian, or a recovery ---------------------------------------------------

    def _restored(
        self, state: State, who: int, record: Cell[Takeover], *, parks: bool = False
    ) -> State:
        restoring = begun(record, self.known_bound, parks)
        if self.restoring is not None:
            mutant = self.restoring(restoring.value, state)
            restoring = cell(plain_restoring(mutant))
        return self._restoring_at(state, who, restoring)

    def _restoring_at(
        self, state: State, who: int, restoring: Cell[Restoring]
    ) -> State:
        match restoring.value.action:
            case Restored() as restored:
                done = after_end(state, restoring.value, restored)
                return self._finished(done, who, restoring.value, restored)
            case _:
                return _changed(state, who, restoring=restoring)

    def _finished(
        self, state: State, who: int, machine: Restoring, restored: Restored
    ) -> State:
        told = cell(machine.record) if state.sessions[who].guarded else None
        state = _changed(state, who, restoring=None, told=told)
        match state.sessions[who].phase:
            case Phase.ENDING if machine.parks:
                return self._restored(state, who, cell(machine.record))
            case Phase.RESUMING if restored.ending is Ending.RESTORED:
                root = with_setting(INITIAL, machine.record.root)
                return self._begun(state, who, root)
            case Phase.TAKING | Phase.HOLDING:
                return state
            case Phase.GONE if machine.record.stage is Stage.PARKED:
                return self._restored(state, who, cell(machine.record))
            case _:
                return _gone(state, who)

    def _of_restorer(self, state: State, who: int, me: Session) -> Iterator[Move]:
        name = f"{name_of(who)}'s {'guardian' if me.guarded else 'recovery'}"
        if me.restoring is None:
            if me.silent and me.told and me.told.value.stage in _PARKABLE:
                parking = self._restored(state, who, me.told, parks=True)
                yield Move(f"{name} hears nothing", False, parking)
            if is_open(me) and me.phase is Phase.GONE and not me.guarded:
                assert me.disk is not None
                recovery = self._restored(state, who, me.disk)
                yield Move(f"{name} begins", False, recovery)
            return
        restoring = me.restoring

        def then(state: State, answer: Cell[Answer]) -> State:
            return self._restoring_at(state, who, restoring_after(restoring, answer))

        match restoring.value.action:
            case Get():
                looking = _changed(state, who, blinded=0)
                after = then(looking, shown(state.register))
                register = state.register.value
                after = after_restorers_look(after, who, restoring.value, register)
                yield Move(f"{name} reads {short(register.webhook_uri)}", False, after)
                yield from unread(looking, name, then)
            case Keep(record):
                record_to_keep = to_keep(restoring)
                answer = kept(record_to_keep)
                committed = _changed(state, who, disk=record_to_keep)
                committed = after_commit(committed, record)
                label = f"{name} commits {record.stage}"
                yield Move(label, False, then(committed, answer))
                if state.left.fulls:
                    full = then(state.spent("fulls"), answer)
                    yield Move(f"{name} finds the disk full", True, full)
            case Put() as due if self._is_old(due):
                yield Move(f"{name} looks again", False, then(state, STALE))
            case Put() as due:
                leaving = _changed(before_put(state, who, due), who, blinded=0)
                put = to_put(restoring)
                yield from sent(leaving, who, name, put, me.blinded, then)
            case _:
                pass

    # --- who kills -------------------------------------------------------------------

    def _of_killer(self, state: State, who: int, me: Session) -> Iterator[Move]:
        if not state.left.kills:
            return
        name, spent = name_of(who), state.spent("kills")
        if me.phase not in (Phase.IDLE, Phase.GONE):
            yield Move(f"{name} is killed", True, self._orphaned(spent, who))
            if me.guarded and me.restoring is not None:
                killed = self._replaced(spent, who)
                yield Move(f"{name}'s guardian is replaced", True, killed)
        elif me.restoring is not None:
            killed = _gone(_changed(spent, who, restoring=None), who)
            yield Move(f"who restores for {name} is killed", True, killed)

    def _orphaned(self, state: State, who: int) -> State:
        """The run is dead: its guardian goes by what it was told last."""
        old = state.sessions[who]
        left = Session(
            phase=Phase.GONE,
            guarded=True,
            told=old.told,
            restoring=old.restoring,
            disk=old.disk,
            blinded=old.blinded,
        )
        state = state.with_session(who, left)
        me = state.sessions[who]
        if me.restoring is not None:
            return state
        if me.told is None:
            return _gone(state, who)
        return self._restored(state, who, me.told)

    def _replaced(self, state: State, who: int) -> State:
        """A new guardian begins with what the run told the last one."""
        state = _changed(state, who, restoring=None)
        me = state.sessions[who]
        assert me.told is not None
        if me.phase in (Phase.ENDING, Phase.RESUMING):
            return self._restored(state, who, me.told)
        return state


def _changed(state: State, who: int, **changes: Any) -> State:
    return state.with_session(who, state.sessions[who]._replace(**changes))


def _gone(state: State, who: int) -> State:
    """Neither run nor guardian; the record, if it is open, waits for a recovery."""
    me = state.sessions[who]
    disk = me.disk if me.disk is None or is_open(me) else closed(me.disk)
    return state.with_session(who, Session(phase=Phase.GONE, disk=disk))


def _is_alone(me: Session) -> bool:
    """Whether its next step is a commit that nothing else depends on, nor time."""
    if me.restoring is not None:
        is_commit = isinstance(me.restoring.value.action, Keep)
        return is_commit and me.phase in (Phase.ENDING, Phase.GONE)
    if me.taking is None or me.stopped:
        return False
    action = me.taking.value.action
    return isinstance(action, Keep) and put_of(action) is None
