"""One value at a time: what a text in a file, a flag or a variable stands for."""

import difflib
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from devhook.errors import ConfigError

_PROFILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TRUTHS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off", ""), False),
}
_SECRET = re.compile(r"[!#-+\--:<-\[\]-~]+")  # RFC 6265 cookie-octets
_MAX_SECRET = 16_384


def profile_name(text: str) -> str:
    """The text, if it can name a profile and so a file."""
    if not _PROFILE_NAME.fullmatch(text):
        raise ConfigError(
            f"{text!r} cannot name a profile",
            hint="letters, digits, dots, dashes and underscores, such as staging-2",
        )
    return text


def seconds(text: str, what: str) -> float:
    """Seconds in `5s`, `500ms`, `2m`, `1h`, `3d` or a bare number."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"{what}: {text!r} is no duration", hint="write it as 500ms, 5s, 2m or 1h"
        )
    return float(match[1]) * _UNITS[match[2] or "s"]


def truth(text: str, what: str) -> bool:
    try:
        return _TRUTHS[text.strip().lower()]
    except KeyError:
        raise ConfigError(
            f"{what}: {text!r} is neither true nor false", hint="write true or false"
        ) from None


def api_base(text: str, what: str) -> str:
    """A base URL of the account API without a slash at its end."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(c.isspace() for c in text):
        raise ConfigError(
            f"{what} is no http or https URL",
            hint="write it as https://api.voipbin.net/v1.0",
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(
            f"{what} holds more than scheme, host and path",
            hint="credentials go to --access-key, --token or the profile",
        )
    return text.rstrip("/")


def secret(text: str, what: str) -> str:
    """The credential that `-` (standard input), `@file` or the text itself gives.

    Raises ConfigError, which never quotes it, for what no HTTP header can carry.
    """
    if text == "-":
        text = sys.stdin.readline(_MAX_SECRET)
    elif text.startswith("@"):
        text = _secret_file(Path(text[1:]).expanduser(), what)
    value = text.strip()
    if not value:
        raise ConfigError(f"{what} is empty", hint=f"give {what} a value")
    if not _SECRET.fullmatch(value):
        raise ConfigError(
            f"{what} holds characters that no credential has",
            hint="copy it again: one line, without quotes or blanks",
        )
    return value


def is_typed_out(text: str) -> bool:
    """Whether a credential flag holds the credential itself, for all to see in `ps`."""
    return text != "-" and not text.startswith("@")


def near(name: str, names: Iterable[str]) -> str:
    """`did you mean a or b`, or all there are when none comes near."""
    names = sorted(names)
    if close := difflib.get_close_matches(name, names, n=2):
        return f"did you mean {' or '.join(close)}"
    return f"there are {', '.join(names)}" if names else "there are none yet"


def _secret_file(path: Path, what: str) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_MAX_SECRET)
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
        raise ConfigError(
            f"{what}: {path} cannot be read: {reason}",
            hint="@FILE names a file that holds the credential alone",
        ) from None
