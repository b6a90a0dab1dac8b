"""A sandbox with an account one can lose, and a terminal that knows its key."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devhook.sandbox import Customer, Sandbox
from devhook.system import SystemClock, new_id
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
