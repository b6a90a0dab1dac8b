"""Every `console` block of README.md is run, in order, and says what it shows.

In an expected text a line `...` stands for any lines, and `…` for anything within one.
What `sh` blocks export holds from there on. The ports of the text are replaced by free
ones.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"^```(console|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORTS = ("3000", "4010", "4020")
STAYS = (
    "devhook sandbox",
    "devhook relay serve",
    "devhook up",
    "python -m devhook.demo",
)
_WITHIN = 20.0


@dataclass
class Step:
    """One command of a block, and what the block says it prints."""

    command: str
    expected: str


@dataclass
class Terminal:
    """A folder and an environment of its own, and what was started to stay."""

    folder: Path
    env: dict[str, str]
    ports: dict[str, str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def export(self, line: str) -> None:
        name, _, value = line.removeprefix("export ").partition("=")
        self.env[name] = self.with_ports(value)

    def run(self, step: Step) -> str:
        """The output of the command; of one that stays, until the expected is there."""
        command = self.with_ports(step.command)
        if not any(part in command for part in STAYS):
            done = subprocess.run(
                ["bash", "-c", command],
                env=self.env,
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_WITHIN,
                check=False,
            )
            output = done.stdout.decode()
            if done.returncode and "error:" not in step.expected:
                return f"{output}(exit code {done.returncode})\n"
            return output
        log = self.folder / f"log-{len(self.running)}"
        with log.open("wb") as into:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}" if "=" not in command else command],
                env=self.env,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=into,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        self.running.append(process)
        return self._until(log, pattern(self.with_ports(step.expected)), process)

    def with_ports(self, text: str) -> str:
        for port, free in self.ports.items():
            text = re.sub(rf"\b{port}\b", free, text)
        return text

    def end(self) -> None:
        for process in reversed(self.running):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            process.wait(_WITHIN)

    def _until(
        self, log: Path, wanted: re.Pattern[str], process: subprocess.Popen[bytes]
    ) -> str:
        deadline = time.monotonic() + _WITHIN
        while not wanted.fullmatch(text := log.read_text()):
            if time.monotonic() > deadline or process.poll() is not None:
                return text
            time.sleep(0.05)
        return text


def steps(text: str) -> Iterator[Step | str]:
    """Steps of console blocks, and export lines of sh blocks, in order."""
    for language, block in BLOCK.findall(text):
        if language == "sh":
            yield from (
                line for line in block.splitlines() if line.startswith("export ")
            )
            continue
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            yield Step(command, expected)


def pattern(expected: str) -> re.Pattern[str]:
    parts = []
    for line in expected.splitlines():
        if line == "...":
            parts.append(r"(?:(?!\(exit code).*\n)*")
        else:
            inner = r"[^\n]*".join(re.escape(piece) for piece in line.split("…"))
            parts.append(rf"{inner}[ ]*\n")
    return re.compile("".join(parts))


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    names = ("HOME", "LANG", "SSL_CERT_FILE")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    bin_folder = str(Path(sys.executable).parent)
    env = kept | {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "DEVHOOK_HOME": str(tmp_path / "home"),
        "DEVHOOK_LINGER": "0.2s",
        "COLUMNS": "88",
    }
    opened = Terminal(tmp_path, env, {port: free_port() for port in PORTS})
    try:
        yield opened
    finally:
        opened.end()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_every_console_block_says_what_happens(terminal: Terminal) -> None:
    """A reader who types along sees the same."""
    for step in steps(README.read_text()):
        if isinstance(step, str):
            terminal.export(step)
            continue
        output = terminal.run(step)
        expected = terminal.with_ports(step.expected)
        assert pattern(expected).fullmatch(output), (
            f"$ {step.command}\n--- expected\n{expected}\n--- came\n{output}"
        )
