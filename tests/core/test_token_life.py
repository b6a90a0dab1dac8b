"""How long a login token serves, by tables: seconds left in, decision out."""

from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from devhook.core.match import parse_duration
from devhook.core.token_life import (
    Login,
    Phase,
    fitting,
    needed,
    notice,
    phase,
    refusal,
    skew,
)
from tests.values import START, at

HOUR, DAY = 3600.0, 86_400.0
AGAIN = "log in again: devhook profile add staging"


def login(left: float, *, ahead: float = 0.0) -> Login:
    """One that ends so much later by the API's clock, ours being so much ahead."""
    return Login(
        ends=at(left),
        api_time=START,
        our_time=at(ahead),
        heard=1000.0,
        source="DEVHOOK_TOKEN",
        profile="staging",
    )


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (DAY, Phase.LASTS),
        (1801, Phase.LASTS),
        (1800, Phase.NEAR_ITS_END),
        (121, Phase.NEAR_ITS_END),
        (120, Phase.TIME_TO_END),
        (-5, Phase.TIME_TO_END),
    ],
)
def test_a_session_is_warned_half_an_hour_before_and_ended_two_minutes_before(
    left: float, expected: Phase
) -> None:
    """So that the restore still has a token that works."""
    assert phase(left) is expected


@pytest.mark.parametrize(
    ("left", "lifetime"),
    [(HOUR, None), (300 + 1200, 1200), (DAY + 300, DAY), (301, 1)],
    ids=["an-hour", "for-20m", "for-1d", "for-1s"],
)
def test_what_lasts_just_long_enough_is_let_in(
    left: float, lifetime: float | None
) -> None:
    """An hour, or 5 minutes more than `--for`; a second less is refused."""
    assert needed(lifetime) == left
    assert refusal(login(left), lifetime) is None
    assert refusal(login(left - 1), lifetime) is not None


@pytest.mark.parametrize(
    ("left", "lifetime", "ends_in", "needs", "shorter"),
    [
        (1500.5, None, "25m", "1h", "19m"),
        (3599, None, "59m59s", "1h", "53m"),
        (7200, 7200, "2h", "2h5m", "1h54m"),
        (2 * DAY + 61, 3 * DAY, "2d1m", "3d5m", "1d23h55m"),
        (420, 420, "7m", "12m", "1m"),
    ],
)
def test_what_ends_too_soon_is_refused_with_a_time_that_would_fit(
    left: float, lifetime: float | None, ends_in: str, needs: str, shorter: str
) -> None:
    """What ends when, what it is needed for, and the `--for` to type."""
    found = login(left)
    refused = refusal(found, lifetime)
    assert refused is not None
    assert refused.message == (
        f"the login token (DEVHOOK_TOKEN) ends in {ends_in},"
        f" at {found.ends:%Y-%m-%d %H:%M:%S} UTC; this session needs it for {needs}"
    )
    assert refused.hint == f"{AGAIN}, or end before it does: --for {shorter}"
    assert refusal(found, parse_duration(shorter)) is None


@pytest.mark.parametrize("left", [0.5, 60, 300, 419])
def test_no_time_is_proposed_where_none_would_fit(left: float) -> None:
    """Less than a minute of a session is none."""
    assert fitting(left) is None
    refused = refusal(login(left), None)
    assert refused is not None
    assert refused.hint == AGAIN


@pytest.mark.parametrize(
    ("left", "ago"), [(0, "0s"), (-1, "1s"), (-90, "1m30s"), (-8 * DAY, "8d")]
)
def test_an_ended_token_is_refused_in_words_of_its_own(left: float, ago: str) -> None:
    """Not that it would end too soon; however short the session."""
    found = login(left)
    refused = refusal(found, 1.0)
    assert found.has_ended
    assert refused is not None
    assert refused.message == (
        f"the login token (DEVHOOK_TOKEN) ended {ago} ago,"
        f" at {found.ends:%Y-%m-%d %H:%M:%S} UTC"
    )
    assert refused.hint == AGAIN


def test_an_end_is_told_in_utc_whatever_its_zone() -> None:
    """A token may say its end with an offset."""
    zone = timezone(timedelta(hours=9))
    found = replace(login(60), ends=at(60).astimezone(zone))
    refused = refusal(found, None)
    assert refused is not None
    assert "at 2026-08-21 09:16:30 UTC" in refused.message


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (0, None),
        (60, None),
        (-60, None),
        (61, "this machine's clock is 1m1s ahead of the API's"),
        (-7275, "this machine's clock is 2h1m behind the API's"),
    ],
)
def test_two_clocks_that_differ_are_told(ahead: float, said: str | None) -> None:
    """Within a minute they agree."""
    assert skew(login(DAY, ahead=ahead)) == said


def test_the_apis_clock_decides() -> None:
    """One that ended long ago by ours is let in; a refusal says how they differ."""
    assert refusal(login(HOUR, ahead=DAY), None) is None
    refused = refusal(login(-1, ahead=-DAY), None)
    assert refused is not None
    assert refused.message.endswith("; this machine's clock is 1d behind the API's")


def test_what_is_left_shrinks_as_time_goes_on() -> None:
    """Counted from when the API's clock was heard."""
    found = login(HOUR)
    later = [found.left(ticks) for ticks in (1000.0, 4000.0, 4601.0)]
    assert later == [3600, 600, -1]
    assert not found.has_ended


def test_a_notice_says_what_comes_and_what_to_do() -> None:
    """The session ends by itself, before the token does."""
    assert notice(login(HOUR), 1799.4) == (
        "the login token (DEVHOOK_TOKEN) ends in 29m59s; the session ends 2m before it"
        " does, and restores",
        f"{AGAIN}, then start again",
    )
