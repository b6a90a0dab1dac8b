"""`devhook status`: who holds the account, and how healthy that is."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from devhook.cli.base import Run, command, pass_run
from devhook.errors import DevhookError

if TYPE_CHECKING:
    from devhook.core.model import Account, Takeover
    from devhook.store.live import Live

_CODES = {
    "idle": 0,
    "live": 0,
    "foreign": 3,
    "superseded": 3,
    "open": 4,
    "dead": 4,
    "parked": 4,
}


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the command says; `guardian` is its state while there is one."""

    profile: str
    account: str | None = None
    state: str = "idle"
    session: int | None = None
    pid: int | None = None
    since: str | None = None
    webhook_uri: str | None = None
    original: dict[str, str] | None = None
    guardian: str | None = None


@command("status")
@click.option(
    "--wait", metavar="DURATION", help="Wait so long for a session to be live."
)
@click.option("--history", is_flag=True, help="List this machine's takeovers instead.")
@pass_run
def status(run: Run, wait: str | None, history: bool) -> int:
    """Show who holds the account and whether its session lives

    Exits with 0 when nobody or a live session of this machine does, 3 when another
    machine's live session does, 4 when a session is gone and its takeover is not
    settled. A guardian is the process that restores when a session is killed.

    \b
      $ devhook status
      $ devhook status --wait 30s --json
      $ devhook status --history -v
    """
    if history:
        return _history(run)
    if wait is not None:
        _wait(run, wait)
    found = _status(run)
    run.emit("status", **asdict(found))
    if not run.json:
        _say(run, found)
    return _CODES[found.state]


def _status(run: Run) -> Status:
    from devhook.store.live import running
    from devhook.store.takeovers import Takeovers
    from devhook.system import is_alive

    settings = run.settings
    profile, api_url, state = settings.profile, settings.api_url, settings.paths.state
    records = Takeovers(state).open_records()
    sessions = running(state, is_alive)
    if live := [session for session in sessions if session.profile == profile]:
        return _of_live(run, live[-1], records)
    left = [
        record
        for record in records
        if (record.profile == profile or record.api_url == api_url)
        and not is_alive(record.process)
    ]
    if left:
        return _of_record(left[-1])
    if settings.credential is None:
        run.warn("no credential: what the account says was not looked at")
        return Status(profile=profile)
    account = _account(run)
    for session in sessions:
        if (session.api_url, session.account_id) == (api_url, account.id):
            return _of_live(run, session, records)  # another profile's
    return _of_account(run, account)


def _of_record(record: "Takeover") -> Status:
    """What a session that is gone has left."""
    from devhook.cli.lines import rfc3339
    from devhook.core.account_api import mask_url

    return Status(
        profile=record.profile,
        account=record.account_id,
        state="open",
        session=record.session_id,
        since=rfc3339(record.started_at),
        webhook_uri=mask_url(record.mine.partition("#")[0]),
        original=_original(record),
        guardian=_guardian(record),
    )


def _of_live(run: Run, live: "Live", records: "list[Takeover]") -> Status:
    """A session of this machine; the account tells whether it still holds it."""
    from devhook.core.model import Stage
    from devhook.core.takeover import is_ours

    record = next((r for r in records if r.process == live.process), None)
    state = "parked" if record and record.stage is Stage.PARKED else "live"
    try:
        if (
            state == "live"
            and record
            and not is_ours(record, _account(run).webhook_uri)
        ):
            state = "superseded"
    except DevhookError as exc:
        run.warn(f"the account could not be looked at: {exc.message}")
    return Status(
        profile=live.profile,
        account=live.account_id,
        state=state,
        session=live.session,
        pid=live.pid,
        since=live.started_at,
        webhook_uri=live.webhook_uri,
        original=None if record is None else _original(record),
        guardian=None if record is None else _guardian(record),
    )


def _of_account(run: Run, account: "Account") -> Status:
    """No session of this machine: what the account itself says."""
    from devhook.core.account_api import mask_url
    from devhook.core.origin import origin_of
    from devhook.store.takeovers import Takeovers

    settings = run.settings
    records = Takeovers(settings.paths.state).of_account(settings.api_url, account.id)
    origin = origin_of(account, records)
    root, state = origin.root, "idle"
    if origin.is_left:
        state = "foreign" if _answers(run, account.webhook_uri) else "dead"
    shown = account.webhook_uri
    if origin.is_left:
        shown = shown.partition("#")[0]
    return Status(
        profile=settings.profile,
        account=account.id,
        state=state,
        webhook_uri=mask_url(shown),
        original={"webhook_uri": mask_url(root.uri), "webhook_method": root.method}
        if origin.is_left
        else None,
    )


def _account(run: Run) -> "Account":
    from devhook.provider.client import AccountClient

    settings = run.settings
    credential = settings.account_credential()

    async def get() -> "Account":
        client = AccountClient(settings.api_url, credential, settings.network)
        async with client:
            return await client.get()

    return run.main(get())


def _answers(run: Run, webhook_uri: str) -> bool:
    from devhook.send import Sender
    from devhook.system import SystemClock, new_secret
    from devhook.takeover import is_live
    from devhook.wire import Wire

    async def ask() -> bool:
        clock = SystemClock()
        async with Wire(run.settings.network) as wire:
            nonces = [new_secret() for _ in range(3)]
            return await is_live(Sender(wire, clock), webhook_uri, nonces, clock)

    return run.main(ask())


def _wait(run: Run, text: str) -> None:
    """Until a session of the profile is live; the file appears when it is ready."""
    import time

    from devhook.core.match import parse_duration
    from devhook.store.live import running
    from devhook.system import is_alive

    settings, seconds = run.settings, parse_duration(text)

    deadline = time.monotonic() + seconds
    while not any(
        s.profile == settings.profile and s.ready
        for s in running(settings.paths.state, is_alive)
    ):
        if time.monotonic() > deadline:
            raise DevhookError(
                f"no session of profile {settings.profile} was live within {text}",
                hint="devhook up 3000",
            )
        time.sleep(0.1)


def _history(run: Run) -> int:
    from devhook.core.account_api import mask_url
    from devhook.store.takeovers import Takeovers

    takeovers = Takeovers(run.settings.paths.state)
    for record in reversed(takeovers.history()):
        steps = takeovers.steps(record.id)
        run.emit(
            "takeover",
            id=record.id,
            profile=record.profile,
            account=record.account_id,
            started_at=record.started_at,
            ended_at=record.ended_at,
            stage=record.stage,
            original=_original(record),
            error=record.error,
            steps=[asdict(step) for step in steps],
        )
        if not run.json:
            started = record.started_at.isoformat(" ", "seconds")
            ended = record.ended_at and record.ended_at.isoformat(" ", "seconds")
            run.out(
                f"{record.id:>4}  {started}  {ended or '-'}"
                f"  {record.stage:<10}  {record.profile}"
                f"  {mask_url(record.root.uri) or '(empty)'}"
            )
            for step in steps if run.verbose else ():
                why = f"  {step.error}" if step.error else ""
                pid = step.process.partition("@")[0]
                at = step.at.strftime("%H:%M:%S.%f")[:-3]
                run.out(f"      {at}  {step.stage:<10}  process {pid}{why}")
    return 0


def _guardian(record: "Takeover") -> str | None:
    """What the guardian does: it watches, or why its restore is not at an end."""
    from devhook.core.model import Stage
    from devhook.system import is_alive

    if record.guardian is None or not is_alive(record.guardian):
        return None
    if record.stage in (Stage.RESTORING, Stage.PUT_SENT) or record.error:
        return f"restoring: {record.error}" if record.error else "restoring"
    return "watching"


def _original(record: "Takeover") -> dict[str, str]:
    from devhook.core.account_api import mask_url

    return {
        "webhook_uri": mask_url(record.root.uri),
        "webhook_method": record.root.method,
    }


def _say(run: Run, found: Status) -> None:
    texts = {
        "idle": "no devhook session holds the account",
        "live": f"session {found.session} is live, process {found.pid}",
        "superseded": f"session {found.session} is live, but the account was changed",
        "foreign": "a devhook session of another machine holds the account; it answers",
        "dead": "the account points at a devhook session that does not answer",
        "parked": f"session {found.session} stands still; the account is restored",
        "open": f"session {found.session} is gone and its takeover is not settled",
    }
    if found.state == "open" and found.guardian is not None:
        texts["open"] = f"session {found.session} is gone; its guardian is at work"
    run.out(f"{found.profile}: {texts[found.state]}")
    if found.webhook_uri is not None:
        run.out(f"  webhook    {found.webhook_uri or '(empty)'}")
    if found.original is not None:
        run.out(f"  original   {found.original['webhook_uri'] or '(empty)'}")
    if found.guardian is not None:
        run.out(f"  guardian   {found.guardian}")
    if found.since is not None:
        run.out(f"  since      {found.since}")
    if found.state == "open":
        run.say("hint: devhook restore")
    if found.state == "dead":
        run.say("hint: devhook restore --from-account")
