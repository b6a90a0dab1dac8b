"""Recorded events, sent to the code under test: its answers, and what they mean."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devhook import shipped
from devhook.core.fixture import Fixture, FixtureEvent, parse
from devhook.core.meaning import meaning
from devhook.core.model import Outcome, Verdict
from devhook.core.network import Network
from devhook.core.reading import read
from devhook.core.verdict import EXPLANATION, judge
from devhook.errors import FixtureError
from devhook.send import Sender, Sending
from devhook.system import SystemClock
from devhook.testing.background import Background
from devhook.wire import Wire

_SHOWN = 300


@dataclass(frozen=True, slots=True)
class ReplayedEvent:
    """One event of a fixture. `json` is None when the body is none."""

    type: str | None
    body: bytes
    request: FixtureEvent

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class ReplayAttempt:
    """What the code under test answered to one event."""

    event: ReplayedEvent
    outcome: Outcome
    verdict: Verdict

    @property
    def status(self) -> int | None:
        return self.outcome.status

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return self.outcome.headers

    @property
    def body(self) -> bytes:
        return self.outcome.body

    @property
    def duration_ms(self) -> float:
        return self.outcome.seconds * 1000

    def json(self) -> Any:
        return json.loads(self.body)

    def explained(self) -> str:
        """Event, answer and verdict, for a person to act on."""
        said = meaning(self.event.type, self.event.body)
        answer = self.outcome.error or f"{self.status} {_short(self.body)}"
        why = EXPLANATION[self.verdict]
        return f"{self.event.type}  {said}\n    answered {answer}\n    {why}".rstrip()


@dataclass(frozen=True, slots=True)
class Replay:
    attempts: tuple[ReplayAttempt, ...]

    def assert_ok(self) -> None:
        """Fail with every event that the platform would not have counted as handled."""
        bad = [a for a in self.attempts if a.verdict not in (Verdict.OK, Verdict.SLOW)]
        if bad:
            head = f"{len(bad)} of {len(self.attempts)} events were not handled:"
            raise AssertionError("\n  ".join([head, *(a.explained() for a in bad)]))


class Devhook:
    """Finds fixtures, and replays them."""

    def __init__(self, background: Background, folders: Sequence[Path]) -> None:
        self._background = background
        self._folders = folders

    def load(self, fixture: str) -> list[ReplayedEvent]:
        """The events of a fixture, by its name or path."""
        return [
            ReplayedEvent(read(event.body).event_type, event.body, event)
            for event in self._found(fixture).events
        ]

    def replay(self, fixture: str, to: str, *, timeout: float = 30.0) -> Replay:
        """Send each event of the fixture to the URL, in order, and wait for the answer.

        `timeout` is in seconds for each; what fails is an attempt, not an exception.
        """
        return self._background.run(_replayed(self.load(fixture), to, timeout))

    def _found(self, name: str) -> Fixture:
        for folder in self._folders:
            for path in (folder / name, folder / f"{name}.json"):
                if path.is_file():
                    return parse(path.read_text(encoding="utf-8"), name=str(path))
        if name in shipped.scenarios():
            return shipped.scenario(name)
        if name in shipped.event_types():
            return shipped.event(name)
        looked = ", ".join(str(folder) for folder in self._folders)
        raise FixtureError(
            f"there is no fixture {name!r}",
            hint=f"looked in {looked} and the shipped ones",
        )


async def _replayed(events: list[ReplayedEvent], to: str, within: float) -> Replay:
    attempts = []
    async with Wire(Network()) as wire:
        sender = Sender(wire, SystemClock())
        for event in events:
            outcome = await sender.send(
                Sending(
                    method=event.request.method,
                    url=to,
                    headers=_own(event.request),
                    body=event.body,
                    timeout=within,
                )
            )
            attempts.append(ReplayAttempt(event, outcome, judge(outcome)))
            await asyncio.sleep(0)
    return Replay(tuple(attempts))


def _own(event: FixtureEvent) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in event.headers if pair[0].lower() != "host")


def _short(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
