"""The guardian when it has to wait: an API that is away, a run that stands still."""

import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from typing_extensions import override

from devhook.core.guarding import Order, Word, packed_record
from devhook.core.model import Stage
from devhook.core.takeover import FRESH, Ending
from devhook.guardian import Gone, Guardian, Line
from tests.guarded import ACME, guarded, plan, post
from tests.running import until

BUSY: Final[dict[str, Any]] = {"retry_after": 60, "status": 429}
"""An API that asks for a pause longer than any test."""

COLLEAGUE: Final = "https://colleague.example/hook"


# --- an API that is away -------------------------------------------------------------


async def test_it_says_what_keeps_it_and_can_be_woken(tmp_path: Path) -> None:
    """`devhook restore` has it try at once, however long it meant to wait."""
    async with post(tmp_path) as p:
        await p.hold()
        p.sandbox.fault(**BUSY)
        p.guarded.tell(Order.RESTORE, number=1)
        await p.guarded.hear(Word.RESTORING)
        trouble = await p.guarded.hear(Word.TROUBLE)
        assert "asks for a pause" in trouble["error"]
        p.guarded.tell(Order.BEAT)
        await p.guarded.hear(Word.BEAT)
        os.kill(p.guarded.process.pid, signal.SIGUSR1)
        assert (await p.guarded.ended())[0].ending is Ending.RESTORED


async def test_it_ends_when_its_run_left_while_it_waited(tmp_path: Path) -> None:
    """The user would not wait for the API; what was begun is brought to its end."""
    async with post(tmp_path) as p:
        await p.hold()
        p.sandbox.fault(status=503)
        p.guarded.tell(Order.RESTORE, number=1)
        await p.guarded.hear(Word.RESTORING)
        await p.guarded.hear(Word.TROUBLE)
        p.guarded.leave()
        assert await p.guarded.over() == 0
        assert p.fields == ACME.fields()


async def test_to_a_run_that_is_silent_it_complains_once(tmp_path: Path) -> None:
    """One that stands still reads nothing: its pipe must not fill up over a night."""
    async with post(tmp_path, silence=0.05) as p:
        await p.hold()
        p.sandbox.fault(**BUSY, times=None)
        await p.guarded.hear(Word.RESTORING)
        await p.guarded.hear(Word.TROUBLE)
        for asked in range(2, 6):
            os.kill(p.guarded.process.pid, signal.SIGUSR1)
            await until(lambda: p.asked("GET") >= asked)  # noqa: B023  awaited here
        p.sandbox.clear_faults()
        os.kill(p.guarded.process.pid, signal.SIGUSR1)
        await p.guarded.ended()


async def test_what_it_is_told_meanwhile_it_does_afterwards(tmp_path: Path) -> None:
    """A record of what follows is held once this one has come to its end."""
    async with post(tmp_path) as p:
        kept = await p.hold()
        p.sandbox.fault(**BUSY)
        p.guarded.tell(Order.RESTORE, number=1)
        await p.guarded.hear(Word.RESTORING)
        await p.guarded.hear(Word.TROUBLE)
        p.guarded.tell(Order.KEEP, record=packed_record(replace(kept, id=2)))
        p.guarded.tell(Order.BEAT)
        await p.guarded.hear(Word.BEAT)
        os.kill(p.guarded.process.pid, signal.SIGUSR1)
        assert (await p.guarded.ended())[1].stage is Stage.RESTORED
        await p.guarded.hear(Word.KEPT)


# --- a run that stands still ---------------------------------------------------------


async def test_a_run_that_is_silent_is_parked(tmp_path: Path) -> None:
    """The root is put back and the record stays open; the run's end closes it."""
    async with post(tmp_path, silence=0.2) as p:
        await p.hold()
        await p.guarded.hear(Word.RESTORING)
        restored, ended = await p.guarded.ended()
        assert (restored.ending, ended.stage) == (Ending.RESTORED, Stage.PARKED)
        assert p.fields == ACME.fields()
        p.guarded.leave()
        assert await p.guarded.over() == 0
        assert p.takeovers.history()[0].stage is Stage.RESTORED
        assert p.asked("PUT") == 1


async def test_a_run_that_beats_is_left_alone(tmp_path: Path) -> None:
    """However long it has nothing else to say."""
    async with post(tmp_path, silence=1.0) as p:
        await p.hold()
        for _ in range(15):
            p.guarded.tell(Order.BEAT)
            await p.guarded.hear(Word.BEAT)
            await asyncio.sleep(0.1)
        assert p.sandbox.requests == []


class Overslept(Line):
    """A pipe whose first wait takes as long as a suspend; then it ends."""

    def __init__(self, seconds: float) -> None:
        self.is_open = True
        self.waits: list[float] = []
        self._seconds = seconds

    @override
    def next(self, within: float) -> dict[str, Any] | None:
        self.waits.append(within)
        match len(self.waits):
            case 1:
                time.sleep(self._seconds)
                return None
            case 2:
                return {"what": Order.BEAT}
            case _:
                self.is_open = False
                raise Gone

    @override
    def say(self, word: Word, **fields: object) -> None:
        assert word is Word.BEAT


async def test_who_was_stopped_itself_gives_the_run_time_to_speak(
    tmp_path: Path,
) -> None:
    """After a suspend both of them wake, and neither was silent."""
    async with post(tmp_path) as p:
        pipe = Overslept(seconds=0.3)
        Guardian(replace(plan(p.sandbox, tmp_path), silence=0.1), pipe).run()
        assert pipe.waits == [0.1, 0.05, 0.1]
        assert p.sandbox.requests == []


async def test_a_run_that_is_silent_before_its_put_is_left_alone(
    tmp_path: Path,
) -> None:
    """It looks again before it sends anything, however long it stood still."""
    async with post(tmp_path, silence=0.05) as p:
        await p.hold(Stage.PREPARED)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await p.guarded.hear(Word.RESTORING)
        assert p.takeovers.history()[0].stage is Stage.PREPARED


async def test_parking_becomes_restoring_when_it_is_asked_to(tmp_path: Path) -> None:
    """The run came back and ends while the API is still away: one end, not two."""
    async with post(tmp_path) as p:
        await p.hold()
        p.sandbox.fault(**BUSY)
        p.guarded.tell(Order.PARK, number=1)
        await p.guarded.hear(Word.RESTORING)
        await p.guarded.hear(Word.TROUBLE)
        restored, ended = await p.guarded.restored()
        assert (restored.ending, ended.stage) == (Ending.RESTORED, Stage.RESTORED)
        p.guarded.tell(Order.BEAT)
        await p.guarded.hear(Word.BEAT)


async def test_an_end_names_the_order_that_it_answers(tmp_path: Path) -> None:
    """None where nobody asked; one that is asked meanwhile is the newest."""
    async with post(tmp_path, silence=0.2) as p:
        await p.hold()
        p.sandbox.fault(**BUSY)
        assert (await p.guarded.hear(Word.RESTORING))["number"] is None
        await p.guarded.hear(Word.TROUBLE)
        p.guarded.tell(Order.PARK, number=7)
        assert (await p.guarded.hear(Word.RESTORING))["number"] == 7
        ended = await p.guarded.hear(Word.ENDED)
        assert (ended["number"], ended["record"]["stage"]) == (7, Stage.PARKED)


async def test_a_parked_run_that_could_not_be_restored_is_tried_again_at_its_end(
    tmp_path: Path,
) -> None:
    """Refused once is not refused for ever: the account may still point at us."""
    async with post(tmp_path) as p:
        await p.hold()
        p.sandbox.fault(status=403)
        restored, _ = await p.guarded.restored(Order.PARK)
        assert restored.ending is Ending.UNCONFIRMED
        p.guarded.leave()
        assert await p.guarded.over() == 0
        assert p.fields == ACME.fields()


# --- made to fail ---------------------------------------------------------------------


async def test_a_guardian_that_was_made_to_stop_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped right before it looks: what it knew is what it knows."""
    monkeypatch.setenv("DEVHOOK_FAULT", "guardian.restoring.get:stop")
    async with post(tmp_path) as p:
        await p.hold()
        p.guarded.tell(Order.RESTORE, number=1)
        await p.guarded.hear(Word.RESTORING)
        await until(lambda: state_of(p.guarded.process.pid) == "T")
        assert p.sandbox.requests == []
        p.guarded.process.send_signal(signal.SIGCONT)
        # It stops there again when it looks whether its PUT arrived.
        await until(lambda: p.asked("PUT"))
        await until(lambda: state_of(p.guarded.process.pid) == "T")
        p.guarded.process.send_signal(signal.SIGCONT)
        assert (await p.guarded.ended())[0].ending is Ending.RESTORED


async def test_a_guardian_that_stood_still_before_its_put_looks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a colleague set meanwhile stays."""
    monkeypatch.setenv("DEVHOOK_FAULT", "guardian.restoring.put:stop")
    async with post(tmp_path) as p:
        await p.hold()
        p.guarded.tell(Order.RESTORE, number=1)
        await p.guarded.hear(Word.RESTORING)
        await until(lambda: state_of(p.guarded.process.pid) == "T")
        p.sandbox.change(webhook_uri=COLLEAGUE)
        await asyncio.sleep(FRESH + 0.1)  # its own clock has to show that
        p.guarded.process.send_signal(signal.SIGCONT)
        assert (await p.guarded.ended())[0].ending is Ending.FOREIGN
        assert p.fields["webhook_uri"] == COLLEAGUE
        assert not p.asked("PUT")


async def test_a_guardian_that_was_made_to_fail_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By an error of its own, which it says: nobody sees its traceback."""
    monkeypatch.setenv("DEVHOOK_FAULT", "guardian.ready:fail")
    async with guarded() as g:
        trouble = await g.hear(Word.TROUBLE)
        assert trouble["error"] == "the guardian failed: OSError"
        assert await g.over() == 1


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
