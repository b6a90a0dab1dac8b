"""Profiles: made only of credentials that work, kept private, never shown."""

import pytest

from devhook.sandbox import Sandbox, credentials
from tests.terminal import Terminal


async def added(sandbox: Sandbox, bare: Terminal, name: str = "staging") -> None:
    done = await bare(
        "profile",
        "add",
        name,
        "--access-key",
        "-",
        "--api-url",
        sandbox.api_url,
        stdin=f"{sandbox.access_key}\n",
    )
    assert done.code == 0, done.err


async def test_a_profile_is_saved_privately_once_its_key_works(
    sandbox: Sandbox, bare: Terminal
) -> None:
    """0600, from standard input, and the account is named."""
    await added(sandbox, bare)
    file = bare.home / "devhook" / "config.toml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert sandbox.access_key in file.read_text()
    shown = await bare("webhook", "show")
    assert shown.code == 0


async def test_a_key_that_does_not_work_is_not_saved(
    sandbox: Sandbox, bare: Terminal
) -> None:
    """Exit 6, no file."""
    done = await bare(
        "profile",
        "add",
        "x",
        "--access-key",
        "-",
        "--api-url",
        sandbox.api_url,
        stdin="vb_canary\n",
    )
    assert done.error()[0] == 6
    assert "canary" not in done.out + done.err
    assert not (bare.home / "devhook" / "config.toml").exists()


async def test_a_key_is_asked_for_hidden(sandbox: Sandbox, bare: Terminal) -> None:
    """It does not appear on the screen."""
    done = await bare.attended(
        "profile",
        "add",
        "x",
        "--api-url",
        sandbox.api_url,
        answers=[("Access key", sandbox.access_key)],
    )
    assert done.code == 0, done.out
    assert sandbox.access_key not in done.out
    assert "Profile x is account Acme" in done.out


async def test_a_login_is_turned_into_a_token(sandbox: Sandbox, bare: Terminal) -> None:
    """The password is neither shown nor kept."""
    admin = credentials.ADMIN
    done = await bare.attended(
        "profile",
        "add",
        "x",
        "--api-url",
        sandbox.api_url,
        answers=[("Access key", ""), ("User name", admin.name), ("Password", "wrong")],
    )
    assert done.code == 6
    done = await bare.attended(
        "profile",
        "add",
        "x",
        "--api-url",
        sandbox.api_url,
        answers=[
            ("Access key", ""),
            ("User name", admin.name),
            ("Password", admin.password),
        ],
    )
    assert done.code == 0, done.out
    text = (bare.home / "devhook" / "config.toml").read_text()
    assert "token = " in text
    assert admin.password not in text


async def test_without_a_terminal_a_flag_is_asked_for(bare: Terminal) -> None:
    """Exit 2."""
    code, message, hint = (await bare("profile", "add", "x")).error()
    assert code == 2
    assert "no terminal" in message
    assert "--access-key @FILE" in hint


async def test_a_profile_remembers_how_its_api_is_reached(
    sandbox: Sandbox, bare: Terminal
) -> None:
    """Address and query form."""
    done = await bare(
        "profile",
        "add",
        "x",
        "--token",
        "-",
        "--auth",
        "query",
        "--api-url",
        sandbox.api_url,
        stdin=sandbox.admin_token,
    )
    assert done.code == 0
    assert sandbox.requests[-1].credential == "?token="
    await bare("webhook", "show")
    assert sandbox.requests[-1].credential == "?token="


async def test_profiles_are_listed_without_their_credentials(
    sandbox: Sandbox, bare: Terminal
) -> None:
    """The first is in use until another one is."""
    await added(sandbox, bare, "one")
    await added(sandbox, bare, "two")
    listed = await bare("profile", "list")
    assert listed.out.splitlines() == [
        f"* one  {sandbox.api_url}  access key",
        f"  two  {sandbox.api_url}  access key",
    ]
    assert (await bare("profile", "use", "two")).code == 0
    objects = (await bare("profile", "list", "--json")).objects()
    assert [entry["in_use"] for entry in objects] == [False, True]
    assert sandbox.access_key not in str(objects)


async def test_a_removed_profile_is_forgotten(sandbox: Sandbox, bare: Terminal) -> None:
    """Its key too."""
    await added(sandbox, bare)
    assert (await bare("profile", "remove", "staging")).code == 0
    assert sandbox.access_key not in (bare.home / "devhook/config.toml").read_text()


@pytest.mark.parametrize("verb", ["use", "remove"])
async def test_an_unknown_profile_is_named_with_near_ones(
    sandbox: Sandbox, bare: Terminal, verb: str
) -> None:
    """Exit 2."""
    await added(sandbox, bare)
    code, message, hint = (await bare("profile", verb, "stagin")).error()
    assert (code, hint) == (2, "did you mean staging")
    assert message.endswith("has no profile stagin")
