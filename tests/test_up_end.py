"""However `up` ends, the account is as it was before."""

import asyncio
import signal
from pathlib import Path

from devhook.system import SystemClock
from tests.running import CTRL_C, until
from tests.upbench import open_bench, taken_over


async def test_a_signal_ends_and_restores(tmp_path: Path) -> None:
    """Ctrl-C's, a kill, a hang-up: three sessions side by side, ended alike."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    await asyncio.gather(*(ended_by(number, tmp_path) for number in numbers))


async def ended_by(number: signal.Signals, folder: Path) -> None:
    home = folder / number.name
    home.mkdir()
    async with taken_over(home) as (b, up):
        assert await up.end(number) == 0
        assert up.seen[-1] == {
            "type": "restored",
            "webhook_uri": f"{b.original.url}/voip?key=***",
            "webhook_method": "PUT",
            "outcome": "restored",
        }
        kept = "select tunnel, public_url, target, ended_how from sessions"
        url = up.ready["public_url"]
        assert b.rows(kept) == [("public-url", url, f"{b.app.url}/", "asked")]


async def test_ctrl_c_at_a_terminal_restores(tmp_path: Path) -> None:
    """The key, not the signal."""
    async with taken_over(tmp_path, attended=True) as (_, up):
        up.type(CTRL_C)
        assert await up.over() == 0
        assert "Restored: PUT" in up.screen


async def test_a_closed_terminal_restores(tmp_path: Path) -> None:
    """There is nobody left to read what is said, which keeps nothing from going on."""
    async with taken_over(tmp_path, attended=True) as (_, up):
        up.hang_up()
        assert await up.over() == 0


async def test_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    """A hang-up that was ignored from the start is no wish to end."""
    usual = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        async with taken_over(tmp_path) as (b, up):
            up.send(signal.SIGHUP)
            delivery = await b.sandbox.emit("call_hangup")
            assert delivery.attempts[-1].status == 200
            assert await up.end() == 0
            assert "Restoring" in up.screen
    finally:
        signal.signal(signal.SIGHUP, usual)


async def test_the_end_of_its_time_restores(tmp_path: Path) -> None:
    """As Ctrl-C would."""
    async with taken_over(tmp_path, "--for", "1s") as (_, up):
        assert await up.over() == 0
        assert "The time is over" in up.screen


async def test_a_reader_that_left_ends_nothing(tmp_path: Path) -> None:
    """`up --json | head -1` goes on recording, and restores at its end."""
    async with taken_over(tmp_path) as (b, up):
        up.stop_reading()
        delivery = await b.sandbox.emit("call_hangup")
        assert delivery.attempts[-1].status == 200
        await until(lambda: b.app.requests)
        assert await up.end() == 0


async def test_a_reader_that_stopped_reading_holds_nothing_up(tmp_path: Path) -> None:
    """Ctrl-S, or a pipe that nobody empties: events are answered, and the end comes."""
    async with taken_over(tmp_path) as (b, up):
        with up.unread():
            for delivery in await b.sandbox.burst(250):
                assert [a.status for a in delivery.attempts] == [200]
            await until(lambda: len(b.app.requests) == 250)
            up.send(signal.SIGTERM)
            await until(lambda: up.code is not None)
        assert await up.over() == 0


async def test_an_error_after_the_takeover_restores(tmp_path: Path) -> None:
    """The folder of the ready file is gone when it is to be written."""
    async with open_bench(tmp_path) as b:
        before = b.fields()
        folder = tmp_path / "folder"
        folder.mkdir()
        b.sandbox.fault(method="GET", drip=0.001)
        async with b.up("--ready-file", str(folder / "ready"), ready=False) as up:
            await until(lambda: b.sandbox.requests)
            folder.rmdir()
            assert await up.over() == 1
            assert (await up.line("restored"))["outcome"] == "restored"
            assert up.seen[-1]["type"] == "error"
        assert b.fields() == before


async def test_a_database_that_was_replaced_restores(tmp_path: Path) -> None:
    """Nothing could be stored for 10 s: the account is better given back."""
    async with taken_over(tmp_path) as (b, up):
        b.db.rename(b.db.with_suffix(".old"))
        delivery = await b.sandbox.emit("call_hangup")
        assert {attempt.status for attempt in delivery.attempts} == {503}
        assert (await up.line("storage"))["message"]
        while up.code is None:
            await b.sandbox.emit("call_hangup")
            await SystemClock().sleep(0.5)
        assert await up.over() == 1
        assert "Nothing could be stored" in up.screen


# --- before anything was changed ---------------------------------------------------


async def test_an_end_before_the_takeover_changes_nothing(tmp_path: Path) -> None:
    """130: whoever started it may start it again."""
    async with open_bench(tmp_path) as b:
        b.sandbox.fault(method="GET", hang=True)
        async with b.up(ready=False) as up:
            await until(lambda: b.sandbox.requests)
            assert await up.end(signal.SIGINT) == 130
        assert b.puts() == []


# --- after the restore -------------------------------------------------------------


async def test_a_sender_that_did_not_hear_of_the_restore_is_told_again(
    tmp_path: Path,
) -> None:
    """An event that comes late shows it: the same PUT once more, and no third."""
    async with taken_over(tmp_path, linger="2.2s") as (b, up):
        b.sandbox.fault(method="PUT", cache_after=3600)
        up.send(signal.SIGTERM)
        await up.line("restored", outcome="restored")
        while len(b.puts()) < 3:
            await b.sandbox.emit("call_hangup")
            await SystemClock().sleep(0.2)
        assert b.puts()[1].body == b.puts()[2].body
        assert await up.over() == 0
        assert b.sandbox.setting.uri == b.fields()["webhook_uri"]
