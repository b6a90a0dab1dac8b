"""A sandbox with an account one can lose, and a terminal that knows its key."""

import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from devhook.sandbox import Customer, Sandbox
from devhook.system import SystemClock, new_id
from tests.cli.recorded import Recorded, environment
from tests.terminal import Terminal

ORIGINAL = "https://user:canary@acme.example/voip?key=canary"
MASKED = "https://***@acme.example/voip?key=***"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    customer = Customer(webhook_uri=ORIGINAL, webhook_method="PUT")
    async with Sandbox.open(
        clock=SystemClock(), new_id=new_id, customer=customer
    ) as opened:
        yield opened


@pytest.fixture
def terminal(tmp_path: Path, sandbox: Sandbox) -> Terminal:
    """Knows the sandbox by environment; `home` is empty."""
    return Terminal(
        tmp_path,
        DEVHOOK_API_URL=sandbox.api_url,
        DEVHOOK_ACCESS_KEY=sandbox.access_key,
    )


@pytest.fixture
def bare(tmp_path: Path) -> Terminal:
    """Knows no account at all."""
    return Terminal(tmp_path)


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wall time as in UTC, so that lines are the same everywhere."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def recorded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    utc: None,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> Recorded:
    """Empty: not even a database."""
    for name in list(os.environ):
        if name.startswith(("DEVHOOK_", "VN_", "VOIPBIN_")):
            monkeypatch.delenv(name)
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return Recorded(tmp_path, capsysbinary)
