"""A connection that is lost is made anew, and the public URL stays the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import pytest

from devhook.errors import LeaseError
from devhook.tunnel import Down, Tunnel, Up
from devhook.tunnel.kept import pause_before
from tests.endpoint import OK, endpoint
from tests.relay.rig import SWIFT, a_relay, ask, get, port_of
from tests.tunnel.rig import NOBODY, a_tunnel, next_change


async def test_a_restarted_relay_gives_the_same_url_again() -> None:
    """It remembers nothing: the URL comes from the client's secret."""
    async with endpoint(OK) as local, AsyncExitStack() as tunnels:
        async with a_relay() as relay:
            tunnel = await tunnels.enter_async_context(a_tunnel(relay, local.url))
            before = tunnel.public_url
        lost = await next_change(tunnel)
        assert isinstance(lost, Down)
        assert (lost.reason, lost.attempt) == ("the relay is being stopped", 1)
        async with a_relay(port=port_of(relay.url)):
            assert await until_up(tunnel) == Up(public_url=before)
            assert (await ask(relay.url, get(before))).body == b"ok"


async def test_a_request_in_the_gap_waits_and_succeeds() -> None:
    """It reaches a restarted relay before its client does."""
    async with endpoint(OK) as local, AsyncExitStack() as tunnels:
        async with a_relay() as relay:
            tunnel = await tunnels.enter_async_context(a_tunnel(relay, local.url))
        async with (
            a_relay(replace(SWIFT, grace=5.0), port=port_of(relay.url)),
            asyncio.TaskGroup() as group,
        ):
            asked = group.create_task(ask(relay.url, get(tunnel.public_url)))
            await until_up(tunnel)
            assert (await asked).body == b"ok"


async def test_a_request_for_a_client_that_stays_away_is_a_503() -> None:
    """After the wait, and said to be the relay's own answer."""
    limits = replace(SWIFT, wait=0.1)
    async with (
        endpoint(OK) as local,
        a_relay(limits) as relay,
        a_wire(relay.url) as wire,
        a_tunnel(wire.url, local.url) as tunnel,
    ):
        wire.cut(for_good=True)
        await next_change(tunnel)
        reply = await ask(relay.url, get(tunnel.public_url))
        assert (reply.status, reply.by_relay) == (503, "client-away")


async def test_every_attempt_is_told_until_one_succeeds() -> None:
    """With what went wrong, and since when."""
    async with endpoint(OK) as local, AsyncExitStack() as tunnels:
        async with a_relay() as relay:
            tunnel = await tunnels.enter_async_context(a_tunnel(relay, local.url))
        downs = [await next_change(tunnel) for _ in range(3)]
        assert all(isinstance(down, Down) for down in downs)
        told = [(d.attempt, d.reason) for d in downs if isinstance(d, Down)]
        refused = f"the relay {relay.url} cannot be reached: connection refused"
        assert told[1:] == [(2, refused), (3, refused)]
        assert len({down.since for down in downs if isinstance(down, Down)}) == 1


async def test_a_connection_gone_silent_is_noticed_by_both_ends() -> None:
    """Nothing is closed, nothing arrives: signs of life are missed."""
    limits = replace(SWIFT, heartbeat=0.1, patience=0.3, wait=0.1)
    async with (
        endpoint(OK) as local,
        a_relay(limits) as relay,
        a_wire(relay.url) as wire,
    ):
        silent = a_tunnel(wire.url, local.url, heartbeat=0.1, patience=0.3)
        async with silent as tunnel:
            wire.freeze()
            lost = await next_change(tunnel)
            assert isinstance(lost, Down)
            assert lost.reason.startswith("nothing was heard of the relay")
            reply = await ask(relay.url, get(tunnel.public_url))
            assert reply.by_relay in ("client-away", "client-gone")


async def test_a_half_dead_connection_is_replaced_by_its_own_client() -> None:
    """The relay still believes in the old one: the same run may come back."""
    async with (
        endpoint(OK) as local,
        a_relay() as relay,
        a_wire(relay.url) as wire,
        a_tunnel(wire.url, local.url, heartbeat=0.1, patience=0.3) as tunnel,
    ):
        wire.freeze()
        await until_up(tunnel)
        assert (await ask(relay.url, get(tunnel.public_url))).body == b"ok"


async def test_another_client_with_the_same_lease_is_refused() -> None:
    """Its holder is there, and keeps the URL."""
    async with (
        endpoint(OK) as local,
        a_relay() as relay,
        a_tunnel(relay, local.url) as tunnel,
    ):
        with pytest.raises(LeaseError, match="another client"):
            async with a_tunnel(relay, NOBODY, instance="two"):
                pass
        assert (await ask(relay.url, get(tunnel.public_url))).body == b"ok"


async def test_a_takeover_moves_the_url_to_the_other_client() -> None:
    """And the first one is told why it lost it."""
    async with (
        endpoint(OK) as first,
        endpoint(OK) as second,
        a_relay() as relay,
        a_tunnel(relay, first.url) as old,
        a_tunnel(relay, second.url, instance="two", takeover=True) as new,
    ):
        assert new.public_url == old.public_url
        lost = await next_change(old)
        assert isinstance(lost, Down)
        assert "took the public URL over" in lost.reason
        await ask(relay.url, get(new.public_url))
        assert (len(first.requests), len(second.requests)) == (0, 1)


async def test_a_url_that_was_taken_over_is_not_taken_back() -> None:
    """Whoever asked for a takeover asked for one."""
    async with (
        a_relay() as relay,
        a_tunnel(relay, NOBODY, takeover=True) as old,
        a_tunnel(relay, NOBODY, instance="two", takeover=True),
    ):
        await next_change(old)
        refused = await next_change(old)
        assert isinstance(refused, Down)
        assert refused.reason.startswith("another client holds this public URL")


async def test_two_clients_never_see_each_others_requests() -> None:
    """One relay, one token, two secrets."""
    async with (
        endpoint(OK) as one,
        endpoint(OK) as two,
        a_relay() as relay,
        a_tunnel(relay, one.url) as first,
        a_tunnel(relay, two.url, lease="another lease secret") as second,
    ):
        for url in (first.public_url, second.public_url, second.public_url):
            await ask(relay.url, get(url))
        assert (len(one.requests), len(two.requests)) == (1, 2)


async def test_a_client_that_left_has_no_url_any_more() -> None:
    """It said goodbye: nobody waits for it."""
    async with a_relay() as relay:
        async with a_tunnel(relay, NOBODY) as tunnel:
            pass
        reply = await ask(relay.url, get(tunnel.public_url))
        assert (reply.status, reply.by_relay) == (404, "no-such-url")


async def test_what_fails_inside_the_tunnel_is_raised_as_it_is() -> None:
    """Not as a group, though tasks were running beside it."""
    async with a_relay() as relay:
        with pytest.raises(KeyError):
            async with a_tunnel(relay, NOBODY):
                raise KeyError


@pytest.mark.parametrize(
    ("attempt", "least", "most"),
    [(1, 0.1, 0.2), (2, 0.2, 0.4), (5, 1.6, 3.2), (8, 7.5, 15.0), (10_000, 7.5, 15.0)],
)
def test_pauses_double_up_to_a_bound(attempt: int, least: float, most: float) -> None:
    """Half of each is left to chance, so that many clients do not come at once."""
    assert pause_before(attempt, 0.0) == pytest.approx(least)
    assert pause_before(attempt, 1.0) == pytest.approx(most)


async def until_up(tunnel: Tunnel) -> Up:
    while isinstance(change := await next_change(tunnel), Down):
        pass
    return change


@dataclass
class Wire:
    """A piece of network between client and relay that can fail."""

    url: str = ""
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    frozen: set[asyncio.StreamWriter] = field(default_factory=set)
    server: asyncio.Server | None = None

    def cut(self, *, for_good: bool = False) -> None:
        self._close(for_good)
        for writer in self.writers:
            writer.transport.abort()

    def freeze(self, *, for_good: bool = False) -> None:
        """What is connected now carries nothing any more; what connects later does."""
        self._close(for_good)
        self.frozen |= self.writers

    def _close(self, for_good: bool) -> None:
        if for_good and self.server is not None:
            self.server.close()


@asynccontextmanager
async def a_wire(url: str) -> AsyncIterator[Wire]:
    wire = Wire()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if writer not in wire.frozen:
                    writer.write(data)
                    await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(
            "127.0.0.1", port_of(url)
        )
        wire.writers |= {writer, far_writer}
        async with asyncio.TaskGroup() as group:
            group.create_task(pump(reader, far_writer))
            group.create_task(pump(far_reader, writer))

    wire.server = await asyncio.start_server(serve, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{wire.server.sockets[0].getsockname()[1]}"
    async with wire.server:
        yield wire
        wire.cut()
