"""The flags that choose events, the same for every command that takes them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from devhook.errors import UsageError

if TYPE_CHECKING:
    from devhook.cli.base import Run
    from devhook.core.match import Filter
    from devhook.store.reader import Reader

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--type", "types", metavar="GLOB", multiple=True, help="Events of this type."
    ),
    click.option(
        "--since", metavar="WHEN", help="Not before: 10m, 2h, 3d ago, or a time."
    ),
    click.option("--until", metavar="WHEN", help="Before: 10m, 2h, 3d ago, or a time."),
    click.option(
        "--last", metavar="N", type=click.IntRange(1), help="The newest N of them."
    ),
    click.option(
        "--session",
        "sessions",
        metavar="N",
        type=int,
        multiple=True,
        help="Of this session.",
    ),
    click.option(
        "--call", "calls", metavar="ID", multiple=True, help="Of this call, by its id."
    ),
    click.option(
        "--resource",
        "resources",
        metavar="ID",
        multiple=True,
        help="Of this resource, by its id or kind.",
    ),
    click.option(
        "--status",
        "statuses",
        type=click.Choice(["failed", "ok", "pending"]),
        multiple=True,
        help="By what your application made of them.",
    ),
    click.option(
        "--signature",
        "signatures",
        type=click.Choice(["ok", "bad", "absent", "unknown"]),
        multiple=True,
        help="By their signature.",
    ),
    click.option(
        "--where",
        metavar="EXPRESSION",
        multiple=True,
        help="By their body: 'data.status==hangup'; == != < <= > >= ~",
    ),
    click.option(
        "--search", metavar="TEXT", multiple=True, help="By a text in their body."
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
    """Raises UsageError for what does not parse."""
    from datetime import datetime

    from devhook.core.match import Filter, parse_moment, parse_where
    from devhook.core.model import Signature
    from devhook.system import SystemClock

    now = SystemClock().now()
    zone = now.astimezone().tzinfo or now.tzinfo

    def moment(text: str | None) -> datetime | None:
        return None if text is None else parse_moment(text, now, zone)  # type: ignore[arg-type]

    return Filter(
        types=flags["types"],
        since=moment(flags["since"]),
        until=moment(flags["until"]),
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
    from devhook.store.reader import Reader

    path = run.settings.db
    return Reader(path) if path.exists() else None


def need_reader(run: "Run", wish: str) -> "Reader":
    """Raises UsageError: `wish` cannot be there, since nothing is."""
    reader = open_reader(run)
    if reader is None:
        raise UsageError(
            f"{wish} cannot be found: profile {run.settings.profile} has no events yet",
            hint="devhook up 3000 records them",
        )
    return reader


def unknown(reader: "Reader", event_id: int) -> UsageError:
    from devhook.store.query import newest_id

    newest = newest_id(reader)
    hint = (
        "devhook events"
        if newest is None
        else f"the newest is {newest}: devhook events"
    )
    return UsageError(f"there is no event {event_id}", hint=hint)
