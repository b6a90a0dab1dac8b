"""devhook as a user runs it: a process of its own, with a home of its own."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.forking import command

ROOT = Path(__file__).parent.parent

_AT_A_TERMINAL = (
    "import os, sys; os.login_tty(0);"
    "os.execv(sys.executable, [sys.executable, '-m', 'devhook', *sys.argv[1:]])"
)


@dataclass(frozen=True)
class Finished:
    """What a command came to. At a terminal `out` is the whole screen."""

    code: int
    out: str
    err: str

    def objects(self) -> list[dict[str, Any]]:
        """The lines of `--json`."""
        return [json.loads(line) for line in self.out.splitlines()]

    def error(self) -> tuple[int, str, str]:
        """Exit code, message and hint; fails if stderr ends with anything else."""
        error, hint = self.err.splitlines()[-2:]
        assert error.startswith("error: "), self.err
        assert hint.startswith("hint: "), self.err
        return self.code, error.removeprefix("error: "), hint.removeprefix("hint: ")


class Terminal:
    """Every command shares one home, one folder, and the environment given here."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = home
        self.folder = home / "work"
        self.folder.mkdir()
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "DEVHOOK_HOME": str(home / "devhook"),
            "PYTHONPATH": str(ROOT),
            "SSL_CERT_FILE": os.environ["SSL_CERT_FILE"],
            **environ,
        }

    async def __call__(self, *args: str, stdin: str = "", **environ: str) -> Finished:
        """Run a command to its end, with nobody there to be asked."""
        code, out, err = await command(
            args,
            stdin=stdin.encode(),
            folder=self.folder,
            environ=self.environ | environ,
        )
        return Finished(code, out.decode(), err.decode())

    async def attended(
        self, *args: str, answers: Sequence[tuple[str, str]], **environ: str
    ) -> Finished:
        """Run it at a terminal; once the first of a pair is shown, type the second."""
        return await asyncio.to_thread(
            self._converse, args, answers, self.environ | environ
        )

    def _converse(
        self,
        args: Sequence[str],
        answers: Sequence[tuple[str, str]],
        environ: dict[str, str],
    ) -> Finished:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", _AT_A_TERMINAL, *args],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=self.folder,
            env=environ,
        )
        os.close(theirs)
        screen = ""
        with process:
            for question, answer in answers:
                screen = _read_until(ours, screen, question)
                os.write(ours, f"{answer}\n".encode())
            screen = _read_until(ours, screen, None)
        os.close(ours)
        return Finished(process.returncode, screen, "")


def _read_until(descriptor: int, screen: str, question: str | None) -> str:
    """Read on until the text is on the screen, or to the end."""
    while question is None or question not in screen:
        try:
            data = os.read(descriptor, 65_536)
        except OSError:  # Linux says so when the last writer is gone
            data = b""
        if not data:
            assert question is None, f"never asked {question!r}: {screen}"
            return screen
        screen += data.decode()
    return screen
