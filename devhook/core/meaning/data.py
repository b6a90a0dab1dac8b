"""The `data` of an event, asked without trust: what is not as expected is unset."""

from dataclasses import dataclass
from datetime import UTC, datetime

from devhook.core.meaning.words import commas, cut, masked, quoted, short
from devhook.core.model import Json

_LONGEST_NUMBER = 1e15


@dataclass(frozen=True, slots=True)
class Data:
    """`value` is the object; every answer is an empty text, or None, when unset."""

    value: dict[str, Json]

    def text(self, name: str) -> str:
        """A text as it is, a number as text."""
        value = self.value.get(name)
        if isinstance(value, str):
            return value
        number = self.number(name)
        return "" if number is None else str(number).removesuffix(".0")

    def short(self, name: str) -> str:
        """A text fit to stand unquoted in a line."""
        return cut(masked(self.text(name)), 40)

    def quoted(self, name: str) -> str:
        return quoted(self.text(name))

    def number(self, name: str) -> float | None:
        value = self.value.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return value if abs(value) < _LONGEST_NUMBER else None

    def millis(self, name: str) -> float | None:
        """A number of milliseconds, in seconds."""
        number = self.number(name)
        return None if number is None else number / 1000

    def inner(self, name: str) -> "Data":
        value = self.value.get(name)
        return Data(value if isinstance(value, dict) else {})

    def items(self, name: str) -> "list[Data]":
        value = self.value.get(name)
        if not isinstance(value, list):
            return []
        return [Data(each) for each in value if isinstance(each, dict)]

    def count(self, name: str) -> int:
        value = self.value.get(name)
        return len(value) if isinstance(value, list) else 0

    def id(self, name: str) -> str:
        """The beginning of an id, empty for the nil one."""
        value = self.value.get(name)
        return short(value) if isinstance(value, str) else ""

    def to(self, noun: str, name: str) -> str:
        """`agent e6a0dfef`, if there is one."""
        uuid = self.id(name)
        return f"{noun} {uuid}" if uuid else ""

    def reference(self) -> str:
        """`call 6c44f3f4`: what this belongs to."""
        kind = self.short("reference_type")
        return self.to(kind, "reference_id") or kind

    def owner(self) -> str:
        return self.to(self.short("owner_type") or "owner", "owner_id")

    def party(self) -> str:
        """Of an address: the number, or what says most to a person."""
        kind, target = self.short("type"), self.short("target")
        if kind in ("tel", "sip", "email") or not kind:
            return target
        name = self.short("target_name") or self.short("name") or short(target)
        return f"{kind} {name}" if name else kind

    def route(self, start: str = "source", end: str = "destination") -> str:
        return _arrow(self.inner(start).party(), self.inner(end).party())

    def route_to_many(self, parties: "list[Data]", most: int = 3) -> str:
        named = [party.party() for party in parties[:most]]
        more = f"{len(parties) - most} more" if len(parties) > most else ""
        return _arrow(self.inner("source").party(), commas(*named, more))

    def at(self, name: str) -> datetime | None:
        """A moment that was; the year-1 and year-9999 ones of the platform are none."""
        value = self.value.get(name)
        if not isinstance(value, str):
            return None
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            return None
        if not 1971 <= at.year < 9999:
            return None
        return at if at.tzinfo else at.replace(tzinfo=UTC)

    def seconds(self, start: str, end: str) -> float | None:
        """Between two moments of this event."""
        first, last = self.at(start), self.at(end)
        return (last - first).total_seconds() if first and last else None


def _arrow(start: str, end: str) -> str:
    return f"{start or '?'} -> {end or '?'}" if start or end else ""
