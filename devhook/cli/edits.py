"""`path=value` as typed for `--set` and `--add`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from devhook.errors import UsageError

if TYPE_CHECKING:
    from devhook.core.model import Json


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
