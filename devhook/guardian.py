"""The watchdog process: it outlives a run of `up`, and puts the root back.

Run as `python -I -S` in a session of its own, with the standard library, `core` and the
takeover records alone, all of it loaded before the account is changed: what happens to
the run, its terminal or its virtual environment does not reach it. It does every
restore, the clean one too, so that the rare way back is the usual one.

The plan comes over a pipe, and every record before the step that follows it. The pipe's
end is the run's end, whatever ended it; silence on it is a run that stands still.
"""

import encodings.idna  # noqa: F401  host names need it, and files may be gone by then
import http.client
import os
import random
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from devhook.core import account_api
from devhook.core.account_api import ApiAnswer, ApiRequest
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
from devhook.core.network import proxy_authorization, proxy_for, tls_context
from devhook.core.restoring import begin_restoring
from devhook.core.takeover import (
    ENDS,
    Accepted,
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
    failure,
    to_repeat,
)
from devhook.errors import ProviderError, StoreError, Unreachable
from devhook.store.takeovers import Takeovers

ANSWERED_WITHIN: Final = 10.0
"""Seconds for a whole exchange with the API, however slowly it drips."""

_IGNORED: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
)


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

    def next(self, within: float) -> dict[str, Any] | None:
        """The next message, or a wake-up; None after so many seconds.

        Raises Gone at the end of the pipe.
        """
        deadline = time.monotonic() + within
        while b"\n" not in self._unread:
            left = max(0.0, deadline - time.monotonic())
            sources = [0, self._woken] if self.is_open else [self._woken]
            readable, _, _ = select.select(sources, [], [], left)
            if self._woken in readable:
                os.read(self._woken, 4096)
                return {"what": "wake"}
            if not readable:
                return None
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


class Api:
    """One account, spoken to by the standard library, a fresh connection each time."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._parts = urlsplit(plan.api_url)
        self._proxy = proxy_for(plan.api_url, plan.network)
        is_tls = self._parts.scheme == "https"
        self._context = tls_context(plan.network) if is_tls else None

    def carry_out(self, action: Get | Put) -> Answer:
        plan = self._plan
        try:
            if isinstance(action, Get):
                request = account_api.get_account(plan.api_url, plan.credential)
                return Shown(account_api.read_account(request, self._answer(request)))
            fields = action.account.fields()
            request = account_api.put_account(plan.api_url, plan.credential, fields)
            account_api.read_put(request, self._answer(request))
        except ProviderError as exc:
            return failure(exc)
        return Accepted()

    def _answer(self, request: ApiRequest) -> ApiAnswer:
        """Raises Unreachable; no cause is kept, since it may show a credential."""
        try:
            with _deadline(ANSWERED_WITHIN):
                return self._exchange(request)
        except TimeoutError:
            why = f"did not answer within {ANSWERED_WITHIN:g} s"
        except OSError as exc:
            why = f"cannot be reached: {exc.strerror or type(exc).__name__}"
        except (http.client.HTTPException, ValueError) as exc:
            why = f"cannot be understood: {type(exc).__name__}"
        raise Unreachable(f"{request.place} {why}")

    def _exchange(self, request: ApiRequest) -> ApiAnswer:
        connection, target = self._connection(request.url)
        authorized = () if self._context else proxy_authorization(self._proxy)
        try:
            connection.putrequest(request.method, target, skip_accept_encoding=True)
            for name, value in (*request.headers, *authorized):
                connection.putheader(name, value)
            if request.body is not None:
                connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body)
            response = connection.getresponse()
            return ApiAnswer(
                status=response.status,
                headers=tuple(response.getheaders()),
                body=response.read(account_api.MAX_ANSWER),
            )
        finally:
            connection.close()

    def _connection(self, url: str) -> tuple[http.client.HTTPConnection, str]:
        """One that is not dialled yet, and what to ask it for."""
        host, port = self._parts.hostname or "", self._parts.port
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        if self._proxy is None and self._context is not None:
            tls = http.client.HTTPSConnection(host, port, context=self._context)
            return tls, target
        if self._proxy is None:
            return http.client.HTTPConnection(host, port), target
        return self._through(urlsplit(self._proxy), url)

    def _through(
        self, proxy: SplitResult, url: str
    ) -> tuple[http.client.HTTPConnection, str]:
        """To the proxy: a tunnel for TLS, the whole URL for what is not."""
        host, port = proxy.hostname or "", proxy.port
        if self._context is None:
            return http.client.HTTPConnection(host, port), url
        connection = http.client.HTTPSConnection(host, port, context=self._context)
        connection.set_tunnel(
            self._parts.hostname or "",
            self._parts.port or 443,
            headers=dict(proxy_authorization(self._proxy)),
        )
        return connection, self._parts.path


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
        self._later: list[dict[str, Any]] = []

    def run(self) -> None:
        """Until the run has ended and its root is back, or cannot be brought back."""
        try:
            while True:
                self._heed(self._next())
        except Gone:
            self._name_myself()
            if self._is_needed():
                self._restore(parks=False)
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
                if self._is_needed() and self._stage() is not Stage.PREPARED:
                    self._restore(parks=True)
            case {"what": Order.KEEP, "record": record}:
                self._record, self._restored = read_record(record), None
                self._line.say(Word.KEPT)
            case {"what": Order.BEAT}:
                self._line.say(Word.BEAT)
            case {"what": Order.RESTORE}:
                self._restore(parks=False)
            case {"what": Order.PARK}:
                self._restore(parks=True)
            case {"what": Order.REPEAT}:
                self._repeat()
                self._line.say(Word.REPEATED)
            case _:
                pass  # a later version's; what is known is done all the same

    def _is_needed(self) -> bool:
        """Whether the account may still point at the run, or its record is open."""
        if self._stage() is Stage.PARKED:
            return not self._line.is_open
        return self._record is not None and self._restored is None

    def _stage(self) -> Stage | None:
        return None if self._record is None else self._record.stage

    # --- restoring -------------------------------------------------------------------

    def _restore(self, *, parks: bool) -> None:
        """Bring it to an end, if it is not at one, and say which."""
        if self._record is None:
            return
        self._line.say(Word.RESTORING)
        if self._record.stage not in ENDS or self._restored is None:
            self._restored = self._driven(self._record, parks=parks)
        self._line.say(
            Word.ENDED,
            restored=packed_restored(self._restored),
            record=packed_record(self._record),
        )

    def _driven(self, record: Takeover, *, parks: bool) -> Restored:
        plan, now = self._plan, _moment()
        machine = begin_restoring(
            record, now, bound=plan.bound, within=plan.within, parks=parks
        )
        while not isinstance(machine.action, Restored):
            answer = self._carry_out(machine.action)
            machine = machine.then(answer, _moment())
        return machine.action

    def _carry_out(self, action: Action) -> Answer:
        stage = self._stage()
        match action:
            case Get() | Put():
                before, after = (
                    ("get", "got") if action == Get() else ("put", "answered")
                )
                _fault(f"{stage}.{before}")
                answer = self._api.carry_out(action)
                _fault(f"{stage}.{after}")
                return answer
            case Keep(record):
                _fault(f"{stage}.keep")
                self._record = self._kept(record)
                _fault(f"{record.stage}.kept")
                return Kept(self._record)
            case Pause(seconds):
                self._pause(seconds)
                return Rested()
            case _:
                raise ValueError(f"no restore does {action}")

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
            self._line.say(Word.TROUBLE, error=error, in_seconds=seconds)
            seconds *= random.uniform(0.8, 1.2)  # noqa: S311  no secret
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                message = self._line.next(left)
            except Gone:
                self._name_myself()
                continue
            match message:
                case {"what": Order.BEAT}:
                    self._line.say(Word.BEAT)
                case {"what": "wake"}:
                    return
                case dict():
                    self._later.append(message)
                case None:
                    pass

    def _repeat(self) -> None:
        if self._record is None:
            return
        shown = self._api.carry_out(Get())
        if isinstance(shown, Shown) and (put := to_repeat(self._record, shown.account)):
            self._api.carry_out(put)

    # --- alone -----------------------------------------------------------------------

    def _name_myself(self) -> None:
        """The lock that was inherited names who holds it now."""
        if self._plan.lock is not None:
            with suppress(OSError):
                os.ftruncate(self._plan.lock, 0)
                os.pwrite(self._plan.lock, self._plan.guardian.encode(), 0)

    def _end_agents(self) -> None:
        for pid, started in self._agents.items():
            if started and _started(pid) == started:
                with suppress(OSError):
                    os.kill(pid, signal.SIGTERM)


def main() -> None:
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    pipe = Line()
    pipe.say(Word.READY)
    _fault("ready")
    try:
        message = pipe.next(within=60.0)
    except Gone:
        return
    if message is not None and message["what"] == Order.PLAN:
        Guardian(read_plan(message["plan"]), pipe).run()


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """TimeoutError after so long, whatever the block is waiting for."""

    def expired(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _moment() -> Moment:
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    boot = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Moment(datetime.now(UTC), time.clock_gettime(clock), boot)  # noqa: TID251


def _started(pid: int) -> str:
    """When a process started, so that a pid given anew is seen; "" if it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


def _fault(point: str) -> None:
    """Inert, unless DEVHOOK_FAULT names this point of the guardian."""
    fault = read_fault(os.environ.get(VARIABLE))
    if fault is None or fault.point != f"guardian.{point}":
        return
    if fault.act in (Act.OTHER, Act.BOTH) and os.getppid() == _RUN:
        os.kill(os.getppid(), signal.SIGKILL)
    if fault.act in (Act.KILL, Act.BOTH):
        os.kill(os.getpid(), signal.SIGKILL)
    if fault.act is Act.STOP:
        os.kill(os.getpid(), signal.SIGSTOP)
    if fault.act is Act.FAIL:
        raise OSError("made to fail")
