"""`status` while a session runs, after it, and for another machine."""

from pathlib import Path

from tests.upbench import Bench, open_bench


def two_profiles(b: Bench) -> None:
    """One and two, of the same API."""
    folder = b.terminal.home / "devhook"
    folder.mkdir()
    config = folder / "config.toml"
    config.write_text(
        "".join(
            f'[profiles.{name}]\napi_url = "{b.sandbox.api_url}"\n'
            for name in ("one", "two")
        )
    )
    config.chmod(0o600)


async def test_a_live_session_is_waited_for_and_shown(tmp_path: Path) -> None:
    """0, with who it is, where it listens, and what it will restore."""
    async with open_bench(tmp_path) as b, b.up() as up:
        done = await b.terminal("status", "--wait", "5s", "--json")
        assert done.code == 0
        (status,) = done.objects()
        since = status.pop("since")
        assert since.endswith("Z")
        assert status == {
            "type": "status",
            "profile": "default",
            "account": b.sandbox.customer_id,
            "state": "live",
            "session": 1,
            "pid": up.pid,
            "webhook_uri": up.ready["webhook_uri"],
            "original": up.ready["original"],
            "guardian": "watching",
        }


async def test_nothing_to_wait_for_is_said_in_time(tmp_path: Path) -> None:
    """1: a script that starts `up` in the background must not hang."""
    async with open_bench(tmp_path) as b:
        code, message, _ = (await b.terminal("status", "--wait", "100ms")).error()
        assert code == 1
        assert "no session of profile default was live within 100ms" in message


async def test_a_takeover_that_cannot_be_settled_is_open(tmp_path: Path) -> None:
    """4, with the command that settles it; the history says how it went on."""
    async with open_bench(tmp_path) as b:
        async with b.up() as up:
            await b.abandon(up)
        environ = {"DEVHOOK_ACCESS_KEY": "vb_revoked"}
        done = await b.terminal("status", "--json", **environ)
        assert done.code == 4
        assert done.objects()[-1]["state"] == "open"
        assert "run: devhook restore" in done.err
        assert (await b.terminal("status")).code == 0
        history = (await b.terminal("status", "--history", "--json")).objects()
        assert [takeover["stage"] for takeover in history] == ["restored"]
        assert history[0]["original"] == up.ready["original"]


async def test_a_session_of_another_profile_is_found_by_its_account(
    tmp_path: Path,
) -> None:
    """As the lock finds it: two profiles may well name the same account."""
    async with open_bench(tmp_path) as b:
        two_profiles(b)
        async with b.up("-p", "one") as up:
            done = await b.terminal("status", "-p", "two", "--json")
            (status,) = done.objects()
            found = (status["profile"], status["state"], status["pid"])
            assert (done.code, found) == (0, ("one", "live", up.pid))


async def test_the_record_of_a_session_that_lives_is_not_called_open(
    tmp_path: Path,
) -> None:
    """Without a credential nobody can say whose account it is."""
    async with open_bench(tmp_path) as b:
        two_profiles(b)
        async with b.up("-p", "one"):
            done = await b.terminal("status", "-p", "two", DEVHOOK_ACCESS_KEY="")
            assert (done.code, "no credential" in done.err) == (0, True)
            assert done.out == "two: no devhook session holds the account\n"
