"""The processes of a demonstration: started by public commands, and all ended."""

import difflib
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Any

from devhook.cli.base import Run
from devhook.errors import DevhookError

_WITHIN = 20.0

# The sample application's bug, and what its author writes in its place.
BUG = '    answered = datetime.fromisoformat(call["tm_progressing"])\n'
MENDED = '    if "tm_progressing" not in call:\n        return 0.0\n' + BUG


class Stage:
    """A folder, an environment, and what runs in them."""

    def __init__(self, run: Run, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._run = run
        self._stack = stack
        self._apps: dict[int, subprocess.Popen[str]] = {}
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "TERM", "TMPDIR", "NO_COLOR")
        self._env = {name: os.environ[name] for name in kept if name in os.environ}
        self._env["DEVHOOK_HOME"] = str(folder / "home")
        self._env["DEVHOOK_LINGER"] = "1s"
        self._env["PYTHONPATH"] = os.pathsep.join(sys.path)
        self._quiet = ["-q"] if run.quiet else []

    def app(self, name: str, *, mended: bool) -> int:
        """Start a copy of the sample application; the port it listens on."""
        source = (files("devhook.demo") / "sample_app.py").read_text()
        path = self.folder / name
        path.write_text(source.replace(BUG, MENDED) if mended else source)
        return self._start_app(path, 0)

    def mend(self, port: int) -> None:
        """Put the bug right in the application's file, and start it anew."""
        path = self.folder / "app.py"
        old = path.read_text()
        new = old.replace(BUG, MENDED)
        path.write_text(new)
        changed = difflib.unified_diff(
            old.splitlines(), new.splitlines(), "app.py", "app.py", lineterm="", n=1
        )
        self._run.say("\n".join(f"   {line}" for line in changed))
        _end(self._apps.pop(port))
        self._start_app(path, port)

    def sandbox(self, *, webhook_uri: str) -> dict[str, Any]:
        flags = ("--listen", "127.0.0.1:0", "--webhook-uri", webhook_uri)
        ready = self._serve("sandbox", *flags)
        self._env["DEVHOOK_API_URL"] = ready["api_url"]
        self._env["DEVHOOK_ACCESS_KEY"] = ready["access_key"]
        return ready

    def relay(self) -> dict[str, Any]:
        token = self.folder / "relay-token"
        token.touch(mode=0o600)
        token.write_text("demo only-for-this-demonstration\n")
        flags = ("--listen", "127.0.0.1:0", "--token-file", str(token))
        return self._serve("relay", "serve", *flags)

    def up(
        self, port: int, sandbox: dict[str, Any], relay: dict[str, Any]
    ) -> subprocess.Popen[str]:
        """`devhook up`, its screen on ours, once it says that it is ready."""
        ready_file = self.folder / "ready.json"
        token = self.folder / "relay-token-mine"
        token.touch(mode=0o600)
        token.write_text("only-for-this-demonstration\n")
        command = ["up", f"{port}/webhooks", "--yes", "--tunnel", "relay"]
        command += ["--relay", relay["url"], "--relay-token-file", str(token)]
        self._say(*command)
        process = self._popen([*command, "--ready-file", str(ready_file)], stdout=None)
        deadline = monotonic() + _WITHIN
        while not ready_file.exists():
            if process.poll() is not None or monotonic() > deadline:
                raise DevhookError("devhook up did not get ready", hint="see above")
            sleep(0.05)
        return process

    def end(self, session: "subprocess.Popen[str]") -> int:
        session.send_signal(signal.SIGINT)
        return session.wait(_WITHIN)

    def devhook(self, *args: str, check: bool = True) -> int:
        """One command as a user would type it, its output on ours."""
        self._say(*args)
        done = subprocess.run(  # noqa: S603  our own commands
            [sys.executable, "-m", "devhook", *args, *self._quiet],
            env=self._env,
            cwd=self.folder,
            stdout=sys.stderr if not self._run.quiet else subprocess.DEVNULL,
            check=False,
        )
        if check and done.returncode:
            raise DevhookError(f"devhook {args[0]} ended with {done.returncode}")
        return done.returncode

    def first_failure(self) -> dict[str, Any]:
        """The first event that the application failed on, waited for."""
        deadline = monotonic() + _WITHIN
        while not (found := self._events("--status", "failed")):
            if monotonic() > deadline:
                raise DevhookError("no event failed, which this demo is about")
            sleep(0.1)
        return found[0]

    def count_events(self) -> int:
        return len(self._events("--limit", "1000"))

    def account(self, sandbox: dict[str, Any]) -> dict[str, str]:
        """What the account API shows, by a plain GET."""
        request = urllib.request.Request(  # noqa: S310  our own loopback address
            f"{sandbox['api_url']}/customer",
            headers={"Cookie": f"accesskey={sandbox['access_key']}"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=5) as answer:
            fields: dict[str, str] = json.load(answer)
        return fields

    # --- inside ----------------------------------------------------------------------

    def _events(self, *filters: str) -> list[dict[str, Any]]:
        done = subprocess.run(  # noqa: S603  our own commands
            [sys.executable, "-m", "devhook", "events", "--json", *filters],
            env=self._env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    def _say(self, *args: str) -> None:
        self._run.say(f"\n   $ devhook {' '.join(args)}\n")

    def _serve(self, *command: str) -> dict[str, Any]:
        """Start a server of ours; its `ready` object."""
        process = self._popen([*command, "--json", "-q"], stdout=subprocess.PIPE)
        ready: dict[str, Any] = json.loads(_first_line(process))
        return ready

    def _popen(
        self, command: list[str], *, stdout: int | IO[str] | None
    ) -> "subprocess.Popen[str]":
        process = subprocess.Popen(  # noqa: S603  our own commands
            [sys.executable, "-m", "devhook", *command, *self._quiet],
            env=self._env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=stdout if stdout is not None else sys.stderr,
            text=True,
            process_group=0,  # Ctrl-C is ours alone: we end them in the right order
        )
        self._stack.callback(_end, process)
        return process

    def _start_app(self, path: Path, port: int) -> int:
        process = subprocess.Popen(  # noqa: S603  our own sample
            [sys.executable, str(path), str(port)],
            env=self._env,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        self._stack.callback(_end, process)
        bound = int(_first_line(process))
        self._apps[bound] = process
        return bound


@contextmanager
def open_stage(run: Run, *, keep: bool) -> Iterator[Stage]:
    """A folder and processes that are gone when the block ends, unless it is kept."""
    with ExitStack() as stack:
        if keep:
            folder = Path(tempfile.mkdtemp(prefix="devhook-demo-"))
        else:
            temporary = tempfile.TemporaryDirectory(prefix="devhook-demo-")
            folder = Path(stack.enter_context(temporary))
        yield Stage(run, folder, stack)


def _first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None  # noqa: S101  it was asked for
    line = process.stdout.readline()
    if not line:
        raise DevhookError("a process of the demo ended before it was ready")
    return line


def _end(process: "subprocess.Popen[str]") -> None:
    """End it kindly; `up` restores first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
