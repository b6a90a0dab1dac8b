"""A handler's answer is judged as the platform would judge it."""

from datetime import UTC, datetime

import pytest

from devhook.core.model import Outcome, Verdict
from devhook.core.verdict import EXPLANATION, judge

AT = datetime(2026, 8, 21, 9, 15, tzinfo=UTC)


def answer(
    status: int, seconds: float = 0.01, *, to_headers: float | None = None
) -> Outcome:
    return Outcome(
        started_at=AT,
        status=status,
        seconds=seconds,
        seconds_to_headers=seconds if to_headers is None else to_headers,
    )


def failure(seconds: float, *, to_headers: float | None = None) -> Outcome:
    return Outcome(
        started_at=AT,
        error="connection reset",
        seconds=seconds,
        seconds_to_headers=to_headers,
    )


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        pytest.param(answer(200), Verdict.OK, id="200"),
        pytest.param(answer(204, 5.0), Verdict.OK, id="2xx-at-5s"),
        pytest.param(answer(200, 5.001), Verdict.SLOW, id="2xx-after-5s"),
        pytest.param(answer(200, 14.9), Verdict.SLOW, id="2xx-before-15s"),
        pytest.param(answer(301), Verdict.SWALLOWED, id="301"),
        pytest.param(answer(400), Verdict.SWALLOWED, id="400"),
        pytest.param(answer(499, 14.0), Verdict.SWALLOWED, id="499-slow"),
        pytest.param(answer(500), Verdict.RETRIED, id="500"),
        pytest.param(answer(503, 14.0), Verdict.RETRIED, id="503-slow"),
        pytest.param(failure(0.0), Verdict.RETRIED, id="refused"),
        pytest.param(failure(15.0), Verdict.RETRIED, id="reset-at-15s"),
        pytest.param(failure(2.0, to_headers=1.0), Verdict.RETRIED, id="cut-off"),
        pytest.param(answer(200, 15.001), Verdict.TIMEOUT, id="headers-after-15s"),
        pytest.param(answer(404, 15.001), Verdict.TIMEOUT, id="404-after-15s"),
        pytest.param(answer(500, 15.001), Verdict.TIMEOUT, id="500-after-15s"),
        pytest.param(failure(15.001), Verdict.TIMEOUT, id="no-headers-in-15s"),
        pytest.param(answer(200, 30.0, to_headers=1.0), Verdict.SLOW, id="body-at-30s"),
        pytest.param(
            answer(200, 30.001, to_headers=1.0), Verdict.TIMEOUT, id="body-after-30s"
        ),
        pytest.param(
            failure(30.001, to_headers=1.0), Verdict.TIMEOUT, id="cut-off-after-30s"
        ),
    ],
)
def test_the_first_rule_that_applies_counts(outcome: Outcome, verdict: Verdict) -> None:
    """Timeout, then retried, then swallowed, then slow, then ok."""
    assert judge(outcome) is verdict


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.OK])
def test_a_verdict_that_is_not_ok_is_explained(verdict: Verdict) -> None:
    """The screen has words for each."""
    assert EXPLANATION[verdict]


def test_an_ok_needs_no_words() -> None:
    """Nothing is said of what went well."""
    assert EXPLANATION[Verdict.OK] == ""
