"""An event -> the one line that says what it means to a person.

Numbers, direction, reason, duration, text: without type and id, which stand before it
on the screen. The line is safe for a terminal whatever was received, and no body makes
it fail. It never shows a field that may hold a secret.
"""

from collections.abc import Callable
from itertools import islice

from devhook.core.event_types import resource_of
from devhook.core.gojson import decode
from devhook.core.http import printable
from devhook.core.meaning import calls, messages, settings
from devhook.core.meaning.data import Data
from devhook.core.meaning.words import commas, count, cut
from devhook.core.model import Json

_LONGEST = 240

_MEANINGS: dict[str, Callable[[str, Data], list[str]]] = {
    **calls.MEANINGS,
    **messages.MEANINGS,
    **settings.MEANINGS,
}

# What is said of a resource that nobody has described; none of these holds a secret.
_COMMON = ("status", "type", "direction", "language", "number", "detail")


def meaning(event_type: str | None, body: bytes) -> str:
    """`event_type` may be known otherwise, for a bare resource off the WebSocket."""
    line = printable(_line(event_type, body))
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _line(event_type: str | None, body: bytes) -> str:
    if not body:
        return "empty body"
    try:
        value = decode(body)
    except ValueError:
        return f"not JSON: {count(len(body), 'byte')} of {_kind(body)}"
    if not isinstance(value, dict):
        return f"not an event envelope: {_shape(value)}"
    data = _data(event_type, value)
    if data is None:
        return f"not an event envelope: JSON object with {_keys(value)}"
    name = event_type or str(value["type"])
    return "  ".join(fact for fact in _facts(name, data) if fact)


def _data(event_type: str | None, value: dict[str, Json]) -> dict[str, Json] | None:
    inner = value.get("data")
    if isinstance(inner, dict):
        if value.keys() == {"type", "data"} and isinstance(value["type"], str):
            return inner
        if event_type and "event_type" in value:
            return inner
    return value if event_type else None


def _facts(event_type: str, value: dict[str, Json]) -> list[str]:
    resource = resource_of(event_type)
    say = _MEANINGS.get(resource)
    data = Data(value)
    facts = say(_verb(event_type), data) if say else _described(data)
    return facts if any(facts) else [f"data with {_keys(value)}"]


def _verb(event_type: str) -> str:
    """What happened: `hangup` of call_hangup, `status_run` of campaign_status_run."""
    resource = resource_of(event_type)
    if event_type.startswith(f"{resource}_"):
        return event_type[len(resource) + 1 :]
    return event_type.partition("_")[2]


def _described(data: Data) -> list[str]:
    reference = data.reference()
    facts = commas(*(data.short(field) for field in _COMMON))
    return [data.quoted("name"), data.route(), reference, facts]


def _keys(value: dict[str, Json]) -> str:
    if not value:
        return "no keys"
    names = [cut(name, 30) for name in islice(value, 5)]
    more = f"{len(value) - 5} more" if len(value) > 5 else ""
    return f"keys {commas(*names, more)}"


def _shape(value: Json) -> str:
    match value:
        case list():
            return f"JSON list of {len(value)}"
        case str():
            return "JSON string"
        case bool() | None:
            return f"JSON {str(value).lower().replace('none', 'null')}"
        case _:
            return "JSON number"


def _kind(body: bytes) -> str:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "binary data"
    return "text"
