"""How the facts of a meaning are worded: short, human, without what is unset."""

import re
from math import inf

from devhook.core.reading import NIL

_MOST = 60
_SPACE = re.compile(r"[ \t\r\n]+")
_UNITS = (
    (3600, "min", 60, "s", 1),
    (86400, "h", 3600, "min", 60),
    (inf, "d", 86400, "h", 3600),
)

_QUERY = re.compile(r"(\bhttps?://[^\s?#\"]*)[?#][^\s\"]+")
_USERINFO = re.compile(r"(\bhttps?://)[^\s/@\"]+@")


def commas(*facts: str) -> str:
    """What is set of them, each once."""
    return ", ".join(dict.fromkeys(fact for fact in facts if fact))


def cut(text: str, most: int = _MOST) -> str:
    """On one line, at most so many characters; a cut is marked."""
    text = _SPACE.sub(" ", text[: most * 4]).strip()
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def masked(text: str) -> str:
    """Links without their query values and userinfo: those are often secrets."""
    return _USERINFO.sub(r"\1…@", _QUERY.sub(r"\1?…", text[:2000]))


def quoted(text: str) -> str:
    return f'"{cut(masked(text))}"' if text else ""


def short(uuid: str) -> str:
    """Enough of an id to tell it from others on a screen; nothing for the nil one."""
    return "" if uuid == NIL else cut(uuid.partition("-")[0], 12)


def human(seconds: float | None) -> str:
    """`230 ms`, `3.1 s`, `1 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds is None or seconds < 0:
        return ""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    unit, size, part, parts = next(
        row[1:] for row in _UNITS if round(seconds / row[4]) * row[4] < row[0]
    )
    whole, rest = divmod(round(seconds / parts) * parts, size)
    return f"{whole} {unit}" + (f" {rest // parts} {part}" if rest else "")


def after(what: str, seconds: float | None) -> str:
    """`answered after 3.1 s`; without the time if it is not known."""
    return f"{what} after {took}" if (took := human(seconds)) else what


def count(number: int, noun: str) -> str:
    """`1 call`, `2 calls`; nothing for none."""
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else ""
