"""Time and fresh ids, as seams; the real ones are in `devhook.system`."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The wall clock, aware, UTC: for rows and screens, never for deadlines."""

    def monotonic(self) -> float:
        """Seconds that never go back: for durations and deadlines."""

    async def sleep(self, seconds: float) -> None: ...


class NewId(Protocol):
    def __call__(self) -> str:
        """A fresh UUIDv7 in its usual text form: sorts by time of making."""
