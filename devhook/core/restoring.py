"""Putting the root back, from whatever stage a run was left in.

One way back for a clean exit, a killed run and a record found later. See
`core/takeover` for the rules.
"""

from dataclasses import dataclass, replace
from typing import Final, assert_never

from devhook.core.clock import Moment, elapsed
from devhook.core.model import Account, Stage, Takeover
from devhook.core.takeover import (
    GET,
    MOVES,
    SPACING,
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
    Stale,
    ending_of,
    is_earlier,
    is_ours,
    moved,
    setting_of,
    with_setting,
)

LONGEST_PAUSE: Final = 60.0
"""Seconds between two tries, whatever the API asks for."""

_ANOTHER_ACCOUNT = "the credential is of another account than the one to restore"
_NOT_APPLIED = Failed(
    Fail.ANSWERED, "the API accepts the PUT but still shows our webhook"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """A restore under way, of a record in whatever stage its run was left.

    `bound` is how many seconds a PUT may be under way before it counts as lost,
    `within` after how many an API that stays away is given up (None: never); `parks`
    keeps the record open for a session that will go on. `put` is when our last PUT was
    answered or given up, `unanswered` when that one was given up.
    """

    record: Takeover
    begun: Moment
    bound: float
    within: float | None = None
    parks: bool = False
    action: Action = GET
    put: Moment | None = None
    unanswered: Moment | None = None
    is_accepted: bool = False
    failures: int = 0

    def then(self, answer: Answer, now: Moment) -> "Restoring":
        match self.action, answer:
            case Get(), Shown(account):
                return self._shown(account, now)
            case Get(), Failed() as failed:
                return self._failed(failed, now)
            case Get() | Put(), Stale():
                return replace(self, action=GET)
            case Put(), Accepted():
                return replace(self, action=GET, put=now, is_accepted=True)
            case Put(), Failed() as failed:
                unanswered = now if failed.kind is Fail.UNKNOWN else None
                tried = replace(self, put=now, unanswered=unanswered)
                return tried._failed(failed, now)
            case Keep(then=then), Kept(record):
                return replace(self, record=record, action=then)
            case Pause(), Rested():
                return replace(self, action=GET)
            case _:
                raise ValueError(f"{answer} is no answer to {self.action}")

    def _shown(self, account: Account, now: Moment) -> "Restoring":
        if account.id != self.record.account_id:
            return self._given_up(_ANOTHER_ACCOUNT, now)
        found = setting_of(account)
        may_arrive = self._may_arrive(now)
        is_waiting = may_arrive and is_earlier(self.record, found.uri)
        if is_ours(self.record, found.uri) and not is_waiting:
            return self._ours(account, now)
        if may_arrive:
            return replace(self, action=Pause(self._glance()))
        if found == self.record.root:
            stage = Stage.RESTORED
            if self.parks and self.record.stage is not Stage.PUT_SENT:
                stage = Stage.PARKED
            return self._ended(stage, Restored(Ending.RESTORED, found), now)
        return self._ended(Stage.SUPERSEDED, Restored(Ending.FOREIGN, found), now)

    def _ours(self, account: Account, now: Moment) -> "Restoring":
        if self.record.stage is not Stage.RESTORING:
            return self._keep(moved(self.record, Stage.RESTORING, now), GET)
        if self.unanswered and self._is_under_way(self.unanswered, now):
            # Sent again, the older of the two might land on somebody's newer change.
            return replace(self, action=Pause(self._glance()))
        if (left := self._too_early(now)) > 0:
            return replace(self, action=Pause(left))
        if self.is_accepted:
            return self._failed(_NOT_APPLIED, now)
        whole = with_setting(account, self.record.root)
        return replace(self, action=Put(whole, now))

    def _may_arrive(self, now: Moment) -> bool:
        """Whether the PUT of the run, which nobody saw arrive, still can."""
        put = self.record.put or self.begun
        return self.record.stage is Stage.PUT_SENT and self._is_under_way(put, now)

    def _is_under_way(self, put: Moment, now: Moment) -> bool:
        """Whether it may still arrive; with a clock that cannot tell, from now on."""
        age = elapsed(put, now)
        if age is None:
            age = elapsed(self.begun, now) or 0.0
        return age < self.bound

    def _glance(self) -> float:
        return min(1.0, self.bound / 10)

    def _too_early(self, now: Moment) -> float:
        """Seconds until our next PUT may follow the last one."""
        last = self.put or self.record.put
        age = None if last is None else elapsed(last, now)
        return 0.0 if age is None else SPACING - age

    def _failed(self, failed: Failed, now: Moment) -> "Restoring":
        away = elapsed(self.begun, now) or 0.0
        if failed.kind is Fail.REFUSED or (
            self.within is not None and away >= self.within
        ):
            return self._given_up(failed.message, now)
        noted = moved(self.record, self.record.stage, now, error=failed.message)
        pause = max(0.5 * 2 ** min(self.failures, 10), failed.retry_after)
        again = replace(self, failures=self.failures + 1, is_accepted=False)
        return again._keep(noted, Pause(min(LONGEST_PAUSE, pause)))

    def _given_up(self, message: str, now: Moment) -> "Restoring":
        """Not settled; but a PUT that may be under way is not forgotten for it."""
        record = self.record
        if Stage.UNRESOLVED in MOVES[record.stage]:
            record = moved(record, Stage.UNRESOLVED, now)
        record = replace(record, error=message)
        return self._keep(record, Restored(Ending.UNCONFIRMED, None, message))

    def _ended(self, stage: Stage, ending: Restored, now: Moment) -> "Restoring":
        return self._keep(moved(self.record, stage, now), ending)

    def _keep(self, record: Takeover, then: Action) -> "Restoring":
        return replace(self, action=Keep(record, then))


def begin_restoring(
    record: Takeover,
    now: Moment,
    *,
    bound: float,
    within: float | None = None,
    parks: bool = False,
) -> Restoring:
    """A restore of that record; one whose PUT was never sent needs no look.

    One that has ended stays as it is.
    """
    machine = Restoring(
        record=record,
        begun=now,
        bound=bound,
        within=within,
        parks=parks,
        action=ending_of(record) or GET,
    )
    match record.stage:
        case Stage.PREPARED:
            ended = moved(record, Stage.RESTORED, now, error="nothing was sent")
            restored = Restored(Ending.RESTORED, record.root)
            return replace(machine, action=Keep(ended, restored))
        case Stage.ACTIVE | Stage.UNRESOLVED | Stage.PARKED:
            begun = moved(record, Stage.RESTORING, now)
            return replace(machine, action=Keep(begun, GET))
        case Stage.PUT_SENT | Stage.RESTORING | Stage.RESTORED | Stage.SUPERSEDED:
            return machine
        case _:
            assert_never(record.stage)
