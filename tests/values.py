"""Values to test with: plain ones by default, each part at will."""

import hashlib
from datetime import UTC, datetime, timedelta

from devhook.core.http import Headers
from devhook.core.model import (
    Address,
    Capture,
    Kind,
    Outcome,
    Reading,
    Request,
    Signature,
    Source,
)

START = datetime(2026, 8, 21, 9, 15, 30, 120451, tzinfo=UTC)
APP = "http://127.0.0.1:3000/webhooks"
LIVE = Address(kind=Kind.LIVE, target=APP)
MIRROR = Address(kind=Kind.MIRROR, target="https://api.acme.example/voip")


def at(seconds: float) -> datetime:
    """So many seconds after START."""
    return START + timedelta(seconds=seconds)


def capture(
    body: bytes = b'{"type":"call_updated"}',
    *,
    received_at: datetime = START,
    method: str = "POST",
    target: str = "/s3cret",
    headers: Headers = (("Content-Type", "application/json"),),
    source: Source = Source.WEBHOOK,
    reading: Reading | None = None,
    signature: Signature = Signature.OK,
    remote: str | None = "127.0.0.1",
) -> Capture:
    return Capture(
        uid="019c1e0e-8f3b-7000-8000-000000000000",
        received_at=received_at,
        source=source,
        request=Request(method=method, target=target, headers=headers, body=body),
        body_sha256=hashlib.sha256(body).hexdigest(),
        reading=reading or Reading(event_type="call_updated", resource="call"),
        signature=signature,
        remote=remote,
    )


def answered(
    status: int = 200, *, started_at: datetime = START, seconds: float = 0.019
) -> Outcome:
    return Outcome(
        started_at=started_at,
        seconds=seconds,
        seconds_to_headers=seconds,
        status=status,
    )
