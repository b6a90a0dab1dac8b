"""The meanings of what happens on the telephone and around a call."""

from devhook.core.meaning.data import Data
from devhook.core.meaning.words import after, commas, count, cut, human, quoted

_FINISH = "00000000-0000-0000-0000-000000000002"
"""The action after the last one: the same id in every flow."""


def call(verb: str, d: Data) -> list[str]:
    return [d.route(), _call_state(verb, d)]


def _call_state(verb: str, d: Data) -> str:
    waited = d.seconds("tm_create", "tm_progressing")
    match verb:
        case "created":
            return commas(d.short("direction"), d.short("status"))
        case "dialing":
            return commas(d.short("direction"), "dialing")
        case "ringing":
            return after("ringing", d.seconds("tm_create", "tm_ringing"))
        case "progressing" | "answered":
            return after("answered", waited)
        case "terminating":
            talked = human(d.seconds("tm_progressing", "tm_update"))
            return commas("the platform hangs up", talked and f"talked {talked}")
        case "canceling":
            rang = human(d.seconds("tm_ringing", "tm_update"))
            return commas("the platform cancels", rang and f"rang {rang}")
        case "hangup":
            return _hangup(d)
        case "deleted":
            return commas("record deleted", _hangup(d))
        case _:
            return commas(d.short("status"), action(d.inner("action")), _media(d))


def _hangup(d: Data) -> str:
    talked = d.seconds("tm_progressing", "tm_hangup")
    rang = d.seconds("tm_ringing", "tm_hangup") or d.seconds("tm_create", "tm_hangup")
    by = d.short("hangup_by")
    return commas(
        f"hung up by {by}" if by else "hung up",
        d.short("hangup_reason"),
        f"talked {human(talked)}" if talked is not None else "never answered",
        f"rang {human(rang)}" if talked is None and human(rang) else "",
    )


def _media(d: Data) -> str:
    muted = d.short("mute_direction")
    return commas(
        f"muted {muted}" if muted else "",
        d.to("recording", "recording_id"),
        count(d.count("chained_call_ids"), "chained call"),
    )


def action(d: Data) -> str:
    """What a flow does now: `now talk "Thanks for calling"`."""
    if d.text("id") == _FINISH:
        return "the flow is through"
    kind = d.short("type")
    text = d.inner("option").quoted("text")
    return f"now {kind} {text}".rstrip() if kind else ""


def groupcall(verb: str, d: Data) -> list[str]:
    parties = d.items("destinations")
    calls = count(int(d.number("call_count") or 0) or d.count("call_ids"), "call")
    answered = d.to("call", "answer_call_id")
    by = f"answered by {answered}" if answered else ""
    match verb:
        case "progressing":
            state = commas(by or d.short("status"), calls)
        case "hangup":
            took = human(d.seconds("tm_create", "tm_update"))
            state = commas("ended", by or "nobody answered", took and f"took {took}")
        case "deleted":
            state = commas("record deleted", by or "nobody answered", calls)
        case _:
            state = commas(d.short("status"), d.short("ring_method"), calls)
    return [d.route_to_many(parties), state]


def recording(verb: str, d: Data) -> list[str]:
    length = human(d.seconds("tm_start", "tm_end"))
    state = commas(d.short("status"), d.short("format"), length and f"{length} long")
    return [d.reference(), state or verb]


def transcribe(verb: str, d: Data) -> list[str]:
    took = d.seconds("tm_create", "tm_update") if verb == "done" else None
    state = after(d.short("status") or verb, took)
    how = commas(d.short("language"), d.short("direction"), d.short("provider"))
    return [d.reference(), commas(state, how)]


def speech(verb: str, d: Data) -> list[str]:
    who = d.short("direction") or "somebody"
    if verb.endswith("started"):
        return [f"{who}: started to speak", d.short("language")]
    still = "so far" if verb.endswith("interim") else ""
    return [_said(who, d.text("message")), commas(still, d.short("language"))]


def transcript(_: str, d: Data) -> list[str]:
    at = _into(d.text("tm_transcript"))
    return [_said(d.short("direction") or "somebody", d.text("message")), at]


def _said(who: str, text: str) -> str:
    return f"{who}: {quoted(text) or 'nothing'}"


def _into(offset: str) -> str:
    """`at 6.2 s` of the platform's `0001-01-01T00:00:06.2Z`."""
    day, _, clock = offset.rstrip("Z").partition("T")
    if day != "0001-01-01":
        return ""
    try:
        hours, minutes, seconds = clock.split(":")
        return f"at {human(int(hours) * 3600 + int(minutes) * 60 + float(seconds))}"
    except (ValueError, OverflowError):
        return ""


def queuecall(verb: str, d: Data) -> list[str]:
    agent = d.to("agent", "service_agent_id")
    waited = d.millis("duration_waiting")
    if waited is None and verb == "connecting":
        waited = d.seconds("tm_create", "tm_update")
    served = human(d.millis("duration_service"))
    state = d.short("status") or verb
    return [
        d.reference(),
        commas(
            "record deleted" if verb == "deleted" else "",
            state,
            agent,
            f"waited {human(waited)}" if human(waited) else "",
            served and f"served {served}",
        ),
    ]


def conference(verb: str, d: Data) -> list[str]:
    lasted = human(d.seconds("tm_create", "tm_end"))
    closes = human(d.number("timeout")) if verb == "created" else ""
    state = commas(
        d.short("status"),
        d.short("detail"),
        count(d.count("conferencecall_ids"), "participant"),
        d.to("recording", "recording_id"),
        closes and f"closes after {closes}",
        lasted and f"lasted {lasted}",
    )
    return [d.quoted("name"), state]


def conferencecall(verb: str, d: Data) -> list[str]:
    state = commas(d.short("status") or verb, d.to("conference", "conference_id"))
    return [d.reference(), state]


def confbridge(verb: str, d: Data) -> list[str]:
    who = d.to("call", "call_id") or d.to("call", "joined_call_id")
    members = count(d.count("channel_call_ids"), "call")
    return [commas(d.short("type"), who), commas(verb, d.short("status"), members)]


def dtmf(_: str, d: Data) -> list[str]:
    held = human(d.millis("duration"))
    return [f"digit {cut(d.text('digit'), 4) or '?'}", d.to("call", "call_id"), held]


def speaking(verb: str, d: Data) -> list[str]:
    how = commas(d.short("status") or verb, d.short("language"), d.short("direction"))
    return [d.reference(), how]


MEANINGS = {
    "call": call,
    "groupcall": groupcall,
    "recording": recording,
    "transcribe": transcribe,
    "speech": speech,
    "transcript": transcript,
    "queuecall": queuecall,
    "conference": conference,
    "conferencecall": conferencecall,
    "confbridge": confbridge,
    "dtmf": dtmf,
    "speaking": speaking,
}
