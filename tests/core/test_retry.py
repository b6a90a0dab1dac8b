"""When a delivery is tried again, and when never."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core.model import Outcome
from devhook.core.retry import PLATFORM, Policy, local, pause_before_next

AT = datetime(2026, 8, 21, 9, 15, tzinfo=UTC)
REFUSED = Outcome(started_at=AT, seconds=0.0, error="connection refused")


def answered(status: int) -> Outcome:
    return Outcome(started_at=AT, seconds=0.0, status=status)


@pytest.mark.parametrize("outcome", [REFUSED, answered(500), answered(599)])
def test_the_platform_sends_three_times_a_second_apart(outcome: Outcome) -> None:
    """On a transport error and on 500 and above."""
    pauses = [pause_before_next(PLATFORM, tries, outcome) for tries in (1, 2, 3)]
    assert pauses == [1.0, 1.0, None]


@pytest.mark.parametrize("status", [200, 204, 302, 400, 404, 429, 499])
def test_an_answer_below_500_is_never_sent_again(status: int) -> None:
    """The platform counts a 404 as delivered, and so do we."""
    assert pause_before_next(PLATFORM, 1, answered(status)) is None


def test_an_answer_that_broke_off_is_sent_again() -> None:
    """A status whose body never came is a transport error."""
    broken = Outcome(started_at=AT, seconds=0.0, status=200, error="cut off")
    assert pause_before_next(PLATFORM, 1, broken) == 1.0


def test_the_application_is_tried_once_unless_asked() -> None:
    """Zero retries is one try."""
    assert pause_before_next(local(0), 1, REFUSED) is None


def test_local_pauses_double_up_to_a_minute() -> None:
    """An application that restarts is given time, but not for ever."""
    pauses = [pause_before_next(local(9), tries, REFUSED) for tries in range(1, 11)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, None]


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_a_pause_is_within_the_policy_however_many_tries(
    retries: int, tries: int
) -> None:
    """No number of retries that a user may type overflows."""
    pause = pause_before_next(local(retries), tries, REFUSED)
    assert (pause is None) == (tries > retries)
    assert pause is None or 1.0 <= pause <= 60.0


def test_a_pause_never_exceeds_the_cap() -> None:
    """Even the first one."""
    policy = Policy(tries=2, pause=10.0, cap=3.0)
    assert pause_before_next(policy, 1, REFUSED) == 3.0
