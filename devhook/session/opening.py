"""Opens the rooms of `up` in order, and closes them in the reverse order.

From the cellar to the street: store, tasks, capture server, tunnel, takeover. So an end
of any kind, asked for or not, is: restore; linger with the tunnel open; close the
tunnel; drain what is captured; stop the server; close the store.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from urllib.parse import urlsplit

from devhook import system
from devhook.capture import CaptureServer, Door, open_capture
from devhook.config import Settings
from devhook.core.account_api import mask_url
from devhook.core.clock import Clock
from devhook.core.guarding import Plan
from devhook.core.model import Account, Address, Capture, Kind, Setting, Source
from devhook.core.network import Credential
from devhook.core.origin import Origin, origin_of
from devhook.core.retry import local
from devhook.errors import ChangedElsewhere, StoreError
from devhook.forward import Forwarder, Forwarding, Mirror
from devhook.provider.client import AccountClient
from devhook.send import Sender
from devhook.session.admission import admitted, tell_skew
from devhook.session.options import Options
from devhook.session.session import Session
from devhook.session.stop import Stop, Why, open_loops
from devhook.session.watch import watch_login, watch_storage, watch_tunnel
from devhook.store.journal import Journal
from devhook.store.leases import lease_secret
from devhook.store.live import Live, Published
from devhook.store.lock import account_lock
from devhook.store.rows import to_text
from devhook.store.store import Store
from devhook.store.takeovers import Takeovers
from devhook.takeover import Hold, is_live
from devhook.tunnel import Tunnel, open_tunnel
from devhook.watchdog import open_watchdog
from devhook.wire import Wire

DRAIN_WITHIN = 5.0


@asynccontextmanager
async def open_session(
    settings: Settings, options: Options, stop: Stop, clock: Clock
) -> AsyncIterator[Session]:
    """Everything up to the takeover; on leaving, restore and close it all again.

    Raises before anything was changed: Refused or Unreachable (the account),
    ChangedElsewhere (somebody holds it), StoreError, TunnelError.
    """
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        credential = settings.account_credential()
        client = await enter(
            AccountClient(settings.api_url, credential, settings.network)
        )
        account, login = await admitted(client, settings, options.lifetime, clock)
        state = settings.paths.state
        system.fault("up.start")
        locked = stack.enter_context(
            account_lock(
                state,
                settings.api_url,
                account.id,
                process=system.this_process(),
                alive=system.is_alive,
            )
        )
        system.fault("up.locked")
        store = stack.enter_context(Store(settings.db))
        journal = await enter(Journal(store, clock))
        await _begin(journal, settings, options, account, clock)
        stack.push_async_callback(_end, journal, stop, clock)
        if login is not None:
            await tell_skew(login, journal)
        sender = Sender(await enter(Wire(settings.network)), clock)
        takeovers = Takeovers(state)
        origin = _origin(account, takeovers, settings.api_url)
        abandoned = await _abandoned(account, origin, options, sender, clock)
        plan = _plan(settings, credential)
        watchdog = await enter(open_watchdog(plan, clock, lock=locked.descriptor))
        loops = await enter(open_loops())
        root = origin.root
        capture = await enter(_open_capture(options, account, root, journal, clock))
        forwarding = _forwarding(options, root, capture.door.hop)
        forwarder = Forwarder(journal, sender, forwarding, clock)
        loops.start(forwarder.run())
        stack.push_async_callback(_drain, forwarder, stop)
        tunnel = await enter(
            open_tunnel(
                options.tunnel,
                local=capture.url,
                network=settings.network,
                clock=clock,
                lease=_lease(settings, options),
                instance=system.new_id(),
                chance=system.chance,
            )
        )
        system.fault("up.tunnel")
        capture.door.prefixes = ("", urlsplit(tunnel.public_url).path.rstrip("/"))
        await _keep(journal, tunnel)
        session = Session(
            settings=settings,
            options=options,
            account=account,
            origin=origin,
            abandoned=abandoned,
            journal=journal,
            capture=capture,
            tunnel=tunnel,
            hold=Hold(
                client,
                takeovers,
                clock,
                bound=settings.in_flight_bound,
                watchdog=watchdog,
            ),
            watchdog=watchdog,
            sender=sender,
            loops=loops,
            clock=clock,
            stop=stop,
        )
        session.lock_warning = locked.warning
        session.proven_seconds = await session.proven()
        await watchdog.ready()
        system.fault("up.guarded")
        live = _live(settings, session, clock)
        session.published = stack.enter_context(Published(state, live))
        loops.start(watch_tunnel(tunnel, journal, stop, clock))
        loops.start(watch_storage(capture, stop, clock))
        if login is not None:
            unbounded = options.lifetime is None
            loops.start(
                watch_login(login, client, journal, stop, clock, tells=unbounded)
            )
        if options.lifetime is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(options.lifetime, stop.ask, Why.TIME)
        stack.push_async_callback(session.linger)
        stack.push_async_callback(session.restore)
        yield session


def _plan(settings: Settings, credential: Credential) -> Plan:
    return Plan(
        state=str(settings.paths.state.absolute()),
        api_url=settings.api_url,
        credential=credential,
        network=settings.network,
        bound=settings.in_flight_bound,
    )


async def _begin(
    journal: Journal,
    settings: Settings,
    options: Options,
    account: Account,
    clock: Clock,
) -> None:
    """Open the session's row and settle what earlier ones of this database left."""
    store, target = journal.store, options.routes.target
    await journal.write(lambda: store.bury(system.is_alive))
    session_id = await journal.begin(
        profile=settings.profile,
        account=account.id,
        source="up",
        process=system.this_process(),
        target=target,
    )
    now = clock.now()
    await journal.write(lambda: store.inherit(session_id, target or "", now))


async def _keep(journal: Journal, tunnel: Tunnel) -> None:
    """Write down how the session is reached."""
    columns = {"tunnel": tunnel.kind, "public_url": tunnel.public_url}
    await journal.write(
        lambda: journal.store.update_session(journal.session_id, **columns)
    )


async def _end(journal: Journal, stop: Stop, clock: Clock) -> None:
    session_id, now, how = journal.session_id, clock.now(), stop.why or "error"

    def verb() -> None:
        journal.store.release(session_id)
        journal.store.end_session(session_id, now, how)

    with suppress(StoreError):  # it was said already, and the next start buries it
        await journal.write(verb)


async def _drain(forwarder: Forwarder, stop: Stop) -> None:
    """Give what is captured a few seconds to be delivered."""
    with suppress(TimeoutError):
        async with stop.patiently(DRAIN_WITHIN):
            await forwarder.drained()


def _origin(account: Account, takeovers: Takeovers, api_url: str) -> Origin:
    try:
        records = takeovers.of_account(api_url, account.id)
    except StoreError:  # the marker may tell; and our own record is refused later
        records = []
    return origin_of(account, records)


async def _abandoned(
    account: Account, origin: Origin, options: Options, sender: Sender, clock: Clock
) -> bool:
    """Whether the account points at a devhook session that does not answer any more.

    Raises ChangedElsewhere when it does answer, unless it is to be superseded.
    """
    if not origin.is_left:
        return False
    nonces = [system.new_secret() for _ in range(3)]
    if not await is_live(sender, account.webhook_uri, nonces, clock):
        return True
    if options.supersede:
        return False
    raise ChangedElsewhere(
        "another devhook session holds this account, and it answers",
        hint="ask whoever runs it to end it, or take it over with --supersede",
    )


def _open_capture(
    options: Options, account: Account, root: Setting, journal: Journal, clock: Clock
) -> AbstractAsyncContextManager[CaptureServer]:
    mirrored = mask_url(root.uri) if options.mirror and root.uri else None

    def addresses(capture: Capture) -> Sequence[Address]:
        found = []
        target = options.routes.target_of(capture.reading.event_type)
        if target is not None:
            found.append(Address(kind=Kind.LIVE, target=target))
        if mirrored is not None and capture.source is Source.WEBHOOK:
            found.append(Address(kind=Kind.MIRROR, target=mirrored))
        return found

    door = Door(
        path_secret=system.new_secret(),
        control_key=system.new_secret(),
        hop=system.new_id(),
        addresses=addresses,
        ack_app=options.ack_app,
        require_signature=options.require_signature,
        account_secret=account.webhook_secret,
    )
    host, port = options.listen
    return open_capture(door, journal, clock, system.new_id, host=host, port=port)


def _lease(settings: Settings, options: Options) -> str:
    relay = options.tunnel.relay or ""
    return lease_secret(
        settings.paths.state, settings.profile, relay, system.new_secret
    )


def _forwarding(options: Options, root: Setting, hop: str) -> Forwarding:
    return Forwarding(
        hop=hop,
        process=system.this_process(),
        policy=local(options.retries),
        timeout=options.timeout,
        concurrency=options.concurrency,
        overrides=options.overrides,
        keep_host=options.keep_host,
        mirror=Mirror(uri=root.uri, method=root.method) if root.uri else None,
    )


def _live(settings: Settings, session: Session, clock: Clock) -> Live:
    return Live(
        session=session.journal.session_id,
        profile=settings.profile,
        process=system.this_process(),
        api_url=settings.api_url,
        account_id=session.account.id,
        account_name=session.account.name,
        public_url=session.public_url,
        webhook_uri=session.webhook_uri,
        capture_url=session.capture_url,
        control_key=session.control_key,
        target=session.target,
        started_at=to_text(clock.now()),
        db=str(settings.db),
    )
