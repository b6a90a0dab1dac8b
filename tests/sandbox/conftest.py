"""A sandbox and a target for each test, both real, both on loopback."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devhook.core.model import Json
from devhook.sandbox import Sandbox, Timing
from devhook.system import SystemClock, new_id
from tests.sandbox.target import Target, open_target

CATALOGUE: dict[str, Json] = {
    "call_hangup": {
        "type": "call_hangup",
        "data": {
            "id": "6c44f3f4-399c-4b46-84fa-c74aa9cbc99f",
            "customer_id": "00000000-0000-0000-0000-000000000001",
            "source": {"type": "tel", "target": "+12025550123"},
            "recording_ids": ["cb93e2c5-1017-48f9-ab06-638ce0ea4f46"],
            "status": "hangup",
            "note": "<please hold> & wait",
        },
    },
    "message_created": {
        "type": "message_created",
        "data": {"id": "70a14f6a-6744-49f5-ad19-f1d6cb650929", "text": "ü"},
    },
}
QUICK = Timing(connect=2.0, headers=0.2, total=0.6, pause=0.01, cache_delay=0.0)

Opener = Callable[..., AbstractAsyncContextManager[Sandbox]]


def open_sandbox(**options: Any) -> AbstractAsyncContextManager[Sandbox]:
    """One with the real clock, a small catalogue, and little patience."""
    options = {"catalogue": CATALOGUE, "timing": QUICK, **options}
    return Sandbox.open(clock=SystemClock(), new_id=new_id, **options)


async def until(fact: Callable[[], bool]) -> None:
    """Wait for what a socket or a task brings about; fail after five seconds."""
    async with asyncio.timeout(5):
        while not fact():  # noqa: ASYNC110 - there is no event of it
            await asyncio.sleep(0.002)


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for 127.0.0.1, signed by itself, its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    command += " -nodes -days 2 -subj /CN=sandbox -addext subjectAltName=IP:127.0.0.1"
    made = subprocess.run(
        [*command.split(), "-keyout", "-", "-out", "-"], check=True, capture_output=True
    )
    path.write_bytes(made.stdout)
    return path


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox() as opened:
        yield opened


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    async with open_target() as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
