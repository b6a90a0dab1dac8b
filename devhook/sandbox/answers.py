"""The API's answers: gin's JSON, and the envelope its errors come in."""

from collections.abc import Mapping

from aiohttp import web

from devhook.core.model import Json
from devhook.sandbox.go_json import encode

_JSON = "application/json; charset=utf-8"
_ERRORS = {
    "INVALID_JSON_BODY": (
        400,
        "INVALID_ARGUMENT",
        "The request body is not valid JSON.",
    ),
    "INVALID_ARGUMENT": (400, "INVALID_ARGUMENT", "The request is invalid."),
    "AUTHENTICATION_REQUIRED": (401, "UNAUTHENTICATED", "Authentication is required."),
    "INVALID_CREDENTIALS": (
        401,
        "UNAUTHENTICATED",
        "The provided credentials are invalid.",
    ),
    "PERMISSION_DENIED": (
        403,
        "PERMISSION_DENIED",
        "You do not have permission to access this resource.",
    ),
    "DIRECT_ACCESS_NOT_SUPPORTED": (
        403,
        "PERMISSION_DENIED",
        "Direct access is not supported for this endpoint.",
    ),
    "ACCOUNT_FROZEN": (
        403,
        "PERMISSION_DENIED",
        "This account is frozen. Contact support.",
    ),
    "ROUTE_NOT_FOUND": (404, "NOT_FOUND", "The requested route was not found."),
    "RATE_LIMIT_EXCEEDED": (
        429,
        "RESOURCE_EXHAUSTED",
        "Too many requests. Please try again later.",
    ),
    "INTERNAL": (500, "INTERNAL", "An internal error occurred."),
    "SERVICE_UNAVAILABLE": (
        503,
        "UNAVAILABLE",
        "An upstream service is temporarily unavailable.",
    ),
}
# What a status means when a script gives nothing more.
_REASONS = {
    400: "INVALID_ARGUMENT",
    401: "INVALID_CREDENTIALS",
    403: "PERMISSION_DENIED",
    404: "ROUTE_NOT_FOUND",
    429: "RATE_LIMIT_EXCEEDED",
    503: "SERVICE_UNAVAILABLE",
}


def ok(value: Json) -> web.Response:
    return web.Response(body=encode(value), headers={"Content-Type": _JSON})


def error(
    reason: str,
    request_id: str,
    *,
    details: Mapping[str, Json] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """The envelope, its keys in the order of their names, as Go writes a map."""
    code, status, message = _ERRORS[reason]
    envelope: dict[str, Json] = {"details": [{**details}]} if details else {}
    envelope |= {
        "message": message,
        "reason": reason,
        "request_id": request_id,
        "status": status,
    }
    # gin's BindJSON sends its own 400 head, without a type, before the body is known.
    sniffed = reason == "INVALID_JSON_BODY"
    content_type = "text/plain; charset=utf-8" if sniffed else _JSON
    return web.Response(
        status=code,
        body=encode({"error": envelope}),
        headers={"Content-Type": content_type, **(headers or {})},
    )


def rate_limited(retry_after: int, request_id: str) -> web.Response:
    return error(
        "RATE_LIMIT_EXCEEDED",
        request_id,
        details={"limited_by": "customer"},
        headers={"Retry-After": str(retry_after)},
    )


def for_status(status: int, request_id: str) -> web.Response:
    """The platform's own words for a status; an internal error for one it has none."""
    answer = error(_REASONS.get(status, "INTERNAL"), request_id)
    answer.set_status(status)
    return answer
