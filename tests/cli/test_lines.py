"""What a session says, line by line, exactly."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from devhook.cli import lines
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
    Reading,
    Request,
    Signature,
    Source,
    State,
    Verdict,
)
from tests.values import APP, answered

RECEIVED = datetime(2026, 8, 21, 15, 54, 5, 112_000, tzinfo=UTC)
BODY = (
    b'{"type":"call_progressing","data":{"source":{"type":"tel",'
    b'"target":"+12025550123"},"destination":{"type":"tel","target":"+15550100001"},'
    b'"tm_create":"2026-08-21T15:54:02.000000Z",'
    b'"tm_progressing":"2026-08-21T15:54:05.100000Z"}}'
)
EVENT = Event(
    id=412,
    uid="019c1e0e-8f3b-7000-8000-000000000000",
    session_id=41,
    received_at=RECEIVED,
    source=Source.WEBHOOK,
    request=Request(method="POST", target="/s3cret", headers=(), body=BODY),
    body_sha256="",
    reading=Reading(event_type="call_progressing", resource="call", resource_id="c1"),
    signature=Signature.OK,
    remote=None,
    same_as=None,
)
ATTEMPT = Attempt(
    id=7,
    delivery_id=9,
    event_id=412,
    kind=Kind.LIVE,
    target="http://user:canary@127.0.0.1:3000/webhooks?key=canary",
    outcome=answered(200, started_at=RECEIVED),
    verdict=Verdict.OK,
)
FAILED = replace(
    ATTEMPT,
    event_id=413,
    outcome=answered(
        500,
        started_at=RECEIVED + timedelta(seconds=4.75),
        seconds=0.008,
    ),
    verdict=Verdict.RETRIED,
)
UNANSWERED = replace(
    ATTEMPT,
    outcome=Outcome(started_at=RECEIVED, seconds=30.0, error="no answer \x1b[2J"),
    verdict=Verdict.TIMEOUT,
)


def notice(type: str, **body: Json) -> Notice:
    return Notice(id=1, session_id=41, at=RECEIVED, type=type, body=body)


def gap(reason: str, seconds: float | None) -> Gap:
    ended = None if seconds is None else RECEIVED + timedelta(seconds=seconds)
    return Gap(id=1, session_id=41, started_at=RECEIVED, ended_at=ended, reason=reason)


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (
            EVENT,
            "15:54:05.112 --> #412 call_progressing          +12025550123 ->"
            " +15550100001  answered after 3.1 s   sig ok",
        ),
        (
            replace(EVENT, signature=Signature.BAD, same_as=411),
            "15:54:05.112 --> #412 call_progressing          +12025550123 ->"
            " +15550100001  answered after 3.1 s   SIG BAD   same as #411",
        ),
        (
            replace(
                EVENT,
                reading=Reading(),
                request=replace(EVENT.request, body=b"\x1b[2J"),
                signature=Signature.ABSENT,
            ),
            "15:54:05.112 --> #412 POST                      not JSON: 4 bytes of text"
            "   unsigned",
        ),
        (ATTEMPT, "15:54:05.131 <-- #412 200  19 ms"),
        (
            FAILED,
            "15:54:09.870 <-- #413 500   8 ms  the platform would send this again"
            "   (devhook replay 413)",
        ),
        (
            UNANSWERED,
            "15:54:35.112 <-- #412 no answer \\x1b[2J 30.0 s  the platform would have"
            " given up waiting, and sent it again   (devhook replay 412)",
        ),
        (
            replace(
                ATTEMPT,
                outcome=replace(ATTEMPT.outcome, error="connection reset"),
                verdict=Verdict.RETRIED,
            ),
            "15:54:05.131 <-- #412 200, then connection reset  19 ms  the platform"
            " would send this again   (devhook replay 412)",
        ),
        (
            replace(ATTEMPT, kind=Kind.REPLAY),
            "15:54:05.131 <-- #412 replay 200  19 ms",
        ),
        (
            replace(FAILED, kind=Kind.MIRROR),
            "15:54:09.870 <-- #413 mirror 500   8 ms  the platform would send this"
            " again",
        ),
        (replace(ATTEMPT, kind=Kind.MIRROR), None),
        (replace(FAILED, kind=Kind.MIRROR, verdict=Verdict.SWALLOWED), None),
        (
            notice(
                "reconnecting",
                what="tunnel",
                reason="reset\x1b",
                attempt=2,
                in_seconds=1.25,
            ),
            "15:54:05.112  !  tunnel lost (reset\\x1b), trying again in 1.2 s",
        ),
        (notice("reconnected", what="tunnel"), "15:54:05.112  !  tunnel is back"),
        (
            notice("conflict", found={"webhook_uri": "https://other.example/"}),
            "15:54:05.112  !  the account's webhook was changed by somebody else to"
            " https://other.example/; it will be left alone",
        ),
        (
            notice("conflict", found={"webhook_uri": ""}),
            "15:54:05.112  !  the account's webhook was changed by somebody else to"
            " (empty); it will be left alone",
        ),
        (
            notice("storage", message="no room"),
            "15:54:05.112  !  not stored, answered 503: no room",
        ),
        (
            notice("warning", text="the token ends", hint="log in\x1b"),
            "15:54:05.112  !  the token ends   (log in\\x1b)",
        ),
        (
            notice("loop"),
            "15:54:05.112  !  a request that had passed here already was stopped",
        ),
        (notice("new\x07thing"), "15:54:05.112  !  new\\x07thing"),
        (
            gap("tunnel", 4.2),
            "15:54:09.312  !  events may be missing: 4.2 s from 15:54:05.112 (tunnel)",
        ),
        (
            gap("tunnel", None),
            "15:54:05.112  !  events may be missing from now on (tunnel)",
        ),
        (
            gap("oversize", 0),
            "15:54:05.112  !  an event was too large to record, answered 503",
        ),
    ],
)
def test_each_entry_has_its_line(entry: JournalEntry, line: str | None) -> None:
    """None is not worth one: what the original took well, it takes all day."""
    assert lines.line(entry) == line


@pytest.mark.usefixtures("utc")
def test_the_day_is_told_unless_it_is_today() -> None:
    """In a list that reaches back; on the screen all is of today."""
    later = RECEIVED + timedelta(hours=8)
    assert lines.event_line(EVENT, later).startswith("15:54:05.112 -->")
    later += timedelta(minutes=6)
    assert lines.event_line(EVENT, later).startswith("2026-08-21 15:54:05.112 -->")


@pytest.mark.parametrize(
    ("state", "attempt", "text"),
    [
        (State.DONE, ATTEMPT, "<-- 200  19 ms"),
        (State.DONE, replace(ATTEMPT, verdict=Verdict.SLOW), "<-- 200  19 ms slow"),
        (State.FAILED, FAILED, "<-- 500   8 ms FAILED"),
        (State.CLAIMED, FAILED, "<-- 500   8 ms pending"),
        (State.FAILED, UNANSWERED, "<-- no answer \\x1b[2J 30.0 s FAILED"),
        (State.FAILED, None, "<-- not sent (stale) FAILED"),
        (State.PENDING, None, "<-- pending"),
    ],
)
def test_an_event_ends_with_what_became_of_it(
    state: State, attempt: Attempt | None, text: str
) -> None:
    """Of its newest delivery; a replay says that it was one."""
    delivery = Delivery(
        id=9,
        event_id=412,
        session_id=41,
        kind=Kind.LIVE,
        target=APP,
        state=state,
        claimed_by=None,
        claimed_at=None,
        reason="stale" if state is State.FAILED else None,
        edits=None,
        next_at=None,
    )
    assert lines.outcome_text(delivery, attempt) == text
    replayed = replace(delivery, kind=Kind.REPLAY)
    assert lines.outcome_text(replayed, attempt) == text.replace("<--", "<-- replay")


@pytest.mark.parametrize(
    ("entry", "type", "fields"),
    [
        (
            EVENT,
            "event",
            {
                "id": 412,
                "uid": "019c1e0e-8f3b-7000-8000-000000000000",
                "session": 41,
                "received_at": "2026-08-21T15:54:05.112000Z",
                "source": "webhook",
                "event_type": "call_progressing",
                "inferred": False,
                "resource": "call",
                "resource_id": "c1",
                "summary": "+12025550123 -> +15550100001  answered after 3.1 s",
                "signature": "ok",
                "bytes": len(BODY),
                "same_as": None,
            },
        ),
        (
            ATTEMPT,
            "attempt",
            {
                "event": 412,
                "delivery": 9,
                "target": "http://***@127.0.0.1:3000/webhooks?key=***",
                "kind": "live",
                "status": 200,
                "error": None,
                "duration_ms": 19.0,
                "verdict": "ok",
            },
        ),
        (
            gap("tunnel", 1),
            "gap",
            {
                "from": "2026-08-21T15:54:05.112000Z",
                "to": "2026-08-21T15:54:06.112000Z",
                "reason": "tunnel",
            },
        ),
        (
            gap("asleep", None),
            "gap",
            {"from": "2026-08-21T15:54:05.112000Z", "to": None, "reason": "asleep"},
        ),
        (
            notice("reconnecting", what="tunnel", attempt=1, in_seconds=0.5),
            "reconnecting",
            {"what": "tunnel", "attempt": 1, "in_seconds": 0.5},
        ),
    ],
    ids=["event", "attempt", "gap", "open-gap", "notice"],
)
def test_each_entry_has_its_object(
    entry: JournalEntry, type: str, fields: dict[str, Json]
) -> None:
    """Other programs hold on to these fields, in this order."""
    found_type, found = lines.as_object(entry)
    assert (found_type, found) == (type, fields)
    assert list(found) == list(fields)


def test_a_line_fits_its_terminal_by_a_shorter_meaning() -> None:
    """Time, id, type and badge are never cut."""
    whole = lines.event_line(EVENT)
    width = len(whole) - 12
    cut = lines.event_line(EVENT, width=width)
    assert len(cut) == width
    assert cut.endswith("…   sig ok")
    assert cut.startswith(whole[:44])
    assert len(lines.event_line(EVENT, width=1)) < len(whole)
