"""JSON text as Go's `json.Marshal` writes it, without a line of any other encoder.

The platform is written in Go, and the signature covers its bytes: compact, keys in the
order given, `<`, `>`, `&`, U+2028 and U+2029 as escapes, everything else raw UTF-8.
Checked against bytes recorded from Go 1.26 (`tests/sandbox/go_json.json`).
"""

import math
import re
from decimal import Decimal

from devhook.core.model import Json

_ESCAPED = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029\ud800-\udfff]')
_SHORT = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}


def encode(value: Json) -> bytes:
    """Raises ValueError on a number that JSON has no form for (NaN, infinities)."""
    return _text(value).encode()


def _text(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _string(value)
        case int():
            return str(value)
        case float():
            return _float(value)
        case list():
            return f"[{','.join(map(_text, value))}]"
        case dict():
            pairs = (f"{_string(k)}:{_text(v)}" for k, v in value.items())
            return f"{{{','.join(pairs)}}}"


def _string(text: str) -> str:
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if "\ud800" <= character <= "\udfff":
        return "\\ufffd"  # half a pair is no text: Go writes the replacement character
    return _SHORT.get(character) or f"\\u{ord(character):04x}"


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"JSON has no form for {value}")
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    digits = Decimal(repr(value))
    if 1e-6 <= abs(value) < 1e21:
        text = f"{digits:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, exponent = f"{digits.normalize():e}".split("e")
    return f"{mantissa}e{int(exponent):{'+' if int(exponent) > 0 else ''}d}"
