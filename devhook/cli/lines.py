"""Journal entry -> the line a person reads, and the object a program reads. Pure."""

from datetime import datetime, timedelta
from typing import assert_never

from devhook.core.account_api import mask_url
from devhook.core.http import printable
from devhook.core.meaning import meaning
from devhook.core.model import (
    Attempt,
    Delivery,
    Event,
    Gap,
    JournalEntry,
    Json,
    Kind,
    Notice,
    Outcome,
    Signature,
    State,
    Verdict,
)
from devhook.core.verdict import EXPLANATION

BADGE = {
    Signature.OK: "sig ok",
    Signature.BAD: "SIG BAD",
    Signature.ABSENT: "unsigned",
    Signature.UNKNOWN: "sig ?",
}
WIDE = 24
"""Columns the event type takes, so that meanings stand below each other."""

_LEAST = 16

_ROLE = {Kind.LIVE: "", Kind.MIRROR: "mirror", Kind.REPLAY: "replay"}
_SERVED = (Verdict.OK, Verdict.SLOW, Verdict.SWALLOWED)
"""What an original may answer without a word of ours: the platform would be content."""


def rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def clock_time(at: datetime) -> str:
    """Local wall time to the millisecond, as on the screen."""
    return at.astimezone().strftime("%H:%M:%S.%f")[:-3]


def day_and_time(at: datetime, now: datetime) -> str:
    """The day too, unless it is today."""
    day = at.astimezone().date()
    today = now.astimezone().date()
    return clock_time(at) if day == today else f"{day} {clock_time(at)}"


def line(entry: JournalEntry, *, width: int | None = None) -> str | None:
    """None for what is not worth a line: a mirror that went well."""
    match entry:
        case Event():
            return event_line(entry, width=width)
        case Attempt():
            return attempt_line(entry)
        case Notice():
            return notice_line(entry)
        case Gap():
            return gap_line(entry)
        case _:
            assert_never(entry)


def event_line(
    event: Event, now: datetime | None = None, *, width: int | None = None
) -> str:
    """With `now`, the day is told when it was another.

    `width` is how many columns there are; the meaning is cut to fit, never the rest.
    """
    at = event.received_at
    when = clock_time(at) if now is None else day_and_time(at, now)
    name = printable(event.reading.event_type or event.request.method)
    said = meaning(event.reading.event_type, event.request.body)
    again = f"   same as #{event.same_as}" if event.same_as else ""
    head = f"{when} --> #{event.id} {name:<{WIDE}}  "
    tail = f"   {BADGE[event.signature]}{again}"
    if width is not None:
        said = _cut(said, width - len(head) - len(tail))
    return f"{head}{said}{tail}"


def _cut(text: str, room: int) -> str:
    """As much as fits; a meaning of a few letters would be none."""
    room = max(room, _LEAST)
    return text if len(text) <= room else f"{text[: room - 1]}…"


def attempt_line(attempt: Attempt) -> str | None:
    if attempt.kind is Kind.MIRROR and attempt.verdict in _SERVED:
        return None
    outcome = attempt.outcome
    at = clock_time(outcome.started_at + timedelta(seconds=outcome.seconds))
    role = f"{_ROLE[attempt.kind]} ".lstrip()
    text = f"{at} <-- #{attempt.event_id} {role}{answer(outcome)}"
    if why := EXPLANATION[attempt.verdict]:
        text += f"  {why}"
    if attempt.kind is Kind.LIVE and attempt.verdict is not Verdict.OK:
        text += f"   (devhook replay {attempt.event_id})"
    return text


def outcome_text(delivery: Delivery, attempt: Attempt | None) -> str:
    """What became of a delivery, for the end of its event's line."""
    match delivery.state:
        case State.DONE:
            end = "slow" if attempt and attempt.verdict is Verdict.SLOW else ""
        case State.FAILED:
            end = "FAILED"
        case State.PENDING | State.CLAIMED:
            end = "pending"
        case _:
            assert_never(delivery.state)
    if attempt is not None:
        said = answer(attempt.outcome)
    elif delivery.state is State.FAILED:
        said = f"not sent ({printable(delivery.reason or 'no reason')})"
    else:
        said = ""
    return " ".join(part for part in ("<--", _ROLE[delivery.kind], said, end) if part)


def answer(outcome: Outcome) -> str:
    """Status or error, and how long it took."""
    said = str(outcome.status or "")
    if outcome.error or not said:
        broken = printable(outcome.error or "no answer")
        said += f", then {broken}" if said else broken
    return f"{said} {millis(outcome.seconds):>6}"


def notice_line(notice: Notice) -> str:
    at, body = clock_time(notice.at), notice.body
    match notice.type:
        case "reconnecting":
            what, why = _text(body.get("what")), _text(body.get("reason"))
            pause = _seconds(body.get("in_seconds"))
            return f"{at}  !  {what} lost ({why}), trying again in {pause}"
        case "reconnected":
            return f"{at}  !  {_text(body.get('what'))} is back"
        case "parked":
            why = _text(body.get("reason"))
            if not body.get("restored", True):
                return f"{at}  !  devhook {why}: its guardian restores the account"
            return f"{at}  !  devhook {why}: the account is as before meanwhile"
        case "resumed":
            return f"{at}  !  the account points here again"
        case "conflict":
            found = body.get("found")
            uri = found.get("webhook_uri") if isinstance(found, dict) else found
            return (
                f"{at}  !  the account's webhook was changed by somebody else to"
                f" {_text(uri) or '(empty)'}; it will be left alone"
            )
        case "storage":
            return f"{at}  !  not stored, answered 503: {_text(body.get('message'))}"
        case "warning":
            return f"{at}  !  {_text(body.get('text'))}   ({_text(body.get('hint'))})"
        case "loop":
            return f"{at}  !  a request that had passed here already was stopped"
        case _:
            return f"{at}  !  {_text(notice.type)}"


def gap_line(gap: Gap) -> str:
    at = clock_time(gap.ended_at or gap.started_at)
    if gap.ended_at is None:
        return f"{at}  !  events may be missing from now on ({gap.reason})"
    if gap.reason == "oversize":
        return f"{at}  !  an event was too large to record, answered 503"
    took = (gap.ended_at - gap.started_at).total_seconds()
    return (
        f"{at}  !  events may be missing: {took:.1f} s from"
        f" {clock_time(gap.started_at)} ({gap.reason})"
    )


def as_object(entry: JournalEntry) -> tuple[str, dict[str, Json]]:
    """The type of the JSON line and its fields, as `design` fixes them."""
    match entry:
        case Event():
            return "event", event_object(entry)
        case Attempt():
            return "attempt", attempt_object(entry)
        case Notice():
            return entry.type, dict(entry.body)
        case Gap():
            return "gap", {
                "from": rfc3339(entry.started_at),
                "to": None if entry.ended_at is None else rfc3339(entry.ended_at),
                "reason": entry.reason,
            }
        case _:
            assert_never(entry)


def event_object(event: Event) -> dict[str, Json]:
    reading = event.reading
    return {
        "id": event.id,
        "uid": event.uid,
        "session": event.session_id,
        "received_at": rfc3339(event.received_at),
        "source": event.source,
        "event_type": reading.event_type,
        "inferred": reading.inferred,
        "resource": reading.resource,
        "resource_id": reading.resource_id,
        "summary": meaning(reading.event_type, event.request.body),
        "signature": event.signature,
        "bytes": len(event.request.body),
        "same_as": event.same_as,
    }


def attempt_object(attempt: Attempt) -> dict[str, Json]:
    outcome = attempt.outcome
    return {
        "event": attempt.event_id,
        "delivery": attempt.delivery_id,
        "target": mask_url(attempt.target),
        "kind": attempt.kind,
        "status": outcome.status,
        "error": outcome.error,
        "duration_ms": round(outcome.seconds * 1000, 3),
        "verdict": attempt.verdict,
    }


def millis(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def _seconds(value: Json) -> str:
    return f"{value:.1f} s" if isinstance(value, (int, float)) else "a moment"


def _text(value: Json) -> str:
    return printable(str(value)) if value is not None else ""
