"""Settles what a killed session left: done by every command that reads a profile.

With no open record this is one query of the standard library.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from devhook.cli.base import Run
from devhook.cli.hold import hold_account
from devhook.config import Flags, Settings, load
from devhook.core.account_api import mask_url
from devhook.core.http import printable
from devhook.core.model import Takeover
from devhook.core.takeover import Ending, Restored, ending_of
from devhook.errors import ChangedElsewhere, ConfigError, DevhookError
from devhook.provider.client import AccountClient
from devhook.store.takeovers import Takeovers
from devhook.system import SystemClock, is_alive
from devhook.takeover import recover

_CREDENTIALS = ("DEVHOOK_", "VN_", "VOIPBIN_")

WITHIN = 5.0
"""Seconds that a command about something else may be held up."""


def settle(
    run: Run, settings: Settings, records: list[Takeover], within: float = WITHIN
) -> None:
    """Restore what nobody looks after any more; warn and go on where that fails.

    What is not reached within so many seconds is left to the next command.
    """
    deadline = time.monotonic() + within
    for record in records:
        left = deadline - time.monotonic()
        if left <= 0:
            run.warn(_still_open(record, "there was no time left for it"))
            continue
        try:
            restored = settle_record(run, settings, record, within=left)
        except ChangedElsewhere:
            continue  # a live session looks after it
        except DevhookError as exc:
            run.warn(_still_open(record, exc.message))
            continue
        if restored.ending is Ending.UNCONFIRMED:
            run.warn(_still_open(record, restored.error or "no answer"))
        else:
            run.warn(_settled(record, restored))


def settle_record(
    run: Run, settings: Settings, record: Takeover, *, within: float
) -> Restored:
    """Have its guardian put back one record's root; where there is none, do it here.

    Raises ChangedElsewhere while the session that made it lives, ConfigError when its
    profile is of another API by now.
    """
    deadline = time.monotonic() + within
    restored = _wait_for_guardian(settings, record, within)
    if restored is None:
        left = deadline - time.monotonic()
        restored = _restore(run, settings, record, within=left)
    return restored


def _restore(
    run: Run, settings: Settings, record: Takeover, *, within: float
) -> Restored:
    """With the credential of the record's own profile, once the account is held."""
    state = settings.paths.state
    with hold_account(run, state, record.api_url, record.account_id):
        # Its session may have gone on, or ended, since the record was read.
        now = Takeovers(state).find(record.id)
        if now is None:
            return Restored(Ending.UNCONFIRMED, None, "its record is gone")
        if restored := ending_of(now):
            return restored
        return run.main(recovered(_own_settings(settings, now), now, within))


async def recovered(own: Settings, record: Takeover, within: float) -> Restored:
    """Try for `within` seconds to end it; the caller holds its account."""
    credential = own.account_credential()
    async with AccountClient(own.api_url, credential, own.network) as client:
        return await recover(
            client,
            Takeovers(own.paths.state),
            record,
            SystemClock(),
            bound=own.in_flight_bound,
            within=within,
        )


def named(record: Takeover) -> str:
    """Its account, as a message may show it."""
    return f"account {printable(record.account_name) or record.account_id}"


def _guardian_of(record: Takeover) -> int | None:
    """The process that is restoring for a run that is gone; None without one."""
    if record.guardian is None or is_alive(record.process):
        return None
    return int(record.guardian.partition("@")[0]) if is_alive(record.guardian) else None


def _wait_for_guardian(
    settings: Settings, record: Takeover, within: float
) -> Restored | None:
    """Have a guardian try at once, and wait for its end; None when none restores."""
    pid = _guardian_of(record)
    if pid is None:
        return None
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGUSR1)
    deadline = time.monotonic() + within
    while _guardian_of(record) is not None:
        if time.monotonic() > deadline:
            now = Takeovers(settings.paths.state).find(record.id) or record
            why = now.error or "its guardian is at work"
            return Restored(Ending.UNCONFIRMED, None, why)
        time.sleep(0.02)
    now = Takeovers(settings.paths.state).find(record.id) or record
    return ending_of(now)


def _own_settings(settings: Settings, record: Takeover) -> Settings:
    """Those of the record's profile, as its file has them.

    What this command was told of credentials is for this command's account: it is shown
    to the API of the record only where both are the same.
    """
    if record.profile == settings.profile and record.api_url == settings.api_url:
        return settings
    environ = {
        name: value
        for name, value in os.environ.items()
        if name in ("DEVHOOK_HOME", "HOME") or not name.startswith(_CREDENTIALS)
    }
    own = load(Flags(profile=record.profile), environ, cwd=Path.cwd(), project=False)
    if own.api_url != record.api_url:
        raise ConfigError(
            f"profile {record.profile} is not at {record.api_url} any more",
            hint=f"devhook restore -p {record.profile} --api-url {record.api_url}",
        )
    return own


def _still_open(record: Takeover, why: str) -> str:
    return (
        f"{named(record)} may still point at a devhook session that is gone ({why});"
        " run: devhook restore"
    )


def _settled(record: Takeover, restored: Restored) -> str:
    killed = f"a session on {named(record)} was killed"
    if restored.ending is Ending.FOREIGN:
        return f"{killed}; somebody else set its webhook"
    root = printable(mask_url(record.root.uri)) or "(empty)"
    return f"{killed}; its webhook is restored to {root}"
