"""The marker: the root, carried in the fragment of our own webhook URI.

A fragment never leaves the sender, so whoever may read the account can undo a takeover
on any machine, without the record of the one that made it. What is carried is always
the *root*, the setting before the first devhook came, never another devhook's.
"""

import base64
import json
from typing import Final

from devhook.core.model import Account, Setting
from devhook.errors import TakeoverError

MARKER: Final = "#devhook="
LONGEST: Final = 1023
"""Characters of the column that keeps the URI; read in the platform's test schema."""

_VERSION = "1."


def with_marker(uri: str, root: Setting) -> str:
    """Our URI with the root in its fragment; without, when it would grow too long."""
    text = json.dumps({"u": root.uri, "m": root.method}, separators=(",", ":"))
    packed = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    marked = f"{uri}{MARKER}{_VERSION}{packed}"
    return marked if len(marked) <= LONGEST else uri


def without_marker(uri: str) -> str:
    return uri.partition(MARKER)[0]


def is_marked(uri: str) -> bool:
    return MARKER in uri


def marked_root(uri: str) -> Setting | None:
    """The root that a devhook URI carries; None when it is no devhook URI.

    Raises TakeoverError when it is one that this version cannot read.
    """
    _, found, packed = uri.partition(MARKER)
    if not found:
        return None
    try:
        if not packed.startswith(_VERSION):
            raise ValueError("version")
        packed = packed.removeprefix(_VERSION)
        padded = packed + "=" * (-len(packed) % 4)
        value = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        root = Setting(uri=_text(value["u"]), method=_text(value["m"]))
    except (ValueError, KeyError, TypeError) as exc:
        raise TakeoverError(
            "the account points at a devhook whose marker this version cannot read",
            hint="upgrade devhook, or ask whoever started it to end it",
        ) from exc
    if is_marked(root.uri):
        raise TakeoverError(
            "the account's marker names another devhook as the original",
            hint="set the right endpoint: devhook webhook set URI",
        )
    return root


def root_of(account: Account) -> Setting:
    """What a takeover of this account must restore one day."""
    return marked_root(account.webhook_uri) or Setting(
        uri=account.webhook_uri, method=account.webhook_method
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
