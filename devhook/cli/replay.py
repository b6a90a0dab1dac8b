"""`devhook replay`: recorded events sent again, as they came or with changes."""

from typing import TYPE_CHECKING, Any

import click

from devhook.cli.base import Run, command, pass_run
from devhook.cli.edits import edit_options, parse_sets
from devhook.cli.filters import NAMES, filter_options, need_reader, to_filter, unknown
from devhook.errors import ReplayMismatch, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devhook.core.model import Attempt, Event
    from devhook.replay import Edits, Pace, Planned, Replay
    from devhook.store.reader import Reader


@command("replay")
@click.argument("wishes", metavar="[ID | A..B]...", nargs=-1)
@filter_options
@click.option("--to", metavar="TARGET", help="Send there, not where each went before.")
@edit_options
@click.option("--resign", is_flag=True, help="Sign the body that is sent.")
@click.option(
    "--secret",
    metavar="@FILE",
    help="Sign with this secret, - or @FILE; without it with the account's.",
)
@click.option("--dry-run", is_flag=True, help="Show what would go where; send nothing.")
@click.option(
    "--timeout",
    metavar="DURATION",
    default="30s",
    show_default=True,
    help="How long the application may take to answer.",
)
@click.option("--rate", metavar="N/s", help="Send no more in a time: 5/s, 300/m.")
@click.option(
    "--concurrency",
    metavar="N",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Send so many at once; 1 keeps them in order.",
)
@pass_run
def replay(run: Run, /, wishes: tuple[str, ...], **flags: Any) -> int:
    """Send recorded events again

    Each goes where it was last forwarded to, else to the profile's target, byte for
    byte. An edited body keeps its old signature unless --resign. It ends with 5 if the
    application failed on an event.

    \b
      $ devhook replay 412
      $ devhook replay 412..430 --to 4000/webhooks --rate 5/s
      $ devhook replay --type call_hangup --last 10 --set data.status=busy --resign
    """
    from devhook.replay import plan

    if not wishes and not any(flags[name] for name in NAMES):
        raise UsageError(
            "nothing was chosen to replay",
            hint="devhook replay 412, 412..430, or --last 10",
        )
    edits, pace = _edits(flags), _pace(flags)
    with need_reader(run, "event to replay") as reader:
        planned = plan(
            reader,
            _chosen(reader, wishes, flags),
            to=flags["to"],
            fallback=run.settings.target,
            edits=edits,
        )
        if flags["dry_run"]:
            return _show_plan(run, reader, planned, edits)
    if not planned:
        run.say("No event matches.")
        run.emit("summary", sent=0, ok=0, failed=0)
        return 0
    secret = _secret(run, flags["secret"]) if edits.resign else None
    return run.main(_replay(run, planned, edits, secret, pace))


def _edits(flags: dict[str, Any]) -> "Edits":
    from devhook.replay import Edits

    if flags["secret"] and not flags["resign"]:
        raise UsageError("--secret signs nothing by itself", hint="add --resign")
    return Edits(
        sets=parse_sets(flags["sets"], "--set"),
        unsets=flags["unsets"],
        adds=parse_sets(flags["adds"], "--add"),
        resign=flags["resign"],
    )


def _pace(flags: dict[str, Any]) -> "Pace":
    from devhook.core.match import parse_duration, parse_rate
    from devhook.replay import Pace

    return Pace(
        concurrency=flags["concurrency"],
        rate=parse_rate(flags["rate"]) if flags["rate"] else None,
        timeout=parse_duration(flags["timeout"]),
    )


def _chosen(
    reader: "Reader", wishes: tuple[str, ...], flags: dict[str, Any]
) -> "Iterator[int]":
    """As they were named; by id where there are filters, which all of them must pass.

    Raises UsageError for an id, or a range, of which there is no event.
    """
    from itertools import islice

    from devhook.core.match import Filter, parse_range
    from devhook.store.query import ids

    ranges = [parse_range(wish) for wish in wishes]
    for span in ranges:
        if next(ids(reader, Filter(), ranges=[span]), None) is None:
            raise unknown(reader, span[0])
    if not any(flags[name] for name in NAMES):
        for span in ranges:
            yield from ids(reader, Filter(), ranges=[span])
        return
    found = ids(
        reader, to_filter(flags), ranges=ranges, newest_first=flags["last"] is not None
    )
    yield from sorted(islice(found, flags["last"]))


def _show_plan(
    run: Run, reader: "Reader", planned: "list[Planned]", edits: "Edits"
) -> int:
    from devhook.core.account_api import mask_url
    from devhook.core.http import printable

    for event_id, address in planned:
        event = reader.event(event_id)
        if event is None:
            continue
        target = mask_url(address.target)
        run.emit(
            "planned",
            event=event_id,
            event_type=event.reading.event_type,
            method=event.request.method,
            target=target,
            edits=edits.as_json(),
        )
        shown = _named(edits.applied(event, None))
        run.show(f"would send {shown}  ->  {printable(target)}")
    run.say(f"{len(planned)} to be sent; nothing was, with --dry-run.")
    return 0


def _secret(run: Run, given: str | None) -> str:
    """What to sign with; the account's own is fetched, and kept in memory alone."""
    from devhook.config.values import is_typed_out, secret
    from devhook.provider.client import AccountClient

    if given is not None:
        if is_typed_out(given):
            run.warn("--secret shows it in the process list; give it as @FILE or -")
        return secret(given, "--secret")
    settings = run.settings
    credential = settings.account_credential()

    async def fetched() -> str | None:
        client = AccountClient(settings.api_url, credential, settings.network)
        async with client:
            return (await client.get()).webhook_secret

    found = run.main(fetched())
    if not found:
        raise UsageError(
            "the account has no secret to sign with", hint="--resign --secret @FILE"
        )
    return found


async def _replay(
    run: Run,
    planned: "list[Planned]",
    edits: "Edits",
    secret: str | None,
    pace: "Pace",
) -> int:
    from devhook.replay import open_replay
    from devhook.system import SystemClock

    opening = open_replay(
        run.settings,
        planned,
        edits=edits,
        secret=secret,
        pace=pace,
        clock=SystemClock(),
    )
    tally = _Tally(run, len(planned))
    closed: BrokenPipeError | None = None
    try:
        async with opening as running:
            try:
                await tally.follow(running)
            except BrokenPipeError as exc:  # as it is, and not in a group
                closed = exc
    finally:
        if closed is None:
            tally.summarise()
    if closed is not None:
        raise closed
    return tally.result()


class _Tally:
    """What came of each, told as it comes."""

    def __init__(self, run: Run, planned: int) -> None:
        self._run = run
        self._planned = planned
        self._sent = 0
        self._failed: list[int] = []

    async def follow(self, running: "Replay") -> None:
        """Until the last of what is planned was tried."""
        from contextlib import aclosing

        from devhook.core.model import Attempt

        async with aclosing(running.journal.follow()) as entries:
            async for entry in entries:
                if isinstance(entry, Attempt):
                    self._count(running.journal.store.event(entry.event_id), entry)
                if self._sent == self._planned:
                    return

    def summarise(self) -> None:
        failed = len(self._failed)
        ok = self._sent - failed
        self._run.emit("summary", sent=self._sent, ok=ok, failed=failed)
        of = "" if self._sent == self._planned else f" of {self._planned}"
        self._run.say(f"{self._sent}{of} sent, {ok} ok, {failed} failed.")

    def result(self) -> int:
        if not self._failed:
            return 0
        raise ReplayMismatch(
            f"the application failed on {len(self._failed)} of {self._sent} events",
            hint=f"devhook show {self._failed[0]}",
        )

    def _count(self, event: "Event | None", attempt: "Attempt") -> None:
        from devhook.cli import lines
        from devhook.cli.color import colored
        from devhook.core.model import Verdict

        self._sent += 1
        if attempt.verdict not in (Verdict.OK, Verdict.SLOW):
            self._failed.append(attempt.event_id)
        self._run.emit("attempt", **lines.attempt_object(attempt))
        if event is not None:
            at = lines.clock_time(attempt.outcome.started_at)
            self._run.show(f"{at} --> {_named(event)}")
        if (text := lines.attempt_line(attempt)) is not None:
            self._run.show(colored(attempt, text))


def _named(event: "Event") -> str:
    """Id, type and meaning, as they stand on the screen of `up`."""
    from devhook.cli.lines import WIDE
    from devhook.core.http import printable
    from devhook.core.meaning import meaning

    event_type = event.reading.event_type
    name = printable(event_type or event.request.method)
    return f"#{event.id} {name:<{WIDE}} {meaning(event_type, event.request.body)}"
