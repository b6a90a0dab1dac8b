"""D, one machine: locks, `restore` beside a run, and what may be restored at all."""

import asyncio
import base64
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from devhook.core.marker import with_marker, without_marker
from devhook.core.model import Setting
from devhook.errors import ChangedElsewhere
from tests.matrix.bench import any_command, elsewhere, home, open_short
from tests.store.locking import DEAD, account_lock, lock_file, no_flock
from tests.upbench import Bench, free_port, straight_to

Seen = Callable[[str], None]

COLLEAGUE = "https://colleague.example/hook"
HOSTILE: Final = Setting(uri="https://hostile.example/in", method="POST")


async def left_behind(b: Bench) -> None:
    """A run that was killed with its guardian."""
    async with b.up() as up:
        await b.abandon(up)


# --- locks ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.case(84, "two `up` on one machine, one account", "second refused")
async def test_84_a_second_session_is_refused(tmp_path: Path, seen: Seen) -> None:
    """By the lock, with --supersede too: whoever is there can be asked to end."""
    async with open_short(tmp_path) as b, b.up() as up:
        for flags in ((), ("--supersede",)):
            done = await b.terminal("up", "--yes", *flags, *b.tunnel)
            code, message, _ = done.error()
            assert code == 3
            assert f"process {up.pid}" in message
        assert len(b.puts()) == 1
        assert await up.end() == 0
    seen("refused (3), holder named, no PUT")


@pytest.mark.slow
@pytest.mark.case(85, "two accounts on one machine", "independent")
async def test_85_two_accounts_do_not_meet(tmp_path: Path, seen: Seen) -> None:
    """One home, one database; each run has its own lock, record and guardian."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        one = await enter(open_short(home(tmp_path, "one")))
        two = await enter(open_short(home(tmp_path, "two")))
        port = stack.enter_context(free_port())
        first = await enter(one.up())
        second = await enter(
            one.up(
                *straight_to(port),
                tunnel=(),
                DEVHOOK_API_URL=two.sandbox.api_url,
                DEVHOOK_ACCESS_KEY=two.sandbox.access_key,
            )
        )
        assert first.ready["session"] != second.ready["session"]
        for b, up in ((one, first), (two, second)):
            delivery = await b.sandbox.emit("call_hangup")
            assert delivery.attempts[-1].status == 200
            await up.line("event", session=up.ready["session"])
        assert await first.end() == 0
        assert two.fields()["webhook_uri"].startswith(second.ready["webhook_uri"])
        assert await second.end() == 0
    seen("each original, each its own events")


@pytest.mark.case(86, "no flock here; a stale lock file", "pid and start; warns")
def test_86_a_lock_without_flock(tmp_path: Path, seen: Seen) -> None:
    """A holder that lives keeps others off, one that is dead nobody."""
    with account_lock(tmp_path) as plain:
        assert plain.warning is None
    lock_file(tmp_path).write_text(f"{DEAD}\n")
    with account_lock(tmp_path), pytest.raises(ChangedElsewhere):
        account_lock(tmp_path).__enter__()
    other = tmp_path / "network"
    with account_lock(other, flock=no_flock) as weaker:
        assert "has no locks" in str(weaker.warning)
        with pytest.raises(ChangedElsewhere), account_lock(other, flock=no_flock):
            pass
        lock_file(other, "without").write_text(f"{DEAD}\n")
        with account_lock(other, flock=no_flock):
            pass
    seen("the living refused, the dead followed; warns")


# --- restore -------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.case(87, "`restore` while `up` is live", "refuses")
async def test_87_restore_leaves_a_live_session_alone(
    tmp_path: Path, seen: Seen
) -> None:
    """3, whatever it would restore by: whoever runs it may end it."""
    async with open_short(tmp_path) as b, b.up() as up:
        for flags in ((), ("--from-account", "--yes")):
            code, message, _ = (await b.terminal("restore", *flags)).error()
            assert code == 3
            assert f"process {up.pid}" in message
        assert len(b.puts()) == 1
        assert await up.end() == 0
    seen("refused (3), holder named")


@pytest.mark.slow
@pytest.mark.case(88, "two `restore` at once", "original; one PUT, or two equal ones")
async def test_88_two_restores_at_once(tmp_path: Path, seen: Seen) -> None:
    """On one machine the lock lets one of them do it; on two, both send the root."""
    async with open_short(home(tmp_path, "one")) as b:
        await left_behind(b)
        both = await asyncio.gather(b.terminal("restore"), b.terminal("restore"))
        assert {done.code for done in both} in ({0}, {0, 3})
        one = len(b.puts()) - 1
        assert one == 1
    async with open_short(home(tmp_path, "two")) as b:
        root = b.fields()["webhook_uri"]
        await left_behind(b)
        there = ("restore", "--from-account", "--root", root, "--yes")
        both = await asyncio.gather(b.terminal("restore"), elsewhere(b)(*there))
        assert {done.code for done in both} in ({0}, {0, 3})
        bodies = [put.body for put in b.puts()][1:]
        assert len({*bodies}) == 1
        await any_command(b)
    seen(f"original; {one} PUT by one machine, {len(bodies)} by two")


# --- forged, poisoned ----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.case(89, "forged marker", "shown; not restored without a yes")
async def test_89_a_forged_marker_is_a_question(tmp_path: Path, seen: Seen) -> None:
    """No record of this machine names its root: a person has to, or --root."""
    async with open_short(tmp_path) as b:
        before = b.fields()
        forged = with_marker(f"https://gone.example/{'x' * 32}", HOSTILE)
        b.sandbox.change(webhook_uri=forged, webhook_method="POST")
        command = ("restore", "--from-account")
        for flags in ((), ("--yes",), ("--yes", "--root", before["webhook_uri"])):
            done = await b.terminal(*command, *flags)
            assert done.error()[0] == 2
            assert "https://hostile.example/in" in done.err
        asked = await b.terminal.attended(*command, answers=[("[y/N]", "n")])
        assert asked.code == 2
        async with b.up(attended=True, yes=False, ready=False) as up:
            await up.shown("Continue? [y/N]")
            assert "no record of this machine confirms that original" in up.screen
            assert "https://hostile.example/in" in up.screen
            up.type(b"n\n")
            assert await up.over() == 2
        assert b.puts() == []
        b.sandbox.change(**before)
    seen("shown, refused without a yes (2), no PUT")


@pytest.mark.case(89, "marker of a later version, of a devhook, of nonsense", "refused")
async def test_89_a_marker_that_cannot_be_read(tmp_path: Path, seen: Seen) -> None:
    """Nobody guesses what it says: 3, and no PUT."""
    nested = {"u": with_marker("https://a.example/b", HOSTILE), "m": "POST"}
    packed = base64.urlsafe_b64encode(json.dumps(nested).encode()).decode()
    async with open_short(tmp_path) as b:
        before = b.fields()
        for marker in ("9.abc", "1.%%%", f"1.{packed.rstrip('=')}"):
            b.sandbox.change(webhook_uri=f"https://a.example/b#devhook={marker}")
            done = await b.terminal("up", "--yes", *b.tunnel)
            assert done.error()[0] == 3
            done = await b.terminal("restore", "--from-account", "--yes")
            assert done.error()[0] == 3
        assert b.puts() == []
        b.sandbox.change(**before)
    seen("refused (3), no PUT")


@pytest.mark.slow
@pytest.mark.case(89, "original is a well-known tunnel", "loud warning; restored")
async def test_89_an_original_at_a_tunnel_is_told(tmp_path: Path, seen: Seen) -> None:
    """Before it is asked, and with --yes too: it may be somebody's that is gone."""
    async with open_short(tmp_path) as b:
        before = b.fields()
        b.sandbox.change(webhook_uri="https://3f2a.ngrok-free.app/hook")
        async with b.up("--no-mirror") as up:
            await up.shown("is a tunnel's (ngrok) and may lead nowhere")
            assert await up.end() == 0
        assert b.fields()["webhook_uri"] == "https://3f2a.ngrok-free.app/hook"
        b.sandbox.change(**before)
    seen("told, and restored as it is")


@pytest.mark.slow
@pytest.mark.case(89, "original is a URL of our own history", "its record's root")
async def test_89_a_url_of_our_own_is_never_an_original(
    tmp_path: Path, seen: Seen
) -> None:
    """Applied after the bound, and without its marker: the ended record tells."""
    async with open_short(tmp_path) as b:
        before = b.fields()
        async with b.up() as up:
            assert await up.end() == 0
        mine = without_marker(b.takeovers.history()[0].mine)
        b.sandbox.change(webhook_uri=mine, webhook_method="POST")
        status = await b.terminal("status", "--json")
        assert (status.code, status.objects()[0]["state"]) == (4, "dead")
        async with b.up() as up:
            assert "a record of this machine names it" in up.screen
            assert up.ready["original"]["webhook_method"] == before["webhook_method"]
            assert await up.end() == 0
        assert b.fields() == before
        b.sandbox.change(webhook_uri=mine, webhook_method="POST")
        done = await b.terminal("restore", "--from-account", "--yes")
        assert done.code == 0, done.err
        assert b.fields() == before
    seen("root of the record, by `up` and by `restore --from-account`")
