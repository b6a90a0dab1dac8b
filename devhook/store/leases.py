"""The secret from which a relay derives a profile's public URL: one 0600 file each.

Kept between runs, so that the URL stays the same; bound to one relay, so that no other
relay is ever shown it.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from devhook.errors import StoreError


def lease_secret(
    state: Path, profile: str, relay: str, fresh: Callable[[], str]
) -> str:
    """The secret kept for this profile at this relay; a fresh one is kept when new."""
    key = hashlib.sha256(relay.rstrip("/").encode()).hexdigest()[:16]
    path = state / "leases" / f"{profile}-{key}"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            return path.read_text().strip()
        made = path.with_suffix(".new")
        made.touch(mode=0o600)
        made.write_text(fresh() + "\n")
        made.replace(path)
        return path.read_text().strip()
    except OSError as exc:
        raise StoreError(
            f"{path} cannot be written: {exc.strerror}",
            hint="make its folder writable, or set DEVHOOK_HOME to one that is",
        ) from exc
