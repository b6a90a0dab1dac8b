"""The real clock and the real source of ids: the only reader of time and randomness."""

import os
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from devhook.core.clock import Moment
from devhook.core.fault import VARIABLE, Act, read_fault

_others: list[int] = []


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def moment(self) -> Moment:
        return moment()

    async def sleep(self, seconds: float) -> None:
        import asyncio  # whoever runs this has it; short commands do without

        await asyncio.sleep(seconds)


def moment() -> Moment:
    # macOS has no clock that counts sleep; its wall clock decides after one.
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return Moment(datetime.now(UTC), time.clock_gettime(clock), _boot())


def new_id() -> str:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, then randomness."""
    milliseconds = time.time_ns() // 1_000_000
    return _uuid(milliseconds << 80 | int.from_bytes(os.urandom(10)), version=7)


def random_id() -> str:
    """A UUIDv4, as the platform names its resources."""
    return _uuid(int.from_bytes(os.urandom(16)), version=4)


def new_secret() -> str:
    """A path secret or key: 192 bits, safe in a URL."""
    import secrets  # short commands need none

    return secrets.token_urlsafe(24)


def chance() -> float:
    """A number in [0, 1), to spread retries by; no secret is made of it."""
    import random

    return random.random()  # noqa: S311


def this_process() -> str:
    """A mark of this very process: pid, boot and start, so that pid reuse is seen."""
    return process_mark(os.getpid())


def process_mark(pid: int) -> str:
    """The mark of another process; one that no process has, if it is gone."""
    return f"{pid}@{_started(pid)}"


def is_alive(mark: str) -> bool:
    """Whether the process of that mark still runs on this machine, in this boot."""
    pid, _, started = mark.partition("@")
    return pid.isdecimal() and started != "" and _started(int(pid)) == started


def pair(pid: int) -> None:
    """Name the process that a fault of the kinds `other` and `both` kills."""
    _others[:] = [pid]


def fault(point: str) -> None:
    """Inert, unless DEVHOOK_FAULT names this point."""
    planned = read_fault(os.environ.get(VARIABLE))
    if planned is None or planned.point != point:
        return
    if planned.act in (Act.OTHER, Act.BOTH):
        for pid in _others:
            with suppress(ProcessLookupError):  # met here before
                os.kill(pid, signal.SIGKILL)
    if planned.act in (Act.KILL, Act.BOTH):
        os.kill(os.getpid(), signal.SIGKILL)
    if planned.act is Act.STOP:
        os.kill(os.getpid(), signal.SIGSTOP)
    if planned.act is Act.FAIL:
        raise OSError("made to fail")


def _uuid(value: int, *, version: int) -> str:
    """128 bits, with those that say the version and the variant put in."""
    value = value & ~(0xF000 << 64) | version << 76
    value = value & ~(0xC000 << 48) | 0x8000 << 48
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _boot() -> str:
    """Names this boot of the machine; "" where it has no such name."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except FileNotFoundError:
        return ""


def _started(pid: int) -> str:
    """When it started, in words that differ after a reboot; "" if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return "" if Path("/proc/self/stat").exists() else _started_by_ps(pid)
    fields = stat.rpartition(")")[2].split()
    if fields[0] == "Z":
        return ""
    return f"{_boot()}:{fields[19]}"


def _started_by_ps(pid: int) -> str:
    """macOS has no /proc: its `ps` tells the start to the second."""
    import subprocess

    done = subprocess.run(  # noqa: S603  a fixed program, a number
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()
