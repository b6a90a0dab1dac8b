"""Named points at which a process can be made to fail: `DEVHOOK_FAULT=POINT:ACT`.

Without the variable nothing happens. It exists so that every step of a takeover and a
restore can be met by a kill, on purpose and again.
"""

from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Final

from devhook.errors import ConfigError

VARIABLE: Final = "DEVHOOK_FAULT"

_TAKING = (
    *product(("idle",), ("get", "got", "keep")),
    *product(("prepared",), ("kept", "told", "get", "got", "keep")),
    *product(("put_sent",), ("kept", "told", "put", "answered", "get", "got", "keep")),
    *product(("active",), ("kept", "told")),
)
_RESTORING = (
    *product(("prepared", "active"), ("keep",)),
    *product(("put_sent",), ("get", "got", "keep")),
    *product(("restoring",), ("kept", "get", "got", "put", "answered", "keep")),
    *product(("restored",), ("kept",)),
)
_MILESTONES = ("start", "locked", "tunnel", "guarded", "ready", "ending", "lingered")

POINTS: Final = (
    *(f"up.{name}" for name in _MILESTONES),
    *(f"up.{stage}.{verb}" for stage, verb in _TAKING),
    "guardian.ready",
    *(f"guardian.{stage}.{verb}" for stage, verb in _RESTORING),
    *(f"recovery.{stage}.{verb}" for stage, verb in _RESTORING),
)
"""`up` is a run, `recovery` what settles a dead one; then the stage of the record and
what was done, or is to be: get, got; keep, kept, told (the guardian); put, answered."""


class Act(StrEnum):
    """What is done to whom: `other` is the guardian of a run, the run of a guardian."""

    KILL = "kill"
    OTHER = "other"
    BOTH = "both"
    STOP = "stop"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Fault:
    point: str
    act: Act


def read_fault(text: str | None) -> Fault | None:
    """Raises ConfigError for a point or an act that there is not."""
    if not text:
        return None
    point, _, act = text.partition(":")
    if point not in POINTS or act not in list(Act):
        raise ConfigError(
            f"{VARIABLE}={text} names no point or no act",
            hint=f"POINT:ACT, with ACT one of {', '.join(Act)}",
        )
    return Fault(point, Act(act))
