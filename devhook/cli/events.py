"""`devhook events`: what was recorded, filtered, and followed as it comes."""

import sys
import time
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from devhook.cli.base import Run, command, pass_run
from devhook.cli.filters import filter_options, open_reader, to_filter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devhook.core.match import Filter
    from devhook.store.entries import Cursor
    from devhook.store.reader import Reader

_LOOKS_EVERY = 0.1
_NEWEST = 50


@command("events")
@filter_options
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(0),
    help=f"List so many, the newest; 0 for all.  [default: {_NEWEST}, or --last]",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with those that come.")
@pass_run
def events(run: Run, /, **flags: Any) -> None:
    """List recorded events, the newest last

    Repeating a flag is OR, different flags are AND, repeated --where is AND. At the end
    of a line stands what your application last made of the event.

    \b
      $ devhook events --type 'call_*' --since 10m --status failed
      $ devhook events --where 'data.hangup_reason==busy' --json
      $ devhook events -f
    """
    chosen, limit = to_filter(flags), flags["limit"]
    if flags["last"]:
        limit = min(limit or flags["last"], flags["last"])
    if flags["follow"]:
        with suppress(KeyboardInterrupt):  # the usual end
            _follow(run, chosen, limit)
    else:
        _list_once(run, chosen, limit)


def _list_once(run: Run, chosen: "Filter", limit: int | None) -> None:
    reader = open_reader(run)
    if reader is None:
        _say_empty(run)
        return
    with reader:
        if not _list(run, reader, chosen, limit):
            _say_nothing_matches(run, reader, chosen)


def _list(run: Run, reader: "Reader", chosen: "Filter", limit: int | None) -> int:
    """Print the newest that match, all for 0; how many they are."""
    from devhook.store.query import ids

    most = _NEWEST if limit is None else limit or None
    newest = ids(reader, chosen, newest_first=True)
    found = list(islice(newest, most))
    if limit is None and len(found) == most and next(newest, None) is not None:
        run.say(f"The newest {most}; --limit 0 lists all.")
    for event_id in reversed(found):
        _print(run, reader, event_id)
    return len(found)


def _say_nothing_matches(run: Run, reader: "Reader", chosen: "Filter") -> None:
    from devhook.core.match import matches_glob
    from devhook.store.query import newest_id, types

    if newest_id(reader) is None:
        _say_empty(run)
        return
    recorded = types(reader)
    if chosen.types and not any(matches_glob(t, chosen.types) for t in recorded):
        run.say("No event matches: none of such a type is recorded.")
        some = ", ".join(recorded[:8]) + (", …" if len(recorded) > 8 else "")
        run.say(f"hint: there are {some or 'only events without a type'}")
    else:
        run.say("No event matches.")
        run.say("hint: devhook events without filters lists the newest")


def _say_empty(run: Run) -> None:
    run.say(f"Nothing is recorded yet for profile {run.settings.profile}.")
    run.say("hint: devhook up 3000 records; devhook demo shows it without an account")


def _follow(run: Run, chosen: "Filter", limit: int | None) -> None:
    """Never returns; Ctrl-C ends it."""
    from devhook.store.entries import newest

    # Looked at first: an interpreter that is interrupted while it makes the classes of
    # an import ends with SIGINT, whoever catches that (seen with CPython 3.11).
    reader = open_reader(run)
    run.say("Following; Ctrl-C ends this.")
    while reader is None:
        time.sleep(_LOOKS_EVERY)
        reader = open_reader(run)
    with reader:
        with reader.snapshot():  # what is listed now is no news afterwards
            seen = newest(reader)
            _list(run, reader, chosen, limit)
        version = None
        while True:
            found = reader.rows("pragma data_version")[0][0]
            if found == version:
                time.sleep(_LOOKS_EVERY)
            else:
                version = found
                seen = _print_news(run, reader, chosen, seen)


def _print_news(
    run: Run, reader: "Reader", chosen: "Filter", seen: "Cursor"
) -> "Cursor":
    """What came since `seen`; how far that is."""
    from devhook.store.entries import newest
    from devhook.store.query import ids

    with reader.snapshot():
        now = newest(reader)
    new = ids(reader, chosen, after=seen.event, upto=now.event)
    if chosen.statuses:
        # An attempt may make an older event match: print it, with what it came to.
        for event_id in sorted({*new, *_tried(reader, chosen, seen, now)}):
            _print(run, reader, event_id)
        return now
    for event_id in new:
        _print(run, reader, event_id, outcome=False)
    if run.verbose or not run.json:
        _print_attempts(run, reader, chosen, seen, now)
    return now


def _tried(
    reader: "Reader", chosen: "Filter", seen: "Cursor", now: "Cursor"
) -> "Iterator[int]":
    from devhook.store.query import attempts, matches

    for attempt in attempts(reader, after=seen.attempt, upto=now.attempt):
        if matches(reader, chosen, attempt.event_id):
            yield attempt.event_id


def _print_attempts(
    run: Run, reader: "Reader", chosen: "Filter", seen: "Cursor", now: "Cursor"
) -> None:
    from devhook.cli import lines
    from devhook.cli.color import colored
    from devhook.store.query import attempts, matches

    for attempt in attempts(reader, after=seen.attempt, upto=now.attempt):
        if not matches(reader, chosen, attempt.event_id):
            continue
        if run.json:
            run.emit("attempt", **lines.attempt_object(attempt))
        elif (text := lines.attempt_line(attempt)) is not None:
            run.out(colored(attempt, text))


def _print(run: Run, reader: "Reader", event_id: int, *, outcome: bool = True) -> None:
    from devhook.cli import lines
    from devhook.cli.color import colored
    from devhook.store.query import latest, status_of
    from devhook.system import SystemClock

    event = reader.event(event_id)
    if event is None:  # deleted meanwhile
        return
    if run.json:
        status = status_of(reader, event_id)
        run.emit("event", **lines.event_object(event), status=status)
        return
    found = latest(reader, event_id) if outcome else None
    said = lines.outcome_text(found.delivery, found.attempt) if found else ""
    width = run.columns(sys.stdout)
    if width is not None and said:
        width -= len(said) + 3
    line = lines.event_line(event, SystemClock().now(), width=width)
    text = colored(event, line)
    if found:
        text += f"   {colored(found.delivery, said)}"
    run.out(text)
