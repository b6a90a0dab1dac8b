from devhook.sandbox import Sandbox
from tests.terminal import Terminal


async def test_the_secret_alone_is_printed(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """So that a shell can take it."""
    shown = await terminal("secret", "show")
    assert (shown.code, shown.out, shown.err) == (0, f"{sandbox.secret}\n", "")


async def test_json_has_it_too(sandbox: Sandbox, terminal: Terminal) -> None:
    """Printing it is what the command is for."""
    shown = await terminal("--json", "secret", "show")
    assert shown.objects() == [{"type": "secret", "webhook_secret": sandbox.secret}]


async def test_an_account_without_one_is_an_error(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    """Exit 1, and nothing on stdout that a script could take for a secret."""
    sandbox.change(webhook_secret="")
    shown = await terminal("secret", "show")
    assert shown.out == ""
    assert shown.error()[0] == 1
