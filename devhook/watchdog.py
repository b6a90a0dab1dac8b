"""The run's end of its guardian: starts it, tells it, asks it, starts it again.

The guardian is a process of its own (`devhook/guardian.py`). It hears every record
before the step that follows it is taken, and a beat every few seconds; it is asked to
restore, and says how that ended. One that dies or hangs is followed by another, with
the newest record; after some deaths it is given up, and the run restores by itself.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from devhook import system
from devhook.core.clock import Clock
from devhook.core.guarding import (
    BEAT_EVERY,
    Order,
    Plan,
    Word,
    line,
    packed_plan,
    packed_record,
    read_line,
    read_record,
    read_restored,
)
from devhook.core.model import Takeover
from devhook.core.takeover import ENDS, Restored
from devhook.errors import DevhookError
from devhook.spawn import Start, born, let_go, reaped, start_guardian
from devhook.store.lock import rewrite

READY_WITHIN: Final = 15.0
ANSWERS_WITHIN: Final = 3.0
"""Seconds for the first sign that an order was heard."""

BUSY_FOR: Final = 45.0
"""Seconds that a guardian may say nothing at work: a name can take so long to resolve.

Killed in the middle of a PUT, it would leave one that may land at any later time.
"""

DEATHS: Final = 4
"""In quick succession: one that had lived for minutes begins the count anew."""

_LIVED: Final = 120.0
_OVERSLEPT: Final = 5.0
"""Seconds too late after which we stood still: timers come before what was said."""

_LONGEST_LINE: Final = 1_048_576


class GuardianLost(DevhookError):
    """There is no guardian, and there will be none."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """An order to put the root back, and what it waits for."""

    order: Order
    begun: "asyncio.Future[None]"
    ended: "asyncio.Future[Restored]"


class Watchdog:
    """One guardian at a time, for one session."""

    def __init__(
        self, plan: Plan, clock: Clock, lock: int | None, start: Start
    ) -> None:
        self.parked = asyncio.Event()
        """Set when the guardian restored by itself, the run having stood still."""
        self.lost = asyncio.Event()
        self.trouble: str | None = None
        """What keeps a restore from its end, as the guardian last said."""
        self.record: Takeover | None = None
        """The newest: as it was told, or as the guardian moved it on."""
        self._plan = plan
        self._clock = clock
        self._lock = lock
        self._start = start
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: asyncio.WriteTransport | None = None
        self._is_left = False
        self._ready = asyncio.Event()
        self._heard_at = clock.monotonic()
        self._is_at_work = False
        self._parks_itself = False
        self._number = 0
        self._asked: dict[int, _Asked] = {}
        self._kept: asyncio.Future[None] | None = None
        self._repeated: asyncio.Future[None] | None = None

    @property
    def mark(self) -> str:
        """The mark of the guardian's process."""
        return self._plan.guardian

    async def ready(self) -> None:
        """Wait for it. Raises GuardianLost."""
        await self._ready.wait()
        if self.lost.is_set():
            raise GuardianLost(
                f"no guardian could be started: {self.trouble or 'it ends at once'}",
                hint="look at the limits of processes and memory (ulimit -a)",
            )

    async def keep(self, record: Takeover) -> None:
        """Return when the guardian holds it. Raises GuardianLost."""
        self.parked.clear()
        if not self._is_of(record):
            self._parks_itself = False
        self.record, self._kept = record, _future()
        self._tell(Order.KEEP, record=packed_record(record))
        await self._first_sign(self._kept)

    async def restore(self, *, parks: bool = False) -> Restored:
        """How it ended, however long that takes: bound it by a timeout.

        Raises GuardianLost when no guardian can see to it.
        """
        self.trouble = None
        self._number += 1
        number, order = self._number, Order.PARK if parks else Order.RESTORE
        asked = self._asked[number] = _Asked(order, _future(), _future())
        try:
            self._tell(order, number=number)
            await self._first_sign(asked.begun)
            return await asked.ended
        finally:
            del self._asked[number]

    async def repeat(self) -> None:
        """PUT the root once more, if it is still what the account says."""
        self._repeated = _future()
        with suppress(TimeoutError, GuardianLost):
            async with asyncio.timeout(BUSY_FOR):
                await self.ready()
                self._tell(Order.REPEAT)
                await self._repeated

    async def run(self) -> None:
        """Start it, listen to it; when it is gone, start another."""
        deaths = 0
        while deaths < DEATHS:
            born = self._clock.monotonic()
            try:
                await self._lived()
            except OSError as exc:
                self.trouble = exc.strerror or str(exc)
            self._ready.clear()
            has_lived = self._clock.monotonic() - born > _LIVED
            deaths = 1 if has_lived else deaths + 1
            if self._is_left:
                return
        self.lost.set()
        self._ready.set()
        lost = GuardianLost("the guardian ended again and again")
        restoring = (w for a in self._asked.values() for w in (a.begun, a.ended))
        for waiting in (self._kept, self._repeated, *restoring):
            if waiting is not None and not waiting.done():
                waiting.set_exception(lost)
                waiting.exception()  # seen, also where nobody waits any more

    async def beat(self) -> None:
        """Say that we live; end a guardian that has not said anything for long."""
        while True:
            self._tell(Order.BEAT)
            due = self._clock.monotonic() + BEAT_EVERY
            await self._clock.sleep(BEAT_EVERY)
            now = self._clock.monotonic()
            if now > due + _OVERSLEPT:
                self._heard_at = now
            elif now - self._heard_at > BUSY_FOR:
                self._kill()

    def leave(self) -> None:
        """Close the pipe: it ends by itself, once the root is back."""
        self._is_left = True
        if self._pipe is not None:
            self._pipe.close()

    def let_go(self) -> None:
        """The run leaves; it may go on."""
        if self._process is not None:
            let_go(self._process)

    # --- inside ----------------------------------------------------------------------

    async def _lived(self) -> None:
        """One guardian, from its start to its death."""
        inherited = () if self._lock is None else (self._lock,)
        process = await born(self._start, inherited)
        self._process, self._heard_at = process, self._clock.monotonic()
        self._is_at_work = False
        system.pair(process.pid)
        with ExitStack() as pipes:
            await self._listen(process, pipes)
        self._kill()
        await reaped(process)

    async def _listen(
        self, process: "subprocess.Popen[bytes]", pipes: ExitStack
    ) -> None:
        """To all it says, if it is ready in time."""
        loop, words = asyncio.get_running_loop(), asyncio.StreamReader(_LONGEST_LINE)
        reading, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(words), process.stdout
        )
        pipes.callback(reading.close)
        self._pipe, _ = await loop.connect_write_pipe(
            asyncio.BaseProtocol, process.stdin
        )
        pipes.callback(self._pipe.close)
        if self._is_left:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_WITHIN) as limit:
                async for text in words:
                    limit.reschedule(None)
                    self._heard_at = self._clock.monotonic()
                    self._hear(read_line(text), process.pid)

    def _hear(self, message: dict[str, Any], pid: int) -> None:
        match message:
            case {"what": Word.READY}:
                self._introduce(pid)
            case {"what": Word.KEPT}:
                _settle(self._kept, None)
            case {"what": Word.RESTORING, "number": number}:
                self._is_at_work, self._parks_itself = True, number is None
                for asked in self._answered_by(number):
                    _settle(asked.begun, None)
            case {"what": Word.MOVED, "record": record}:
                self._move_on(read_record(record))
            case {"what": Word.TROUBLE, "error": str(error)}:
                self.trouble = error
            case {"what": Word.ENDED, "number": number, "restored": restored}:
                self._end(number, read_restored(restored), message["record"])
            case {"what": Word.REPEATED}:
                _settle(self._repeated, None)
            case _:
                pass  # that it speaks is enough

    def _introduce(self, pid: int) -> None:
        """Tell a new one the plan, and what the one before it was told last."""
        mark = system.process_mark(pid)
        self._plan = replace(self._plan, guardian=mark)
        if self._lock is not None:
            with suppress(OSError):  # a full disk: the lock itself is inherited
                rewrite(self._lock, system.this_process(), mark)
        self._ready.set()
        self._tell(Order.PLAN, plan=packed_plan(self._plan))
        if self.record is not None:
            self._tell(Order.KEEP, record=packed_record(self.record))
        if self._parks_itself:
            self._tell(Order.PARK, number=None)
        for number, asked in self._asked.items():
            self._tell(asked.order, number=number)

    def _end(self, number: int | None, restored: Restored, packed: Any) -> None:
        self._is_at_work = self._parks_itself = False
        ended = read_record(packed)
        self._move_on(ended)
        if number is None and not self._asked and self._is_of(ended):
            self.parked.set()
        for asked in self._answered_by(number):
            _settle(asked.ended, restored)

    def _answered_by(self, number: int | None) -> list[_Asked]:
        """The orders that it answers: this one, and all that came before it."""
        if number is None:
            return []
        return [asked for other, asked in self._asked.items() if other <= number]

    def _move_on(self, record: Takeover) -> None:
        """Not back: what the guardian has not heard yet is newer than what it says."""
        is_heard = self._kept is None or self._kept.done()
        if is_heard and self._is_of(record):
            self.record = record

    def _is_of(self, record: Takeover) -> bool:
        """Whether it is the newest takeover's; the file may have given it a new id."""
        return self.record is None or self.record.started_at == record.started_at

    def _tell(self, order: Order, **fields: object) -> None:
        """What is said to none, the next one is told when it is there."""
        pipe = self._pipe
        if self._ready.is_set() and pipe is not None and not pipe.is_closing():
            pipe.write(line(order, **fields))

    async def _first_sign(self, sign: "asyncio.Future[None]") -> None:
        """Wait for it; a guardian that gives none is ended, for the next one."""
        while True:
            await self.ready()
            if await self._comes(sign, ANSWERS_WITHIN):
                return sign.result()
            if self._is_at_work and await self._comes(sign, BUSY_FOR):
                return sign.result()
            self._kill()

    async def _comes(self, sign: "asyncio.Future[None]", within: float) -> bool:
        while True:
            due = self._clock.monotonic() + within
            done, _ = await asyncio.wait([sign], timeout=within)
            if done or self._clock.monotonic() <= due + _OVERSLEPT:
                return bool(done)

    def _kill(self) -> None:
        self._ready.clear()
        if self._process is not None:
            self._process.kill()  # nothing, once it is known to have ended


@asynccontextmanager
async def open_watchdog(
    plan: Plan,
    clock: Clock,
    *,
    lock: int | None = None,
    start: Start = start_guardian,
) -> AsyncIterator[Watchdog]:
    """A guardian on its way; it keeps the descriptor of the account's `lock` open.

    On leaving it is left alone: it goes on for as long as the root is not back.
    """
    watchdog = Watchdog(plan, clock, lock, start)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(watchdog.run())
        beating = group.create_task(watchdog.beat())
        try:
            yield watchdog
        finally:
            beating.cancel()
            watchdog.leave()
            record = watchdog.record
            if record is None or record.stage in ENDS:
                with suppress(TimeoutError):
                    async with asyncio.timeout(ANSWERS_WITHIN):
                        await asyncio.shield(running)
            running.cancel()
            watchdog.let_go()


def _future() -> "asyncio.Future[Any]":
    return asyncio.get_running_loop().create_future()


def _settle(future: "asyncio.Future[Any] | None", value: object) -> None:
    if future is not None and not future.done():
        future.set_result(value)
