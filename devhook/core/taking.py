"""Taking an account over, step by step: GET, record, GET, record, PUT, GET, record.

Idle until the first record is kept. See `core/takeover` for the rules.
"""

from dataclasses import dataclass, replace
from typing import Final, assert_never

from devhook.core.clock import Moment, elapsed
from devhook.core.marker import is_marked, root_of, with_marker, without_marker
from devhook.core.model import Account, Setting, Stage, Takeover
from devhook.core.takeover import (
    GET,
    OURS,
    SPACING,
    Accepted,
    Action,
    Answer,
    Fail,
    Failed,
    Get,
    Keep,
    Kept,
    NotTaken,
    Pause,
    Put,
    Rested,
    Shown,
    Sight,
    Stale,
    Took,
    is_earlier,
    is_ours,
    lost,
    moved,
    same_before_put,
    same_setting,
    sight,
    with_setting,
)
from devhook.errors import (
    ChangedElsewhere,
    DevhookError,
    Refused,
    TakeoverError,
    Unreachable,
)

SEEN_WITHIN: Final = 10.0
"""Seconds in which our setting must show after the PUT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who takes an account over, for the record."""

    api_url: str
    profile: str
    session_id: int
    process: str
    guardian: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """A takeover under way, of an account that was classified as `before` shows.

    GET, record, GET again, record of the PUT, PUT, GET until it shows. `root` is what
    is to be restored, None what the account itself says. `unsent` is the record before
    that of the PUT, to go back to when this one is not sent. `rejects` is set when the
    API did not like the PUT: perhaps it is the marker's fragment; perhaps it was
    applied. `is_accepted` is a PUT that was answered 200, so that none is under way.
    """

    who: Who
    uri: str
    before: Account
    root: Setting | None = None
    record: Takeover | None = None
    action: Action = GET
    unsent: Takeover | None = None
    looks: int = 0
    unknown: str | None = None
    rejects: bool = False
    is_accepted: bool = False

    def then(self, answer: Answer, now: Moment) -> "Taking":
        match self.action, answer:
            case Get(), Shown(account):
                return self._shown(account, now)
            case Get(), Failed() as failed:
                return self._unread(failed, now)
            case Keep(then=then), Kept(record):
                unsent = self.record if isinstance(then, Put) else None
                return replace(self, record=record, unsent=unsent, action=then)
            case Get(), Stale():
                return self
            case Put(), Stale():
                # The record on disk says more than is so, which harms nobody.
                before = self.unsent or self._held()
                return replace(self, record=before, action=GET)
            case Put(), Accepted() | Failed() if self._held().stage is Stage.RESTORING:
                return self._failed(TakeoverError, _DAMAGED, _COMPARE)
            case Put(), Accepted():
                return replace(self, action=GET, is_accepted=True)
            case Put(), Failed() as failed:
                return self._not_accepted(failed, now)
            case Pause(), Rested():
                return replace(self, action=GET)
            case _:
                raise ValueError(f"{answer} is no answer to {self.action}")

    def _shown(self, account: Account, now: Moment) -> "Taking":
        if self.record is None:
            return self._prepared(account, now)
        match self.record.stage:
            case Stage.PREPARED:
                return self._again(account, now)
            case Stage.RESTORING:
                return self._repaired(self.record, account, now)
            case _:
                return self._after(self.record, account, now)

    def _prepared(self, account: Account, now: Moment) -> "Taking":
        """The account must still be what was classified when the record is made."""
        if account.id != self.before.id or not same_setting(account, self.before):
            return self._failed(ChangedElsewhere, _CHANGED, _LOOK)
        root = self.root or root_of(account)
        record = Takeover(
            id=0,
            api_url=self.who.api_url,
            account_id=account.id,
            account_name=account.name,
            profile=self.who.profile,
            session_id=self.who.session_id,
            process=self.who.process,
            guardian=self.who.guardian,
            mine=with_marker(self.uri, root),
            root=root,
            stage=Stage.PREPARED,
            started_at=now.wall,
        )
        return replace(self, before=account, action=Keep(record, GET))

    def _again(self, account: Account, now: Moment) -> "Taking":
        """The second of two equal GETs, right before the PUT."""
        record = self._held()
        is_as_before = account.id == record.account_id and same_setting(
            account, self.before
        )
        if not is_as_before or self.looks == 3:
            return self._undone(ChangedElsewhere, _CHANGING, _LOOK, now)
        again = replace(self, before=account, looks=self.looks + 1)
        if not same_before_put(account, self.before):
            return replace(again, action=GET)
        mine = Setting(uri=record.mine, method=OURS)
        put = Put(with_setting(account, mine), now)
        sent = moved(record, Stage.PUT_SENT, now)
        return again._keep(sent, put)

    def _after(self, record: Takeover, account: Account, now: Moment) -> "Taking":
        match sight(self.before, record.mine, account):
            case Sight.MINE if is_earlier(record, account.webhook_uri):
                return self._not_yet(self.unknown, now)
            case Sight.MINE:
                shown = replace(record, mine=account.webhook_uri)
                return self._keep(moved(shown, Stage.ACTIVE, now), Took())
            case Sight.NOT_YET if self.rejects and is_marked(record.mine):
                return self._unmarked(record, account, now)
            case Sight.NOT_YET:
                return self._not_yet(self.unknown, now)
            case Sight.FOREIGN:
                return self._overtaken(record, now)
            case Sight.DAMAGED:
                damaged = moved(record, Stage.RESTORING, now, error=_DAMAGED)
                return self._keep(damaged, Pause(SPACING))
            case never:
                assert_never(never)

    def _overtaken(self, record: Takeover, now: Moment) -> "Taking":
        """Somebody set it right after us; a PUT that arrived needs no waiting for."""
        ending = NotTaken(ChangedElsewhere, _AT_ONCE, _LOOK)
        if not self.is_accepted:
            return replace(self, action=ending)
        return self._keep(moved(record, Stage.RESTORING, now), ending)

    def _unmarked(self, record: Takeover, account: Account, now: Moment) -> "Taking":
        """Once more without the marker, which is not all that tells the root."""
        if not same_setting(account, self.before):
            return self._failed(ChangedElsewhere, _AT_ONCE, _LOOK)
        age = None if record.put is None else elapsed(record.put, now)
        if age is not None and age < SPACING:
            return replace(self, action=Pause(SPACING - age))
        bare = replace(record, mine=without_marker(record.mine), put=now)
        put = Put(with_setting(account, Setting(uri=bare.mine, method=OURS)), now)
        return replace(self, before=account)._keep(bare, put)

    def _repaired(self, record: Takeover, account: Account, now: Moment) -> "Taking":
        """Put back what our PUT cost the account, and the root with it."""
        if not is_ours(record, account.webhook_uri):
            return self._failed(TakeoverError, _DAMAGED, _COMPARE)
        whole = replace(account, **lost(self.before, account))
        return replace(self, action=Put(with_setting(whole, record.root), now))

    def _not_accepted(self, failed: Failed, now: Moment) -> "Taking":
        """Refused and throttled is not applied; of all else only a GET can tell.

        That is so of a PUT before this one, too: only the bound ends its record.
        """
        match failed.kind:
            case Fail.REFUSED | Fail.THROTTLED:
                is_refused = failed.kind is Fail.REFUSED
                error = Refused if is_refused else Unreachable
                if self.rejects:
                    return self._failed(error, failed.message, failed.hint)
                return self._undone(error, failed.message, failed.hint, now)
            case Fail.ANSWERED | Fail.REJECTED | Fail.UNKNOWN:
                rejects = failed.kind is Fail.REJECTED
                again = replace(self, unknown=failed.message, rejects=rejects)
                return replace(again, action=GET)
            case _:
                assert_never(failed.kind)

    def _unread(self, failed: Failed, now: Moment) -> "Taking":
        """A GET that failed: after the PUT it may still show, before it is an end."""
        error = Refused if failed.kind is Fail.REFUSED else Unreachable
        if self.record is None:
            return self._failed(error, failed.message, failed.hint)
        if self.record.stage is Stage.PREPARED:
            return self._undone(error, failed.message, failed.hint, now)
        if error is Refused or self.record.stage is Stage.RESTORING:
            return self._failed(error, failed.message, failed.hint)
        return self._not_yet(failed.message, now)

    def _not_yet(self, unknown: str | None, now: Moment) -> "Taking":
        put = self._held().put
        age = 0.0 if put is None else elapsed(put, now) or 0.0
        if age >= SEEN_WITHIN:
            why = f": {unknown}" if unknown else ""
            return self._failed(TakeoverError, f"{_UNSEEN}{why}", _STATUS)
        pause = Pause(min(2.0, 0.05 * 2**self.looks))
        return replace(self, action=pause, looks=self.looks + 1, unknown=unknown)

    def _undone(
        self, error: type[DevhookError], message: str, hint: str | None, now: Moment
    ) -> "Taking":
        """An end before anything was changed, and known to be one."""
        note = "nothing was changed" if error is not Refused else message
        ended = moved(self._held(), Stage.RESTORED, now, error=note)
        return self._keep(ended, NotTaken(error, message, hint))

    def _keep(self, record: Takeover, then: Action) -> "Taking":
        return replace(self, action=Keep(record, then))

    def _failed(
        self, error: type[DevhookError], message: str, hint: str | None
    ) -> "Taking":
        return replace(self, action=NotTaken(error, message, hint))

    def _held(self) -> Takeover:
        if self.record is None:
            raise ValueError("nothing was recorded yet")
        return self.record


_CHANGED = "the account's webhook was changed while devhook was starting"
_CHANGING = "somebody is changing the account right now"
_AT_ONCE = "somebody else changed the account's webhook at the same moment"
_DAMAGED = "the account did not keep its other fields after our PUT"
_UNSEEN = "the account does not show our webhook after the PUT"
_LOOK = "look with `devhook webhook show`, then start again"
_COMPARE = "compare them in the console: name, detail, email, address"
_STATUS = "devhook status tells whether it is settled"
