"""The account API without I/O: requests built, answers read.

For `provider`, which dials with aiohttp, and for the guardian, which has the standard
library alone. PUT replaces seven fields and blanks those that are left out (public
source, 2026-08), so a request with fewer cannot be built. Redirects are not followed:
they would carry the credential to another place.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeAlias, cast
from urllib.parse import quote

from devhook.core.http import Headers, first, printable
from devhook.core.model import Account, Json
from devhook.core.network import Credential
from devhook.errors import ProviderError, Refused, Rejected, Throttled, Unreachable

MAX_ANSWER: Final = 1_048_576
"""Bytes of an answer that are worth reading."""

FIELDS: Final = (
    "name",
    "detail",
    "email",
    "phone_number",
    "address",
    "webhook_method",
    "webhook_uri",
)

_Object: TypeAlias = dict[str, Json]
_DEFAULT_WAIT = 1.0
_REJECTED = (400, 413, 414, 422)
_GIVEN_UP = (408, 504)
"""A gateway that gave up waiting does not know what became of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A request ready to be sent. `url` and `headers` may hold the credential."""

    method: str
    url: str = field(repr=False)
    headers: Headers = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    credential: Credential | None = None

    @property
    def place(self) -> str:
        """The URL for messages: no credential in it."""
        return self.url.partition("?")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAnswer:
    status: int
    headers: Headers
    body: bytes = field(repr=False)


def get_account(api_url: str, credential: Credential) -> ApiRequest:
    return _request("GET", api_url, credential, None)


def put_account(
    api_url: str, credential: Credential, fields: Mapping[str, str]
) -> ApiRequest:
    """Raises ValueError unless `fields` has exactly the seven that PUT replaces."""
    if set(fields) != set(FIELDS):
        raise ValueError(f"PUT customer takes exactly {', '.join(FIELDS)}")
    return _request("PUT", api_url, credential, {name: fields[name] for name in FIELDS})


def login(api_url: str, username: str, password: str) -> ApiRequest:
    """The login lies beside the versioned API, not under it."""
    return ApiRequest(
        method="POST",
        url=f"{api_url.removesuffix('/v1.0')}/auth/login",
        headers=_headers(has_body=True),
        body=json.dumps({"username": username, "password": password}).encode(),
    )


def read_account(request: ApiRequest, answer: ApiAnswer) -> Account:
    """Raises Refused, Throttled or Unreachable for anything but a customer."""
    customer = _customer(request, answer)

    def text(name: str) -> str:
        value = customer.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise _not_a_customer(request, f"its {name} is no text")
        return value

    return Account(
        id=text("id"),
        **{name: text(name) for name in FIELDS},
        webhook_secret=text("webhook_secret") or None,
        tm_update=text("tm_update") or None,
        status=text("status") or None,
    )


def read_put(request: ApiRequest, answer: ApiAnswer) -> None:
    """Returns when the account was changed.

    After Refused it was not; after Unreachable nobody knows before the next GET (the
    public source answers 400 also when it wrote and then failed to read back).
    """
    _customer(request, answer)


def read_token(request: ApiRequest, answer: ApiAnswer) -> str:
    # A bad login is a bare 400 with an empty body (public source, 2026-08).
    if answer.status in (400, 401, 403) and not answer.body.strip().startswith(b"<"):
        raise Refused(
            f"{request.place} does not accept this user name and password",
            hint="type them again, or use an access key",
        )
    token = _json_object(request, answer).get("token")
    if not isinstance(token, str) or not token:
        raise Unreachable(f"{request.place} answered without a token", hint=_API_HINT)
    return token


def token_expiry(jwt: str) -> datetime | None:
    """When a login token ends; None for an access key and for what does not say.

    The platform writes a text claim `expire` in place of the standard `exp`.
    """
    try:
        part = jwt.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        if isinstance(claims.get("expire"), str):
            expiry = datetime.fromisoformat(claims["expire"])
            return expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (
        IndexError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        OSError,
        binascii.Error,
    ):
        return None


def mask_url(url: str) -> str:
    """The URL for screens, logs and --json: user info, query values, fragment hidden.

    Never fails: an account may hold any text as its URI.
    """
    rest, hash_, _ = url.partition("#")
    rest, mark, query = rest.partition("?")
    scheme, separator, rest = rest.partition("://") if "://" in rest else ("", "", rest)
    authority, slash, path = rest.partition("/")
    _, at, host = authority.rpartition("@")
    masked_query = "&".join(_masked_pair(pair) for pair in query.split("&"))
    return printable(
        f"{scheme}{separator}{'***@' if at else ''}{host}{slash}{path}"
        f"{mark}{masked_query}{hash_}{'***' if hash_ else ''}"
    )


_API_HINT = "the API's address ends in /v1.0: look at --api-url"


def _masked_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}=***" if equals else "***" if name else ""


def _request(
    method: str, api_url: str, credential: Credential, fields: Mapping[str, str] | None
) -> ApiRequest:
    url = f"{api_url}/customer"
    if credential.in_query:
        name = "token" if credential.kind == "token" else "accesskey"
        url = f"{url}?{name}={quote(credential.value, safe='')}"
        shown: Headers = ()
    elif credential.kind == "token":
        shown = (("Authorization", f"Bearer {credential.value}"),)
    else:
        shown = (("Cookie", f"accesskey={credential.value}"),)
    return ApiRequest(
        method=method,
        url=url,
        headers=(*_headers(has_body=fields is not None), *shown),
        body=None if fields is None else json.dumps(fields).encode(),
        credential=credential,
    )


def _headers(*, has_body: bool) -> Headers:
    headers = (
        ("Accept", "application/json"),
        ("Accept-Encoding", "identity"),
        ("User-Agent", "devhook"),
    )
    return (*headers, ("Content-Type", "application/json")) if has_body else headers


def _customer(request: ApiRequest, answer: ApiAnswer) -> _Object:
    customer = _json_object(request, answer)
    if not isinstance(customer.get("id"), str) or not customer["id"]:
        raise _not_a_customer(request, "it has no id")
    return customer


def _json_object(request: ApiRequest, answer: ApiAnswer) -> _Object:
    """The object of a 200, whatever its content type says."""
    if answer.status != 200:
        raise _error(request, answer)
    found = _parsed(answer.body)
    if found is None:
        raise Unreachable(
            f"{request.place} answered with something else than its JSON",
            hint=_API_HINT,
        )
    return found


def _parsed(body: bytes) -> _Object | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return cast("_Object", found) if isinstance(found, dict) else None


def _not_a_customer(request: ApiRequest, why: str) -> Unreachable:
    return Unreachable(
        f"{request.place} answered with something else than a customer: {why}",
        hint=_API_HINT,
    )


def _error(request: ApiRequest, answer: ApiAnswer) -> ProviderError:
    """What an answer other than 200 means for the user.

    The envelope is `{"error": {"status", "reason", "message", "request_id"}}`.
    """
    envelope = (_parsed(answer.body) or {}).get("error")
    reason = envelope.get("reason") if isinstance(envelope, dict) else None
    reason = reason if isinstance(reason, str) else ""
    place, status = request.place, answer.status
    is_ours = envelope is not None or not answer.body.strip()
    if status in (401, 403) and is_ours:
        return _refusal(request, status, reason)
    if status == 429:
        return Throttled(
            f"{place} asks for a pause: too many requests",
            hint="wait a little, then try again",
            retry_after=_retry_after(answer.headers),
        )
    if 300 <= status < 400:
        return Unreachable(
            f"{place} redirects elsewhere, where the credential does not go",
            hint="give the final address with --api-url",
        )
    if status == 404 and reason not in ("", "ROUTE_NOT_FOUND"):
        return Refused(
            printable(f"{place}: there is no such account ({reason})"),
            hint="look in VoIPBIN's console whether it was deleted",
        )
    if status == 404:
        return Unreachable(f"{place} does not exist there (404)", hint=_API_HINT)
    detail = f" {reason}" if reason else ""
    said = printable(f"{place} answered {status}{detail}")
    if status in _REJECTED:
        return Rejected(said, hint=_API_HINT)
    return Unreachable(
        said,
        hint="try again in a moment" if status >= 500 else _API_HINT,
        answered=status not in _GIVEN_UP,
    )


def _refusal(request: ApiRequest, status: int, reason: str) -> Refused:
    place, credential = request.place, request.credential
    source = credential.source if credential else "none"
    if reason == "ACCOUNT_FROZEN":
        return Refused(
            f"{place}: the account is frozen, scheduled for deletion",
            hint="recover it in VoIPBIN's console first",
        )
    if reason == "DIRECT_ACCESS_NOT_SUPPORTED":
        return Refused(
            f"{place} does not accept a direct token ({source})",
            hint="use an access key, or the login token of an admin",
        )
    if status == 403:
        return Refused(
            f"{place} needs an admin: the credential ({source}) is none",
            hint="use an access key, or the login token of an admin",
        )
    return Refused(
        f"{place} does not accept the credential ({source})",
        hint=_credential_hint(credential),
    )


def _credential_hint(credential: Credential | None) -> str:
    """A key in the place of a token, or the reverse, is told by its looks."""
    if credential is not None:
        looks_like_key = credential.value.startswith("vb_")
        if credential.kind == "token" and looks_like_key:
            return "this looks like an access key: give it as --access-key"
        if credential.kind == "access_key" and credential.value.count(".") == 2:
            return "this looks like a login token: give it as --token"
        if credential.kind == "token":
            return "log in again: devhook profile add NAME (a token lasts 7 days)"
    return "look whether the key was revoked or has ended: devhook profile add NAME"


def _retry_after(headers: Headers) -> float:
    text = (first(headers, "Retry-After") or "").strip()
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    return float(text) if is_number else _DEFAULT_WAIT
