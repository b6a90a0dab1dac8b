"""Filter expressions, moments and durations as typed -> does this event match.

`data.status==hangup`: a dotted path, an operator, a value. The value is JSON if it
parses, else a string; a path that is missing makes the expression false, whatever the
operator. `~` searches a regular expression in the text of what stands at the path.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from fnmatch import fnmatchcase
from typing import Final

from devhook.core.model import Json
from devhook.core.path import Missing, look, value_of
from devhook.errors import UsageError

_WHERE = re.compile(
    r"\s*([^=!<>~\s][^=!<>~]*?)\s*(==|!=|<=|>=|<|>|~)\s*(.*)", re.DOTALL
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|m|h)")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


@dataclass(frozen=True, slots=True)
class Where:
    """One expression; `pattern` is there when the operator is `~`."""

    path: str
    operator: str
    value: Json
    pattern: re.Pattern[str] | None = None

    def matches(self, body: Json) -> bool:
        try:
            found = look(body, self.path)
        except Missing:
            return False
        match self.operator:
            case "==":
                return _equal(found, self.value)
            case "!=":
                return not _equal(found, self.value)
            case "~":
                return self.pattern is not None and bool(
                    self.pattern.search(found if isinstance(found, str) else str(found))
                )
            case operator:
                return _ordered(found, operator, self.value)


def parse_where(text: str) -> Where:
    """Raises UsageError that names what does not parse, and where."""
    match = _WHERE.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{text!r} is no filter: {_fault(text)}",
            hint="--where 'data.status==hangup'; operators are == != < <= > >= ~",
        )
    path, operator, value = match[1], match[2], match[3].rstrip()
    if operator != "~":
        return Where(path, operator, value_of(value))
    try:
        return Where(path, operator, value, re.compile(value))
    except re.error as exc:
        raise UsageError(
            f"{value!r} is no regular expression: {exc}",
            hint="escape what is meant as it stands: --where 'data.text~\\+1202'",
        ) from exc


def matches_glob(name: str, globs: Iterable[str]) -> bool:
    """Whether a type matches one of the globs, each perhaps a list with commas."""
    return any(
        fnmatchcase(name, glob.strip()) for text in globs for glob in text.split(",")
    )


def matches_all(body: Json, expressions: Sequence[Where]) -> bool:
    return all(where.matches(body) for where in expressions)


def parse_duration(text: str) -> float:
    """Seconds in `250ms`, `30s`, `1.5m`, `2h`, `3d` or a bare number of seconds."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{text!r} is no duration", hint="write it as 250ms, 30s, 5m, 2h or 3d"
        )
    return float(match[1]) * _UNITS[match[2] or "s"]


def parse_moment(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """`10m` ago, or an RFC 3339 time; one without an offset is in `zone` (None: local).

    Returns UTC.
    """
    if (match := _DURATION.fullmatch(text.strip())) and match[2]:
        return now - timedelta(seconds=parse_duration(text))
    try:
        at = datetime.fromisoformat(text.strip())
        if at.tzinfo is None and zone is not None:
            at = at.replace(tzinfo=zone)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is no time",
            hint="write it as 10m, 2h, 3d or 2026-11-24T16:30:00Z",
        ) from None


def parse_rate(text: str) -> float:
    """Events a second in `5/s`, `30/m` or `100/h`."""
    match = _RATE.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise UsageError(f"{text!r} is no rate", hint="write it as 5/s, 30/m or 100/h")
    return float(match[1]) / _UNITS[match[2]]


def parse_range(text: str) -> tuple[int, int]:
    """The first and the last id of `A..B`, both included."""
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no range of ids", hint="write it as 10..20")
    first, last = int(match[1]), int(match[2])
    if first > last:
        raise UsageError(
            f"the range {text} is empty", hint=f"write it as {last}..{first}"
        )
    return first, last


def _equal(one: Json, two: Json) -> bool:
    """True is not 1 here, unlike in Python."""
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    return one == two


def _ordered(found: Json, operator: str, value: Json) -> bool:
    """Numbers against numbers, texts against texts; anything else does not match."""
    if _is_number(found) and _is_number(value):
        pair = (float(found), float(value))  # type: ignore[arg-type]
        return _compare(pair[0] - pair[1], operator)
    if isinstance(found, str) and isinstance(value, str):
        return _compare((found > value) - (found < value), operator)
    return False


def _compare(difference: float, operator: str) -> bool:
    match operator:
        case "<":
            return difference < 0
        case "<=":
            return difference <= 0
        case ">":
            return difference > 0
        case _:
            return difference >= 0


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _fault(text: str) -> str:
    """What is wrong with it, and at which character."""
    stripped = text.lstrip()
    if not stripped:
        return "it is empty"
    if stripped[0] in "=!<>~":
        return "there is no path before the operator"
    operator = re.search(r"[=!<>~]+", text)
    if operator is None:
        return f"no operator up to character {len(text)}"
    return f"{operator[0]!r} at character {operator.start() + 1} is no operator"
