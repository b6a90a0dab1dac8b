"""The events the sandbox can emit: bodies handed in as values, changed on request."""

import copy
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from devhook.core.model import Json
from devhook.errors import FixtureError, UsageError
from devhook.sandbox.go_json import encode

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One event of a scenario: so many milliseconds after its start, these bytes."""

    offset_ms: float
    body: bytes = field(repr=False)


def found(what: str, name: str, among: Mapping[str, T]) -> T:
    """Raises FixtureError, with names that are near."""
    if name in among:
        return among[name]
    near = difflib.get_close_matches(name, among, n=3)
    hint = f"near it: {', '.join(near)}" if near else f"there are {len(among)}"
    raise FixtureError(f"the sandbox has no {what} {name!r}", hint=hint)


def written(event: Json, changes: Mapping[str, Json], *, customer_id: str) -> bytes:
    """The body of one event, as the account it belongs to would get it.

    A key of `changes` is a path from the top of the body (`data.source.target`), whose
    last step may be new; raises UsageError where the steps before it are not there.
    """
    event = copy.deepcopy(event)
    data = event.get("data") if isinstance(event, dict) else None
    if isinstance(data, dict) and "customer_id" in data:
        data["customer_id"] = customer_id
    for path, value in changes.items():
        _set(event, path, value)
    return encode(event)


def shuffled(items: list[T], seed: int | None) -> list[T]:
    """In an order that depends on the seed alone; as they are when it is None."""
    if seed is None:
        return items
    return Random(seed).sample(items, len(items))  # noqa: S311 - order, not secrecy


def _set(event: Json, path: str, value: Json) -> None:
    *steps, last = path.split(".")
    place = event
    for step in steps:
        match place:
            case dict() if step in place:
                place = place[step]
            case list() if step.isdigit() and int(step) < len(place):
                place = place[int(step)]
            case _:
                raise UsageError(f"the event has no {step!r} on the way to {path!r}")
    match place:
        case dict():
            place[last] = value
        case list() if last.isdigit() and int(last) < len(place):
            place[int(last)] = value
        case _:
            raise UsageError(f"nothing can be set at {path!r}")
