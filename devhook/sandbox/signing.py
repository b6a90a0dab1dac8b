"""The platform's two uses of HMAC: the signature of a delivery, and its tokens.

Lines of the sandbox's own, so that they can disagree with `devhook.core.signature`.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping

from devhook.core.model import Json
from devhook.sandbox.go_json import encode

_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def signature(secret: str, body: bytes) -> str:
    digest = hmac.new(secret.encode(), body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


def token(claims: Mapping[str, Json], key: bytes) -> str:
    """A JWT signed with HS256; claims by name, in the order Go writes them."""
    header = _segment(encode({"alg": "HS256", "typ": "JWT"}))
    signed = f"{header}.{_segment(encode(dict(sorted(claims.items()))))}"
    digest = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{_segment(digest)}"


def claims_of(text: str, key: bytes) -> dict[str, Json] | None:
    """What the token says, or None unless its signature holds."""
    try:
        signed, _, given = text.rpartition(".")
        header, claims = (json.loads(_unsegment(part)) for part in signed.split("."))
        digest = hmac.new(key, signed.encode(), _DIGESTS[header["alg"]]).digest()
        genuine = hmac.compare_digest(digest, _unsegment(given))
    except (ValueError, KeyError, TypeError, binascii.Error):
        return None
    return claims if genuine and isinstance(claims, dict) else None


def _segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unsegment(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
