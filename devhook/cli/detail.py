"""All that is known of one event: as a page for people, as an object for programs.

The path secret shows in neither. Pure.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from devhook.cli import lines
from devhook.cli.color import colored
from devhook.core.account_api import mask_url
from devhook.core.gojson import decode
from devhook.core.http import printable
from devhook.core.model import Attempt, Delivery, Event, Json, Request, Signature
from devhook.core.path_secret import IN_A_URL, masked
from devhook.core.verdict import EXPLANATION

_SHORT_ANSWER = 400
_SHORT_TEXT = 16_384
_SHORT_DUMP = 512

_SIGNED = {
    Signature.OK: "made with the account's secret",
    Signature.BAD: "not made with the account's secret from this very body",
    Signature.ABSENT: "the request has none",
    Signature.UNKNOWN: "the account's secret was not known",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """An event with its deliveries and their attempts, oldest first.

    `status` is failed, ok, pending, or None when it was bound for no application.
    """

    event: Event
    status: str | None
    deliveries: Sequence[Delivery]
    attempts: Sequence[Attempt]

    def attempts_of(self, delivery: Delivery) -> list[Attempt]:
        return [a for a in self.attempts if a.delivery_id == delivery.id]


def page(detail: Detail, now: datetime, *, whole: bool) -> Iterator[str]:
    """Line by line, safe for a terminal; `whole` leaves long bodies long."""
    event = detail.event
    yield colored(event, lines.event_line(event, now))
    yield from (f"  {name:<11} {text}" for name, text in _facts(event) if text)
    yield ""
    yield from _request(masked(event.request), whole=whole)
    for delivery in detail.deliveries:
        yield ""
        yield colored(delivery, _delivery_line(delivery))
        for attempt in detail.attempts_of(delivery):
            yield from _attempt(attempt, now, whole=whole)


def detail_object(detail: Detail) -> dict[str, Json]:
    """The fields of `event` first."""
    event = detail.event
    request, reading = masked(event.request), event.reading
    return {
        **lines.event_object(event),
        "status": detail.status,
        "call_id": reading.call_id,
        "activeflow_id": reading.activeflow_id,
        "remote": event.remote,
        "method": request.method,
        "target": request.target,
        "headers": [[name, value] for name, value in request.headers],
        **_body_fields(request.body),
        "body_sha256": event.body_sha256,
        "deliveries": [
            _delivery_object(delivery, detail.attempts_of(delivery))
            for delivery in detail.deliveries
        ],
    }


def raw_request(request: Request) -> bytes:
    """Head and body as they came, but for the path secret."""
    shown = masked(request, IN_A_URL)
    head = f"{shown.method} {shown.target} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in shown.headers)
    return head.encode("latin-1") + b"\r\n" + request.body


def _facts(event: Event) -> Iterator[tuple[str, str]]:
    reading = event.reading
    yield "Signature", f"{event.signature}: {_SIGNED[event.signature]}"
    remote = f", from {printable(event.remote)}" if event.remote else ""
    yield "Source", f"{event.source}, session {event.session_id}{remote}"
    if reading.inferred:
        yield "Type", "inferred from the body, which does not say it"
    if reading.resource_id:
        yield "Resource", printable(f"{reading.resource} {reading.resource_id}")
    if reading.call_id != reading.resource_id:
        yield "Call", printable(reading.call_id or "")
    if reading.activeflow_id != reading.resource_id:
        yield "Activeflow", printable(reading.activeflow_id or "")
    yield "Uid", printable(event.uid)


def _request(request: Request, *, whole: bool) -> Iterator[str]:
    yield f"{printable(request.method)} {printable(request.target)}"
    yield from (printable(f"{name}: {value}") for name, value in request.headers)
    yield ""
    yield from body_lines(request.body, whole=whole)


def _delivery_line(delivery: Delivery) -> str:
    why = f" ({printable(delivery.reason)})" if delivery.reason else ""
    edited = ", edited" if delivery.edits else ""
    target = mask_url(delivery.target)
    return f"{delivery.kind} -> {target}   {delivery.state}{why}{edited}"


def _attempt(attempt: Attempt, now: datetime, *, whole: bool) -> Iterator[str]:
    outcome = attempt.outcome
    text = f"  {lines.day_and_time(outcome.started_at, now)}  {lines.answer(outcome)}"
    yield colored(attempt, f"{text}  {EXPLANATION[attempt.verdict]}".rstrip())
    body = outcome.body
    short = body if whole else body[:_SHORT_ANSWER]
    yield from (f"      {line}" for line in body_lines(short, whole=whole))
    if len(short) < len(body):
        yield f"      … {len(body) - len(short)} bytes more: -v shows them"
    if outcome.cut:
        yield "      … cut: the rest of the answer was not kept"


def body_lines(body: bytes, *, whole: bool) -> Iterator[str]:
    """JSON indented, else text, else a dump; nothing a terminal would obey."""
    try:
        text = json.dumps(decode(body), indent=2, ensure_ascii=False)
    except ValueError:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            yield from _dump(body, len(body) if whole else _SHORT_DUMP)
            return
    cut = len(text) - _SHORT_TEXT
    if cut > 0 and not whole:
        text = text[:_SHORT_TEXT]
    # Not splitlines(), which takes more than line ends for line ends.
    yield from (printable(line) for line in text.split("\n") if text)
    if cut > 0 and not whole:
        yield f"… {cut} characters more: -v shows them, --body gives the bytes"


def _dump(body: bytes, most: int) -> Iterator[str]:
    for at in range(0, min(len(body), most), 16):
        row = body[at : at + 16]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{at:08x}  {row.hex(' '):<47}  {text}"
    if len(body) > most:
        yield f"… {len(body) - most} bytes more: -v shows them"


def _delivery_object(delivery: Delivery, attempts: Sequence[Attempt]) -> Json:
    return {
        "id": delivery.id,
        "session": delivery.session_id,
        "kind": delivery.kind,
        "target": mask_url(delivery.target),
        "state": delivery.state,
        "reason": delivery.reason,
        "edits": None if delivery.edits is None else dict(delivery.edits),
        "next_at": None
        if delivery.next_at is None
        else lines.rfc3339(delivery.next_at),
        "attempts": [_attempt_object(attempt) for attempt in attempts],
    }


def _attempt_object(attempt: Attempt) -> Json:
    outcome = attempt.outcome
    return {
        "id": attempt.id,
        **lines.attempt_object(attempt),
        "started_at": lines.rfc3339(outcome.started_at),
        "headers": [[name, value] for name, value in outcome.headers],
        **_body_fields(outcome.body),
        "cut": outcome.cut,
    }


def _body_fields(body: bytes) -> dict[str, Json]:
    """As text where it is text; the exact bytes in any case, one way or the other."""
    try:
        return {"body": body.decode(), "body_base64": None}
    except UnicodeDecodeError:
        return {"body": None, "body_base64": base64.b64encode(body).decode()}
