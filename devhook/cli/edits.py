"""The flags that change an event's body, the same for every command that takes them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from devhook.errors import UsageError

if TYPE_CHECKING:
    from devhook.core.model import Json

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--set",
        "sets",
        metavar="PATH=VALUE",
        multiple=True,
        help="Change a value: data.status=busy; JSON if it parses, else a text.",
    ),
    click.option(
        "--unset", "unsets", metavar="PATH", multiple=True, help="Leave a value out."
    ),
    click.option(
        "--add",
        "adds",
        metavar="PATH=VALUE",
        multiple=True,
        help="Set a value that is not there.",
    ),
)


def edit_options(function: F) -> F:
    """All of them; they arrive as `sets`, `unsets` and `adds`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def parse_sets(texts: Sequence[str], flag: str) -> "dict[str, Json]":
    """Path -> value; the value is JSON if it parses, else the text itself."""
    from devhook.core.path import value_of

    found: dict[str, Json] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path:
            raise UsageError(
                f"{flag} {text!r} is no PATH=VALUE", hint=f"{flag} data.status=busy"
            )
        found[path] = value_of(value)
    return found
