"""`.devhook.toml` comes with somebody's repository: what it may say, and what not."""

from pathlib import Path

import pytest

from tests.upbench import Bench, open_bench


def say(b: Bench, text: str) -> None:
    """In the folder above the one that commands are run in."""
    (b.terminal.home / ".devhook.toml").write_text(text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("api_url", '"http://127.0.0.1:9/v1.0"'),
        ("relay", '"http://127.0.0.1:9"'),
        ("relay_token", '"theirs"'),
        ("access_key", '"theirs"'),
        ("token", '"theirs"'),
        ("insecure", "true"),
        ("mirror", "false"),
        ("yes", "true"),
        ("supersede", "true"),
    ],
)
async def test_it_cannot_lead_credentials_elsewhere(
    tmp_path: Path, key: str, value: str
) -> None:
    """Nor take away what protects an account: 2, before anybody is asked anything."""
    async with open_bench(tmp_path) as b:
        say(b, f"target = '3000'\n{key} = {value}\n")
        code, message, hint = (await b.terminal("up", "--yes", *b.tunnel)).error()
        assert code == 2
        assert f".devhook.toml: a project file must not set {key}" in message
        assert key in hint
        assert not b.sandbox.requests


async def test_it_may_say_what_goes_where(tmp_path: Path) -> None:
    """Target, routes, events: a flag says it better."""
    async with open_bench(tmp_path) as b:
        say(
            b,
            f"target = '{b.app.port}/app'\n"
            f"routes = ['message_*={b.app.port}/sms']\n"
            "events = ['call_*', 'message_*']\n",
        )
        async with b.up(target=None) as up:
            assert up.ready["target"] == f"{b.app.url}/app"
            for event_type in ("agent_created", "call_hangup", "message_created"):
                await b.sandbox.emit(event_type)
            await up.lines(2, "attempt", kind="live", status=200)
            lines = sorted(r.partition(b" HTTP")[0] for r in b.app.requests)
            assert lines == [b"POST /app", b"POST /sms"]


async def test_it_may_name_a_profile_and_a_kind_of_tunnel(tmp_path: Path) -> None:
    """Both are the user's own to describe: here the profile has no relay."""
    async with open_bench(tmp_path) as b:
        config = b.terminal.home / "devhook" / "config.toml"
        config.parent.mkdir()
        config.write_text("[profiles.staging]\n")
        say(b, "profile = 'staging'\ntunnel = 'relay'\n")
        _, message, _ = (await b.terminal("up", "--yes", "3000")).error()
        assert "--tunnel relay" in message
        say(b, "profile = 'staging'\n")
        async with b.up() as up:
            assert up.ready["db"].endswith("/staging.db")
            await up.shown("profile staging")
