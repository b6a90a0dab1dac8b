"""What is to go wrong: a script of faults, each for the next requests that match it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import UnionType
from typing import Any, get_args, get_type_hints

from devhook.core.model import Json
from devhook.errors import UsageError
from devhook.sandbox.customer import FIELDS, Customer


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing to go wrong. Durations are seconds.

    Which requests: those of `method` and `path` (None: any), after `skip` of them have
    passed, `times` of them (None: until a reset).
    """

    method: str | None = None
    path: str | None = None
    times: int | None = 1
    skip: int = 0

    # The answer
    delay: float = 0.0  # before anything is done
    drop: bool = False  # hang up instead of answering
    hang: bool = False  # never answer
    drip: float | None = None  # one byte of the body each so many seconds
    status: int | None = None  # this instead of the true answer ...
    body: str | None = None  # ... with this (None: the platform's own envelope)
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: int | None = None  # a 429 of the rate limit

    # What a PUT does (None: it is carried out unless there is a `status`)
    applies: bool | None = None
    apply_after: float = 0.0  # answered as if it had been, carried out later
    stored: Mapping[str, str] = field(default_factory=dict)  # these fields instead
    strip_fragment: bool = False  # webhook_uri is stored up to its `#`
    cache_after: float | None = None  # when the sender hears of it

    # What a GET shows
    stale: bool = False  # the account as it was when this fault was scripted
    lag: float = 0.0  # the account as it was so long ago

    def carries_out(self) -> bool:
        if self.applies is not None:
            return self.applies
        return self.status is None and self.retry_after is None

    def kept(self, given: Mapping[str, str]) -> dict[str, str]:
        """What is stored of the fields a PUT gave."""
        kept = {**given, **self.stored}
        if self.strip_fragment:
            kept["webhook_uri"] = kept["webhook_uri"].partition("#")[0]
        return kept


NONE = Fault()


@dataclass(slots=True)
class _Scripted:
    fault: Fault
    then: Customer
    seen: int = 0

    def spent(self) -> bool:
        times = self.fault.times
        return times is not None and self.seen >= self.fault.skip + times


class Faults:
    """Takes effect in the order of scripting; one fault for one request."""

    def __init__(self) -> None:
        self._script: list[_Scripted] = []

    def add(self, fault: Fault, account: Customer) -> None:
        self._script.append(_Scripted(fault, account))

    def clear(self) -> None:
        self._script.clear()

    def pending(self) -> list[Fault]:
        return [scripted.fault for scripted in self._script]

    def take(self, method: str, path: str) -> tuple[Fault, Customer | None]:
        """The fault for this request, and the account as it was when scripted."""
        for scripted in self._script:
            fault = scripted.fault
            if fault.method not in (None, method) or fault.path not in (None, path):
                continue
            scripted.seen += 1
            if scripted.seen <= fault.skip:
                continue
            if scripted.spent():
                self._script.remove(scripted)
            return fault, scripted.then
        return NONE, None


def fault_from(given: Mapping[str, Json]) -> Fault:
    """A fault from its JSON form; raises UsageError on a name or value it has not."""
    known = get_type_hints(Fault)
    for name, value in given.items():
        if name not in known:
            names = ", ".join(f.name for f in fields(Fault))
            raise UsageError(f"a fault has no {name!r}", hint=f"it has {names}")
        if not _fits(value, known[name]):
            raise UsageError(f"{name!r} of a fault cannot be {value!r}")
    if unknown := set(_mapping(given.get("stored"))) - set(FIELDS):
        raise UsageError(f"'stored' has no {', '.join(sorted(unknown))}")
    arguments: dict[str, Any] = {**given}
    return Fault(**arguments)


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _fits(value: Json, annotation: Any) -> bool:
    """Whether a JSON value is of the annotated type."""
    if isinstance(value, dict):
        texts = all(isinstance(text, str) for text in value.values())
        return texts and annotation == Mapping[str, str]
    union = isinstance(annotation, UnionType)
    allowed = get_args(annotation) if union else (annotation,)
    return type(value) in allowed or (type(value) is int and float in allowed)
