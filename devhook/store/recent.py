"""Which events came twice: equal method and body in one session, within 10 s.

Kept in memory alone, so that recording an event needs no index of bodies on disk.
"""

from datetime import datetime, timedelta
from typing import TypeAlias

from devhook.core.model import Capture

SAME_WITHIN = timedelta(seconds=10)

_Key: TypeAlias = tuple[int, str, str]


class Recent:
    """What was captured of late, by session, method and body, oldest first."""

    def __init__(self) -> None:
        self._seen: dict[_Key, list[tuple[int, datetime]]] = {}

    def first(self, session_id: int, capture: Capture) -> int | None:
        """The id of the first equal event within 10 s."""
        seen = self._seen.get(_key(session_id, capture), [])
        while seen and _apart(seen[0][1], capture.received_at):
            seen.pop(0)
        return seen[0][0] if seen else None

    def add(self, session_id: int, capture: Capture, event_id: int) -> None:
        key, at = _key(session_id, capture), capture.received_at
        seen = self._seen.pop(key, [])
        seen.append((event_id, at))
        self._seen[key] = seen
        self._forget(at)

    def clear(self) -> None:
        self._seen.clear()

    def _forget(self, at: datetime) -> None:
        """The key that was last added to stands last."""
        while _apart(next(iter(self._seen.values()))[-1][1], at):
            del self._seen[next(iter(self._seen))]


def _key(session_id: int, capture: Capture) -> _Key:
    return session_id, capture.request.method, capture.body_sha256


def _apart(one: datetime, two: datetime) -> bool:
    """In either direction: a clock may be set back."""
    return abs(two - one) > SAME_WITHIN
