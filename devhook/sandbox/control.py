"""The control address: emit events, look at what happened, script what goes wrong.

For this machine's own programs only: it answers loopback peers that name a loopback
host, so that no foreign name can be rebound to it, and no page of another origin.
Bodies are JSON whatever their type says, answers are JSON, errors `{"error", "hint"}`.
"""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from aiohttp import web

from devhook.core.model import Json
from devhook.errors import DevhookError, UsageError
from devhook.sandbox import views
from devhook.sandbox.catalogue import Moment, found, shuffled
from devhook.sandbox.customer import FIELDS
from devhook.sandbox.faults import fault_from
from devhook.sandbox.sender import Delivery
from devhook.sandbox.serving import is_loopback
from devhook.sandbox.state import State

PATH = "/_sandbox"
_MOST = 1000  # deliveries or requests in one answer, unless more are asked for
_CHANGEABLE = (*FIELDS, "status", "webhook_secret")

T = TypeVar("T")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(state: State, *, about: Mapping[str, Json]) -> web.Application:
    """`about` is what its index says besides the names of events and scenarios."""
    control = _Control(state, about)
    app = web.Application(middlewares=(_ours_only, _errors))
    app.add_routes(
        (
            web.get("/", control.index),
            web.post("/emit", control.emit),
            web.post("/deliver", control.deliver),
            web.post("/burst", control.burst),
            web.post("/scenario", control.scenario),
            web.get("/deliveries", control.deliveries),
            web.get("/requests", control.requests),
            web.get("/account", control.account),
            web.patch("/account", control.change_account),
            web.get("/faults", control.faults),
            web.post("/faults", control.script_fault),
            web.delete("/faults", control.clear_faults),
            web.post("/reset", control.reset),
        )
    )
    return app


class _Control:
    def __init__(self, state: State, about: Mapping[str, Json]) -> None:
        self._state = state
        self._about = about

    async def index(self, _: web.Request) -> web.Response:
        emitter = self._state.emitter
        types: list[Json] = [*sorted(emitter.catalogue)]
        scenarios: list[Json] = [*sorted(emitter.scenarios)]
        return _json({**self._about, "event_types": types, "scenarios": scenarios})

    async def emit(self, request: web.Request) -> web.Response:
        given = await _given(request, "type", "set", "wait")
        changes = _value(given, "set", dict, {})
        delivery = self._state.emitter.emit(_value(given, "type", str), changes)
        if _value(given, "wait", bool, True):
            await delivery.done.wait()
        return _json(views.delivery(delivery))

    async def deliver(self, request: web.Request) -> web.Response:
        """The request's own body is the event, byte for byte."""
        delivery = self._state.emitter.deliver(await request.read())
        await delivery.done.wait()
        return _json(views.delivery(delivery))

    async def burst(self, request: web.Request) -> web.Response:
        given = await _given(request, "count", "types", "concurrency", "seed")
        emitter = self._state.emitter
        types = [str(name) for name in _value(given, "types", list, [])]
        bodies = emitter.mixed(types, _value(given, "count", int))
        seed = _value(given, "seed", int) if "seed" in given else self._state.seed
        concurrency = _value(given, "concurrency", int, 1)
        bodies = shuffled(bodies, seed)
        return _sent(await emitter.burst(bodies, concurrency=concurrency))

    async def scenario(self, request: web.Request) -> web.Response:
        given = await _given(request, "name", "events", "speed")
        emitter = self._state.emitter
        if "name" in given:
            name = _value(given, "name", str)
            moments = found("scenario", name, emitter.scenarios)
        else:
            moments = [_moment(event) for event in _value(given, "events", list)]
        speed = _value(given, "speed", float, 1.0)
        return _sent(await emitter.play(moments, speed=speed))

    async def deliveries(self, request: web.Request) -> web.Response:
        after = _number(request, "after", 0)
        newer = [d for d in self._state.sender.deliveries if d.id > after]
        shown = newer[: _number(request, "limit", _MOST)]
        return _json({"deliveries": [views.delivery(delivery) for delivery in shown]})

    async def requests(self, request: web.Request) -> web.Response:
        logged = [*self._state.requests]
        newest = logged[max(0, len(logged) - _number(request, "limit", _MOST)) :]
        return _json({"requests": [views.request(one) for one in newest]})

    async def account(self, _: web.Request) -> web.Response:
        return _json(views.account(self._state.account.now, self._state.sender.setting))

    async def change_account(self, request: web.Request) -> web.Response:
        given = await _given(request, *_CHANGEABLE)
        self._state.account.change({name: _value(given, name, str) for name in given})
        return await self.account(request)

    async def faults(self, _: web.Request) -> web.Response:
        pending = self._state.faults.pending()
        return _json({"faults": [views.fault(fault) for fault in pending]})

    async def script_fault(self, request: web.Request) -> web.Response:
        fault = fault_from(await _given(request))
        self._state.faults.add(fault, self._state.account.now)
        return await self.faults(request)

    async def clear_faults(self, request: web.Request) -> web.Response:
        self._state.faults.clear()
        return await self.faults(request)

    async def reset(self, request: web.Request) -> web.Response:
        self._state.reset()
        return await self.account(request)


@web.middleware
async def _ours_only(request: web.Request, handler: _Handler) -> web.StreamResponse:
    host = request.headers.get("Host", "")
    origin = request.headers.get("Origin")
    if not is_loopback(request.remote or ""):
        return _json({"error": "this address is for this machine only"}, status=403)
    if not is_loopback(urlsplit(f"//{host}").hostname or ""):
        return _json({"error": f"not a loopback host: {host!r}"}, status=403)
    if origin is not None and origin != f"{request.scheme}://{host}":
        return _json({"error": "not for pages of another origin"}, status=403)
    return await handler(request)


@web.middleware
async def _errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _json(
            {"error": error.reason, "hint": f"GET {PATH}/"}, status=error.status
        )
    except DevhookError as error:
        return _json({"error": error.message, "hint": error.hint}, status=400)


async def _given(request: web.Request, *known: str) -> dict[str, Json]:
    """The body's JSON object; raises UsageError on a name that is not `known`."""
    try:
        given = json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise UsageError(f"the body is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise UsageError("the body is not a JSON object")
    if known and (unknown := [name for name in given if name not in known]):
        raise UsageError(f"no {unknown[0]!r} here", hint=f"known: {', '.join(known)}")
    return given


def _value(
    given: dict[str, Json], name: str, kind: type[T], default: T | None = None
) -> T:
    value = given.get(name)
    if value is None and default is not None:
        return default
    if kind is float and isinstance(value, int):
        value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"{name!r} is a {kind.__name__}, not {value!r}")
    return value


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal():
        raise UsageError(f"{name!r} is a number, not {text!r}")
    return int(text)


def _moment(event: Json) -> Moment:
    """`{"offset_ms": 0, "body": <base64>}`."""
    match event:
        case {"offset_ms": int() | float() as offset_ms, "body": str(text)}:
            try:
                body = base64.b64decode(text, validate=True)
            except ValueError as error:
                raise UsageError("the body of an event is base64") from error
            return Moment(offset_ms=offset_ms, body=body)
        case _:
            raise UsageError("an event has an offset_ms and a body in base64")


def _sent(deliveries: Sequence[Delivery]) -> web.Response:
    return _json({"deliveries": [views.delivery(delivery) for delivery in deliveries]})


def _json(value: Json, *, status: int = 200) -> web.Response:
    return web.json_response(value, status=status)
