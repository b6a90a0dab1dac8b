"""The customer resource: what it holds, how it is shown, how a PUT body is read.

A PUT replaces seven fields whole: the handler decodes into a struct of plain strings
and writes all of them, so a field that was left out, or null, is blanked
(voipbin/monorepo `bin-api-manager/server/customer.go`, 2026-08-22).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from devhook.core.model import Json

FIELDS = (
    "name",
    "detail",
    "email",
    "phone_number",
    "address",
    "webhook_method",
    "webhook_uri",
)
_NIL = "00000000-0000-0000-0000-000000000000"


class NotJsonBody(Exception):
    """The body is not what the handler could bind: the API answers 400."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """The defaults are an account one can lose: every field holds something."""

    id: str = "b3e8a1c0-52a7-4bfe-ab54-11445369c7c2"
    name: str = "Acme"
    detail: str = "An account of the sandbox"
    email: str = "owner@acme.example"
    phone_number: str = "+15550100001"
    address: str = "1 Example Street"
    webhook_method: str = ""
    webhook_uri: str = ""
    webhook_secret: str = field(default="devhook_sandbox_secret_000000000", repr=False)
    status: str = "active"
    created_at: datetime = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    updated_at: datetime | None = None
    deletion_scheduled_at: datetime | None = None

    def fields(self) -> dict[str, str]:
        """The seven that a PUT replaces."""
        return {name: getattr(self, name) for name in FIELDS}

    def shown(self, *, secret: bool) -> dict[str, Json]:
        """The resource as the API writes it: empty strings are left out."""
        scheduled = self.deletion_scheduled_at
        shown: dict[str, Json] = {
            "id": self.id,
            **{name: value for name, value in self.fields().items() if value},
            "billing_account_id": _NIL,
            "metadata": {"rtp_debug": False},
            "email_verified": True,
            "status": self.status,
            "identity_verification_status": "none",
            "tm_deletion_scheduled": go_time(scheduled) if scheduled else None,
            "tm_create": go_time(self.created_at),
            "tm_update": go_time(self.updated_at) if self.updated_at else None,
            "tm_delete": None,
        }
        if secret and self.webhook_secret:
            shown["webhook_secret"] = self.webhook_secret
        return shown


def read_put(body: bytes) -> dict[str, str]:
    """All seven fields, as Go's decoder would set them; raises NotJsonBody.

    It reads one JSON value and ignores what follows, takes names in any case, ignores
    unknown ones, and lets `null` (for a field, or for the whole) mean nothing was said.
    """
    text = body.decode(errors="replace").lstrip(" \t\r\n")
    try:
        value, _ = json.JSONDecoder(parse_constant=_refused).raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise NotJsonBody from error
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise NotJsonBody
    return _bound(value)


def _bound(value: Mapping[str, Json]) -> dict[str, str]:
    fields = dict.fromkeys(FIELDS, "")
    for name, given in value.items():
        known = name.lower()
        if known not in fields or given is None:
            continue
        if not isinstance(given, str):
            raise NotJsonBody
        fields[known] = given
    return fields


def _refused(constant: str) -> Json:
    raise ValueError(constant)


def go_time(at: datetime) -> str:
    """RFC 3339, UTC, the fraction without trailing zeros: `2026-08-21T09:15:31.3Z`."""
    text = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return text.rstrip("0").rstrip(".") + "Z"
