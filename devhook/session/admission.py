"""What the account says at the start, and whether our login lasts for a session."""

from devhook.config import Settings
from devhook.core.account_api import token_expiry
from devhook.core.clock import Clock
from devhook.core.model import Account
from devhook.core.token_life import Login, refusal, skew
from devhook.errors import Refused
from devhook.provider.client import AccountClient
from devhook.store.journal import Journal


async def admitted(
    client: AccountClient, settings: Settings, lifetime: float | None, clock: Clock
) -> tuple[Account, Login | None]:
    """The account, and the login it was read by; None for what does not end.

    Raises Unreachable, and Refused also for a login that would end before a session of
    `lifetime` seconds is over: nobody could restore then.
    """
    try:
        account = await client.get()
    except Refused:
        login = _login(client, settings, clock)
        if login is not None and login.has_ended:
            _check(login, lifetime)
        raise
    login = _login(client, settings, clock)
    if login is not None:
        _check(login, lifetime)
    return account, login


async def tell_skew(login: Login, journal: Journal) -> None:
    if said := skew(login):
        hint = "set the clock; whether the login token has ended goes by the API's"
        await journal.tell("warning", text=said, hint=hint)


def _login(client: AccountClient, settings: Settings, clock: Clock) -> Login | None:
    credential, now = settings.account_credential(), clock.now()
    ends = token_expiry(credential.value) if credential.kind == "token" else None
    if ends is None:
        return None
    return Login(
        ends=ends,
        api_time=client.server_time or now,
        our_time=now,
        heard=clock.moment().ticks,
        source=credential.source,
        profile=settings.profile,
    )


def _check(login: Login, lifetime: float | None) -> None:
    refused = refusal(login, lifetime)
    if refused is not None:
        raise refused
