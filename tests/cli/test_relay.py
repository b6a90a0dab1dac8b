"""`devhook relay serve`, as a process of its own."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.relay.rig import Reply, ask, request
from tests.terminal import Terminal
from tests.tunnel.rig import NOBODY, a_tunnel

Process = subprocess.Popen[str]
SERVE = ("relay", "serve", "--listen", "127.0.0.1:0")


@pytest.fixture
def devhook(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


@contextmanager
def running(devhook: Terminal, *args: str, **environ: str) -> Iterator[Process]:
    with subprocess.Popen(
        [sys.executable, "-m", "devhook", *SERVE, *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=devhook.folder,
        env=devhook.environ | environ,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ready(process: Process) -> dict[str, str]:
    assert process.stdout is not None
    told: dict[str, str] = json.loads(process.stdout.readline())
    assert told["type"] == "ready"
    return told


async def health(url: str) -> Reply:
    return await ask(url, request("GET", "/healthz"))


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_ready_serves_and_ends_cleanly(
    devhook: Terminal, ending: signal.Signals
) -> None:
    """One object on stdout, a client let in, 0 in the end."""
    token = {"DEVHOOK_RELAY_TOKEN": "canary"}
    with running(devhook, "--json", "-q", **token) as process:
        told = ready(process)
        assert told["public_url"] == told["url"]
        assert (await health(told["url"])).status == 200
        async with a_tunnel(told["url"], NOBODY, token="canary") as tunnel:
            assert tunnel.public_url.startswith(f"{told['url']}/t/")
            process.send_signal(ending)
            stdout, stderr = process.communicate(timeout=10)
    assert (process.returncode, stdout, stderr) == (0, "", "")


async def test_tokens_come_from_a_file(devhook: Terminal) -> None:
    """With or without names; the log and the screen hold none of them."""
    (devhook.folder / "tokens").write_text("# team\nalice canary-a\ncanary-b # old\n")
    with running(devhook, "--json", "-vv", "--token-file", "tokens") as process:
        url = ready(process)["url"]
        for token in ("canary-a", "canary-b"):
            async with a_tunnel(url, NOBODY, token=token):
                pass
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=10)
    assert "connected from 127.0.0.1" in stderr
    assert "canary" not in stderr


def test_its_banner_has_a_line_to_copy(devhook: Terminal) -> None:
    """For a human, on stderr; stdout stays empty."""
    public = ("--public-url", "https://*.relay.test")
    with running(devhook, *public, DEVHOOK_RELAY_TOKEN="canary") as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(7)]
        process.send_signal(signal.SIGTERM)
        stdout, _ = process.communicate(timeout=10)
    assert "  Public URLs  https://<name>.relay.test\n" in lines
    assert "  devhook up 3000 --relay https://relay.test\n" in lines
    assert "canary" not in "".join(lines)
    assert stdout == ""


async def test_an_address_for_everybody_wants_a_public_url(devhook: Terminal) -> None:
    """A URL at 0.0.0.0 leads nowhere: said before anybody gets one."""
    listen = ("--listen", "0.0.0.0:0", "--json")
    with running(devhook, *listen, DEVHOOK_RELAY_TOKEN="canary") as process:
        ready(process)
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=10)
    assert stderr.startswith("warning: ")
    assert "--public-url" in stderr.splitlines()[0]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "there is no token to let clients in"),
        (["--token-file", "none"], "the token file none cannot be read"),
        (["--token-file", "empty"], "the token file empty holds no token"),
        (["--token-file", "bad"], "the token file bad: line 2 is neither"),
        (["--token-file", "good", "--listen", "8080"], "--listen is HOST:PORT"),
        (["--token-file", "good", "--public-url", "x.test"], "--public-url cannot"),
        (["--token-file", "good", "--max-body", "much"], "--max-body is no size"),
        (["--token-file", "good", "--max-body", "0"], "--max-body is no size"),
        (["--token-file", "good", "--tls-key", "k"], "--tls-key without"),
    ],
)
async def test_what_it_cannot_start_with_is_a_usage_error(
    devhook: Terminal, args: list[str], message: str
) -> None:
    """Exit 2, one line that says what, one what to type; no secret in either."""
    (devhook.folder / "empty").write_text("# none yet\n")
    (devhook.folder / "bad").write_text("good\none canary two\n")
    (devhook.folder / "good").write_text("good\n")
    finished = await devhook(*SERVE, *args)
    code, error, hint = finished.error()
    assert code == 2
    assert error.startswith(message)
    assert "canary" not in error + hint


async def test_a_port_in_use_is_exit_1(devhook: Terminal) -> None:
    """With the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        finished = await devhook(
            *SERVE, "--listen", listen, DEVHOOK_RELAY_TOKEN="canary"
        )
    code, error, hint = finished.error()
    assert (code, error.startswith(listen)) == (1, True)
    assert "--listen" in hint


async def test_a_body_over_max_body_is_refused(devhook: Terminal) -> None:
    """The flag is heard."""
    args = ("--json", "--max-body", "1K")
    with running(devhook, *args, DEVHOOK_RELAY_TOKEN="canary") as process:
        url = ready(process)["url"]
        async with a_tunnel(url, NOBODY, token="canary") as tunnel:
            path = tunnel.public_url.removeprefix(url)
            reply = await ask(url, request("POST", path, body=bytes(1025)))
    assert (reply.status, reply.by_relay) == (503, "body-too-large")
