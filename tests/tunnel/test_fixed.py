"""A public URL of the user's own: checked, and otherwise left alone."""

import asyncio

import pytest

from devhook.errors import UsageError
from devhook.tunnel.fixed import open_fixed


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://hooks.test", "https://hooks.test"),
        ("https://hooks.test/", "https://hooks.test"),
        ("https://hooks.test:8443/dev/me/", "https://hooks.test:8443/dev/me"),
    ],
)
async def test_the_url_is_a_base_without_a_slash_at_its_end(
    given: str, base: str
) -> None:
    """We add the slash and the secret path."""
    async with open_fixed(given) as tunnel:
        assert tunnel.public_url == base
        assert tunnel.warning is None


@pytest.mark.parametrize(
    "given",
    [
        "hooks.test",
        "ftp://hooks.test",
        "https://",
        "https://me:secret@hooks.test",
        "https://hooks.test/?token=x",
        "https://hooks.test/?",
        "https://hooks.test/#x",
        "https://hooks.test:port/",
        "https://[::1/",
    ],
)
async def test_what_cannot_be_a_base_is_a_usage_error(given: str) -> None:
    """With an example of what can, and nothing of what was given."""
    with pytest.raises(UsageError, match="--public-url") as raised:
        async with open_fixed(given):
            pass
    assert "--listen" in (raised.value.hint or "")
    assert "secret" not in raised.value.message


@pytest.mark.parametrize(
    ("given", "warns"),
    [
        ("http://hooks.test", True),
        ("http://127.0.0.1:80", False),
        ("http://localhost", False),
        ("https://hooks.test", False),
    ],
)
async def test_plain_http_to_another_machine_is_warned_of(
    given: str, warns: bool
) -> None:
    """Events hold telephone numbers."""
    async with open_fixed(given) as tunnel:
        assert ("plain http" in (tunnel.warning or "")) is warns


async def test_it_never_tells_of_a_change() -> None:
    """Nobody tells us either."""
    async with open_fixed("https://hooks.test") as tunnel:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(aiter(tunnel.changes()))
