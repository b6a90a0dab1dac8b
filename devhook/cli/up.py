"""`devhook up`: the tunnel, the takeover, and what the screen says of them."""

from typing import TYPE_CHECKING, Any

import click

from devhook.cli.base import Run, command, pass_run
from devhook.errors import DevhookError, NotRestored, StoreError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from devhook.cli.screen import Screen
    from devhook.cli.signals import Signals
    from devhook.session.options import Options
    from devhook.session.session import Ready, Session
    from devhook.session.stop import Stop


@command("up")
@click.argument("target", required=False)
@click.option(
    "--tunnel",
    type=click.Choice(["auto", "relay"]),
    default=None,
    help="How the public reaches this machine; auto takes the first that is ready.",
)
@click.option("--relay", metavar="URL", help="Address of the devhook relay to use.")
@click.option(
    "--relay-token-file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="File with the relay's token (or DEVHOOK_RELAY_TOKEN).",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="A public URL of your own that leads to --listen; no tunnel is opened.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:0",
    show_default=True,
    help="Where the capture server listens.",
)
@click.option(
    "-e",
    "--events",
    metavar="GLOB",
    multiple=True,
    help="Forward only these event types; everything is recorded all the same.",
)
@click.option(
    "--route",
    "routes",
    metavar="GLOB=URL",
    multiple=True,
    help="Send events of these types to another target.",
)
@click.option(
    "-H",
    "--header",
    "headers",
    metavar="NAME: VALUE",
    multiple=True,
    help="Set a header on forwarded requests, in place of one of that name.",
)
@click.option(
    "--ack",
    type=click.Choice(["record", "app"]),
    default="record",
    show_default=True,
    help="Answer once recorded, or with the application's status.",
)
@click.option(
    "--mirror/--no-mirror",
    default=True,
    show_default=True,
    help="Keep the original endpoint served with every event.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 256),
    default=16,
    show_default=True,
    help="How many resources are forwarded at once.",
)
@click.option(
    "--timeout",
    metavar="DURATION",
    default="30s",
    show_default=True,
    help="How long the application may take to answer.",
)
@click.option(
    "--retries",
    type=click.IntRange(0, 20),
    default=0,
    show_default=True,
    help="Try again so often when the application fails or answers 5xx.",
)
@click.option("--keep-host", is_flag=True, help="Forward the incoming Host header.")
@click.option(
    "--for", "lifetime", metavar="DURATION", help="End and restore after this time."
)
@click.option(
    "--supersede", is_flag=True, help="Take over from another live devhook session."
)
@click.option("--yes", is_flag=True, help="Change the account without asking.")
@click.option(
    "--require-signature",
    is_flag=True,
    help="Answer 401 to events whose signature is not good.",
)
@click.option(
    "--ready-file",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Write the ready object to this file once events can come.",
)
@pass_run
def up(run: Run, /, **flags: Any) -> int:
    """Open a tunnel, point the account at it, record and forward every event

    TARGET is a port (3000), :3000, host:port, 3000/webhooks or a URL; without it events
    are only recorded. On any end the account's own webhook is put back.

    \b
      $ devhook up 3000
      $ devhook up 3000/webhooks --yes --for 2h
      $ devhook up --route 'call_*=4000' --events 'call_*,recording_*' 3000
    """
    from devhook.cli.signals import Signals

    signals = Signals()
    from devhook.cli.up_options import options_of

    options = options_of(run, flags)
    if not flags["yes"] and not run.attended:
        raise UsageError(
            "without a terminal nobody can be asked whether to change the account",
            hint="add --yes",
        )
    ready_file = _ready_file(flags["ready_file"]) if flags["ready_file"] else None
    return run.main(_up(run, options, signals, yes=flags["yes"], ready_file=ready_file))


async def _up(
    run: Run,
    options: "Options",
    signals: "Signals",
    *,
    yes: bool,
    ready_file: "Path | None",
) -> int:
    import asyncio

    from devhook.cli.screen import Screen
    from devhook.session.stop import Stop

    stop = Stop()
    stop.cancels(asyncio.current_task())
    with Screen(run) as screen:
        try:
            with signals.end(stop, screen):
                return await _session(
                    run, options, stop, signals, screen, yes=yes, ready_file=ready_file
                )
        except asyncio.CancelledError:
            if stop.why is None:
                raise
            return 130


async def _session(
    run: Run,
    options: "Options",
    stop: "Stop",
    signals: "Signals",
    screen: "Screen",
    *,
    yes: bool,
    ready_file: "Path | None",
) -> int:
    from devhook.session.opening import open_session
    from devhook.system import SystemClock, fault

    async with open_session(run.settings, options, stop, SystemClock()) as session:
        screen.origin(session.origin, abandoned=session.abandoned)
        if not yes:
            await _confirmed(screen, session)
        try:
            with signals.stop(session, screen):
                ready = await session.take_over()
                if stop.why is None:
                    screen.ready(ready, options, run.settings)
                    if ready_file:
                        _write(ready_file, ready)
                session.start(screen.follow(session.journal))
                why = await session.ended()
        except BaseException as exc:
            await _undone(run, screen, session, exc)
            raise
        screen.ending(why)
        session.start(screen.still_restoring(session))
        restored = await session.restore()
        screen.restored(restored, session, run.settings)
        await session.linger()
        fault("up.lingered")
    return screen.exit_code(why, restored)


async def _confirmed(screen: "Screen", session: "Session") -> None:
    """Ask before something is replaced; an empty setting harms nobody."""
    if not session.abandoned and not session.root.uri:
        return
    if not await screen.confirm(session.root.uri, session.public_url):
        raise UsageError("nothing was changed", hint="say y, or start with --yes")


async def _undone(
    run: Run, screen: "Screen", session: "Session", exc: BaseException
) -> None:
    """Whatever went wrong: the account must be as it was."""
    if not session.holds:
        return
    screen.undoing()
    if isinstance(exc, DevhookError):  # else the session's loops may be gone
        session.start(screen.still_restoring(session))
    restored = await session.restore()
    screen.restored(restored, session, run.settings)
    unconfirmed = restored is not None and restored.ending == "unconfirmed"
    if unconfirmed:
        why = exc.message if isinstance(exc, DevhookError) else "the session broke off"
        raise NotRestored(
            f"{why}; whether the account is as before is not known",
            hint="devhook restore",
        ) from exc


def _ready_file(text: str) -> "Path":
    """Where the ready object will go; one of an earlier run is gone from now on."""
    from pathlib import Path

    path = Path(text)
    try:
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            return path
        reason = "its folder does not exist"
    except OSError as exc:
        reason = str(exc.strerror)
    raise UsageError(
        f"the ready file {text} cannot be written: {reason}",
        hint="name a file in a folder that exists",
    )


def _write(path: "Path", ready: "Ready") -> None:
    """Whole or not at all: whoever waits for the file may read it at once."""
    from devhook.cli.base import json_line
    from devhook.cli.screen import ready_object

    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)  # it holds the way in
        fresh.write_text(json_line("ready", ready_object(ready)) + "\n")
        fresh.replace(path)
    except OSError as exc:
        raise StoreError(
            f"the ready file {path} cannot be written: {exc.strerror}",
            hint="name a file in a folder that exists",
        ) from exc
