"""What the platform would have made of a handler's answer.

The rules are those of the public sender (`webhookhandler/message.go`, August 2026) and
of the quickstart page (200 within 5 s); the first that applies counts.
"""

from devhook.core.model import Outcome, Verdict

HEADERS_WITHIN = 15.0
WHOLE_WITHIN = 30.0
QUICKSTART_WITHIN = 5.0

EXPLANATION: dict[Verdict, str] = {
    Verdict.OK: "",
    Verdict.SLOW: "slower than the 5 s the quickstart asks for",
    Verdict.SWALLOWED: "the platform would count this as delivered, never again",
    Verdict.RETRIED: "the platform would send this again",
    Verdict.TIMEOUT: "the platform would have given up waiting, and sent it again",
}


def judge(outcome: Outcome) -> Verdict:
    headers = outcome.seconds_to_headers
    late = (
        outcome.seconds > WHOLE_WITHIN
        or (outcome.seconds if headers is None else headers) > HEADERS_WITHIN
    )
    if late:
        return Verdict.TIMEOUT
    if outcome.status is None or outcome.error is not None or outcome.status >= 500:
        return Verdict.RETRIED
    if outcome.status >= 300:
        return Verdict.SWALLOWED
    if outcome.seconds > QUICKSTART_WITHIN:
        return Verdict.SLOW
    return Verdict.OK
