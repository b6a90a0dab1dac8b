"""Who is asking: where a credential may come from, and what it may do.

The order of sources is `getAuthString`'s, and a token found first shadows any access
key sent along; an access key is never taken as a token
(voipbin/monorepo `bin-api-manager/lib/middleware/authenticate.go`, 2026-08-22).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntFlag, StrEnum

from devhook.core.model import Json
from devhook.sandbox import signing

ACCESS_KEY = "vb_devhook_sandbox_access_key_00000"
LIFETIME = timedelta(days=7)
_KEY = (
    b"devhook_sandbox_token_key_000000"  # obviously fake: tokens are for loopback only
)
_EXPIRE = "%Y-%m-%dT%H:%M:%S.%fZ"


class Permission(IntFlag):
    AGENT = 0x10
    ADMIN = 0x20
    MANAGER = 0x40


class Kind(StrEnum):
    AGENT = "agent"
    ACCESS_KEY = "access key"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    kind: Kind
    permission: Permission

    def may_read(self) -> bool:
        return bool(self.permission & (Permission.ADMIN | Permission.MANAGER))

    def may_write(self) -> bool:
        return bool(self.permission & Permission.ADMIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """A credential as it came; `source` is what the request log may say of it."""

    token: bool
    value: str = field(repr=False)
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    name: str
    password: str = field(repr=False)
    permission: Permission


def _user(name: str, permission: Permission) -> User:
    """As on the platform's local installation, the name is the password."""
    return User(name=name, password=name, permission=permission)


ADMIN = _user("admin@localhost", Permission.ADMIN)
MANAGER = _user("manager@localhost", Permission.MANAGER)
AGENT = _user("agent@localhost", Permission.AGENT)
USERS = (ADMIN, MANAGER, AGENT)


def presented(
    cookies: Mapping[str, str], query: Mapping[str, str], authorization: str
) -> Presented | None:
    """The one credential the platform would look at; empty ones do not count."""
    bearer = authorization.split("Bearer ")  # wherever it stands, and case-sensitive
    found = (
        (True, cookies.get("token"), "cookie token"),
        (True, query.get("token"), "?token="),
        (True, bearer[1] if len(bearer) > 1 else "", "Bearer"),
        (False, cookies.get("accesskey"), "cookie accesskey"),
        (False, query.get("accesskey"), "?accesskey="),
    )
    for token, value, source in found:
        if value:
            return Presented(token=token, value=value, source=source)
    return None


def identity(credential: Presented, *, at: datetime) -> Identity | None:
    """None when it is not one of ours, or has expired."""
    if credential.token:
        return _token_identity(credential.value, at)
    if credential.value == ACCESS_KEY:
        return Identity(kind=Kind.ACCESS_KEY, permission=Permission.ADMIN)
    return None


def agent_token(user: User, *, customer_id: str, expire: datetime) -> str:
    agent: dict[str, Json] = {
        "id": f"5f6d1c1a-0000-4000-8000-{user.permission.value:012d}",
        "customer_id": customer_id,
        "username": user.name,
        "permission": user.permission.value,
    }
    return _token({"type": "agent", "agent": agent}, expire)


def direct_token(*, customer_id: str, expire: datetime) -> str:
    """A token scoped to one resource: it may not use /customer at all."""
    return _token({"type": "direct", "direct": {"customer_id": customer_id}}, expire)


def _token(claims: dict[str, Json], expire: datetime) -> str:
    return signing.token({**claims, "expire": expire.strftime(_EXPIRE)}, _KEY)


def _token_identity(text: str, at: datetime) -> Identity | None:
    match signing.claims_of(text, _KEY):
        case {"expire": str(expire)} if expire < at.strftime(_EXPIRE):
            return None
        case {"type": "direct", "direct": dict(), "expire": str()}:
            return Identity(kind=Kind.DIRECT, permission=Permission(0))
        case {"agent": {"permission": int(permission)}, "expire": str()}:
            return Identity(kind=Kind.AGENT, permission=Permission(permission))
        case _:
            return None
