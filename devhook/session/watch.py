"""The loops that watch what may end a session: the tunnel, the disk, the account."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from devhook.capture import CaptureServer
from devhook.core.account_api import mask_url
from devhook.core.clock import Clock
from devhook.core.model import Json, Setting
from devhook.core.token_life import Login, Phase, notice, phase
from devhook.errors import ProviderError, StoreError
from devhook.provider.client import AccountClient
from devhook.session.stop import Stop, Why
from devhook.store.journal import Journal
from devhook.takeover import Hold
from devhook.tunnel import Down, Tunnel, Up
from devhook.watchdog import Watchdog

LOOK_EVERY = 5.0
"""Seconds between looks at the account: a foreign change shows within 15, however slow
the API is."""

CONFIRMED_AFTER = 0.5
UNSTORED_FOR = 10.0
TUNNEL_AWAY_FOR = 60.0
ASLEEP = 5.0


async def watch_tunnel(
    tunnel: Tunnel, journal: Journal, stop: Stop, clock: Clock
) -> None:
    """Say and keep when it is away; end the session when it stays away."""
    since: datetime | None = None
    deadline: asyncio.TimerHandle | None = None
    loop = asyncio.get_running_loop()
    try:
        async for change in tunnel.changes():
            match change:
                case Down():
                    await _tell_away(
                        "tunnel",
                        change.reason,
                        change.attempt,
                        change.in_seconds,
                        journal,
                    )
                    if since is None:
                        since = change.since
                        deadline = loop.call_later(
                            TUNNEL_AWAY_FOR, stop.ask, Why.TUNNEL
                        )
                case Up():
                    if deadline is not None:
                        deadline.cancel()
                    await _tell_missed(since, journal, clock)
                    await journal.tell("reconnected", what="tunnel")
                    since = None
                case _:
                    assert_never(change)
    finally:
        await _tell_missed(since, journal, clock)


async def watch_storage(capture: CaptureServer, stop: Stop, clock: Clock) -> None:
    """An account that points at a disk that keeps nothing is better given back."""
    while True:
        await clock.sleep(1.0)
        if capture.failing_for > UNSTORED_FOR:
            stop.ask(Why.STORAGE)


async def watch_account(hold: Hold, journal: Journal, stop: Stop, clock: Clock) -> None:
    """Say it when somebody else's setting shows, and leave it alone.

    That the API stays away is said too: without it nothing can be restored.
    """
    told: Setting | None = None
    failures = 0
    while True:
        await clock.sleep(LOOK_EVERY)
        if stop.is_asked():
            return
        try:
            look = await hold.look()
            if look.foreign is not None:
                # A guardian that restored while we stood still is heard of by then.
                await clock.sleep(CONFIRMED_AFTER)
                look = await hold.look()
        except ProviderError as exc:
            failures += 1
            if failures == 2:
                await _tell_away("API", exc.message, failures, LOOK_EVERY, journal)
            continue
        if stop.is_asked():
            return
        if failures > 1:
            await journal.tell("reconnected", what="API")
        failures = 0
        found = look.foreign
        if found is not None and found != told:
            await _tell_foreign(found, journal)
        if look.was_written or (found is None and told is not None):
            await journal.tell("warning", text=_CHANGED_BACK, hint=_WHO)
        told = found


async def watch_login(
    login: Login,
    client: AccountClient,
    journal: Journal,
    stop: Stop,
    clock: Clock,
    *,
    tells: bool,
) -> None:
    """Say once that the token ends soon, if it `tells`; end while it can still restore.

    The API's clock is heard again with each answer: not everywhere do our ticks go on
    while the machine sleeps.
    """
    said = login.api_time
    while True:
        now, newest = clock.moment().ticks, client.server_time
        if newest is not None and newest != said:
            said = newest
            login = replace(login, api_time=newest, heard=now)
        left = login.left(now)
        match phase(left):
            case Phase.TIME_TO_END:
                return stop.ask(Why.CREDENTIAL)
            case Phase.NEAR_ITS_END if tells:
                text, hint = notice(login, left)
                await journal.tell("warning", text=text, hint=hint)
                tells = False
            case _:
                pass
        await clock.sleep(1.0)


async def watch_guardian(watchdog: Watchdog, stop: Stop) -> None:
    """A session that nobody would clean up after ends itself."""
    await watchdog.lost.wait()
    stop.ask(Why.GUARDIAN)


async def watch_sleep(journal: Journal, clock: Clock) -> None:
    """Keep when the machine slept: nothing could come in meanwhile."""
    slept, before = _slept(clock), clock.now()
    while True:
        await clock.sleep(1.0)
        if (now := _slept(clock)) - slept > ASLEEP:
            await journal.missed("asleep", before, clock.now())
        slept, before = now, clock.now()


_CHANGED_BACK = "somebody else wrote the account; its webhook is this session's again"
_WHO = "events may have gone elsewhere meanwhile: ask who else works on the account"


def _slept(clock: Clock) -> float:
    """Grows while the machine sleeps: one clock goes on then, the other does not."""
    return clock.moment().ticks - clock.monotonic()


async def _tell_foreign(found: Setting, journal: Journal) -> None:
    shown: dict[str, Json] = {
        "webhook_uri": mask_url(found.uri),
        "webhook_method": found.method,
    }
    await journal.tell("conflict", found=shown)


async def _tell_away(
    what: str, reason: str, attempt: int, in_seconds: float, journal: Journal
) -> None:
    await journal.tell(
        "reconnecting",
        what=what,
        reason=reason,
        attempt=attempt,
        in_seconds=in_seconds,
    )


async def _tell_missed(since: datetime | None, journal: Journal, clock: Clock) -> None:
    if since is not None:
        with suppress(StoreError):  # whoever has an event to store says so
            await journal.missed("tunnel", since, clock.now())
