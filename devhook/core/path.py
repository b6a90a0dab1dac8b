r"""Dotted paths into JSON: `data.targets.0.status`. A dot inside a name is `\.`."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice

from devhook.core.gojson import decode
from devhook.core.model import Json

_DOT = re.compile(r"(?<!\\)\.")
_MOST_NAMES = 2000


class Missing(LookupError):
    """There is nothing at the path."""


def split(path: str) -> list[str]:
    return [part.replace("\\.", ".") for part in _DOT.split(path)]


def look(value: Json, path: str) -> Json:
    """What stands at the path; raises Missing."""
    for part in split(path):
        value = step(value, part)
    return value


def step(value: Json, part: str) -> Json:
    """One step down, by name or by index; raises Missing."""
    match value:
        case dict() if part in value:
            return value[part]
        case list() if (index := index_of(part)) is not None and index < len(value):
            return value[index]
        case _:
            raise Missing(part)


def index_of(part: str) -> int | None:
    return int(part) if part.isascii() and part.isdecimal() else None


def near(value: Json, path: str) -> list[str]:
    """Up to three paths into the value that may have been meant."""
    names = list(islice(_paths(value), _MOST_NAMES))
    last = split(path)[-1]
    same_end = [name for name in names if split(name)[-1] == last]
    similar = get_close_matches(path, names, 3)
    return list(dict.fromkeys([*same_end, *similar]))[:3]


def value_of(text: str) -> Json:
    """The value typed on a command line: JSON if it parses, else the text itself."""
    try:
        return decode(text)
    except ValueError:
        return text


def _paths(value: Json, above: str = "") -> Iterator[str]:
    match value:
        case dict():
            inner = [(key.replace(".", "\\."), each) for key, each in value.items()]
        case list():
            inner = [(str(index), each) for index, each in enumerate(value)]
        case _:
            return
    for key, each in inner:
        yield above + key
        yield from _paths(each, f"{above}{key}.")
