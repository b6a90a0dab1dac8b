"""Time and fresh ids, as seams; the real ones are in `devhook.system`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Moment:
    """One look at two clocks: the wall's, and one that nobody sets.

    `ticks` are seconds that go on while the machine sleeps; `boot` names the boot
    within which they can be compared.
    """

    wall: datetime
    ticks: float
    boot: str


def elapsed(since: Moment, now: Moment) -> float | None:
    """Seconds between them; None when a reboot and a wall clock set back hide it."""
    if since.boot == now.boot and now.ticks >= since.ticks:
        return now.ticks - since.ticks
    passed = (now.wall - since.wall).total_seconds()
    return passed if passed >= 0 else None


class Clock(Protocol):
    def now(self) -> datetime:
        """The wall clock, aware, UTC: for rows and screens, never for deadlines."""

    def monotonic(self) -> float:
        """Seconds that never go back: for durations and deadlines."""

    def moment(self) -> Moment:
        """Both clocks at once: for what must be judged by another process, later."""

    async def sleep(self, seconds: float) -> None: ...


class NewId(Protocol):
    def __call__(self) -> str:
        """A fresh UUIDv7 in its usual text form: sorts by time of making."""
