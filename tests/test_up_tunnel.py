"""A session whose relay goes away and comes back, and one that was killed there."""

import signal
from contextlib import AsyncExitStack
from pathlib import Path

from devhook.relay.server import Relay
from tests.relay.rig import TOKEN, a_relay, port_of
from tests.upbench import Bench, open_bench


def through(b: Bench, relay: Relay) -> tuple[str, ...]:
    b.terminal.environ["DEVHOOK_RELAY_TOKEN"] = TOKEN
    return "--relay", relay.url


async def test_a_tunnel_that_was_away_is_said_and_kept_as_a_gap(tmp_path: Path) -> None:
    """The public URL stays the same, and the account is not touched."""
    async with open_bench(tmp_path) as b, AsyncExitStack() as first:
        relay = await first.enter_async_context(a_relay())
        async with b.up(tunnel=through(b, relay)) as up:
            await first.aclose()
            await up.line("reconnecting", what="tunnel", attempt=1)
            async with a_relay(port=port_of(relay.url)):
                gap = await up.line("gap", reason="tunnel")
                assert gap["from"] < gap["to"]
                await up.shown("tunnel is back")
                delivery = await b.sandbox.emit("call_hangup")
                assert [attempt.status for attempt in delivery.attempts] == [200]
                assert len(b.puts()) == 1


async def test_a_profile_keeps_its_public_url(tmp_path: Path) -> None:
    """After a kill too: the relay gives it to the same profile again."""
    async with open_bench(tmp_path) as b, a_relay() as relay:
        before = b.fields()
        urls = []
        for number in (signal.SIGKILL, signal.SIGTERM):
            async with b.up(tunnel=through(b, relay)) as up:
                urls.append(up.ready["public_url"])
                await up.end(number)
        assert urls[0] == urls[1]
        assert b.fields() == before
