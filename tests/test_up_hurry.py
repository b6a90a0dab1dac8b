"""Ctrl-C again and again: what is impatience, and what is meant."""

import asyncio
import signal
from pathlib import Path

from devhook.system import SystemClock
from tests.endpoint import speaking
from tests.running import CTRL_C, until
from tests.upbench import open_bench, taken_over


async def test_repeats_of_ctrl_c_are_one(tmp_path: Path) -> None:
    """Within a second they are the same wish: the restore is waited for."""
    async with taken_over(tmp_path) as (b, up):
        b.sandbox.fault(status=503, times=2)
        up.send(signal.SIGINT)
        await up.shown("Restoring the account")
        up.send(signal.SIGINT)
        await up.shown("Ctrl-C again, in a second")
        assert await up.over() == 0


async def test_a_later_ctrl_c_leaves_an_unanswered_restore(tmp_path: Path) -> None:
    """4, and loudly: the account may still point here."""
    async with open_bench(tmp_path) as b, b.up(attended=True) as up:
        asked = len(b.sandbox.requests)
        b.sandbox.fault(status=503, times=None)
        up.type(CTRL_C)
        await until(lambda: len(b.sandbox.requests) > asked + 2)  # after 1.5 s
        up.type(CTRL_C)
        assert await up.over() == 4
        assert "/customer answered 503 SERVICE_UNAVAILABLE. Ctrl-C again" in up.screen
        assert "STILL POINT" in up.screen
        assert "devhook restore -p default" in up.screen
        assert up.seen[-1]["outcome"] == "unconfirmed"


async def test_a_later_ctrl_c_cuts_linger_and_drain_short(tmp_path: Path) -> None:
    """The account is back: an application that hangs is not waited for."""
    hanging = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        hanging.set()
        await reader.read()  # up to the end of the connection

    async with open_bench(tmp_path) as b, speaking(hang) as app:
        async with b.up(target=str(app.port), DEVHOOK_LINGER="1h") as up:
            await b.sandbox.emit("call_hangup")
            await hanging.wait()
            b.sandbox.fault(method="PUT", delay=1.1)
            up.send(signal.SIGINT)
            await up.line("restored", outcome="restored")
            began = SystemClock().monotonic()
            assert await up.end(signal.SIGINT) == 0
            assert SystemClock().monotonic() - began < 4.0
        interrupted = "select kind from deliveries where reason = 'interrupted'"
        assert b.rows(interrupted) == [("live",)]


async def test_a_later_ctrl_c_leaves_an_unanswered_takeover(tmp_path: Path) -> None:
    """Whether the PUT was carried out is not known: 4."""
    async with open_bench(tmp_path) as b:
        b.sandbox.fault(method="PUT", hang=True)
        async with b.up(attended=True, ready=False) as up:
            await until(b.puts)
            up.type(CTRL_C)
            await SystemClock().sleep(1.1)  # the rule is one of time
            up.type(CTRL_C)
            assert await up.over() == 4
            assert "STILL POINT" in up.screen


async def test_an_end_during_the_takeover_is_never_ready(tmp_path: Path) -> None:
    """Whoever waits for the ready file must not be told of a session that goes."""
    file = tmp_path / "ready.json"
    async with open_bench(tmp_path) as b:
        before = b.fields()
        b.sandbox.fault(method="PUT", delay=0.5)
        async with b.up("--ready-file", str(file), ready=False) as up:
            await until(b.puts)
            assert await up.end() == 0
            assert b.fields() == before
            assert "Ready" not in up.screen
            assert not file.exists()


async def test_a_ctrl_c_in_the_linger_does_not_wait_for_the_api(tmp_path: Path) -> None:
    """The root is back; telling the sender once more is a courtesy."""
    async with taken_over(tmp_path, linger="2.2s") as (b, up):
        b.sandbox.fault(method="PUT", cache_after=3600)
        up.send(signal.SIGINT)
        await up.line("restored", outcome="restored")
        b.sandbox.fault(hang=True, times=None)
        asked = len(b.sandbox.requests)
        while len(b.sandbox.requests) == asked:  # until it looks once more
            await b.sandbox.emit("call_hangup")
            await SystemClock().sleep(0.2)
        began = SystemClock().monotonic()
        assert await up.end(signal.SIGINT) == 0
        assert SystemClock().monotonic() - began < 6.0
