"""`devhook replay`: recorded events once more, changed or not."""

from typing import TYPE_CHECKING, Any

import click

from devhook.cli.base import Run, command, pass_run
from devhook.cli.filters import filter_options, need_reader, to_filter, unknown
from devhook.errors import UsageError

if TYPE_CHECKING:
    from devhook.replay import Edits, Wish
    from devhook.store.reader import Reader


@command("replay")
@click.argument("ids", metavar="[ID | A..B]...", nargs=-1)
@filter_options
@click.option("--to", metavar="URL", help="Send to this target.")
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
@click.option("--resign", is_flag=True, help="Sign anew what is sent.")
@click.option(
    "--secret",
    metavar="@FILE",
    help="Sign with this secret, not the account's; - or @FILE reads it.",
)
@click.option(
    "--rate", metavar="N/s", help="At most so many events a second, such as 5/s."
)
@click.option(
    "--concurrency",
    metavar="N",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="So many at once; 1 keeps the order of all.",
)
@click.option(
    "--timeout",
    metavar="DURATION",
    default="30s",
    show_default=True,
    help="How long the application may take to answer.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be sent; send nothing.")
@pass_run
def replay(run: Run, /, **flags: Any) -> int:
    """Send recorded events again

    Events are named by ids, ranges and filters. Without --to each goes where it went
    when it came. Exits with 5 when the application fails on one.

    \b
      $ devhook replay 412
      $ devhook replay 400..420 --to 4000 --rate 5/s
      $ devhook replay --status failed --since 1h
      $ devhook replay 412 --set data.status=busy --resign
    """
    from devhook.core.match import parse_duration, parse_rate

    timeout = parse_duration(flags["timeout"])
    rate = parse_rate(flags["rate"]) if flags["rate"] else None
    edits = _edits(flags)
    with need_reader(run, "an event to replay") as reader:
        wishes = _wishes(run, reader, flags)
        for wish in wishes:
            event = reader.event(wish.event_id)
            if event is not None:
                edits.applied(event)  # what cannot be changed is said before a send
        if flags["dry_run"]:
            return _dry(run, reader, wishes, edits)
    if not wishes:
        run.emit("summary", sent=0, ok=0, failed=0)
        run.say("No event matches; nothing was sent.")
        return 0
    edits = _with_secret(run, edits, flags)
    return run.main(_replay(run, wishes, edits, rate, timeout, flags["concurrency"]))


def _wishes(run: Run, reader: "Reader", flags: dict[str, Any]) -> "list[Wish]":
    """The chosen events with their targets, in order."""
    from devhook.core.match import Filter, parse_range
    from devhook.core.target import parse_target
    from devhook.replay import Wish
    from devhook.store.query import find

    ranges = [parse_range(text) for text in flags["ids"]]
    chosen, last = to_filter(flags), flags["last"]
    if not ranges and last is None and chosen == Filter():
        raise UsageError(
            "nothing says which events to replay",
            hint="devhook replay 412, or --last 1, or --status failed --since 10m",
        )
    for first, end in ranges:
        if first == end and reader.event(first) is None:
            raise unknown(reader, first)
    found = find(
        reader, chosen, ranges=ranges, newest_first=last is not None, limit=last
    )
    ids = sorted(one.event.id for one in found)
    to = parse_target(flags["to"]) if flags["to"] else None
    settings = run.settings
    usual = parse_target(settings.target) if settings.target else None
    wishes = []
    for event_id in ids:
        target = to or reader.latest_live_target(event_id) or usual
        if target is None:
            raise UsageError(
                f"event {event_id} was never forwarded, and no target is set",
                hint="name one: --to 3000",
            )
        wishes.append(Wish(event_id=event_id, target=target))
    return wishes


def _edits(flags: dict[str, Any]) -> "Edits":
    from devhook.cli.edits import parse_sets
    from devhook.replay import Edits

    return Edits(
        sets=parse_sets(flags["sets"], "--set"),
        unsets=flags["unsets"],
        adds=parse_sets(flags["adds"], "--add"),
    )


def _with_secret(run: Run, edits: "Edits", flags: dict[str, Any]) -> "Edits":
    """The secret that --resign signs with: the one given, else the account's."""
    from dataclasses import replace

    if flags["secret"] and not flags["resign"]:
        raise UsageError("--secret belongs to --resign", hint="add --resign")
    if not flags["resign"]:
        return edits
    if flags["secret"]:
        from devhook.config.values import secret

        return replace(edits, secret=secret(flags["secret"], "--secret"))
    return replace(edits, secret=run.main(_account_secret(run)))


async def _account_secret(run: Run) -> str:
    from devhook.provider.client import AccountClient

    settings = run.settings
    credential = settings.account_credential()
    async with AccountClient(settings.api_url, credential, settings.network) as client:
        account = await client.get()
    if not account.webhook_secret:
        raise UsageError(
            "the account has no signing secret", hint="--resign --secret @FILE"
        )
    return account.webhook_secret


def _dry(run: Run, reader: "Reader", wishes: "list[Wish]", edits: "Edits") -> int:
    from devhook.cli import lines
    from devhook.core.account_api import mask_url

    for wish in wishes:
        event = reader.event(wish.event_id)
        if event is None:
            continue
        target = mask_url(wish.target)
        run.emit("replay", event=event.id, target=target, edits=edits.row())
        if not run.json:
            run.out(
                f"{lines.event_line(edits.applied(event))}\n    would go to {target}"
            )
    run.say(f"{len(wishes)} events; nothing was sent.")
    return 0


async def _replay(
    run: Run,
    wishes: "list[Wish]",
    edits: "Edits",
    rate: float | None,
    seconds: float,
    concurrency: int,
) -> int:
    from contextlib import aclosing

    from devhook.cli import lines
    from devhook.core.model import Verdict
    from devhook.replay import forwarding, open_replay, replay
    from devhook.send import Sender
    from devhook.store.journal import Journal
    from devhook.store.store import Store
    from devhook.system import SystemClock, new_id
    from devhook.wire import Wire

    clock, settings, ok = SystemClock(), run.settings, 0
    targets = {wish.target for wish in wishes}
    target = targets.pop() if len(targets) == 1 else None
    how = forwarding(new_id(), edits, timeout=seconds, concurrency=concurrency)
    with Store(settings.db) as store:
        async with (
            Journal(store, clock) as journal,
            Wire(settings.network) as wire,
            open_replay(journal, profile=settings.profile, target=target, clock=clock),
        ):
            sender = Sender(wire, clock)
            attempts = replay(journal, sender, clock, wishes, edits, rate=rate, how=how)
            async with aclosing(attempts):
                async for attempt in attempts:
                    ok += attempt.verdict in (Verdict.OK, Verdict.SLOW)
                    run.emit("attempt", **lines.attempt_object(attempt))
                    if not run.json and (text := lines.attempt_line(attempt)):
                        run.out(text)
    failed = len(wishes) - ok
    run.emit("summary", sent=len(wishes), ok=ok, failed=failed)
    run.say(f"{len(wishes)} sent, {ok} ok, {failed} failed")
    return 5 if failed else 0
