"""What the control address shows of deliveries, requests and the account, as JSON."""

import base64
import json
from dataclasses import asdict

from devhook.core.model import Json, Request
from devhook.sandbox.call import ApiRequest
from devhook.sandbox.customer import Customer, go_time
from devhook.sandbox.faults import Fault
from devhook.sandbox.sender import Attempt, Delivery, Setting


def delivery(shown: Delivery) -> dict[str, Json]:
    return {
        "id": shown.id,
        "event_type": _event_type(shown.body),
        "uri": shown.setting.uri,
        "method": shown.setting.method,
        "outcome": shown.outcome.value,
        "reason": shown.reason,
        "body": _base64(shown.body),
        "attempts": [_attempt(attempt) for attempt in shown.attempts],
    }


def request(shown: ApiRequest) -> dict[str, Json]:
    return {
        "at": go_time(shown.at),
        "method": shown.method,
        "path": shown.path,
        "query": shown.query,
        "body": _base64(shown.body),
        "credential": shown.credential,
        "status": shown.status,
        "request_id": shown.request_id,
    }


def account(customer: Customer, setting: Setting) -> dict[str, Json]:
    """The customer with its empty fields, and what the sender knows of it so far."""
    return {
        **customer.shown(secret=True),
        **customer.fields(),
        "sender": {"webhook_uri": setting.uri, "webhook_method": setting.method},
    }


def fault(shown: Fault) -> dict[str, Json]:
    """What it says beyond the defaults."""
    plain = asdict(Fault())
    return {k: v for k, v in asdict(shown).items() if v != plain[k]}


def _attempt(shown: Attempt) -> dict[str, Json]:
    return {
        "started_at": go_time(shown.started_at),
        "duration_ms": shown.seconds * 1000,
        "status": shown.status,
        "error": shown.error,
        "requests": [_request(request) for request in shown.requests],
    }


def _request(shown: Request) -> dict[str, Json]:
    return {
        "method": shown.method,
        "target": shown.target,
        "headers": [[name, value] for name, value in shown.headers],
        "body": _base64(shown.body),
    }


def _event_type(body: bytes) -> str | None:
    try:
        event = json.loads(body)
    except ValueError:
        return None
    match event:
        case {"type": str(event_type)}:
            return event_type
        case _:
            return None


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
