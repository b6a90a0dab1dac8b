"""Sign and verify a raw body the way the platform does.

`X-VoIPBIN-Signature: sha256=<hex HMAC-SHA256(secret, raw body)>`: no timestamp and no
nonce, so an unedited replay still verifies. Source: the public server's
`webhookhandler/message.go`, August 2026.
"""

import hashlib
import hmac

from devhook.core.http import SIGNATURE, Headers, first
from devhook.core.model import Signature

_PREFIX = "sha256="


def sign(secret: str, body: bytes) -> str:
    """The header's value for this body."""
    return _PREFIX + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


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
