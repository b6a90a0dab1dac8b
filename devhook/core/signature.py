"""Sign and verify a raw body the way the platform does.

`X-VoIPBIN-Signature: sha256=<hex HMAC-SHA256(secret, raw body)>`: no timestamp and no
nonce, so an unedited replay still verifies. Source: the public server's
`webhookhandler/message.go`, August 2026.
"""

import hashlib
import hmac

from devhook.core.http import (
    SIGNATURE,
    Headers,
    first,
    with_overrides,
    without,
)
from devhook.core.model import Signature

_AS_SENT = "X-Voipbin-Signature"
"""How Go writes the header's name."""

_PREFIX = "sha256="


def sign(secret: str, body: bytes) -> str:
    """The header's value for this body."""
    return _PREFIX + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signed(headers: Headers, body: bytes, secret: str | None) -> Headers:
    """The headers with this body's signature, where the old one stood.

    Without a secret there is none, as for an account that has no secret.
    """
    old = next((pair for pair in headers if pair[0].lower() == SIGNATURE.lower()), None)
    if not secret:
        return without(headers, (SIGNATURE,))
    name = _AS_SENT if old is None else old[0]
    return with_overrides(headers, ((name, sign(secret, body)),))


def badge(headers: Headers, body: bytes, secret: str | None) -> Signature:
    """`unknown` when the account's secret is not known to us."""
    value = first(headers, SIGNATURE)
    if value is None:
        return Signature.ABSENT
    if not secret:
        return Signature.UNKNOWN
    expected = sign(secret, body).encode()
    good = hmac.compare_digest(value.encode("latin-1"), expected)
    return Signature.OK if good else Signature.BAD


def challenge_answer(path_secret: str, nonce: str) -> str:
    """What only the holder of the webhook's path secret can say to a nonce."""
    key = path_secret.encode()
    return hmac.new(key, nonce.encode("latin-1"), hashlib.sha256).hexdigest()
