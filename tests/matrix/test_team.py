"""D, two developers and one account: whoever ends last or first, the root is back."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import permutations
from pathlib import Path

import pytest

from devhook.core.marker import with_marker
from devhook.core.model import Stage
from devhook.core.network import Network
from devhook.core.takeover import Ending
from devhook.send import Sender
from devhook.system import SystemClock, new_secret
from devhook.takeover import is_live
from devhook.wire import Wire
from tests.clock import SkippingClock
from tests.core.takeovers import account
from tests.endpoint import endpoint
from tests.matrix.bench import (
    any_command,
    elsewhere,
    home,
    is_ready_or_over,
    open_short,
    over,
)
from tests.matrix.interleaved import orders, run
from tests.matrix.machines import ROOT, machines
from tests.running import Running
from tests.terminal import Terminal
from tests.upbench import Bench, free_port, straight_to

Seen = Callable[[str], None]

COLLEAGUE = "https://colleague.example/hook"


async def all_restore(folder: Path, names: str, exits: tuple[str, ...]) -> None:
    """They take the account one after the other, and end in this order."""
    async with machines(folder, names) as found:
        before = found[0].sandbox.account.fields()
        by_name = dict(zip(names, found, strict=True))
        holds = {name: await machine.take() for name, machine in by_name.items()}
        assert {machine.record.root for machine in found} == {ROOT}
        for name in exits:
            ending = (await holds[name].end()).ending
            assert ending is not Ending.UNCONFIRMED
        assert by_name[names[-1]].stage is Stage.RESTORED
        assert found[0].sandbox.account.fields() == before


@pytest.mark.case(70, "A, then B; A exits, then B", "original")
async def test_70_the_first_exits_first(tmp_path: Path, seen: Seen) -> None:
    """What A leaves alone, B restores to what was there before A."""
    await all_restore(tmp_path, "AB", ("A", "B"))
    seen("original")


@pytest.mark.case(71, "A, then B; B exits, then A", "original; A told")
async def test_71_the_second_exits_first(tmp_path: Path, seen: Seen) -> None:
    """B does not restore A, though it is alive."""
    async with machines(tmp_path, "AB") as (a, b):
        first, second = await a.take(), await b.take()
        look = await first.look()
        assert look.foreign is not None
        assert look.foreign.uri == b.record.mine
        assert (await second.end()).ending is Ending.RESTORED
        restored = await first.end()
        assert restored.setting == ROOT
    seen("original; A sees B's setting")


@pytest.mark.case(72, "A, then B; both killed; either recovers first", "original")
async def test_72_both_are_recovered_in_either_order(
    tmp_path: Path, seen: Seen
) -> None:
    """Each machine by its own record."""
    for exits in permutations("AB"):
        async with machines(tmp_path / "".join(exits), "AB") as found:
            before = found[0].sandbox.account.fields()
            by_name = dict(zip("AB", found, strict=True))
            for machine in found:
                await machine.take()
            for name in exits:
                await by_name[name].recover()
            assert found[0].sandbox.account.fields() == before
    seen("original, in either order")


@pytest.mark.case(73, "A and B start at the same instant", "original; one is active")
def test_73_every_order_of_two_beginnings(seen: Seen) -> None:
    """All 252 of them, and both orders of their ends."""
    count = 0
    for order in orders():
        for ends in permutations("AB"):
            active, at_the_end = run(order, ends)
            assert active <= 1, order
            assert at_the_end.fields() == account().fields(), (order, ends)
            count += 1
    assert count == 504
    seen(f"original in {count} of {count} orders, never two active")


@pytest.mark.case(74, "three sessions, all exit orders", "original")
async def test_74_three_sessions_in_every_order(tmp_path: Path, seen: Seen) -> None:
    """Six orders; the root is that of the first."""
    for exits in permutations("ABC"):
        await all_restore(tmp_path / "".join(exits), "ABC", exits)
    seen("original in 6 of 6 orders")


@pytest.mark.case(77, "A's host is somebody else's now, answering 200", "dead")
async def test_77_a_bare_200_is_no_life(seen: Seen) -> None:
    """Recycled names answer too: only who holds the path secret can prove it."""
    clock = SkippingClock()
    async with endpoint() as stranger, Wire(Network()) as wire:
        uri = with_marker(f"{stranger.url}/{new_secret()}", ROOT)
        nonces = [new_secret() for _ in range(3)]
        sender = Sender(wire, SystemClock())
        assert not await is_live(sender, uri, nonces, clock)
        assert len(stranger.requests) == 3
    seen("asked three times, dead")


# --- real ones -----------------------------------------------------------------------


async def second_of(b: Bench, stack: AsyncExitStack, other: Terminal) -> Running:
    """Another machine's session, that takes the account from the first."""
    port = stack.enter_context(free_port())
    flags = ("--supersede", *straight_to(port))
    return await stack.enter_async_context(b.up(*flags, terminal=other))


@pytest.mark.case(70, "two runs of `up`; A exits, then B", "original; A exits with 3")
async def test_70_a_session_may_be_superseded(tmp_path: Path, seen: Seen) -> None:
    """Each restores the root, never the other: the first one finds a foreign value."""
    async with open_short(tmp_path) as b, AsyncExitStack() as stack:
        first = await stack.enter_async_context(b.up())
        second = await second_of(b, stack, elsewhere(b))
        assert second.ready["original"] == first.ready["original"]
        assert await first.end() == 3
        assert first.seen[-1]["outcome"] == "foreign"
        assert await second.end() == 0
    seen("original; A: 3, B: 0")


@pytest.mark.slow
@pytest.mark.case(71, "two runs of `up`; B exits, then A", "original; A told")
async def test_71_who_was_superseded_is_told(tmp_path: Path, seen: Seen) -> None:
    """Within 15 s; and that the account is as it was before both."""
    async with open_short(tmp_path) as b, AsyncExitStack() as stack:
        first = await stack.enter_async_context(b.up())
        second = await second_of(b, stack, elsewhere(b))
        async with asyncio.timeout(15):
            await first.line("conflict")
        before = await b.terminal("status", "--json")
        assert (before.code, before.objects()[0]["state"]) == (3, "superseded")
        assert await second.end() == 0
        assert await first.end() == 0
        assert first.seen[-1]["outcome"] == "restored"
    seen("A told within 15 s; original")


@pytest.mark.slow
@pytest.mark.case(73, "two runs of `up` start at the same instant", "original")
async def test_73_two_runs_begin_at_once(tmp_path: Path, seen: Seen) -> None:
    """Each ready, refused or too late; three times."""
    codes: list[int] = []
    for attempt in range(3):
        async with open_short(home(tmp_path, str(attempt))) as b:
            other = elsewhere(b)
            async with AsyncExitStack() as stack:
                port = stack.enter_context(free_port())
                flags = ("--supersede", *straight_to(port))
                both = [
                    await stack.enter_async_context(b.up("--supersede", ready=False)),
                    await stack.enter_async_context(
                        b.up(*flags, terminal=other, ready=False)
                    ),
                ]
                for up in both:
                    await is_ready_or_over(up)
                codes += [await over(up) for up in both]
                assert set(codes) <= {0, 3}
    seen(f"original 3 of 3 times, exit codes {codes}")


@pytest.mark.case(75, "B starts, A lives", "B refuses, no PUT")
async def test_75_a_live_session_is_not_taken_from(tmp_path: Path, seen: Seen) -> None:
    """Its marker names it, and it answers its challenge."""
    async with open_short(tmp_path) as b, b.up() as up:
        other = elsewhere(b)
        done = await other("up", "--yes", "--public-url", "http://127.0.0.1:9")
        code, message, hint = done.error()
        assert code == 3
        assert "it answers" in message
        assert "--supersede" in hint
        assert (await other("status")).code == 3
        assert len(b.puts()) == 1
        assert await up.end() == 0
    seen("refused (3), --supersede named")


@pytest.mark.slow
@pytest.mark.case(76, "B starts, A is dead", "root offered; original")
async def test_76_the_root_of_a_dead_session_is_offered(
    tmp_path: Path, seen: Seen
) -> None:
    """Without a yes nothing is changed; with one it is what is restored at the end."""
    async with open_short(tmp_path) as b:
        async with b.up() as up:
            await b.abandon(up)
        other, sent = elsewhere(b), len(b.puts())
        async with b.up(terminal=other, attended=True, yes=False, ready=False) as up:
            await up.shown("Continue? [y/N]")
            assert "does not answer any" in up.screen
            assert f"PUT {b.original.url}/voip?key=***, is restored" in up.screen
            up.type(b"n\n")
            assert await up.over() == 2
        assert len(b.puts()) == sent
        async with b.up(terminal=other) as up:
            assert up.ready["original"]["webhook_uri"].startswith(b.original.url)
            assert await up.end() == 0
        await any_command(b)
    seen("offered, refused by 'n'; original")


@pytest.mark.slow
@pytest.mark.case(78, "A's machine sleeps, B restores, A wakes", "A does nothing")
async def test_78_a_machine_that_wakes_changes_nothing(
    tmp_path: Path, seen: Seen
) -> None:
    """Run and guardian stand still meanwhile; a colleague has set another one."""
    async with open_short(tmp_path) as b:
        root = b.fields()["webhook_uri"]
        async with b.up() as up:
            guardian = b.guardian()
            for pid in (up.pid, guardian):
                os.kill(pid, signal.SIGSTOP)
            command = ("restore", "--from-account", "--root", root, "--yes")
            done = await elsewhere(b)(*command)
            assert done.code == 0, done.err
            b.sandbox.change(webhook_uri=COLLEAGUE)
            sent = len(b.puts())
            for pid in (guardian, up.pid):
                os.kill(pid, signal.SIGCONT)
            async with asyncio.timeout(15):
                await up.line("conflict")
            assert await up.end() == 3
        assert len(b.puts()) == sent
        assert b.fields()["webhook_uri"] == COLLEAGUE
        b.sandbox.change(webhook_uri=root)
    seen("told within 15 s, no PUT; what was set stays")
