"""`devhook restore`: put back what a session that is gone has replaced."""

from typing import TYPE_CHECKING

import click

from devhook.cli.base import Run, command, pass_run
from devhook.errors import (
    ChangedElsewhere,
    DevhookError,
    NotRestored,
    ProviderError,
    StoreError,
    UsageError,
)

if TYPE_CHECKING:
    from devhook.config import Settings
    from devhook.core.model import Account, Setting, Takeover
    from devhook.core.takeover import Restored


@command("restore")
@click.option(
    "--from-account",
    is_flag=True,
    help="Use the marker in the account's own setting, without a record here.",
)
@click.option(
    "--root",
    metavar="URI",
    help="With --from-account --yes: the original that the marker must name.",
)
@click.option(
    "--dry-run", is_flag=True, help="Say what would be restored; change nothing."
)
@click.option("--yes", is_flag=True, help="Restore without asking.")
@pass_run
def restore(
    run: Run, from_account: bool, root: str | None, dry_run: bool, yes: bool
) -> None:
    """Put back the webhook that a devhook session replaced

    Settles every record of this machine that no live session looks after. It never
    writes over a setting that is not devhook's own.

    \b
      $ devhook restore
      $ devhook restore --from-account --dry-run
    """
    run.settles = run.project = False
    if root is not None and not from_account:
        raise UsageError("--root belongs to --from-account", hint="add --from-account")
    if from_account:
        _from_account(run, root, dry_run=dry_run, yes=yes)
    else:
        _from_records(run, dry_run=dry_run)


def _from_records(run: Run, *, dry_run: bool) -> None:
    """Each record, whatever became of the one before it; the worst is the exit code."""
    from devhook.cli.settle import named
    from devhook.store.takeovers import Takeovers

    records = Takeovers(run.settings.paths.state).open_records()
    if not records:
        run.say("Nothing to restore: no takeover of this machine is open.")
        _look_for_others(run)
    failed: list[DevhookError] = []
    for record in records:
        if dry_run:
            run.say(f"Would restore {named(record)} to {_shown(record.root)}.")
            continue
        try:
            _restore(run, record)
        except DevhookError as exc:
            failed.append(exc)
    if failed:
        worst = max(failed, key=lambda exc: (exc.exit_code == 4, exc.exit_code))
        for other in failed:
            if other is not worst:
                run.warn(f"{other.message}; {other.hint}")
        raise worst


def _look_for_others(run: Run) -> None:
    """A session whose record is not here must not be taken for nothing."""
    from devhook.core.marker import is_marked

    if run.settings.credential is None:
        return
    try:
        account = run.main(_account(run))
    except ProviderError as exc:
        run.warn(f"what the account says was not looked at: {exc.message}")
        return
    if is_marked(account.webhook_uri):
        raise ChangedElsewhere(
            "the account points at a devhook session that has no record here",
            hint="devhook status: does it answer? devhook restore --from-account",
        )


def _restore(run: Run, record: "Takeover") -> None:
    from devhook.cli.settle import named, settle_record

    settings = run.settings
    within = settings.in_flight_bound + 30
    restored = settle_record(run, settings, record, within=within)
    _told(run, named(record), restored)


def _told(run: Run, name: str, restored: "Restored") -> None:
    """Say how it ended; raises for any end but a restore."""
    from devhook.core.account_api import mask_url
    from devhook.core.takeover import Ending

    setting = restored.setting
    run.emit(
        "restored",
        webhook_uri=None if setting is None else mask_url(setting.uri),
        webhook_method=None if setting is None else setting.method,
        outcome=restored.ending,
    )
    if restored.ending is Ending.UNCONFIRMED:
        raise NotRestored(
            f"{name} is not restored: {restored.error}",
            hint="run devhook restore again when the API answers",
        )
    if restored.ending is Ending.FOREIGN:
        raise ChangedElsewhere(
            f"{name} was set by somebody else; it was left alone",
            hint="devhook webhook show",
        )
    run.say(f"Restored {name} to {_shown(setting)}.")


def _from_account(run: Run, root: str | None, *, dry_run: bool, yes: bool) -> None:
    """Undo a takeover by what its marker says; another machine may have made it."""
    from devhook.cli.hold import hold_account
    from devhook.cli.settle import named, recovered
    from devhook.core.origin import origin_of

    settings = run.settings
    account = run.main(_account(run))
    origin = origin_of(account, _records(run, account))
    found = origin.root
    if not origin.is_left:
        run.say("Nothing to restore: the account does not point at a devhook session.")
        return
    run.say(
        f"The account points at a devhook session; its {origin.known} names"
        f" {_shown(found)}."
    )
    if dry_run:
        return
    with hold_account(run, settings.paths.state, settings.api_url, account.id):
        # A marker can be forged: without a person, something else must name the root.
        if yes and not origin.is_confirmed and found.uri != root:
            raise UsageError(
                "no record here confirms what the marker names",
                hint="add --root URI with the original, or leave --yes off to be asked",
            )
        if not run.confirm(f"Restore {_shown(found)}?", yes=yes):
            raise UsageError(
                "nothing was changed", hint="say y, or add --root and --yes"
            )
        record = _adopted(settings, account, found)
        within = settings.in_flight_bound + 30
        restored = run.main(recovered(settings, record, within))
    _told(run, named(record), restored)


def _records(run: Run, account: "Account") -> "list[Takeover]":
    """This machine's of the account; none, if they are damaged."""
    from devhook.store.takeovers import Takeovers

    settings = run.settings
    try:
        return Takeovers(settings.paths.state).of_account(settings.api_url, account.id)
    except StoreError:
        return []


async def _account(run: Run) -> "Account":
    from devhook.provider.client import AccountClient

    settings = run.settings
    credential = settings.account_credential()
    async with AccountClient(settings.api_url, credential, settings.network) as client:
        return await client.get()


def _adopted(settings: "Settings", account: "Account", root: "Setting") -> "Takeover":
    """The takeover under a record of our own, to be ended as any other."""
    from contextlib import suppress

    from devhook.core.takeover import adopted
    from devhook.store.takeovers import Takeovers
    from devhook.system import SystemClock, this_process

    record = adopted(
        account,
        root,
        api_url=settings.api_url,
        profile=settings.profile,
        process=this_process(),
        at=SystemClock().now(),
    )
    with suppress(StoreError):  # where no record can be kept, the marker is one
        takeovers = Takeovers(settings.paths.state)
        record = takeovers.keep(record, record.started_at, record.process)
    return record


def _shown(setting: "Setting | None") -> str:
    from devhook.core.account_api import mask_url
    from devhook.core.http import printable

    if setting is None or not setting.uri:
        return "no webhook"
    return f"{setting.method or 'GET'} {printable(mask_url(setting.uri))}"
