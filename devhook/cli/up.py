"""`devhook up`: the tunnel, the takeover, and what the screen says of them."""

from typing import TYPE_CHECKING, Any

import click

from devhook.cli.base import Run, command, pass_run
from devhook.errors import DevhookError, NotRestored, UsageError

if TYPE_CHECKING:
    from devhook.cli.screen import Screen
    from devhook.session import Options, Session, Stop
    from devhook.tunnel import Choice


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
    if not flags["yes"] and not run.attended:
        raise UsageError(
            "without a terminal nobody can be asked whether to change the account",
            hint="add --yes",
        )
    options = _options(run, flags)
    return run.main(_up(run, options, yes=flags["yes"], ready_file=flags["ready_file"]))


async def _up(
    run: Run, options: "Options", *, yes: bool, ready_file: str | None
) -> int:
    import asyncio

    from devhook.cli.screen import Screen, ends_by_signal
    from devhook.session import Stop

    stop = Stop()
    stop.cancels(asyncio.current_task())
    screen = Screen(run)
    try:
        with ends_by_signal(stop, screen):
            return await _session(run, options, stop, screen, yes, ready_file)
    except asyncio.CancelledError:
        if stop.why is None:
            raise
        return 130


async def _session(
    run: Run,
    options: "Options",
    stop: "Stop",
    screen: "Screen",
    yes: bool,
    ready_file: str | None,
) -> int:
    from devhook.session import open_session
    from devhook.system import SystemClock

    async with open_session(run.settings, options, stop, SystemClock()) as session:
        if not yes:
            await _confirmed(screen, session)
        session.start(screen.follow(session.journal))
        try:
            ready = await session.take_over()
        except DevhookError as exc:
            await _undone(screen, session, exc)
            raise
        screen.ready(ready, options, run.settings)
        if ready_file:
            screen.write_ready_file(ready_file, ready)
        why = await session.ended()
        screen.ending(why)
        restored = await session.restore()
        screen.restored(restored, run.settings)
        await session.linger()
    return screen.exit_code(why, restored)


async def _confirmed(screen: "Screen", session: "Session") -> None:
    """Ask before something is replaced; an empty setting harms nobody."""
    if session.abandoned:
        screen.abandoned()
    elif not session.root.uri:
        return
    if not await screen.confirm(session.root.uri, session.public_url):
        raise UsageError("nothing was changed", hint="say y, or start with --yes")


async def _undone(screen: "Screen", session: "Session", exc: DevhookError) -> None:
    """A takeover that failed half-way must still leave the account as it was."""
    screen.undoing()
    restored = await session.restore()
    if restored is not None and restored.ending == "unconfirmed":
        raise NotRestored(
            f"{exc.message}; whether the account is as before is not known",
            hint="devhook restore",
        ) from exc


def _options(run: Run, flags: dict[str, Any]) -> "Options":
    """Flags, then what the project and the profile say, as one value."""
    from devhook.core.match import parse_duration
    from devhook.core.target import Routes, parse_route, parse_target
    from devhook.session import Options

    settings = run.settings
    target = flags["target"] or settings.target
    lifetime = flags["lifetime"]
    return Options(
        routes=Routes(
            target=parse_target(target) if target else None,
            routes=tuple(parse_route(r) for r in flags["routes"] or settings.routes),
            only=tuple(flags["events"] or settings.events),
        ),
        tunnel=_choice(run, flags),
        overrides=tuple(_header(text) for text in flags["headers"]),
        keep_host=flags["keep_host"],
        ack_app=flags["ack"] == "app",
        mirror=flags["mirror"],
        require_signature=flags["require_signature"],
        concurrency=flags["concurrency"],
        timeout=parse_duration(flags["timeout"]),
        retries=flags["retries"],
        lifetime=parse_duration(lifetime) if lifetime else None,
        supersede=flags["supersede"],
        listen=_listen(flags["listen"]),
        attended=run.attended,
    )


def _choice(run: Run, flags: dict[str, Any]) -> "Choice":
    from pathlib import Path

    from devhook.tunnel import Choice

    token_file = flags["relay_token_file"]
    token = run.settings.relay_token
    if token_file:
        try:
            token = Path(token_file).read_text().strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise UsageError(
                f"the relay token file {token_file} cannot be read",
                hint="one line with the token the relay's owner gave you",
            ) from exc
    return Choice(
        kind=flags["tunnel"] or run.settings.tunnel or "auto",
        relay=flags["relay"] or run.settings.relay,
        relay_token=token,
        public_url=flags["public_url"],
    )


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or "\n" in text or "\r" in text:
        raise UsageError(f"{text!r} is no header", hint="-H 'X-Env: laptop'")
    return name.strip(), value.strip().encode().decode("latin-1")


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{text!r} is no HOST:PORT", hint="--listen 127.0.0.1:8765")
    return host.strip("[]") or "127.0.0.1", int(port)
