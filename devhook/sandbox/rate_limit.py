"""What the customer's users may ask for together: so many a second, and a burst."""

import math

from devhook.core.clock import Clock


class RateLimit:
    """A bucket that holds twice the rate, as the platform's does (17 a second, 33)."""

    def __init__(self, per_second: float, *, clock: Clock) -> None:
        self._rate = per_second
        self._most = max(1.0, 2 * per_second)
        self._left = self._most
        self._clock = clock
        self._at = clock.monotonic()

    def retry_after(self) -> int | None:
        """Take one request: None when it may pass, else the whole seconds to wait."""
        now = self._clock.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return math.ceil((1 - self._left) / self._rate)
        self._left -= 1
        return None
