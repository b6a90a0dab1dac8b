"""What was typed to choose events -> does this event match.

Repeating a flag is OR, different flags are AND, repeated `--where` is AND. The clock
and the local zone come in as values.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from fnmatch import fnmatchcase
from typing import TypeGuard

from devhook.core.gojson import decode, encode
from devhook.core.model import Event, Json, Signature
from devhook.core.path import Missing, look, value_of
from devhook.errors import UsageError

_WHERE = re.compile(r"\s*([^=!<>~\s]*)\s*(==|!=|<=|>=|<|>|~)\s*(.*?)\s*", re.DOTALL)
_PATH = re.compile(r"\s*[^=!<>~\s]*\s*")
_OPERATORS = "the operators are == != < <= > >= ~"

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdw])")
_DURATION = re.compile(rf"(?:{_AMOUNT.pattern})+")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:/([smhd]))?")
_RANGE = re.compile(r"([0-9]{1,18})(?:\.\.([0-9]{1,18}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """One `PATH OPERATOR VALUE`; `pattern` is the value of `~`."""

    path: str
    operator: str
    value: Json
    pattern: re.Pattern[str] | None = None

    def matches(self, body: Json) -> bool:
        """A missing path matches nothing, `!=` included; unlike kinds have no order."""
        try:
            found = look(body, self.path)
        except Missing:
            return False
        if self.pattern is not None:
            text = found if isinstance(found, str) else encode(found).decode()
            return self.pattern.search(text) is not None
        if self.operator in ("==", "!="):
            return (_key(found) == _key(self.value)) is (self.operator == "==")
        return _ordered(found, self.operator, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The flags of `events`, `replay` and `fixture save`; an empty one is not asked.

    `resources` are ids or kinds of resources; `search` is text in the body; `statuses`
    are failed, ok or pending, of an event's deliveries.
    """

    types: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    sessions: tuple[int, ...] = ()
    calls: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    signatures: tuple[Signature, ...] = ()
    where: tuple[Where, ...] = ()
    search: tuple[str, ...] = ()

    def matches(self, event: Event, *, status: str | None = None) -> bool:
        """`until` itself is no longer in; the cheap questions are asked first."""
        reading = event.reading
        return (
            (not self.types or matches_glob(reading.event_type or "", self.types))
            and (self.since is None or event.received_at >= self.since)
            and (self.until is None or event.received_at < self.until)
            and (not self.sessions or event.session_id in self.sessions)
            and (not self.calls or reading.call_id in self.calls)
            and (
                not self.resources
                or reading.resource_id in self.resources
                or reading.resource in self.resources
            )
            and (not self.statuses or status in self.statuses)
            and (not self.signatures or event.signature in self.signatures)
            and self.matches_body(event.request.body)
        )

    def matches_body(self, body: bytes) -> bool:
        """What is asked of the body alone."""
        if self.search:
            text = body.decode("utf-8", "replace").casefold()
            if not any(each.casefold() in text for each in self.search):
                return False
        if not self.where:
            return True
        try:
            value = decode(body)
        except ValueError:
            return False
        return all(where.matches(value) for where in self.where)


def matches_glob(name: str, globs: Iterable[str]) -> bool:
    """Whether any glob matches, case and all; a glob may be a list with commas."""
    return any(
        fnmatchcase(name, glob.strip()) for each in globs for glob in each.split(",")
    )


def parse_where(text: str) -> Where:
    """`data.status==hangup`; the value is JSON if it parses, else a string."""
    match = _WHERE.fullmatch(text)
    if match is None:
        named = _PATH.match(text)
        at = named.end() if named else 0
        wrong = f"{text[at]!r} is no operator" if text[at:] else "no operator"
        raise _no_where(text, at, wrong)
    path, operator, typed = match.groups()
    if not path:
        raise _no_where(text, match.start(2), "no path")
    if operator == "==" and typed.startswith("="):
        raise _no_where(text, match.start(3), "one '=' too many")
    value = value_of(typed)
    if operator != "~":
        return Where(path=path, operator=operator, value=value)
    pattern = value if isinstance(value, str) else typed
    try:
        compiled = re.compile(pattern)
    except re.error as exc:
        at = match.start(3) + (exc.pos or 0)
        raise _no_where(text, at, f"no regular expression ({exc.msg})") from exc
    return Where(path=path, operator=operator, value=pattern, pattern=compiled)


def parse_moment(text: str, now: datetime, zone: tzinfo) -> datetime:
    """`10m` is that long before `now`; else RFC 3339, in `zone` if it has no offset."""
    try:
        if _DURATION.fullmatch(text.strip()):
            return now - timedelta(seconds=parse_duration(text))
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise UsageError(
            f"{text!r} is no moment", hint="10m, 2h, 3d or 2026-08-21T09:15:30Z"
        ) from exc


def parse_duration(text: str) -> float:
    """Seconds: `30s`, `2h`, `1.5m`, `250ms`, `1h30m`; a bare number is seconds."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    if not _DURATION.fullmatch(text):
        raise UsageError(f"{text!r} is no duration", hint="30s, 1.5m, 2h, 250ms or 30")
    return sum(float(n) * _SECONDS[unit] for n, unit in _AMOUNT.findall(text))


def parse_rate(text: str) -> float:
    """How many a second: `5/s`, `300/m`; a bare number is a second's."""
    match = _RATE.fullmatch(text.strip())
    rate = float(match[1]) / _SECONDS[match[2] or "s"] if match else 0.0
    if rate <= 0:
        raise UsageError(f"{text!r} is no rate", hint="5/s, 300/m or 5")
    return rate


def parse_range(text: str) -> tuple[int, int]:
    """`412..430`, both included; `412` is itself alone."""
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no event id or range", hint="412 or 412..430")
    first, last = int(match[1]), int(match[2] or match[1])
    if first > last:
        raise UsageError(f"{text!r} is an empty range", hint=f"{last}..{first}")
    return first, last


def _no_where(text: str, at: int, what: str) -> UsageError:
    return UsageError(
        f"--where {text!r} does not parse: {what} at character {at + 1}",
        hint=f"--where 'data.status==hangup'; {_OPERATORS}",
    )


def _key(value: Json) -> object:
    """Equal for equal JSON: 1 is 1.0, but true is not 1."""
    match value:
        case bool():
            return ("bool", value)
        case list():
            return [_key(each) for each in value]
        case dict():
            return {name: _key(each) for name, each in value.items()}
        case _:
            return value


def _ordered(found: Json, operator: str, value: Json) -> bool:
    order = _order(found, value)
    if order is None:
        return False
    match operator:
        case "<":
            return order < 0
        case "<=":
            return order <= 0
        case ">":
            return order > 0
        case _:
            return order >= 0


def _order(a: Json, b: Json) -> int | None:
    """Below 0, 0 or above; None for what has no order."""
    if isinstance(a, str) and isinstance(b, str):
        return (a > b) - (a < b)
    if _is_number(a) and _is_number(b):
        return (a > b) - (a < b)
    return None


def _is_number(value: Json) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
