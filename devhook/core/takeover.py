"""The account as it is, and our record -> apply, restore, or leave alone and why.

Pure: values in, a decision out. The rules that everything here serves:

- what is restored is always the *root*, the setting before the first devhook came; it
  travels in the fragment of our URI, the *marker*, so that another machine can read it;
- comparison is byte for byte with the URI we put, never "looks like a tunnel";
- a PUT replaces seven fields, so a PUT of ours carries five of the newest GET;
- the outcome of a PUT that was not answered is unknown until a GET shows our URI, or
  until the in-flight bound has passed and a GET does not show it.
"""

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from devhook.core.model import Account, Setting, Stage, Takeover
from devhook.errors import TakeoverError

MARKER = "#devhook="
_VERSION = "1."
LONGEST = 1023
"""Characters of the column that keeps the URI; read in the platform's test schema."""

OURS = "POST"


def with_marker(uri: str, root: Setting) -> str:
    """Our URI with the root in its fragment; without, when it would grow too long."""
    text = json.dumps({"u": root.uri, "m": root.method}, separators=(",", ":"))
    packed = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    marked = f"{uri}{MARKER}{_VERSION}{packed}"
    return marked if len(marked) <= LONGEST else uri


def is_marked(uri: str) -> bool:
    return MARKER in uri


def marked_root(uri: str) -> Setting | None:
    """The root that a devhook URI carries; None when it is no devhook URI.

    Raises TakeoverError when it is one that this version cannot read.
    """
    _, found, packed = uri.partition(MARKER)
    if not found:
        return None
    try:
        if not packed.startswith(_VERSION):
            raise ValueError("version")
        packed = packed.removeprefix(_VERSION)
        padded = packed + "=" * (-len(packed) % 4)
        value = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        root = Setting(uri=_text(value["u"]), method=_text(value["m"]))
    except (ValueError, KeyError, TypeError) as exc:
        raise TakeoverError(
            "the account points at a devhook whose marker this version cannot read",
            hint="upgrade devhook, or ask whoever started it to end it",
        ) from exc
    if is_marked(root.uri):
        raise TakeoverError(
            "the account's marker names another devhook as the original",
            hint="set the right endpoint: devhook webhook set URI",
        )
    return root


def root_of(account: Account) -> Setting:
    """What a takeover of this account must restore one day."""
    return marked_root(account.webhook_uri) or Setting(
        uri=account.webhook_uri, method=account.webhook_method
    )


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
        put_at=None,
        ended_at=None,
        error=None,
    )


def fields_with(account: Account, setting: Setting) -> dict[str, str]:
    """The seven fields of a PUT: five as they are, two as they shall be."""
    return account.fields() | {
        "webhook_method": setting.method,
        "webhook_uri": setting.uri,
    }


def same_before_put(one: Account, two: Account) -> bool:
    """Two GETs in a row agree on what a PUT would replace: nobody is at work there."""
    return one.fields() == two.fields() and one.tm_update == two.tm_update


class Sight(StrEnum):
    """What a GET after our PUT shows."""

    MINE = "mine"
    STRIPPED = "stripped"
    NOT_YET = "not yet"
    DAMAGED = "damaged"
    FOREIGN = "foreign"


def sight(before: Account, put: Setting, after: Account) -> Sight:
    """Compare a read-back with what was there before the PUT and what was put.

    `stripped` is ours without its fragment; `damaged` means that the account keeps our
    URI but not the other five fields.
    """
    if after.webhook_uri == put.uri:
        ours = Sight.MINE
    elif after.webhook_uri and after.webhook_uri == put.uri.partition("#")[0]:
        ours = Sight.STRIPPED
    elif after.webhook_uri == before.webhook_uri:
        return Sight.NOT_YET
    else:
        return Sight.FOREIGN
    kept = fields_with(before, Setting(uri=after.webhook_uri, method=put.method))
    return ours if after.fields() == kept else Sight.DAMAGED


@dataclass(frozen=True, slots=True)
class Put:
    """Send these seven fields; then look again."""

    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Done:
    """The root is back."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Somebody else's setting: touch nothing."""

    found: Setting


@dataclass(frozen=True, slots=True)
class Wait:
    """A PUT of ours may still arrive: look again before `until`."""

    until: datetime


Restoring: TypeAlias = Put | Done | Leave | Wait


def is_ours(record: Takeover, uri: str) -> bool:
    """Byte for byte what we put, with its fragment or, where the API cuts it, without.

    Either holds our path secret, so nobody else can have set it.
    """
    return uri in (record.mine, record.mine.partition("#")[0])


def to_restore(
    record: Takeover,
    account: Account,
    *,
    now: datetime,
    bound: float,
    unknown_until: datetime | None = None,
) -> Restoring:
    """What puts the root back, given what the account says now.

    `bound` is how many seconds a PUT may be under way before it counts as lost;
    `unknown_until` is when that is so for a restoring PUT that was never answered: sent
    again before, the older of the two might land on somebody's newer change.
    """
    found = Setting(uri=account.webhook_uri, method=account.webhook_method)
    if is_ours(record, found.uri):
        if unknown_until is not None and now < unknown_until:
            return Wait(unknown_until)
        return Put(fields_with(account, record.root))
    if record.stage is Stage.PUT_SENT and record.put_at is not None:
        until = record.put_at + timedelta(seconds=bound)
        # A clock that was set back must not make us wait for ever.
        if record.put_at <= now < until:
            return Wait(until)
    if found == record.root:
        return Done()
    return Leave(found)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
