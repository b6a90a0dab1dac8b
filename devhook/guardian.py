"""The watchdog process: it outlives a run of `up`, and puts the root back.

Run as `python -I -S` in a session of its own, with the standard library, `core` and the
takeover records alone, all of it loaded before the account is changed: what happens to
the run, its terminal or its virtual environment does not reach it. It does every
restore, the clean one too, so that the rare way back is the usual one.

The plan comes over a pipe, and every record before the step that follows it. The pipe's
end is the run's end, whatever ended it; silence on it is a run that stands still.
"""

import encodings.idna  # noqa: F401  host names need it, and files may be gone by then
import os
import random
import select
import signal
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from devhook.core.clock import Moment
from devhook.core.fault import VARIABLE, Act, read_fault
from devhook.core.guarding import (
    Order,
    Plan,
    Word,
    line,
    packed_record,
    packed_restored,
    read_line,
    read_plan,
    read_record,
)
from devhook.core.model import Stage, Takeover
from devhook.core.restoring import begin_restoring
from devhook.core.takeover import (
    ENDS,
    GET,
    Action,
    Answer,
    Get,
    Keep,
    Kept,
    Pause,
    Put,
    Rested,
    Restored,
    Shown,
    Stale,
    in_time,
    is_fresh,
    to_repeat,
)
from devhook.errors import ConfigError, StoreError
from devhook.guardian_api import Api
from devhook.store.takeovers import Takeovers

_IGNORED: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
)

_TO_ITSELF: Final = {
    Act.KILL: signal.SIGKILL,
    Act.BOTH: signal.SIGKILL,
    Act.STOP: signal.SIGSTOP,
}

_RUN: Final = os.getppid()


class Gone(Exception):
    """The run has ended: its end of the pipe is closed."""


class Line:
    """The pipes to the run. SIGUSR1 wakes whoever waits, to try again at once."""

    def __init__(self) -> None:
        self.is_open = True
        self._unread = b""
        self._woken, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        os.set_blocking(1, False)  # a run that stands still reads nothing

    def next(self, within: float) -> dict[str, Any] | None:
        """The next message, or a wake-up; None after so many seconds.

        Raises Gone when the pipe ends; after that only a wake-up can come.
        """
        deadline = time.monotonic() + within
        while b"\n" not in self._unread:
            left = max(0.0, deadline - time.monotonic())
            sources = [0, self._woken] if self.is_open else [self._woken]
            readable, _, _ = select.select(sources, [], [], left)
            if self._woken in readable and signal.SIGUSR1 in os.read(self._woken, 4096):
                return {"what": "wake"}
            if not readable:
                return None
            if 0 in readable:
                self._read()
        text, _, self._unread = self._unread.partition(b"\n")
        return read_line(text)

    def say(self, word: Word, **fields: object) -> None:
        with suppress(OSError):  # nobody reads any more
            os.write(1, line(word, **fields))

    def _read(self) -> None:
        chunk = os.read(0, 65_536)
        if not chunk:
            self.is_open = False
            raise Gone
        self._unread += chunk


class Guardian:
    """Holds the newest record; restores when told, when alone, when nothing moves."""

    def __init__(self, plan: Plan, pipe: Line) -> None:
        self._plan = plan
        self._line = pipe
        self._api = Api(plan)
        self._takeovers = Takeovers(Path(plan.state))
        self._agents = {pid: _started(pid) for pid in plan.agents}
        self._record: Takeover | None = None
        self._restored: Restored | None = None
        self._parks = False
        self._number: int | None = None
        self._told: str | None = None
        self._later: list[dict[str, Any]] = []

    def run(self) -> None:
        """Until the run has ended and its root is back, or cannot be brought back."""
        while self._line.is_open or self._later:
            with suppress(Gone):
                self._heed(self._next())
        if self._restored is None or self._is_parked:
            self._restore(parks=False, number=None)
        self._end_agents()

    # --- being told ------------------------------------------------------------------

    def _next(self) -> dict[str, Any] | None:
        """The next message; None when the run stands still.

        A process that was itself stopped meanwhile gives the run time to speak first.
        """
        if self._later:
            return self._later.pop(0)
        silence = self._plan.silence
        started = time.monotonic()
        message = self._line.next(silence)
        if message is None and time.monotonic() - started > silence * 1.25:
            message = self._line.next(silence / 2)
        return message

    def _heed(self, message: dict[str, Any] | None) -> None:
        match message:
            case None:
                if self._restored is None and self._stage() is not Stage.PREPARED:
                    self._restore(parks=True, number=None)
            case {"what": Order.KEEP, "record": record}:
                self._hold(read_record(record))
                self._line.say(Word.KEPT)
            case {"what": Order.BEAT}:
                self._line.say(Word.BEAT)
            case {"what": Order.RESTORE | Order.PARK as order, "number": number}:
                self._restore(parks=order == Order.PARK, number=number)
            case {"what": Order.REPEAT}:
                self._repeat()
                self._line.say(Word.REPEATED)
            case _:
                pass  # a later version's; what is known is done all the same

    @property
    def _is_parked(self) -> bool:
        """Whether a record is open that was left so for the run, not for the API."""
        return self._parks and self._stage() not in ENDS

    def _stage(self) -> Stage | None:
        return None if self._record is None else self._record.stage

    def _hold(self, record: Takeover) -> None:
        """Look after it from now on; one that follows another says so in the file."""
        self._record = replace(record, guardian=self._plan.guardian)
        self._restored = None
        if self._record != record:
            with suppress(StoreError):
                self._takeovers.name_guardian(self._record)

    # --- restoring -------------------------------------------------------------------

    def _restore(self, *, parks: bool, number: int | None) -> None:
        """Bring it to an end, if it is not at one, and say which."""
        if self._record is None:
            return
        self._parks, self._number = parks, number
        self._line.say(Word.RESTORING, number=number)
        if self._record.stage not in ENDS or self._restored is None:
            self._restored = self._driven(self._record)
        self._line.say(
            Word.ENDED,
            number=self._number,
            restored=packed_restored(self._restored),
            record=packed_record(self._record),
        )

    def _driven(self, record: Takeover) -> Restored:
        plan = self._plan
        machine = begin_restoring(
            record, _moment(), bound=plan.bound, within=plan.within, parks=self._parks
        )
        while not isinstance(machine.action, Restored):
            answer = self._carry_out(machine.action)
            # Who was parking may have been asked meanwhile to restore for good.
            machine = replace(machine.then(answer, _moment()), parks=self._parks)
        return machine.action

    def _carry_out(self, action: Action) -> Answer:
        stage = self._stage()
        match action:
            case Get():
                _fault(f"{stage}.get")
                answer = self._get()
                _fault(f"{stage}.got")
                return answer
            case Put():
                _fault(f"{stage}.put")
                answer = self._put(action)
                _fault(f"{stage}.answered")
                return answer
            case Keep(record):
                _fault(f"{stage}.keep")
                kept = self._kept(record)
                self._move_on(kept)
                _fault(f"{record.stage}.kept")
                return Kept(kept)
            case Pause(seconds):
                self._pause(seconds)
                return Rested()
            case _:
                raise ValueError(f"no restore does {action}")

    def _get(self) -> Answer:
        asked = _moment()
        return in_time(self._api.carry_out(GET), asked, _moment())

    def _put(self, put: Put) -> Answer:
        return self._api.carry_out(put) if is_fresh(put, _moment()) else Stale()

    def _move_on(self, record: Takeover) -> None:
        """The run tells it to who follows, should this process be killed.

        An error alone is no news: a run that stands still reads nothing for hours.
        """
        before, self._record = self._record, record
        if before is not None and replace(record, error=before.error) != before:
            self._line.say(Word.MOVED, record=packed_record(record))

    def _kept(self, record: Takeover) -> Takeover:
        """On disk if that can be: a full one must not keep a restore from its end."""
        try:
            return self._takeovers.keep(record, _moment().wall, self._plan.guardian)
        except StoreError:
            return record

    def _pause(self, seconds: float) -> None:
        """Rest, spread by chance: not all that wait for an API come back at once."""
        error = None if self._record is None else self._record.error
        if error is not None:
            self._complain(error, seconds)
            seconds *= random.uniform(0.8, 1.2)  # noqa: S311  no secret
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                message = self._line.next(left)
            except Gone:
                continue
            match message:
                case {"what": Order.BEAT}:
                    self._told = None
                    self._line.say(Word.BEAT)
                case {"what": Order.RESTORE | Order.PARK as order, "number": number}:
                    self._parks = self._parks and order == Order.PARK
                    self._number = number
                    self._line.say(Word.RESTORING, number=self._number)
                    return
                case {"what": "wake"}:
                    return
                case None:
                    pass
                case _:
                    self._later.append(message)

    def _complain(self, error: str, seconds: float) -> None:
        """Once to a run that does not beat: it may not be reading for hours."""
        if error != self._told:
            self._told = error
            self._line.say(Word.TROUBLE, error=error, in_seconds=seconds)

    def _repeat(self) -> None:
        if self._record is None:
            return
        shown = self._get()
        if isinstance(shown, Shown):
            put = to_repeat(self._record, shown.account, _moment())
            if put is not None:
                self._put(put)

    # --- alone -----------------------------------------------------------------------

    def _end_agents(self) -> None:
        for pid, started in self._agents.items():
            if started and _started(pid) == started:
                with suppress(OSError):
                    os.kill(pid, signal.SIGTERM)


def main(guardian: type[Guardian] = Guardian) -> None:
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    pipe = Line()
    pipe.say(Word.READY)
    try:
        _fault("ready")
        _guard(guardian, pipe)
    except ConfigError as exc:
        pipe.say(Word.TROUBLE, error=exc.message)
    except Exception as exc:
        # Nobody sees its traceback; of the exception no more, it may show a credential.
        pipe.say(Word.TROUBLE, error=f"the guardian failed: {type(exc).__name__}")
        raise


def _guard(guardian: type[Guardian], pipe: Line) -> None:
    """By the plan that comes first; without one there is nothing to do."""
    with suppress(Gone):
        message = pipe.next(within=60.0)
        if message is not None and message["what"] == Order.PLAN:
            guardian(read_plan(message["plan"]), pipe).run()


def _moment() -> Moment:
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    boot = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Moment(datetime.now(UTC), time.clock_gettime(clock), boot)  # noqa: TID251


def _started(pid: int) -> str:
    """When a process started, so that a pid given anew is seen; "" if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "" if Path("/proc/self/stat").exists() else _started_by_ps(pid)


def _started_by_ps(pid: int) -> str:
    """macOS has no /proc: its `ps` tells the start to the second."""
    import subprocess  # at the latest with the plan, if it names agents

    with suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(  # noqa: S603  a fixed program, a number
            ["/bin/ps", "-o", "lstart=", "-p", str(pid)],
            capture_output=True,
            timeout=5,
            check=False,
            text=True,
        ).stdout.strip()
    return ""


def _fault(point: str) -> None:
    """Inert, unless DEVHOOK_FAULT names this point of the guardian."""
    fault = read_fault(os.environ.get(VARIABLE))
    if fault is None or fault.point != f"guardian.{point}":
        return
    if fault.act in (Act.OTHER, Act.BOTH) and os.getppid() == _RUN:
        os.kill(os.getppid(), signal.SIGKILL)
    if fault.act in _TO_ITSELF:
        os.kill(os.getpid(), _TO_ITSELF[fault.act])
    if fault.act is Act.FAIL:
        raise OSError("made to fail")
