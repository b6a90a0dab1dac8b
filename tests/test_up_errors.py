"""What keeps `up` from starting: one line, one hint, the right code, and no PUT."""

from pathlib import Path

import pytest

from tests.endpoint import endpoint
from tests.relay.rig import a_relay
from tests.upbench import Bench, open_bench

YES = ("--yes",)


async def refused(b: Bench, *flags: str, **environ: str) -> tuple[int, str]:
    """Exit code of an `up` that does not start, and its two lines."""
    done = await b.terminal("up", *flags, **environ)
    code, message, hint = done.error()
    assert b.puts() == []
    assert "Traceback" not in done.err
    return code, f"{message}\n{hint}"


# --- the tunnel --------------------------------------------------------------------


async def test_a_public_url_that_leads_elsewhere(tmp_path: Path) -> None:
    """7: a bare 200 is no answer to a challenge."""
    async with open_bench(tmp_path) as b, endpoint() as stranger:
        code, text = await refused(b, *YES, "--public-url", stranger.url)
        assert code == 7
        assert "its challenge failed" in text
        assert stranger.requests


async def test_no_tunnel(tmp_path: Path) -> None:
    """7, with each remedy."""
    async with open_bench(tmp_path) as b:
        code, text = await refused(b, *YES, "3000")
        assert code == 7
        assert "no tunnel is configured" in text
        assert "--public-url URL --listen HOST:PORT" in text
        assert "--relay URL --relay-token-file FILE" in text


async def test_a_relay_that_does_not_know_the_token(tmp_path: Path) -> None:
    """6, and the token is not shown."""
    async with open_bench(tmp_path) as b, a_relay() as relay:
        environ = {"DEVHOOK_RELAY_TOKEN": "canary-wrong-token"}
        code, text = await refused(b, *YES, "--relay", relay.url, **environ)
        assert code == 6
        assert "canary" not in text


async def test_a_relay_that_cannot_be_reached(tmp_path: Path) -> None:
    """7, naming it."""
    async with open_bench(tmp_path) as b:
        flags = (*YES, "--relay", "http://127.0.0.1:9")
        code, text = await refused(b, *flags, DEVHOOK_RELAY_TOKEN="any")
        assert code == 7
        assert "http://127.0.0.1:9" in text


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """1, naming it."""
    async with open_bench(tmp_path) as b:
        url, listen = b.tunnel[1], f"127.0.0.1:{b.app.port}"
        code, text = await refused(b, *YES, "--public-url", url, "--listen", listen)
        assert code == 1
        assert listen in text


# --- this machine ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["data", "state"])
async def test_a_folder_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    """1, naming it: here a file stands in its place."""
    async with open_bench(tmp_path) as b:
        home = tmp_path / "devhook"
        home.mkdir()
        (home / name).touch()
        code, text = await refused(b, *YES, *b.tunnel)
        assert code == 1
        assert str(home / name) in text
        assert "DEVHOOK_HOME" in text


async def test_a_database_that_is_none(tmp_path: Path) -> None:
    """1, and the file is untouched."""
    async with open_bench(tmp_path) as b:
        b.db.parent.mkdir(parents=True)
        b.db.write_bytes(b"no database at all" * 100)
        code, text = await refused(b, *YES, *b.tunnel)
        assert code == 1
        assert str(b.db) in text
        assert b.db.read_bytes() == b"no database at all" * 100


async def test_malformed_toml(tmp_path: Path) -> None:
    """2, naming the file and its line, and not what stands there."""
    async with open_bench(tmp_path) as b:
        config = tmp_path / "devhook" / "config.toml"
        config.parent.mkdir()
        config.write_text('profile = "default"\naccess_key = canary\n')
        code, text = await refused(b, *YES, *b.tunnel)
        assert code == 2
        assert f"{config}, line 2" in text
        assert "canary" not in text


# --- what was typed ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("3000/", "--for", "soon", "--yes"), "'soon' is no duration"),
        (("http://", "--yes"), "'http://' is no target"),
        (("99999", "--yes"), "'99999' is no target"),
        (("99999",), "'99999' is no target"),
        (("3000", "--route", "call_*", "--yes"), "'call_*' is no route"),
        (("3000", "-H", "X-Env", "--yes"), "'X-Env' is no header"),
        (("3000", "--listen", "8765", "--yes"), "'8765' is no HOST:PORT"),
        (("3000", "--public-url", "x", "--yes"), "--public-url is no http"),
        (("3000", "--ready-file", "no/folder/f", "--yes"), "no/folder/f"),
        (("3000", "--relay-token-file", "none", "--yes"), "the relay token file none"),
        (("169.254.169.254:80", "--yes"), "metadata"),
        (("http://[fe80::1]/", "--yes"), "link-local"),
        (("3000", "--route", "call_*=169.254.1.1:80", "--yes"), "link-local"),
        (("3000",), "nobody can be asked"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value[:-1] or value),
)
async def test_a_wish_that_cannot_be_met(
    tmp_path: Path, flags: tuple[str, ...], named: str
) -> None:
    """2, naming what was typed."""
    async with open_bench(tmp_path) as b:
        tunnel = () if "--public-url" in flags else b.tunnel
        code, text = await refused(b, *tunnel, *flags)
        assert code == 2
        assert named in text


@pytest.mark.parametrize(
    "command",
    [
        ("show", "999"),
        ("replay", "999", "--to", "3000"),
        ("events", "--where", "data.status"),
        ("replay", "--where", "data.status=~", "--to", "3000"),
    ],
    ids=" ".join,
)
async def test_an_event_or_a_filter_that_is_not_there(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    """2, for the commands that read what was recorded."""
    async with open_bench(tmp_path) as b:
        assert (await b.terminal(*command)).error()[0] == 2
        assert not b.sandbox.requests


async def test_an_error_is_an_object_too(tmp_path: Path) -> None:
    """With --json on standard output, as the only line there."""
    async with open_bench(tmp_path) as b:
        done = await b.terminal("up", "http://", "--yes", "--json", *b.tunnel)
        code, message, hint = done.error()
        expected = {"type": "error", "code": code, "message": message, "hint": hint}
        assert done.objects() == [expected]
