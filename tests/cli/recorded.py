"""A profile with recorded events, and devhook run upon it in this very process."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from devhook.cli import main
from devhook.core.model import Address, Kind, Outcome, State
from devhook.core.reading import read
from devhook.core.verdict import judge
from devhook.store.store import Store
from tests.terminal import Finished
from tests.values import LIVE, answered, at, capture

SECRET = "AbCdEfGhIjKlMnOpQrStUvWx"
HANGUP = (
    b'{"type":"call_hangup","data":{"id":"5f1c0000-0000-4000-8000-000000000001",'
    b'"status":"hangup","hangup_reason":"busy"}}'
)
HEADERS = (
    ("Host", "relay.example"),
    ("User-Agent", "Go-http-client/1.1"),
    ("Content-Length", "109"),
    ("Content-Type", "application/json"),
    ("X-VoIPBIN-Signature", "sha256=0123"),
    ("Accept-Encoding", "gzip"),
)


class Recorded:
    """What `up` would have written; each event comes a second after the one before."""

    def __init__(self, home: Path, output: pytest.CaptureFixture[bytes]) -> None:
        self.home = home
        self.db = home / "data" / "default.db"
        self._output = output

    def event(
        self,
        body: bytes = HANGUP,
        *,
        to: Sequence[Address] = (LIVE,),
        received_at: datetime | None = None,
        headers: tuple[tuple[str, str], ...] = HEADERS,
        target: str = f"/{SECRET}",
    ) -> int:
        with Store(self.db) as store, store.transaction():
            count = store.rows("select count(*) from events")[0][0]
            captured = capture(
                body,
                received_at=received_at or at(count),
                reading=read(body),
                headers=headers,
                target=target,
            )
            return store.add_event(1, captured, to)

    def attempt(
        self, event_id: int, outcome: Outcome | int = 200, *, kind: Kind = Kind.LIVE
    ) -> None:
        """Of the event's newest delivery of that kind; its last one."""
        if isinstance(outcome, int):
            outcome = answered(outcome, started_at=at(event_id))
        verdict = judge(outcome)
        good = verdict in ("ok", "slow")
        with Store(self.db) as store, store.transaction():
            found = [d for d in store.deliveries_of(event_id) if d.kind is kind]
            store.add_attempt(
                found[-1].id,
                outcome,
                verdict,
                State.DONE if good else State.FAILED,
                reason=None if good else verdict,
            )

    def replay(self, event_id: int, outcome: Outcome | int = 200) -> None:
        with Store(self.db) as store, store.transaction():
            store.add_delivery(
                1, event_id, Address(kind=Kind.REPLAY, target=LIVE.target)
            )
        self.attempt(event_id, outcome, kind=Kind.REPLAY)

    def __call__(self, *args: str) -> Finished:
        code, out, err = self.bytes(*args)
        return Finished(code, out.decode(), err.decode())

    def bytes(self, *args: str) -> tuple[int, bytes, bytes]:
        self._output.readouterr()
        code = main(args)
        out, err = self._output.readouterr()
        return code, out, err


def environment(home: Path) -> dict[str, str]:
    """Nothing of the machine's own."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "DEVHOOK_HOME": str(home),
        "TZ": "UTC",
    }
