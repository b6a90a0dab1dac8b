"""Header pairs as they came: in order, repeats and case kept, each byte one character.

A header is a pair of strings in which every character stands for one byte (latin-1), so
that bytes that are no valid text survive the way into a row and out again.
"""

import re
from collections.abc import Iterable
from typing import TypeAlias

Headers: TypeAlias = tuple[tuple[str, str], ...]

# RFC 9110, section 7.6.1: these concern one connection and never travel on.
HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)

CHALLENGE = "X-Devhook-Challenge"
CONTROL = "X-Devhook-Control"
HOP = "X-Devhook-Hop"
EVENT = "X-Devhook-Event"
REPLAY = "X-Devhook-Replay"
SIGNATURE = "X-VoIPBIN-Signature"

_UNPRINTABLE = re.compile(
    # C0, DEL, C1, zero-width and bidirectional marks, line separators, lone surrogates
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def from_raw(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    return tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in raw)


def first(headers: Headers, name: str) -> str | None:
    """The value of the first header of that name, whatever its case."""
    wanted = name.lower()
    for n, value in headers:
        if n.lower() == wanted:
            return value
    return None


def without(headers: Headers, names: Iterable[str]) -> Headers:
    dropped = {name.lower() for name in names}
    return tuple(pair for pair in headers if pair[0].lower() not in dropped)


def end_to_end(headers: Headers) -> Headers:
    """What travels on: all but the hop-by-hop ones and those `Connection` names."""
    named = {
        token.strip().lower()
        for name, value in headers
        if name.lower() == "connection"
        for token in value.split(",")
    }
    return tuple(
        pair
        for pair in headers
        if (name := pair[0].lower()) not in HOP_BY_HOP and name not in named
    )


def with_overrides(headers: Headers, overrides: Headers) -> Headers:
    """Replace by name, in place of the first of that name; a new one goes last."""
    result = list(headers)
    for name in dict.fromkeys(name.lower() for name, _ in overrides):
        new = [pair for pair in overrides if pair[0].lower() == name]
        at = next(
            (i for i, p in enumerate(result) if p[0].lower() == name), len(result)
        )
        kept = [p for p in result[:at] if p[0].lower() != name]
        rest = [p for p in result[at:] if p[0].lower() != name]
        result = [*kept, *new, *rest]
    return tuple(result)


def printable(text: str) -> str:
    r"""The text with all that a terminal would obey made visible (`\x1b`)."""
    return _UNPRINTABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
