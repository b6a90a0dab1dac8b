"""`devhook events`: what was recorded, filtered, and followed as it comes."""

import time
from typing import TYPE_CHECKING, Any

import click

from devhook.cli.base import Run, command, pass_run
from devhook.cli.filters import filter_options, open_reader, to_filter

if TYPE_CHECKING:
    from devhook.core.match import Filter
    from devhook.store.query import Found
    from devhook.store.reader import Reader

_LOOKS_EVERY = 0.2


@command("events")
@filter_options
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="At most so many, the newest.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with those that come.")
@pass_run
def events(run: Run, /, **flags: Any) -> int:
    """List recorded events, the newest last

    Repeating a flag is OR, different flags are AND, repeated --where is AND.

    \b
      $ devhook events --type 'call_*' --since 10m --status failed
      $ devhook events --where 'data.hangup_reason==busy' --json
      $ devhook events -f
    """
    chosen = to_filter(flags)
    limit = flags["last"] or flags["limit"]
    reader = open_reader(run)
    if reader is None:
        if not flags["follow"]:
            run.say(f"Profile {run.settings.profile} has no events yet.")
            run.say("hint: devhook up 3000 records them, devhook trigger makes one")
            return 0
        reader = _appearing(run)
    with reader:
        last = _list(run, reader, chosen, limit)
        if flags["follow"]:
            _follow(run, reader, chosen, last)
        elif last is None:
            run.say("No event matches.")
            run.say("hint: devhook events without filters shows the newest 50")
    return 0


def _list(run: Run, reader: "Reader", chosen: "Filter", limit: int) -> int | None:
    """The newest that match; the id of the newest of all, None when none matches."""
    from devhook.store.query import find

    found = [*find(reader, chosen, newest_first=True, limit=limit)]
    for one in reversed(found):
        _print(run, one)
    return found[0].event.id if found else None


def _follow(run: Run, reader: "Reader", chosen: "Filter", last: int | None) -> None:
    """Until Ctrl-C, which is the usual end."""
    from devhook.store.query import find, newest_id

    after = last or newest_id(reader) or 0
    seen = None
    try:
        while True:
            version = reader.rows("pragma data_version")[0][0]
            if version != seen:
                seen = version
                for one in find(reader, chosen, after=after):
                    _print(run, one)
                    after = one.event.id
            time.sleep(_LOOKS_EVERY)
    except KeyboardInterrupt:
        return


def _appearing(run: Run) -> "Reader":
    run.say("Waiting for the first event; Ctrl-C ends this.")
    while (reader := open_reader(run)) is None:
        time.sleep(_LOOKS_EVERY)
    return reader


def _print(run: Run, found: "Found") -> None:
    from devhook.cli import lines

    if run.json:
        run.emit("event", **lines.event_object(found.event))
        return
    mark = {"failed": "   FAILED", "pending": "   pending"}.get(found.status or "", "")
    run.out(lines.event_line(found.event) + mark)
