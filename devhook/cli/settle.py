"""Settles what a killed session left: done by every command that reads a profile.

With no open record this is one query of the standard library.
"""

import os
from contextlib import ExitStack
from pathlib import Path

from devhook.cli.base import Run
from devhook.config import Flags, Settings, load
from devhook.core.account_api import mask_url
from devhook.core.http import printable
from devhook.core.model import Takeover
from devhook.errors import ChangedElsewhere, DevhookError
from devhook.provider.client import AccountClient
from devhook.store.lock import account_lock
from devhook.store.takeovers import Takeovers
from devhook.system import SystemClock
from devhook.takeover import Ending, Restored, recover

WITHIN = 5.0
"""Seconds that a command about something else may be held up."""


def settle(run: Run, settings: Settings, records: list[Takeover]) -> None:
    """Restore what nobody looks after any more; warn and go on where that fails."""
    for record in records:
        try:
            restored = restore_record(run, settings, record, within=WITHIN)
        except ChangedElsewhere:
            continue  # a live session looks after it
        except DevhookError as exc:
            run.warn(_still_open(record, exc.message))
            continue
        if restored.ending is Ending.UNCONFIRMED:
            run.warn(_still_open(record, restored.error or "no answer"))
        else:
            run.warn(_settled(record, restored))


def restore_record(
    run: Run, settings: Settings, record: Takeover, *, within: float
) -> Restored:
    """Put back one record's root, with its own profile's credential.

    Raises ChangedElsewhere while the session that made it lives.
    """
    own = _own_settings(run, settings, record)
    clock = SystemClock()

    async def restoring() -> Restored:
        client = AccountClient(own.api_url, own.account_credential(), own.network)
        async with client:
            return await recover(
                client,
                Takeovers(own.paths.state),
                record,
                clock,
                bound=own.in_flight_bound,
                within=within,
            )

    with ExitStack() as stack:
        lock = account_lock(own.paths.state, record.api_url, record.account_id)
        stack.enter_context(lock)
        return run.main(restoring())


def _own_settings(run: Run, settings: Settings, record: Takeover) -> Settings:
    if record.profile == settings.profile and record.api_url == settings.api_url:
        return settings
    flags = Flags(profile=record.profile)
    own = load(flags, os.environ, cwd=Path.cwd())
    if own.api_url != record.api_url:
        own = load(
            Flags(profile=record.profile, api_url=record.api_url),
            os.environ,
            cwd=Path.cwd(),
        )
    return own


def _still_open(record: Takeover, why: str) -> str:
    return (
        f"account {printable(record.account_name) or record.account_id} may still point"
        f" at a devhook session that is gone ({why}); run: devhook restore"
    )


def _settled(record: Takeover, restored: Restored) -> str:
    name = printable(record.account_name) or record.account_id
    if restored.ending is Ending.FOREIGN:
        return f"a session on account {name} was killed; somebody else set its webhook"
    root = printable(mask_url(record.root.uri)) or "(empty)"
    return f"a session on account {name} was killed; its webhook is restored to {root}"
