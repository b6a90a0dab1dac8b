"""What the platform's API answers: /v1.0/customer, /auth/login, /ping; nothing else.

The WebSocket (/v1.0/ws) and the timelines will be routes of this file.
"""

import json
from datetime import timedelta

from aiohttp import web

from devhook.core.clock import Clock
from devhook.core.model import Json
from devhook.sandbox import answers, credentials
from devhook.sandbox.account import Account
from devhook.sandbox.call import Call
from devhook.sandbox.credentials import Identity, Kind, User
from devhook.sandbox.customer import Customer, NotJsonBody, go_time, read_put
from devhook.sandbox.rate_limit import RateLimit

_RECOVERY = timedelta(days=30)


class Api:
    """`rate_limit` is requests a second; None means no limit."""

    def __init__(
        self, account: Account, *, clock: Clock, rate_limit: float | None
    ) -> None:
        self._account = account
        self._clock = clock
        self._limit = RateLimit(rate_limit, clock=clock) if rate_limit else None

    def answer(self, call: Call) -> web.Response:
        match call.method, call.path:
            case "GET" | "PUT", "/v1.0/customer":
                return self._customer(call)
            case "POST", "/auth/login":
                return self._login(call)
            case "GET", "/ping":
                return answers.ok({"message": "pong"})
            case _:  # of a known path, too: the platform has no 405
                return answers.error("ROUTE_NOT_FOUND", call.request_id)

    def token(self, user: User, *, lifetime: timedelta = credentials.LIFETIME) -> str:
        expire = self._clock.now() + lifetime
        return credentials.agent_token(
            user, customer_id=self._account.now.id, expire=expire
        )

    def direct_token(self) -> str:
        expire = self._clock.now() + credentials.LIFETIME
        return credentials.direct_token(customer_id=self._account.now.id, expire=expire)

    def _customer(self, call: Call) -> web.Response:
        """The checks of the platform's middleware, in their order, then the handler."""
        if call.credential is None:
            return answers.error("AUTHENTICATION_REQUIRED", call.request_id)
        who = credentials.identity(call.credential, at=self._clock.now())
        if who is None:
            return answers.error("INVALID_CREDENTIALS", call.request_id)
        if self._account.now.status == "frozen" and who.kind is not Kind.DIRECT:
            return self._frozen(call)
        wait = self._limit.retry_after() if self._limit else None
        if wait is not None:
            return answers.rate_limited(wait, call.request_id)
        return self._get(call, who) if call.method == "GET" else self._put(call, who)

    def _get(self, call: Call, who: Identity) -> web.Response:
        if not who.may_read():
            return _denied(call, who)
        return answers.ok(self._shown(call).shown(secret=True))

    def _shown(self, call: Call) -> Customer:
        if call.fault.stale and call.then is not None:
            return call.then
        if call.fault.lag:
            return self._account.ago(call.fault.lag)
        return self._account.now

    def _put(self, call: Call, who: Identity) -> web.Response:
        """The body is bound before the permission is looked at."""
        try:
            fields = call.fault.kept(read_put(call.body))
        except NotJsonBody:
            return answers.error("INVALID_JSON_BODY", call.request_id)
        if not who.may_write():
            return _denied(call, who)
        changed = self._account.changed(fields)
        if call.fault.carries_out():
            changed = self._carry_out(call, fields) or changed
        return answers.ok(changed.shown(secret=False))

    def _carry_out(self, call: Call, fields: dict[str, str]) -> Customer | None:
        """The customer as changed; None when that comes later."""
        fault = call.fault
        if fault.apply_after:
            self._account.change_later(
                fields, fault.apply_after, cache_after=fault.cache_after
            )
            return None
        return self._account.change(fields, cache_after=fault.cache_after)

    def _frozen(self, call: Call) -> web.Response:
        scheduled = self._account.now.deletion_scheduled_at
        details: dict[str, Json] = {
            "deletion_effective_at": go_time(scheduled + _RECOVERY)
            if scheduled
            else None,
            "deletion_scheduled_at": go_time(scheduled) if scheduled else None,
            "recovery_endpoint": "DELETE /auth/unregister",
        }
        return answers.error("ACCOUNT_FROZEN", call.request_id, details=details)

    def _login(self, call: Call) -> web.Response:
        """A failure is a bare 400 without a body, whatever was wrong."""
        user = _user(call.body)
        if user is None:
            return web.Response(status=400)
        token = self.token(user)
        answer = answers.ok({"username": user.name, "token": token})
        answer.set_cookie(
            "token",
            token,
            max_age=int(credentials.LIFETIME.total_seconds()),
            path="/",
            secure=True,
            httponly=True,
            samesite="Strict",
        )
        return answer


def _denied(call: Call, who: Identity) -> web.Response:
    direct = who.kind is Kind.DIRECT
    reason = "DIRECT_ACCESS_NOT_SUPPORTED" if direct else "PERMISSION_DENIED"
    return answers.error(reason, call.request_id)


def _user(body: bytes) -> User | None:
    try:
        given = json.loads(body)
    except ValueError:
        return None
    if not isinstance(given, dict):
        return None
    pair = (given.get("username"), given.get("password"))
    users = (user for user in credentials.USERS if (user.name, user.password) == pair)
    return next(users, None)
