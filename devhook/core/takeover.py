"""Takeovers and restores: what is to be done to an account, and what it showed.

The words of two machines without I/O: `taking` goes idle -> prepared -> put_sent ->
active; `restoring` goes from wherever a run was left to restored, superseded,
unresolved or parked. Each holds one `action` for the world to carry out; `then` takes
the answer and gives the machine with the next one. The run, its guardian and the
recovery of a dead run drive these two, and nothing else decides over an account.

The rules that they keep:

- a record is kept before the PUT that it undoes, and what is kept says what was sent;
- what is restored is always the root, never another devhook's URI;
- comparison is byte for byte with the URI we put or, where the API writes it in another
  form, by the path secret in it; never "looks like a tunnel";
- a PUT replaces seven fields: it carries the five others of the GET right before it,
  and is not sent once that GET is old: whoever was stopped in between looks again;
- what became of a PUT that was not answered is unknown until a GET shows our URI, or
  until the in-flight bound has passed and a GET does not show it;
- at least a second lies between our PUTs: the sender's copy of the setting follows them
  in no order, and may keep the older one.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from devhook.core.clock import Moment, elapsed
from devhook.core.marker import is_marked
from devhook.core.model import Account, Setting, Stage, Takeover
from devhook.core.path_secret import same_secret
from devhook.errors import (
    DevhookError,
    ProviderError,
    Refused,
    Rejected,
    Throttled,
    Unreachable,
)

OURS: Final = "POST"
SPACING: Final = 1.0
FRESH: Final = 5.0
"""Seconds for which a GET justifies a PUT."""

LONGEST_GET: Final = 12.0
"""Seconds in which a GET is answered or given up: a later answer lay there, unread."""

ENDS: Final = (Stage.RESTORED, Stage.SUPERSEDED)
"""Stages nothing more is to be done about."""

MOVES: Final = {
    Stage.PREPARED: {Stage.PUT_SENT, Stage.RESTORED},
    Stage.PUT_SENT: {Stage.ACTIVE, Stage.RESTORING, *ENDS},
    Stage.ACTIVE: {Stage.RESTORING},
    Stage.RESTORING: {Stage.PARKED, Stage.UNRESOLVED, *ENDS},
    Stage.PARKED: {Stage.RESTORING},
    Stage.UNRESOLVED: {Stage.RESTORING},
    Stage.RESTORED: set[Stage](),
    Stage.SUPERSEDED: set[Stage](),
}
"""Which stage may follow which."""


# --- what the world is to do, and what it answers -------------------------------------


@dataclass(frozen=True, slots=True)
class Get:
    """Read the account."""


GET: Final = Get()


@dataclass(frozen=True, slots=True)
class Put:
    """Replace the seven fields by those of this account.

    `looked` is when the account was read; see `is_fresh`.
    """

    account: Account
    looked: Moment


@dataclass(frozen=True, slots=True)
class Keep:
    """Commit the record, then go on with `then`."""

    record: Takeover
    then: "Action"


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


class Ending(StrEnum):
    RESTORED = "restored"
    FOREIGN = "foreign"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Restored:
    """How a takeover ended and what the account says now (None: it could not tell)."""

    ending: Ending
    setting: Setting | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Took:
    """The account points at us."""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """It does not; unless the record has ended, `Restoring` has to see to it."""

    error: type[DevhookError]
    message: str
    hint: str | None


Action: TypeAlias = Get | Put | Keep | Pause | Restored | Took | NotTaken


@dataclass(frozen=True, slots=True)
class Shown:
    account: Account


@dataclass(frozen=True, slots=True)
class Stale:
    """A PUT was not sent, or a GET does not count: what the account said is old."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A PUT was answered 200."""


class Fail(StrEnum):
    """What a request that failed leaves open: `unknown` is whether it was applied.

    `answered` and `rejected`, for what stands in it, leave it to the next GET.
    """

    UNKNOWN = "unknown"
    ANSWERED = "answered"
    REJECTED = "rejected"
    REFUSED = "refused"
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True)
class Failed:
    """A GET or PUT came to nothing. `retry_after` is seconds."""

    kind: Fail
    message: str
    hint: str | None = None
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Kept:
    record: Takeover


@dataclass(frozen=True, slots=True)
class Rested:
    """A pause is over."""


Answer: TypeAlias = Shown | Stale | Accepted | Failed | Kept | Rested


def failure(exc: ProviderError) -> Failed:
    """What an error of the API means for a takeover."""
    match exc:
        case Refused():
            return Failed(Fail.REFUSED, exc.message, exc.hint)
        case Throttled(retry_after=seconds):
            return Failed(Fail.THROTTLED, exc.message, exc.hint, seconds)
        case Rejected():
            return Failed(Fail.REJECTED, exc.message, exc.hint)
        case Unreachable(answered=True):
            return Failed(Fail.ANSWERED, exc.message, exc.hint)
        case _:
            return Failed(Fail.UNKNOWN, exc.message, exc.hint)


def is_fresh(put: Put, now: Moment) -> bool:
    """Whether it may still be sent: to be asked right before that, after any wait."""
    age = elapsed(put.looked, now)
    return age is not None and age <= FRESH


def in_time(answer: Answer, asked: Moment, now: Moment) -> Answer:
    """A GET's answer; Stale for an account that was read before the machine slept."""
    age = elapsed(asked, now)
    is_late = age is None or age > LONGEST_GET
    return Stale() if is_late and isinstance(answer, Shown) else answer


# --- reading an account ---------------------------------------------------------------


def setting_of(account: Account) -> Setting:
    return Setting(uri=account.webhook_uri, method=account.webhook_method)


def with_setting(account: Account, setting: Setting) -> Account:
    """Five fields as they are, two as they shall be."""
    return replace(account, webhook_uri=setting.uri, webhook_method=setting.method)


def same_setting(one: Account, two: Account) -> bool:
    return setting_of(one) == setting_of(two)


def is_ours(record: Takeover, uri: str) -> bool:
    """Whether it is what we put, perhaps in the form that the API gave it."""
    return _is_form_of(record.mine, uri)


def is_earlier(record: Takeover, uri: str) -> bool:
    """Whether it has a marker that our last PUT left off: the one before shows.

    What became of the last one it does not tell.
    """
    return is_marked(uri) and not is_marked(record.mine) and is_ours(record, uri)


def _is_form_of(mine: str, uri: str) -> bool:
    """Byte for byte; without its fragment, where the API cuts that; or rewritten.

    Each holds our path secret, so nobody else can have set it.
    """
    return uri in (mine, mine.partition("#")[0]) or same_secret(mine, uri)


def same_before_put(one: Account, two: Account) -> bool:
    """Two GETs in a row agree on what a PUT would replace: nobody is at work there."""
    return one.fields() == two.fields() and one.tm_update == two.tm_update


def changed_back(one: Account, two: Account) -> bool:
    """Whether somebody wrote the account between two GETs that show the same."""
    return one.fields() == two.fields() and one.tm_update != two.tm_update


class Sight(StrEnum):
    """What a GET after our PUT shows."""

    MINE = "mine"
    NOT_YET = "not yet"
    DAMAGED = "damaged"
    FOREIGN = "foreign"


def sight(before: Account, mine: str, after: Account) -> Sight:
    """Compare a read-back with what was there before the PUT of `mine`.

    Ours may come back in another form. `damaged` means that our PUT cost the
    account fields that it carried; one that is merely different, a colleague edited.
    """
    if not _is_form_of(mine, after.webhook_uri):
        same = after.webhook_uri == before.webhook_uri
        return Sight.NOT_YET if same else Sight.FOREIGN
    return Sight.DAMAGED if lost(before, after) else Sight.MINE


def lost(before: Account, after: Account) -> dict[str, str]:
    """The fields that were there and are empty now."""
    now = after.fields()
    return {
        name: value
        for name, value in before.fields().items()
        if value and not now[name]
    }


# --- the record -----------------------------------------------------------------------


def moved(
    record: Takeover, stage: Stage, now: Moment, *, error: str | None = None
) -> Takeover:
    """The record in its next stage. Raises ValueError for one that cannot follow."""
    if stage is not record.stage and stage not in MOVES[record.stage]:
        raise ValueError(f"{record.stage} is not followed by {stage}")
    return replace(
        record,
        stage=stage,
        put=now if stage is Stage.PUT_SENT and record.put is None else record.put,
        ended_at=now.wall if stage in ENDS else None,
        error=error,
    )


def ending_of(record: Takeover) -> Restored | None:
    """How it ended; None while there is something to be done about it."""
    match record.stage:
        case Stage.RESTORED:
            return Restored(Ending.RESTORED, record.root)
        case Stage.SUPERSEDED:
            return Restored(Ending.FOREIGN, None)
        case _:
            return None


def adopted(
    account: Account,
    root: Setting,
    *,
    api_url: str,
    profile: str,
    process: str,
    at: datetime,
) -> Takeover:
    """The record of a takeover that another machine made, as we found it."""
    return Takeover(
        id=0,
        api_url=api_url,
        account_id=account.id,
        account_name=account.name,
        profile=profile,
        session_id=None,
        process=process,
        mine=account.webhook_uri,
        root=root,
        stage=Stage.ACTIVE,
        started_at=at,
    )


def to_repeat(record: Takeover, account: Account, now: Moment) -> Put | None:
    """The root once more, for a sender that still goes by our setting.

    `account` was read just now.
    """
    if account.id == record.account_id and setting_of(account) == record.root:
        return Put(account, now)
    return None
