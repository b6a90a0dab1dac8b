"""`devhook sandbox`, as a process of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.target import open_target

Process = subprocess.Popen[str]


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """The command, on any free port, with a home of its own."""
    environ = f"DEVHOOK_HOME={tmp_path}"
    listen = ("--listen", "127.0.0.1:0")
    return ["env", environ, sys.executable, "-m", "devhook", "sandbox", *listen]


@contextmanager
def _running(*command: str) -> Iterator[Process]:
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _ready(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    ready: dict[str, Any] = json.loads(process.stdout.readline())
    return ready


def _asked(url: str, body: object = None, **headers: str) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 - http
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - http
        return json.load(answer)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_says_ready_serves_and_ends_cleanly(
    ending: signal.Signals, command: list[str]
) -> None:
    """One object on stdout, the account behind it, 0 in the end."""
    with _running(*command, "--json", "-q") as process:
        ready = _ready(process)
        assert ready["type"] == "ready"
        account = _asked(
            f"{ready['api_url']}/customer", Cookie=f"accesskey={ready['access_key']}"
        )
        assert account["id"] == ready["customer_id"]
        process.send_signal(ending)
        stdout, stderr = process.communicate(timeout=10)
    assert (process.returncode, stdout, stderr) == (0, "", "")


def test_its_banner_has_lines_to_copy(command: list[str]) -> None:
    """For a human, on stderr; stdout stays empty."""
    with _running(*command) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(9)]
        process.terminate()
        stdout, _ = process.communicate(timeout=10)
    url = lines[0].split()[5].rstrip(".")
    assert f"  export DEVHOOK_API_URL={url}/v1.0\n" in lines
    assert "  export DEVHOOK_ACCESS_KEY=vb_devhook_sandbox_access_key_00000\n" in lines
    emit = f"""  curl {url}/_sandbox/emit -d '{{"type": "call_hangup"}}'\n"""
    assert emit in lines
    assert stdout == ""


async def test_it_emits_every_shipped_event_to_the_given_uri(
    command: list[str],
) -> None:
    """By default with POST."""
    async with open_target() as target:
        with _running(*command, "--json", "--webhook-uri", target.url) as process:
            ready = _ready(process)
            assert ready["webhook_method"] == "POST"
            control = ready["control_url"]
            types = (await asyncio.to_thread(_asked, f"{control}/"))["event_types"]
            wish = {"count": len(types), "concurrency": 20}
            await asyncio.to_thread(_asked, f"{control}/burst", wish)
    assert len(types) >= 61
    bodies = [received.partition(b"\r\n\r\n")[2] for received in target.received]
    assert sorted(json.loads(body)["type"] for body in bodies) == types


def test_a_port_in_use_is_named(command: list[str]) -> None:
    """1, with a hint."""
    with _running(*command, "--json", "-q") as first:
        netloc = _ready(first)["url"].removeprefix("http://")
        with _running(*command, "--listen", netloc) as second:
            stdout, stderr = second.communicate(timeout=10)
    assert second.returncode == 1
    port = netloc.rpartition(":")[2]
    assert stderr.startswith(f"error: port {port} on 127.0.0.1 is in use")
    assert "hint: --listen 127.0.0.1:0 takes a free port" in stderr
    assert stdout == ""


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--listen", "0.0.0.0:0"], "listens on loopback alone, not on 0.0.0.0"),
        (["--listen", "4010"], "--listen is HOST:PORT, not '4010'"),
        (["--listen", "127.0.0.1:99999"], "--listen is HOST:PORT"),
        (["--tls-cert", "/nowhere.pem"], "/nowhere.pem cannot be used: No such file"),
        (["--tls-cert", __file__], "not a certificate with its key"),
        (["--tls-key", "key.pem"], "--tls-key without --tls-cert"),
        (["--rate-limit", "0"], "'--rate-limit'"),
    ],
)
def test_a_wrong_flag_is_a_misuse(
    flags: list[str], error: str, command: list[str]
) -> None:
    """2, one line that names it, one with what to type."""
    done = subprocess.run(
        [*command, *flags], capture_output=True, text=True, check=False, timeout=20
    )
    assert done.returncode == 2
    message, hint = done.stderr.splitlines()
    assert error in message
    assert hint.startswith("hint: ")
