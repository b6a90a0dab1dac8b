"""Model to row and back.

Times are RFC 3339 UTC with microseconds, so that text order is time order. Headers are
a JSON array of pairs in which each character is one byte, kept as a BLOB.
"""

import json
import sqlite3
from datetime import UTC, datetime, timedelta

from devhook.core.http import Headers
from devhook.core.model import (
    Attempt,
    Capture,
    Delivery,
    Event,
    Gap,
    Kind,
    Notice,
    Outcome,
    Reading,
    Request,
    Session,
    Signature,
    Source,
    State,
    Verdict,
)

EVENT_COLUMNS = (
    "uid, session_id, received_at, source, method, target, headers, body, body_sha256,"
    " event_type, inferred, resource, resource_id, activeflow_id, call_id, signature,"
    " remote, same_as, body_is_text"
)
ATTEMPT_COLUMNS = (
    "a.id, a.delivery_id, d.event_id, d.kind, d.target, a.status, a.error, a.headers,"
    " a.body, a.cut, a.started_at, a.headers_us, a.duration_us, a.verdict"
)

_Value = str | int | bytes | None


def to_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def to_time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def to_time_or_none(text: str | None) -> datetime | None:
    return None if text is None else to_time(text)


def end_of(outcome: Outcome) -> datetime:
    return outcome.started_at + timedelta(seconds=outcome.seconds)


def headers_blob(headers: Headers) -> bytes:
    return json.dumps(headers, ensure_ascii=False, separators=(",", ":")).encode()


def headers_of(blob: bytes) -> Headers:
    return tuple((name, value) for name, value in json.loads(blob))


def event_values(
    capture: Capture, session_id: int, same_as: int | None
) -> tuple[_Value, ...]:
    """In the order of EVENT_COLUMNS."""
    request, reading = capture.request, capture.reading
    return (
        capture.uid,
        session_id,
        to_text(capture.received_at),
        capture.source,
        request.method,
        request.target,
        headers_blob(request.headers),
        request.body,
        capture.body_sha256,
        _storable(reading.event_type),
        reading.inferred,
        _storable(reading.resource),
        _storable(reading.resource_id),
        _storable(reading.activeflow_id),
        _storable(reading.call_id),
        capture.signature,
        capture.remote,
        same_as,
        _is_text(request.body),
    )


def event_of(row: sqlite3.Row) -> Event:
    return Event(
        id=row["id"],
        uid=row["uid"],
        session_id=row["session_id"],
        received_at=to_time(row["received_at"]),
        source=Source(row["source"]),
        request=Request(
            method=row["method"],
            target=row["target"],
            headers=headers_of(row["headers"]),
            body=row["body"],
        ),
        body_sha256=row["body_sha256"],
        reading=Reading(
            event_type=row["event_type"],
            inferred=bool(row["inferred"]),
            resource=row["resource"],
            resource_id=row["resource_id"],
            activeflow_id=row["activeflow_id"],
            call_id=row["call_id"],
        ),
        signature=Signature(row["signature"]),
        remote=row["remote"],
        same_as=row["same_as"],
    )


def delivery_of(row: sqlite3.Row) -> Delivery:
    return Delivery(
        id=row["id"],
        event_id=row["event_id"],
        session_id=row["session_id"],
        kind=Kind(row["kind"]),
        target=row["target"],
        state=State(row["state"]),
        claimed_by=row["claimed_by"],
        claimed_at=to_time_or_none(row["claimed_at"]),
        reason=row["reason"],
        edits=None if row["edits"] is None else json.loads(row["edits"]),
        next_at=to_time_or_none(row["next_at"]),
    )


def attempt_of(row: sqlite3.Row) -> Attempt:
    headers_us = row["headers_us"]
    return Attempt(
        id=row["id"],
        delivery_id=row["delivery_id"],
        event_id=row["event_id"],
        kind=Kind(row["kind"]),
        target=row["target"],
        outcome=Outcome(
            started_at=to_time(row["started_at"]),
            seconds=row["duration_us"] / 1e6,
            seconds_to_headers=None if headers_us is None else headers_us / 1e6,
            status=row["status"],
            error=row["error"],
            headers=headers_of(row["headers"]),
            body=row["body"],
            cut=bool(row["cut"]),
        ),
        verdict=Verdict(row["verdict"]),
    )


def attempt_values(
    delivery_id: int, outcome: Outcome, verdict: Verdict
) -> tuple[_Value, ...]:
    """delivery_id, status, error, headers, body, cut, started_at, …, verdict."""
    to_headers = outcome.seconds_to_headers
    return (
        delivery_id,
        outcome.status,
        _storable(outcome.error),
        headers_blob(outcome.headers),
        outcome.body,
        outcome.cut,
        to_text(outcome.started_at),
        None if to_headers is None else round(to_headers * 1e6),
        round(outcome.seconds * 1e6),
        verdict,
    )


def notice_of(row: sqlite3.Row) -> Notice:
    return Notice(
        id=row["id"],
        session_id=row["session_id"],
        at=to_time(row["at"]),
        type=row["type"],
        body=json.loads(row["body"]),
    )


def gap_of(row: sqlite3.Row) -> Gap:
    return Gap(
        id=row["id"],
        session_id=row["session_id"],
        started_at=to_time(row["started_at"]),
        ended_at=to_time_or_none(row["ended_at"]),
        reason=row["reason"],
    )


def session_of(row: sqlite3.Row) -> Session:
    return Session(
        id=row["id"],
        profile=row["profile"],
        account=row["account"],
        source=row["source"],
        tunnel=row["tunnel"],
        public_url=row["public_url"],
        target=row["target"],
        started_at=to_time(row["started_at"]),
        ended_at=to_time_or_none(row["ended_at"]),
        ended_how=row["ended_how"],
    )


def _storable(text: str | None) -> str | None:
    """JSON may hold lone surrogates, which no TEXT column takes: shown as escapes."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()


def _is_text(body: bytes) -> bool:
    """Other programs fail on TEXT that is no UTF-8: the view asks this first."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
