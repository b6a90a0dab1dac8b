r"""JSON as the platform writes it: compact, keys in order, Go's escapes.

Go's `json.Marshal` writes `<`, `>`, `&`, U+2028 and U+2029 as `\u003c` and so on, and
every other character beyond ASCII raw, in UTF-8.
"""

import json
from math import inf

from devhook.core.model import Json

_GO_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def encode(value: Json) -> bytes:
    """Raises ValueError for NaN and infinities, which JSON cannot say."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # A lone surrogate comes back as the escape it must have been: \ud800.
    return text.translate(_GO_ESCAPES).encode("utf-8", "backslashreplace")


def decode(body: bytes | str) -> Json:
    """Strictly: UTF-8 alone, no NaN, nothing beyond reason; else ValueError."""
    text = body if isinstance(body, str) else body.decode("utf-8")
    try:
        value: Json = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (inf, -inf):
        raise ValueError(f"{digits} is too large a number")
    return value


def _refuse(constant: str) -> Json:
    raise ValueError(f"{constant} is no JSON")
