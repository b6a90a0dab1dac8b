"""The flags that choose events, the same for every command that takes them."""

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, TypeVar

import click

from devhook.cli.base import override
from devhook.errors import UsageError

if TYPE_CHECKING:
    from devhook.cli.base import Run
    from devhook.core.match import Filter
    from devhook.store.reader import Reader

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--type",
        "types",
        metavar="GLOB",
        multiple=True,
        help="Events of such a type: call_hangup, 'call_*'.",
    ),
    click.option(
        "--since",
        metavar="WHEN",
        help="Not before: 10m, 2h, 3d ago, or 2026-08-21T09:15.",
    ),
    click.option(
        "--until", metavar="WHEN", help="Before: 10m ago, or 2026-08-21T09:15."
    ),
    click.option(
        "--last",
        metavar="N",
        type=click.IntRange(1),
        help="Only the newest N of those that match.",
    ),
    click.option(
        "--session",
        "sessions",
        metavar="N",
        type=int,
        multiple=True,
        help="Events of that session, by its number.",
    ),
    click.option(
        "--call",
        "calls",
        metavar="ID",
        multiple=True,
        help="Events of that call, whatever their type.",
    ),
    click.option(
        "--resource",
        "resources",
        metavar="ID",
        multiple=True,
        help="Events of that resource, by its id or kind.",
    ),
    click.option(
        "--status",
        "statuses",
        type=click.Choice(["failed", "ok", "pending"]),
        multiple=True,
        help="What your application last made of them.",
    ),
    click.option(
        "--signature",
        "signatures",
        type=click.Choice(["ok", "bad", "absent", "unknown"]),
        multiple=True,
        help="How the check of their signature came out.",
    ),
    click.option(
        "--where",
        metavar="EXPR",
        multiple=True,
        help="A test of the body: 'data.status==hangup', also != < <= > >= ~ (regex).",
    ),
    click.option(
        "--search",
        metavar="TEXT",
        multiple=True,
        help="A text anywhere in the body, whatever its case.",
    ),
)
NAMES = (
    "types",
    "since",
    "until",
    "last",
    "sessions",
    "calls",
    "resources",
    "statuses",
    "signatures",
    "where",
    "search",
)


def filter_options(function: F) -> F:
    """All of them; they arrive as keyword arguments by NAMES."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def taken(flags: dict[str, Any]) -> dict[str, Any]:
    """Remove the filter flags from a command's arguments, and give them."""
    return {name: flags.pop(name) for name in NAMES}


def to_filter(flags: dict[str, Any]) -> "Filter":
    """All but `last`. Raises UsageError for what does not parse."""
    from devhook.core.match import Filter, parse_where
    from devhook.core.model import Signature

    since, until = _moments(flags["since"], flags["until"])
    return Filter(
        types=flags["types"],
        since=since,
        until=until,
        sessions=flags["sessions"],
        calls=flags["calls"],
        resources=flags["resources"],
        statuses=flags["statuses"],
        signatures=tuple(Signature(name) for name in flags["signatures"]),
        where=tuple(parse_where(text) for text in flags["where"]),
        search=flags["search"],
    )


def open_reader(run: "Run") -> "Reader | None":
    """The profile's database; None when nothing was ever recorded."""
    from devhook.store.query import open_reader

    return open_reader(run.settings.db)


def need_reader(run: "Run", wish: str) -> "Reader":
    """Raises UsageError: `wish` cannot be there, since nothing is."""
    reader = open_reader(run)
    if reader is None:
        raise UsageError(
            f"there is no {wish}: nothing is recorded yet for profile"
            f" {run.settings.profile}",
            hint="devhook up 3000 records; devhook demo shows it without an account",
        )
    return reader


def unknown(reader: "Reader", event_id: int) -> UsageError:
    """The error for an id that is not there; it names the newest that is."""
    from devhook.store.query import newest_id

    newest = newest_id(reader)
    return UsageError(
        f"there is no event {event_id}",
        hint="nothing is recorded yet: devhook up 3000"
        if newest is None
        else f"the newest is {newest}; devhook events lists them",
    )


class _LocalZone(tzinfo):
    """The zone of this machine, with the offset it had at the time in question."""

    @override
    def utcoffset(self, at: datetime | None) -> timedelta | None:
        return None if at is None else _here(at).utcoffset()

    @override
    def dst(self, at: datetime | None) -> timedelta | None:
        return None

    @override
    def tzname(self, at: datetime | None) -> str | None:
        return None if at is None else _here(at).tzname()


def _here(at: datetime) -> datetime:
    return at.replace(tzinfo=None).astimezone()


def _moments(
    since: str | None, until: str | None
) -> tuple[datetime | None, datetime | None]:
    from devhook.core.match import parse_moment
    from devhook.system import SystemClock

    now, zone = SystemClock().now(), _LocalZone()
    start = None if since is None else parse_moment(since, now, zone)
    end = None if until is None else parse_moment(until, now, zone)
    if start is not None and end is not None and start >= end:
        raise UsageError(
            f"--since {since} is not before --until {until}",
            hint="--since 2h --until 1h: from two hours ago to one hour ago",
        )
    return start, end
