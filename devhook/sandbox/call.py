"""One request to the API, as it is answered and as it is remembered."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from devhook.sandbox.credentials import Presented
from devhook.sandbox.customer import Customer
from devhook.sandbox.faults import Fault

_SECRET_PARAMETERS = ("token", "accesskey")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`then` is the account as it was when the fault was scripted."""

    method: str
    path: str
    body: bytes = field(repr=False)
    request_id: str
    credential: Presented | None
    fault: Fault
    then: Customer | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A request as logged, without any credential: of one, only where it came from.

    `status` is None when no answer was given; the body of a login is left out.
    """

    at: datetime
    method: str
    path: str
    query: str
    body: bytes = field(repr=False)
    credential: str | None
    status: int | None
    request_id: str


def safe_request_id(given: str, fresh: str) -> str:
    """The client's own, when it is one the platform echoes."""
    return given if _REQUEST_ID.fullmatch(given) else fresh


def masked(query: str) -> str:
    """The query with the values of credentials hidden."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(k, "***" if k in _SECRET_PARAMETERS else v) for k, v in pairs])
