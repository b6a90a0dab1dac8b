"""What the body of an event says of itself: its type, and what it belongs to.

On the path of every request, so it parses once and asks little. The envelope is an
object of exactly `type` and `data`: bare resources have a `type` of their own, and a
flow's `webhook_send` posts anything at all. Whatever a body holds, reading it raises
nothing: what it does not say is None.
"""

import json
from collections.abc import Iterable

from devhook.core.event_types import resource_of
from devhook.core.model import Json, Reading

NIL = "00000000-0000-0000-0000-000000000000"
"""How the platform writes an id that is not set."""

_LONGEST_NAME = 200
_CALL_FIELDS = ("call_id", "master_call_id", "answer_call_id")


def read(body: bytes) -> Reading:
    envelope = parsed_object(body)
    if envelope is None or envelope.keys() != {"type", "data"}:
        return Reading()
    event_type = _name(envelope["type"])
    data = envelope["data"]
    if event_type is None or not isinstance(data, dict):
        return Reading()
    resource = resource_of(event_type)
    return Reading(
        event_type=event_type,
        resource=resource,
        resource_id=_id(data.get("id")),
        activeflow_id=_activeflow_id(resource, data),
        call_id=_call_id(resource, data),
    )


def parsed_object(body: bytes) -> dict[str, Json] | None:
    """The JSON object that the body is; None when it is not one."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _activeflow_id(resource: str, data: dict[str, Json]) -> str | None:
    own = "id" if resource == "activeflow" else "activeflow_id"
    return _id(data.get(own))


def _call_id(resource: str, data: dict[str, Json]) -> str | None:
    if resource == "call":
        return _id(data.get("id"))
    if data.get("reference_type") == "call":
        return _id(data.get("reference_id"))
    return _first(_id(data.get(name)) for name in _CALL_FIELDS)


def _first(ids: Iterable[str | None]) -> str | None:
    return next((i for i in ids if i is not None), None)


def _id(value: Json) -> str | None:
    name = _name(value)
    return None if name == NIL else name


def _name(value: Json) -> str | None:
    """A word fit for a row and an index: short printable ASCII."""
    if (
        isinstance(value, str)
        and 0 < len(value) <= _LONGEST_NAME
        and value.isascii()
        and value.isprintable()
    ):
        return value
    return None
