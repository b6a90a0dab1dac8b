"""The database reads in other programs."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from devhook.core.model import (
    Request,
    State,
    Verdict,
)
from devhook.store.store import Store
from tests.values import APP, LIVE, answered, capture


def rows_by_sqlite_utils(path: Path, view: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [Path(sys.executable).parent / "sqlite-utils", "rows", path, view],
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_the_view_of_events_reads_in_sqlite_utils(store: Store, path: Path) -> None:
    """A JSON body as text; one that is no text does not break the rest."""
    with store.transaction():
        store.add_event(1, capture('{"é":"日"}'.encode()), [])
        store.add_event(1, capture(b"\xff\xfe"), [])
        store.add_event(1, capture(b""), [])
    found = rows_by_sqlite_utils(path, "event_list")
    assert [(row["id"], row["bytes"]) for row in found] == [(1, 12), (2, 2), (3, 0)]
    assert found[0]["body"] == '{"é":"日"}'
    assert found[0]["event_type"] == "call_updated"
    assert found[1]["body"] == {"$base64": True, "encoded": "//4="}
    assert found[2]["body"] == ""


def test_the_view_of_attempts_reads_in_sqlite_utils(store: Store, path: Path) -> None:
    """With what it was an attempt of."""
    with store.transaction():
        store.add_event(1, capture(), [LIVE])
        store.add_attempt(1, answered(404), Verdict.SWALLOWED, State.FAILED)
    (row,) = rows_by_sqlite_utils(path, "attempt_list")
    assert row == {
        "id": 1,
        "event_id": 1,
        "event_type": "call_updated",
        "kind": "live",
        "target": APP,
        "status": 404,
        "error": None,
        "duration_ms": 19.0,
        "verdict": "swallowed",
        "started_at": "2026-08-21T09:15:30.120451Z",
        "state": "failed",
    }


def test_headers_are_json_to_other_programs(store: Store, path: Path) -> None:
    """SQLite's own functions read them."""
    pairs = (("X-A", "1"), ("x-a", "\xff"))
    with store.transaction():
        store.add_event(1, capture(headers=pairs), [])
    with closing(sqlite3.connect(path)) as other:
        found = other.execute(
            "select json_extract(cast(headers as text), '$[1][1]') from events"
        )
        assert found.fetchone() == ("\xff",)


def test_a_request_shows_no_body_in_its_repr() -> None:
    """What is logged by accident holds no personal data."""
    request = Request(method="POST", target="/s", headers=(), body=b"+12025550123")
    assert "+12025550123" not in repr(request)
