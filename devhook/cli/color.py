"""What deserves a look, in colour: yellow for a doubt, red for a failure.

The text says it all by itself; `Run` leaves the colour out where nobody would see it.
"""

from typing import TypeAlias, assert_never

import click

from devhook.cli.lines import BADGE
from devhook.core.model import (
    Attempt,
    Delivery,
    Event,
    Gap,
    JournalEntry,
    Notice,
    Signature,
    State,
    Verdict,
)

_Color: TypeAlias = str | None

_OF_BADGE: dict[Signature, _Color] = {
    Signature.OK: None,
    Signature.BAD: "red",
    Signature.ABSENT: "yellow",
    Signature.UNKNOWN: "yellow",
}
_OF_VERDICT: dict[Verdict, _Color] = {
    Verdict.OK: None,
    Verdict.SLOW: "yellow",
    Verdict.SWALLOWED: "red",
    Verdict.RETRIED: "red",
    Verdict.TIMEOUT: "red",
}
_OF_STATE: dict[State, _Color] = {
    State.DONE: None,
    State.FAILED: "red",
    State.PENDING: "yellow",
    State.CLAIMED: "yellow",
}
_OF_NOTICE: dict[str, _Color] = {
    "reconnected": None,
    "conflict": "red",
    "storage": "red",
}


def colored(entry: JournalEntry | Delivery, text: str) -> str:
    """The text of that entry; of an event, its badge alone."""
    match entry:
        case Event():
            before, badge, after = text.rpartition(BADGE[entry.signature])
            return f"{before}{_in(_OF_BADGE[entry.signature], badge)}{after}"
        case Attempt():
            return _in(_OF_VERDICT[entry.verdict], text)
        case Delivery():
            return _in(_OF_STATE[entry.state], text)
        case Notice():
            return _in(_OF_NOTICE.get(entry.type, "yellow"), text)
        case Gap():
            return _in("yellow", text)
        case _:
            assert_never(entry)


def _in(color: _Color, text: str) -> str:
    return text if color is None else click.style(text, fg=color)
