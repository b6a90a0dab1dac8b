"""When to try again: (tries so far, last outcome, policy) -> seconds, or never."""

from dataclasses import dataclass

from devhook.core.model import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`tries` in all; the n-th pause is `pause * factor**(n-1)` s, at most `cap`."""

    tries: int
    pause: float
    factor: float = 1.0
    cap: float = 60.0


_GROWS = 64
"""Tries after which a pause no longer grows: a power of thousands has no float."""

# Three tries, one second apart, on a transport error or a status of 500 and above.
PLATFORM = Policy(tries=3, pause=1.0)


def local(retries: int) -> Policy:
    """For the user's own application: `retries` further tries, further and further."""
    return Policy(tries=1 + retries, pause=1.0, factor=2.0)


def pause_before_next(policy: Policy, tries: int, last: Outcome) -> float | None:
    """Seconds until the next try; None when the last one decided it."""
    if last.status is not None and last.error is None and last.status < 500:
        return None
    if tries >= policy.tries:
        return None
    steps = min(tries - 1, _GROWS)
    return min(policy.cap, policy.pause * policy.factor**steps)
