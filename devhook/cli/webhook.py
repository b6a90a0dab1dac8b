"""`devhook webhook`: the quickstart's own PUT, made safe.

That PUT blanks the fields it leaves out; this one reads first, changes two, sends all
seven and looks whether they came to be.
"""

from typing import TYPE_CHECKING

import click

from devhook.cli.base import Run, group, pass_run
from devhook.errors import ChangedElsewhere, TakeoverError, Unreachable, UsageError

if TYPE_CHECKING:
    from devhook.config import Settings
    from devhook.core.model import Account, Setting
    from devhook.provider.client import AccountClient

_LONGEST = 1023
_READS = 10


@group("webhook")
def webhook() -> None:
    """Show or change where the account sends its events

    \b
      $ devhook webhook show
      $ devhook webhook set https://example.com/voipbin/events
    """


@webhook.command("show")
@pass_run
def show(run: Run) -> None:
    """Print the account's webhook URI and method, with what is secret in them masked

    \b
      $ devhook webhook show
    """
    settings = run.settings
    account = run.main(_read(settings))
    run.emit("webhook", account=account.id, **_fields(account))
    if run.json:
        return
    if account.webhook_uri:
        run.out(_line(account.webhook_uri, account.webhook_method))
    else:
        run.say("The account has no webhook.")
    if _is_marked(account):
        run.say("This is a devhook session's; devhook restore puts the original back.")


@webhook.command("set")
@click.argument("uri")
@click.option(
    "--method",
    type=click.Choice(["POST", "GET", "PUT", "DELETE"]),
    default="POST",
    show_default=True,
    help="How the platform shall send the events.",
)
@click.option("--yes", is_flag=True, help="Change the account without asking.")
@pass_run
def set_(run: Run, uri: str, method: str, yes: bool) -> None:
    """Send the account's events to another endpoint

    Changes webhook_uri and webhook_method and nothing else on the account.

    \b
      $ devhook webhook set https://example.com/voipbin/events
      $ devhook webhook set https://example.com/voipbin/events --method PUT --yes
    """
    _check(uri)
    _change(run, uri, method, yes=yes)


@webhook.command("clear")
@click.option("--yes", is_flag=True, help="Change the account without asking.")
@pass_run
def clear(run: Run, yes: bool) -> None:
    """Stop the account's events by emptying its webhook URI

    \b
      $ devhook webhook clear
    """
    _change(run, "", None, yes=yes)


def _change(run: Run, uri: str, method: str | None, *, yes: bool) -> None:
    settings = run.settings
    settings.account_credential()
    if not yes and not run.attended:
        raise UsageError(
            "without a terminal nobody can be asked whether to change the account",
            hint="add --yes",
        )
    account = run.main(_changed(run, settings, uri, method, yes=yes))
    run.emit("webhook", account=account.id, **_fields(account))
    shown = _line(account.webhook_uri, account.webhook_method)
    run.say(
        f"The webhook is now {shown}." if uri else "The account has no webhook now."
    )


async def _read(settings: "Settings") -> "Account":
    async with _client(settings) as client:
        return await client.get()


async def _changed(
    run: Run, settings: "Settings", uri: str, method: str | None, *, yes: bool
) -> "Account":
    """The account as it is after the change; the same when there was none to make."""
    from devhook.cli.hold import hold_account
    from devhook.core.model import Setting
    from devhook.core.takeover import same_before_put, with_setting

    async with _client(settings) as client:
        account = await client.get()
        with hold_account(run, settings.paths.state, settings.api_url, account.id):
            _refuse_session(run, account)
            setting = Setting(uri=uri, method=method or account.webhook_method)
            fields = with_setting(account, setting).fields()
            if fields == account.fields():
                return account
            _ask(run, account, setting, yes=yes)
            if not same_before_put(account, await client.get()):
                raise ChangedElsewhere(
                    "somebody else is changing the account; nothing was sent",
                    hint="look at it with devhook webhook show, then try again",
                )
            return await _put(client, fields)


async def _put(client: "AccountClient", fields: dict[str, str]) -> "Account":
    """PUT, and GET until the account shows all seven fields: that alone is success."""
    unknown: Unreachable | None = None
    try:
        await client.put(fields)
    except Unreachable as exc:
        unknown = exc
    account = await _settled(client, fields)
    if account.fields() == fields:
        return account
    if unknown is not None:
        raise unknown
    wrong = [name for name, value in account.fields().items() if value != fields[name]]
    raise ChangedElsewhere(
        f"the account shows another {' and '.join(wrong)} than was set",
        hint="look at it with devhook webhook show",
    )


async def _settled(client: "AccountClient", fields: dict[str, str]) -> "Account":
    """The newest reading; a stale one is given a few seconds to catch up."""
    from devhook.system import SystemClock

    clock = SystemClock()
    for _ in range(_READS):
        account = await client.get()
        if account.fields() == fields:
            break
        await clock.sleep(0.5)
    return account


def _client(settings: "Settings") -> "AccountClient":
    from devhook.provider.client import AccountClient

    return AccountClient(
        settings.api_url, settings.account_credential(), settings.network
    )


def _refuse_session(run: Run, account: "Account") -> None:
    """A devhook session's setting is for `restore`, unless that could not read it."""
    from devhook.core.marker import marked_root

    try:
        root = marked_root(account.webhook_uri)
    except TakeoverError as exc:
        run.warn(exc.message)
        return
    if root is not None:
        raise ChangedElsewhere(
            "the account points at a devhook session",
            hint="end it, or put its original back: devhook restore --from-account",
        )


def _ask(run: Run, account: "Account", wanted: "Setting", *, yes: bool) -> None:
    if not account.webhook_uri:
        return
    new = _line(wanted.uri, wanted.method) if wanted.uri else "(empty)"
    run.say(f"  {_line(account.webhook_uri, account.webhook_method)} -> {new}")
    if not run.confirm("Change the account's webhook?", yes=yes):
        raise UsageError(
            "the account was left as it is", hint="answer y, or add --yes, to change it"
        )


def _check(uri: str) -> None:
    from urllib.parse import urlsplit

    from devhook.core.marker import is_marked

    try:
        parts = urlsplit(uri)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(c.isspace() or not c.isprintable() for c in uri):
        raise UsageError(
            "the URI is no http or https URL",
            hint="write it as https://example.com/voipbin/events",
        )
    if len(uri) > _LONGEST or is_marked(uri):
        raise UsageError(
            f"the URI is longer than {_LONGEST} characters, or a devhook session's",
            hint="devhook up points the account at a session",
        )


def _fields(account: "Account") -> dict[str, object]:
    from devhook.core.account_api import mask_url

    return {
        "webhook_uri": mask_url(account.webhook_uri),
        "webhook_method": account.webhook_method,
        "is_devhook": _is_marked(account),
    }


def _line(uri: str, method: str) -> str:
    from devhook.core.account_api import mask_url
    from devhook.core.http import printable

    # The sender takes an empty method for GET (public source, 2026-08).
    return f"{printable(method) or 'GET'} {mask_url(uri)}"


def _is_marked(account: "Account") -> bool:
    from devhook.core.marker import is_marked

    return is_marked(account.webhook_uri)
