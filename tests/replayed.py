"""Events as an earlier session left them in a profile's database."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devhook.core.http import Headers
from devhook.core.model import Address, Delivery, Kind
from devhook.core.reading import read
from devhook.core.signature import sign
from devhook.store.reader import Reader
from devhook.store.store import Store
from tests.values import at, capture

SECRET = "secret-of-the-account"


def hangup(number: int = 1, *, reason: str = "normal") -> bytes:
    """The body of an event about a call of its own."""
    call = f"6c44f3f4-399c-4b46-84fa-{number:012}"
    return (
        f'{{"type":"call_hangup","data":{{"id":"{call}","hangup_reason":"{reason}"}}}}'
    ).encode()


@dataclass(frozen=True)
class Past:
    """The database of a profile, written to by a session that is over."""

    db: Path

    def event(
        self,
        body: bytes = b"",
        *,
        target: str | None = None,
        headers: Headers | None = None,
        incoming: str = "/s3cret",
    ) -> int:
        """One recorded event, left pending for `target` where there is one."""
        body = body or hangup()
        if headers is None:
            headers = (
                ("Host", "relay.example"),
                ("Content-Type", "application/json"),
                ("X-Voipbin-Signature", sign(SECRET, body)),
            )
        to = [] if target is None else [Address(kind=Kind.LIVE, target=target)]
        found = capture(body, headers=headers, reading=read(body), target=incoming)
        with Store(self.db) as store, store.transaction():
            return store.add_event(self._session(store), found, to)

    def events(self, count: int, *, target: str | None = None) -> list[int]:
        return [self.event(hangup(n), target=target) for n in range(count)]

    def deliveries(self, event_id: int) -> list[Delivery]:
        with Reader(self.db) as reader:
            return reader.deliveries_of(event_id)

    def statuses(self, event_id: int) -> list[int | None]:
        with Reader(self.db) as reader:
            return [a.outcome.status for a in reader.attempts_of(event_id)]

    def sessions(self) -> Sequence[tuple[str, str | None, str | None]]:
        """Source, target and end of each."""
        with Reader(self.db) as reader:
            found = reader.rows("select source, target, ended_how from sessions")
            return [tuple(row) for row in found]

    def _session(self, store: Store) -> int:
        found = store.rows("select id from sessions where source = 'up'")
        if found:
            return int(found[0]["id"])
        session = store.open_session(
            profile="default", source="up", process="1@gone", at=at(0)
        )
        store.end_session(session, at(0), "asked")
        return session
