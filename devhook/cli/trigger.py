"""`devhook trigger`: realistic events, one or a whole story, without a call."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from devhook.cli.base import Run, command, pass_run
from devhook.cli.edits import edit_options, parse_sets
from devhook.errors import ReplayMismatch, Unreachable, UsageError

if TYPE_CHECKING:
    from devhook.core.fixture import Fixture
    from devhook.core.model import Account
    from devhook.store.live import Live
    from devhook.trigger import Destination, Sent


@command("trigger")
@click.argument("event_type", metavar="[TYPE]", required=False)
@click.option("--scenario", metavar="NAME", help="Send the events of a whole story.")
@click.option("--list", "listing", is_flag=True, help="List types and scenarios.")
@edit_options
@click.option(
    "--from",
    "template",
    metavar="ID",
    type=click.IntRange(1),
    help="Take a recorded event as the template.",
)
@click.option("--to", metavar="TARGET", help="Send to this target and nowhere else.")
@click.option(
    "--speed",
    metavar="N",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Play a scenario so many times as fast.",
)
@pass_run
def trigger(run: Run, /, listing: bool, **flags: Any) -> int:
    """Send a realistic, signed event of TYPE, or a scenario

    Ids and times are fresh, the signature is the account's own. It goes to --to; else
    to the sandbox, if the profile's API is one; else to the running session, and then
    never on to the original endpoint.

    \b
      $ devhook trigger call_hangup --set data.hangup_reason=busy
      $ devhook trigger --scenario inbound-call --speed 10
      $ devhook trigger --list
    """
    if listing:
        return _list(run)
    fixture = _fixture(run, flags)
    where = run.main(_where(run, flags["to"]))
    fixture = _made(fixture, where, flags)
    return run.main(_send(run, fixture, where.to, flags["speed"]))


def _list(run: Run) -> int:
    from devhook import shipped
    from devhook.core.event_types import EVENT_TYPES

    for name in shipped.event_types():
        description = EVENT_TYPES[name].description
        run.emit("event_type", name=name, description=description)
        if not run.json:
            run.out(f"{name:<34} {description}")
    for name in shipped.scenarios():
        events = shipped.scenario(name).events
        seconds = events[-1].offset_ms / 1000
        run.emit("scenario", name=name, events=len(events), seconds=seconds)
        if not run.json:
            run.out(f"--scenario {name:<23} {len(events)} events in {seconds:.0f} s")
    return 0


def _fixture(run: Run, flags: dict[str, Any]) -> "Fixture":
    from devhook import shipped

    names = ("event_type", "scenario", "template")
    event_type, scenario, template = (flags[name] for name in names)
    if [event_type, scenario, template].count(None) != 2:
        raise UsageError(
            "trigger takes one of TYPE, --scenario NAME and --from ID",
            hint="devhook trigger --list shows what there is",
        )
    if template is not None:
        return _recorded(run, template)
    if scenario is not None:
        return shipped.scenario(scenario)
    return shipped.event(event_type)


def _recorded(run: Run, event_id: int) -> "Fixture":
    from devhook.cli.filters import need_reader, unknown
    from devhook.trigger import template

    with need_reader(run, f"event {event_id}") as reader:
        event = reader.event(event_id)
        if event is None:
            raise unknown(reader, event_id)
    return template(event)


@dataclass(frozen=True)
class _Where:
    """`secret` is the account's, "" if it has none, None if it is not known."""

    to: "Destination"
    customer_id: str | None
    secret: str | None


async def _where(run: Run, to: str | None) -> _Where:
    from devhook.core.account_api import mask_url
    from devhook.core.target import parse_target
    from devhook.trigger import Destination, to_sandbox, to_session

    url = None if to is None else parse_target(to)
    account, sandbox = await _account(run, is_needed=url is None)
    customer_id = None if account is None else account.id
    secret = None if account is None else account.webhook_secret or ""
    if url is not None:
        named = Destination(name=mask_url(url), url=url)
        return _Where(named, customer_id, secret)
    if sandbox is not None:
        return _Where(to_sandbox(sandbox), customer_id, secret)
    live = _session(run)
    name = f"session {live.session}"
    session = to_session(live.capture_url, live.control_key, name)
    if account is None:
        run.warn("no credential: the signature is not the account's")
    return _Where(session, customer_id or live.account_id, secret)


async def _account(run: Run, *, is_needed: bool) -> "tuple[Account | None, str | None]":
    """The account and the control URL of the sandbox that has it, where one does."""
    from devhook.provider.client import AccountClient

    settings = run.settings
    credential = settings.credential
    if credential is None:
        return None, None
    async with AccountClient(settings.api_url, credential, settings.network) as client:
        try:
            return await client.get(), client.sandbox
        except Unreachable as exc:
            if is_needed:
                raise
            run.warn(f"{exc.message}: the signature is not the account's")
            return None, None


def _session(run: Run) -> "Live":
    from devhook.store.live import running
    from devhook.system import is_alive

    settings = run.settings
    sessions = running(settings.paths.state, is_alive)
    ours = [session for session in sessions if session.profile == settings.profile]
    if not ours:
        settings.account_credential()  # raises first if that is what is missing
        raise UsageError(
            "there is nowhere to send it: no session of profile"
            f" {settings.profile} is running",
            hint="devhook up 3000 first, or name a target: --to 3000",
        )
    return ours[-1]


def _made(fixture: "Fixture", where: _Where, flags: dict[str, Any]) -> "Fixture":
    """As if it happened now, to this account."""
    from devhook.core.fixture import moved
    from devhook.system import SystemClock, random_id
    from devhook.trigger import changed, signed

    own = fixture.meta.secret or ""
    secret = own if where.secret is None else where.secret
    present = moved(
        fixture,
        start=SystemClock().now(),
        fresh_id=random_id,
        customer_id=where.customer_id,
    )
    edited = changed(
        present,
        sets=parse_sets(flags["sets"], "--set"),
        unsets=flags["unsets"],
        adds=parse_sets(flags["adds"], "--add"),
    )
    return signed(edited, secret)


async def _send(run: Run, fixture: "Fixture", to: "Destination", speed: float) -> int:
    from contextlib import aclosing

    from devhook.send import Sender
    from devhook.system import SystemClock
    from devhook.trigger import send
    from devhook.wire import Wire

    clock = SystemClock()
    failed = []
    async with Wire(run.settings.network) as wire:
        sending = send(fixture, to, Sender(wire, clock), clock, speed=speed)
        async with aclosing(sending) as each:
            async for sent in each:
                _show(run, sent, to)
                if not sent.ok:
                    failed.append(sent)
    if not failed:
        return 0
    answer = failed[0].error or f"{to.name} answered {failed[0].status}"
    raise ReplayMismatch(
        f"{len(failed)} of {len(fixture.events)} events failed: {answer}",
        hint=_hint(failed[0], to),
    )


def _hint(failed: "Sent", to: "Destination") -> str:
    if to.sandbox and failed.status is None:
        return "devhook up 3000, which points the account at this machine"
    if to.sandbox:
        return "devhook events --status failed"
    return "look whether it runs, and what it logs"


def _show(run: Run, sent: "Sent", to: "Destination") -> None:
    from devhook.cli import lines
    from devhook.core.http import printable
    from devhook.core.meaning import meaning

    reading = sent.reading
    run.emit(
        "triggered",
        event_type=sent.event_type,
        resource_id=reading.resource_id,
        to=to.name,
        status=sent.status,
        error=sent.error,
        duration_ms=round(sent.seconds * 1000, 3),
    )
    name = printable(reading.event_type or "event")
    said = meaning(reading.event_type, sent.body)
    answer = sent.error or f"answered {sent.status}"
    took = lines.millis(sent.seconds)
    at = lines.clock_time(sent.at)
    text = f"{at} ==> {name:<{lines.WIDE}}  {said}   {to.name}: {answer}  {took}"
    run.show(text if sent.ok else click.style(text, fg="red"))
