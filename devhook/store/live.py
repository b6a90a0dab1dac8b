"""Which sessions run on this machine, and how to reach them: one 0600 file each.

A file names the process that wrote it, with its start, so that a file left by a killed
session is known for what it is.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A running session. `capture_url` holds the path secret; the key is ours alone."""

    session: int
    profile: str
    process: str
    api_url: str | None
    account_id: str | None
    account_name: str | None
    public_url: str | None
    webhook_uri: str | None = field(repr=False)
    capture_url: str = field(repr=False)
    control_key: str = field(repr=False)
    target: str | None
    started_at: str
    db: str

    @property
    def pid(self) -> int:
        return int(self.process.partition("@")[0])


@contextmanager
def published(state: Path, live: Live) -> Iterator[None]:
    """Make the session known for the length of the block."""
    folder = state / "sessions"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{live.profile}-{live.session}-{live.pid}.json"
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(live)))
    fresh.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running(state: Path, alive: Callable[[str], bool]) -> list[Live]:
    """Sessions whose process lives, oldest first; files of dead ones are removed."""
    found: list[Live] = []
    for path in sorted((state / "sessions").glob("*.json")):
        try:
            live = Live(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            continue
        if alive(live.process):
            found.append(live)
        else:
            path.unlink(missing_ok=True)
    return sorted(found, key=lambda live: live.started_at)
