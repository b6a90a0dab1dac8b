"""The fixtures that come with devhook: one event of every type, and scenarios.

In a checkout they lie at its top, in the wheel inside the package.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from devhook.core.event_types import EVENT_TYPES
from devhook.core.fixture import Fixture, parse
from devhook.errors import FixtureError

_PACKAGE = Path(__file__).parent


def event_types() -> list[str]:
    """The types there is an event of, sorted."""
    return _names("events")


def event(event_type: str) -> Fixture:
    """A fixture of one event; FixtureError for a type there is none of."""
    known = EVENT_TYPES.get(event_type)
    if known is not None and not known.delivered:
        raise FixtureError(
            f"the platform never sends {event_type!r} to customers",
            hint=f"{known.description}; devhook trigger --list shows what it sends",
        )
    return _load("events", event_type, "event type")


def scenarios() -> list[str]:
    return _names("scenarios")


def scenario(name: str) -> Fixture:
    """Events of one story, in their order and timing; FixtureError if unknown."""
    return _load("scenarios", name, "scenario")


def _load(folder: str, name: str, what: str) -> Fixture:
    names = _names(folder)
    if name not in names:
        raise FixtureError(f"there is no {what} {name!r}", hint=_near(name, names))
    path = _folder(folder) / f"{name}.json"
    return parse(path.read_text(encoding="utf-8"), name=str(path))


def _near(name: str, names: Sequence[str]) -> str:
    near = get_close_matches(name, names, 3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "devhook trigger --list shows all"


def _names(folder: str) -> list[str]:
    return sorted(path.stem for path in _folder(folder).glob("*.json"))


def _folder(name: str) -> Path:
    in_wheel = _PACKAGE / "fixtures"
    root = in_wheel if in_wheel.is_dir() else _PACKAGE.parent / "fixtures"
    return root / name
