"""`devhook trigger`: realistic events, one or a whole story, without a call."""

from typing import TYPE_CHECKING

import click

from devhook.cli.base import Run, command, pass_run
from devhook.errors import UsageError

if TYPE_CHECKING:
    from devhook.core.fixture import Fixture
    from devhook.core.model import Account
    from devhook.trigger import Destination, Sent


@command("trigger")
@click.argument("event_type", metavar="TYPE", required=False)
@click.option("--scenario", metavar="NAME", help="Send the events of a whole story.")
@click.option("--list", "listing", is_flag=True, help="List types and scenarios.")
@click.option(
    "--set",
    "sets",
    metavar="PATH=VALUE",
    multiple=True,
    help="Change a value: data.status=busy; JSON if it parses, else a text.",
)
@click.option("--unset", "unsets", metavar="PATH", multiple=True, help="Leave one out.")
@click.option(
    "--add",
    "adds",
    metavar="PATH=VALUE",
    multiple=True,
    help="Set a value that is not there.",
)
@click.option(
    "--from",
    "template",
    metavar="ID",
    type=click.IntRange(1),
    help="Take a recorded event as the template.",
)
@click.option("--to", metavar="URL", help="Send to this target and nowhere else.")
@click.option(
    "--speed",
    metavar="N",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Play a scenario so many times as fast.",
)
@pass_run
def trigger(
    run: Run,
    event_type: str | None,
    scenario: str | None,
    listing: bool,
    sets: tuple[str, ...],
    unsets: tuple[str, ...],
    adds: tuple[str, ...],
    template: int | None,
    to: str | None,
    speed: float,
) -> int:
    """Send a realistic, signed event of TYPE, or a scenario

    It goes to --to URL; else to the sandbox, if the profile's API is one; else to the
    running session, and then never on to the original endpoint.

    \b
      $ devhook trigger call_hangup --set data.hangup_reason=busy
      $ devhook trigger --scenario inbound-call --speed 10
      $ devhook trigger --list
    """
    if listing:
        return _list(run)
    fixture = _fixture(run, event_type, scenario, template)
    account, destination = run.main(_destination(run, to))
    fixture = _made_present(fixture, account)
    fixture = _changed(fixture, sets, unsets, adds)
    return run.main(_send(run, fixture, account, destination, speed))


def _list(run: Run) -> int:
    from devhook import shipped
    from devhook.core.event_types import EVENT_TYPES

    for name in shipped.scenarios():
        count = len(shipped.scenario(name).events)
        run.emit("scenario", name=name, events=count)
        if not run.json:
            run.out(f"--scenario {name:<24} {count} events")
    for name in shipped.event_types():
        description = EVENT_TYPES[name].description
        run.emit("event_type", name=name, description=description)
        if not run.json:
            run.out(f"{name:<35} {description}")
    return 0


def _fixture(
    run: Run, event_type: str | None, scenario: str | None, template: int | None
) -> "Fixture":
    from devhook import shipped

    given = [event_type, scenario, template]
    if sum(wish is not None for wish in given) != 1:
        raise UsageError(
            "trigger takes one of TYPE, --scenario NAME and --from ID",
            hint="devhook trigger --list shows what there is",
        )
    if template is not None:
        return _recorded(run, template)
    if scenario is not None:
        return shipped.scenario(scenario)
    return shipped.event(event_type or "")


def _recorded(run: Run, event_id: int) -> "Fixture":
    from devhook.cli.filters import need_reader, unknown
    from devhook.core.fixture import Fixture, FixtureEvent, Meta
    from devhook.core.http import end_to_end

    with need_reader(run, f"event {event_id}") as reader:
        event = reader.event(event_id)
        if event is None:
            raise unknown(reader, event_id)
    request = event.request
    made = FixtureEvent(
        offset_ms=0,
        method=request.method,
        headers=end_to_end(request.headers),
        body=request.body,
    )
    meta = Meta(made_by="devhook trigger", source=f"event {event_id}")
    return Fixture(meta=meta, events=(made,))


def _made_present(fixture: "Fixture", account: "Account | None") -> "Fixture":
    from devhook.core.fixture import moved
    from devhook.system import SystemClock, random_id

    return moved(
        fixture,
        start=SystemClock().now(),
        fresh_id=random_id,
        customer_id=None if account is None else account.id,
    )


def _changed(
    fixture: "Fixture",
    sets: tuple[str, ...],
    unsets: tuple[str, ...],
    adds: tuple[str, ...],
) -> "Fixture":
    from dataclasses import replace

    from devhook.cli.edits import parse_sets
    from devhook.core.fixture import rewritten, with_changes

    if not (sets or unsets or adds):
        return fixture
    given, made = parse_sets(sets, "--set"), parse_sets(adds, "--add")
    events = tuple(
        rewritten(
            event,
            with_changes(event.body, sets=given, unsets=unsets, adds=made),
            secret=fixture.meta.secret,
        )
        for event in fixture.events
    )
    return replace(fixture, events=events)


async def _destination(
    run: Run, to: str | None
) -> "tuple[Account | None, Destination]":
    """Where it goes, and the account that signs it, if it is known."""
    from devhook.core.target import parse_target
    from devhook.provider.client import AccountClient
    from devhook.store.live import running
    from devhook.system import is_alive
    from devhook.trigger import Destination, to_sandbox, to_session

    settings = run.settings
    if to is not None and settings.credential is None:
        return None, Destination(name=to, url=parse_target(to))
    named = None if to is None else Destination(name=to, url=parse_target(to))
    credential = settings.account_credential()
    async with AccountClient(settings.api_url, credential, settings.network) as client:
        account = await client.get()
    if named is not None:
        return account, named
    if client.sandbox is not None:
        return account, to_sandbox(client.sandbox)
    sessions = running(settings.paths.state, is_alive)
    live = [s for s in sessions if s.profile == settings.profile]
    if not live:
        raise UsageError(
            "there is nowhere to send it: no session of this profile is running",
            hint="devhook up 3000 first, or name a target: --to 3000",
        )
    session = live[-1]
    name = f"session {session.session}"
    return account, to_session(session.capture_url, session.control_key, name)


async def _send(
    run: Run,
    fixture: "Fixture",
    account: "Account | None",
    to: "Destination",
    speed: float,
) -> int:
    from devhook.send import Sender
    from devhook.system import SystemClock
    from devhook.trigger import send, signed
    from devhook.wire import Wire

    clock = SystemClock()
    fixture = signed(fixture, None if account is None else account.webhook_secret)
    failed = 0
    async with Wire(run.settings.network) as wire:
        async for sent in send(fixture, to, Sender(wire, clock), clock, speed=speed):
            failed += not sent.ok
            _say(run, sent, to)
    return 5 if failed else 0


def _say(run: Run, sent: "Sent", to: "Destination") -> None:
    from devhook.cli import lines

    run.emit(
        "triggered",
        event_type=sent.event_type,
        to=to.name,
        status=sent.status,
        error=sent.error,
    )
    if not run.json:
        answer = sent.error or f"answered {sent.status}"
        at = lines.clock_time(sent.at)
        run.out(f"{at} ==> {sent.event_type:<24} {to.name}: {answer}")
