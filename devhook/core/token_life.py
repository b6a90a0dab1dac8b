"""How long a login token still serves: a session must end while it can restore.

Seconds left are of the API's clock, which is the one that judges the token.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final

from devhook.errors import Refused

LEAST: Final = 3600.0
"""Seconds a token must last at the start of a session that nothing bounds."""

TO_RESTORE: Final = 300.0
"""Seconds it must outlast the end of a session by."""

TO_TYPE: Final = 60.0
"""Seconds until somebody has typed what a hint proposed."""

WARN_BEFORE: Final = 1800.0
END_BEFORE: Final = 120.0
SKEW: Final = 60.0
"""Seconds between two clocks that are nothing to speak of."""

_UNITS: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


class Phase(Enum):
    LASTS = auto()
    NEAR_ITS_END = auto()
    TIME_TO_END = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login token: when it ends, where it was found, which profile renews it.

    When it was first used the API's clock said `api_time`, ours `our_time`, and our
    ticks were `heard`.
    """

    ends: datetime
    api_time: datetime
    our_time: datetime
    heard: float
    source: str
    profile: str

    @property
    def has_ended(self) -> bool:
        return self.left(self.heard) <= 0

    def left(self, ticks: float) -> float:
        """Seconds until it ends; below zero once it has."""
        since = ticks - self.heard
        return (self.ends - self.api_time).total_seconds() - since


def phase(left: float) -> Phase:
    if left <= END_BEFORE:
        return Phase.TIME_TO_END
    return Phase.NEAR_ITS_END if left <= WARN_BEFORE else Phase.LASTS


def needed(lifetime: float | None) -> float:
    """Seconds a token must last for a session of that length; None: of any."""
    return LEAST if lifetime is None else lifetime + TO_RESTORE


def fitting(left: float) -> float | None:
    """The longest session, in whole minutes, that it outlasts; None if there is none.

    In seconds, with time to type it.
    """
    minutes = (left - TO_RESTORE - TO_TYPE) // 60
    return minutes * 60 if minutes >= 1 else None


def refusal(login: Login, lifetime: float | None) -> Refused | None:
    """Why no session of that many seconds may begin with it; None when one may."""
    left, needs = login.left(login.heard), needed(lifetime)
    token, at = f"the login token ({login.source})", _utc(login.ends)
    if login.has_ended:
        said, hint = f"{token} ended {_span(-left)} ago, at {at}", _renewal(login)
    elif left < needs:
        fits = fitting(left)
        shorter = f", or end before it does: --for {_span(fits)}" if fits else ""
        said = f"{token} ends in {_span(left)}, at {at}; this session needs it for"
        said, hint = f"{said} {_span(needs)}", f"{_renewal(login)}{shorter}"
    else:
        return None
    wrong = skew(login)
    return Refused(f"{said}; {wrong}" if wrong else said, hint=hint)


def notice(login: Login, left: float) -> tuple[str, str]:
    """What to say when its end is near, and what to do about it."""
    return (
        f"the login token ({login.source}) ends in {_span(left)};"
        f" the session ends {_span(END_BEFORE)} before it does, and restores",
        f"{_renewal(login)}, then start again",
    )


def skew(login: Login) -> str | None:
    """How our clock differs from the API's; None when it does not."""
    ahead = (login.our_time - login.api_time).total_seconds()
    if abs(ahead) <= SKEW:
        return None
    way = "ahead of" if ahead > 0 else "behind"
    return f"this machine's clock is {_span(abs(ahead))} {way} the API's"


def _renewal(login: Login) -> str:
    return f"log in again: devhook profile add {login.profile}"


def _span(seconds: float) -> str:
    """As `--for` takes it, `1h30m`; from an hour on to the minute."""
    rest = int(seconds) if seconds < 3600 else int(seconds) // 60 * 60
    text = ""
    for unit, length in _UNITS:
        count, rest = divmod(rest, length)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
