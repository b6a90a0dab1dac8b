"""Opening the sandbox: where it listens, and what it stands on."""

import ast
import ssl
from pathlib import Path

import pytest
from aiohttp import ClientSession

import devhook.sandbox
from devhook.errors import DevhookError, UsageError
from devhook.sandbox import Sandbox
from tests.sandbox.conftest import open_sandbox, server_tls


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.com"])  # noqa: S104 - refused
async def test_it_listens_on_loopback_alone(host: str) -> None:
    """Its credentials are known to everybody."""
    with pytest.raises(UsageError, match="loopback alone"):
        async with open_sandbox(host=host):
            pass


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost", "::1"])
async def test_any_loopback_address_will_do(host: str, http: ClientSession) -> None:
    """By number or by name."""
    async with (
        open_sandbox(host=host) as sandbox,
        http.get(f"{sandbox.control_url}/account") as answer,
    ):
        assert answer.status == 200


async def test_a_port_in_use_is_named(sandbox: Sandbox) -> None:
    """With what to do about it."""
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(DevhookError, match=f"port {port} on 127.0.0.1") as refusal:
        async with open_sandbox(port=port):
            pass
    assert refusal.value.exit_code == 1
    assert "127.0.0.1:0" in str(refusal.value.hint)


async def test_it_speaks_tls_with_a_certificate(
    certificate: Path, http: ClientSession
) -> None:
    """The API and the control address alike."""
    trusting = ssl.create_default_context(cafile=certificate)
    async with open_sandbox(ssl_context=server_tls(certificate)) as sandbox:
        assert sandbox.api_url.startswith("https://127.0.0.1:")
        for url in (f"{sandbox.url}/ping", f"{sandbox.control_url}/account"):
            async with http.get(url, ssl=trusting) as answer:
                assert answer.status == 200


def test_it_shares_no_code_with_what_it_tests() -> None:
    """Client, signature and encoder have to be able to disagree with it."""
    folder = Path(devhook.sandbox.__file__).parent
    imported = {
        name for path in folder.glob("*.py") for name in _imports(path.read_text())
    }
    ours = {name for name in imported if name.split(".")[0] == "devhook"}
    shared = {name for name in ours if not name.startswith("devhook.sandbox")}
    assert shared <= {
        "devhook.core.clock",
        "devhook.core.http",
        "devhook.core.model",
        "devhook.errors",
    }


def _imports(source: str) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names.append(str(node.module))
    return names
