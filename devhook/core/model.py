"""The nouns of the house, as frozen values.

What makes two of them the same: an event is the row it was committed as (`id` within a
database, `uid` anywhere); a delivery is one event bound for one target; an attempt is
one HTTP try of it. Nothing here is changed after it was made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from devhook.core.clock import Moment
from devhook.core.http import Headers

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class Source(StrEnum):
    WEBHOOK = "webhook"
    WEBSOCKET = "websocket"
    TIMELINE = "timeline"
    TRIGGER = "trigger"
    IMPORT = "import"


class Signature(StrEnum):
    """The badge: what became of checking the signature against the account's secret."""

    OK = "ok"
    BAD = "bad"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    LIVE = "live"
    MIRROR = "mirror"
    REPLAY = "replay"


class State(StrEnum):
    PENDING = "pending"
    CLAIMED = "claimed"
    DONE = "done"
    FAILED = "failed"


class Verdict(StrEnum):
    """What the platform would have made of a handler's answer."""

    OK = "ok"
    SLOW = "slow"
    SWALLOWED = "swallowed"
    RETRIED = "retried"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request as it was read off the wire, or as it is to be written."""

    method: str
    target: str
    headers: Headers
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the body of an event says of itself; all None when it says nothing."""

    event_type: str | None = None
    inferred: bool = False
    resource: str | None = None
    resource_id: str | None = None
    activeflow_id: str | None = None
    call_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """An event before it has a row: what `capture` hands to the journal."""

    uid: str
    received_at: datetime
    source: Source
    request: Request
    body_sha256: str
    reading: Reading
    signature: Signature
    remote: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A recorded event. `same_as` is the id of an earlier equal one, within 10 s."""

    id: int
    uid: str
    session_id: int
    received_at: datetime
    source: Source
    request: Request
    body_sha256: str
    reading: Reading
    signature: Signature
    remote: str | None
    same_as: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One delivery to be made, before it has a row: where to, and in which role."""

    kind: Kind
    target: str
    edits: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event bound for one target; `reason` is why it failed without an attempt."""

    id: int
    event_id: int
    session_id: int
    kind: Kind
    target: str
    state: State
    claimed_by: str | None
    claimed_at: datetime | None
    reason: str | None
    edits: Mapping[str, Json] | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one HTTP try came to: a `status`, an `error`, or both when it broke off.

    `seconds_to_headers` is None when none came; `cut` marks a body over the limit.
    """

    started_at: datetime
    seconds: float
    seconds_to_headers: float | None = None
    status: int | None = None
    error: str | None = None
    headers: Headers = ()
    body: bytes = field(default=b"", repr=False)
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One HTTP try of a delivery, as recorded."""

    id: int
    delivery_id: int
    event_id: int
    kind: Kind
    target: str
    outcome: Outcome
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What else the screen said; `type` and `body` are the JSON line's."""

    id: int
    session_id: int
    at: datetime
    type: str
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """When events may have been missed; `ended_at` is None while it lasts."""

    id: int
    session_id: int
    started_at: datetime
    ended_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run of `up`, `listen` or `replay`."""

    id: int
    profile: str
    account: str | None
    source: str
    tunnel: str | None
    public_url: str | None
    target: str | None
    started_at: datetime
    ended_at: datetime | None
    ended_how: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account as one GET gave it; fields the API left out are empty strings."""

    id: str
    name: str
    detail: str
    email: str
    phone_number: str
    address: str
    webhook_method: str
    webhook_uri: str
    webhook_secret: str | None = field(default=None, repr=False)
    tm_update: str | None = None
    status: str | None = None

    def fields(self) -> dict[str, str]:
        """The seven that a PUT replaces, all of them, in the order of the API."""
        return {
            "name": self.name,
            "detail": self.detail,
            "email": self.email,
            "phone_number": self.phone_number,
            "address": self.address,
            "webhook_method": self.webhook_method,
            "webhook_uri": self.webhook_uri,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A webhook setting: a root, an original, or ours."""

    uri: str
    method: str


class Stage(StrEnum):
    """Where a takeover stands; after `restored` and `superseded` nothing is to be done.

    `parked` is a root put back for a session that stands still but lives.
    """

    PREPARED = "prepared"
    PUT_SENT = "put_sent"
    ACTIVE = "active"
    RESTORING = "restoring"
    PARKED = "parked"
    RESTORED = "restored"
    SUPERSEDED = "superseded"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """A takeover record: what must survive to put the root back. Holds no credential.

    `mine` is our URI exactly as the API shows it, `root` what is to be restored, `put`
    when the PUT of `mine` left us, None before. `process` and `guardian` are the marks
    of those who look after it; `error` is what the last try to restore met.
    """

    id: int
    api_url: str
    account_id: str
    account_name: str
    profile: str
    session_id: int | None
    process: str
    mine: str = field(repr=False)
    root: Setting
    stage: Stage
    started_at: datetime
    put: Moment | None = None
    ended_at: datetime | None = None
    error: str | None = None
    guardian: str | None = None


JournalEntry: TypeAlias = Event | Attempt | Notice | Gap
