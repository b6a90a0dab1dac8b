"""The platform on loopback: its API, its webhook sender, and a control address.

What it does is what the platform's public source does, traps included. One port serves
the API (`/v1.0`, `/auth`) and, for this machine alone, the control address
(`/_sandbox`). It shares no line with `devhook.provider`, so that the two can disagree.
"""

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, Self

from aiohttp import web

from devhook.core.clock import Clock, NewId
from devhook.core.model import Json
from devhook.sandbox import control, credentials
from devhook.sandbox.account import Account
from devhook.sandbox.api import Api
from devhook.sandbox.background import background
from devhook.sandbox.call import ApiRequest
from devhook.sandbox.catalogue import Moment, shuffled
from devhook.sandbox.customer import Customer
from devhook.sandbox.emitter import Emitter
from devhook.sandbox.faults import Fault
from devhook.sandbox.front import Front
from devhook.sandbox.go_client import GoClient
from devhook.sandbox.sender import Delivery, Sender, Setting
from devhook.sandbox.serving import listening, netloc, served
from devhook.sandbox.state import State
from devhook.sandbox.timing import Timing

_MOST_BODY = 1 << 26  # bytes; the platform's own limit is not known


class Sandbox:
    """An open sandbox; make one with `open`."""

    def __init__(self, url: str, state: State, api: Api) -> None:
        self.url = url
        self.api_url = f"{url}/v1.0"
        self.control_url = url + control.PATH
        self._state = state
        self._api = api

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        clock: Clock,
        new_id: NewId,
        catalogue: Mapping[str, Json] | None = None,
        scenarios: Mapping[str, Sequence[Moment]] | None = None,
        customer: Customer | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        strict_targets: bool = False,
        target_tls: ssl.SSLContext | None = None,
        rate_limit: float | None = None,
        seed: int | None = None,
        timing: Timing | None = None,
    ) -> AsyncIterator[Self]:
        """Serve until the block ends; what is under way then is given up.

        `catalogue` has a body for each event type, `scenarios` the moments of a name.
        `target_tls` verifies https targets, None by the system's authorities;
        `rate_limit` is in requests a second, None for none; `seed` shuffles bursts.
        Raises UsageError on a host that is not loopback, DevhookError on a port in use.
        """
        timing = timing or Timing()
        async with AsyncExitStack() as stack:
            bound = stack.enter_context(listening(host, port))
            client = stack.enter_context(
                GoClient(
                    clock=clock, timing=timing, tls=target_tls, strict=strict_targets
                )
            )
            work = await stack.enter_async_context(background())
            sender = Sender(client=client, work=work, clock=clock, timing=timing)
            account = Account(
                customer or Customer(),
                sender=sender,
                work=work,
                clock=clock,
                timing=timing,
            )
            emitter = Emitter(
                catalogue=catalogue or {},
                scenarios=scenarios or {},
                sender=sender,
                account=account,
                clock=clock,
                new_id=new_id,
            )
            state = State(
                account=account, sender=sender, emitter=emitter, work=work, seed=seed
            )
            api = Api(account, clock=clock, rate_limit=rate_limit)
            scheme = "https" if ssl_context else "http"
            sandbox = cls(f"{scheme}://{netloc(bound)}", state, api)
            app = sandbox._application(clock, new_id)
            await stack.enter_async_context(served(app, bound, ssl_context))
            yield sandbox

    @property
    def access_key(self) -> str:
        return credentials.ACCESS_KEY

    @property
    def admin_token(self) -> str:
        return self._api.token(credentials.ADMIN)

    @property
    def manager_token(self) -> str:
        return self._api.token(credentials.MANAGER)

    @property
    def agent_token(self) -> str:
        """Of a plain agent, who may neither read nor change the account."""
        return self._api.token(credentials.AGENT)

    @property
    def expired_token(self) -> str:
        return self._api.token(credentials.ADMIN, lifetime=timedelta(seconds=-1))

    def token_for(self, lifetime: timedelta) -> str:
        """An admin's, that ends so much later."""
        return self._api.token(credentials.ADMIN, lifetime=lifetime)

    @property
    def direct_token(self) -> str:
        """Scoped to one resource: it may not use /customer."""
        return self._api.direct_token()

    @property
    def account(self) -> Customer:
        """The account as it is, whatever a scripted GET shows."""
        return self._state.account.now

    @property
    def customer_id(self) -> str:
        return self.account.id

    @property
    def secret(self) -> str:
        """What deliveries are signed with."""
        return self.account.webhook_secret

    @property
    def setting(self) -> Setting:
        """What the sender knows of the account so far."""
        return self._state.sender.setting

    @property
    def deliveries(self) -> list[Delivery]:
        return [*self._state.sender.deliveries]

    @property
    def requests(self) -> list[ApiRequest]:
        """What came to the API, in order."""
        return [*self._state.requests]

    def change(self, **fields: str) -> Customer:
        """As a colleague would by the console: these fields of the account, no other.

        `status="frozen"` freezes it.
        """
        return self._state.account.change(fields)

    async def emit(self, type: str, /, **changes: Json) -> Delivery:
        """Make one event happen, and wait until the sender is done with it.

        A change names a field of the event's `data`, with dots to go deeper. Raises
        FixtureError on a type that is not in the catalogue.
        """
        paths = {f"data.{name}": value for name, value in changes.items()}
        return await _done(self._state.emitter.emit(type, paths))

    async def deliver(self, body: bytes) -> Delivery:
        """Send these very bytes as an event, and wait until the sender is done."""
        return await _done(self._state.emitter.deliver(body))

    async def burst(
        self, count: int, *, types: Sequence[str] = (), concurrency: int = 100
    ) -> list[Delivery]:
        """So many mixed events, so many at a time, each about a resource of its own."""
        emitter = self._state.emitter
        bodies = shuffled(emitter.mixed(types, count), self._state.seed)
        return await emitter.burst(bodies, concurrency=concurrency)

    async def play(
        self, moments: Sequence[Moment], *, speed: float = 1.0
    ) -> list[Delivery]:
        """A scenario in its own time, or so many times faster."""
        return await self._state.emitter.play(moments, speed=speed)

    def fault(self, **script: Any) -> None:
        """Script a `Fault`, given by its fields, for requests to come."""
        self._state.faults.add(Fault(**script), self.account)

    def clear_faults(self) -> None:
        """Nothing goes wrong any more; the account stays as it is."""
        self._state.faults.clear()

    def reset(self) -> None:
        """As it was when it opened."""
        self._state.reset()

    def _application(self, clock: Clock, new_id: NewId) -> web.Application:
        front = Front(
            self._api,
            self._state,
            control_url=self.control_url,
            clock=clock,
            new_id=new_id,
        )
        about: dict[str, Json] = {
            "url": self.url,
            "api_url": self.api_url,
            "customer_id": self.customer_id,
            "access_key": self.access_key,
        }
        app = web.Application(client_max_size=_MOST_BODY)
        app.add_subapp(control.PATH, control.application(self._state, about=about))
        app.router.add_route("*", "/{path:.*}", front.handle)
        return app


async def _done(delivery: Delivery) -> Delivery:
    await delivery.done.wait()
    return delivery
