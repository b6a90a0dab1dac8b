"""Which sessions run on this machine, and how to reach them: one 0600 file each.

A file names the process that wrote it, with its start, so that a file left by a killed
session is known for what it is.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self


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
    ready: bool = False

    @property
    def pid(self) -> int:
        return int(self.process.partition("@")[0])


class Published:
    """The session's file, for as long as it runs."""

    def __init__(self, state: Path, live: Live) -> None:
        self._folder = state / "sessions"
        self._path = self._folder / f"{live.profile}-{live.session}-{live.pid}.json"
        self._live = live

    def __enter__(self) -> Self:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write()
        return self

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)

    def ready(self) -> None:
        """From now on events can come."""
        self._live = replace(self._live, ready=True)
        self._write()

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(asdict(self._live)))
        fresh.replace(self._path)


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
