"""The relay's own answers: to everybody who is not led to a client."""

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from devhook.core.relay import CONNECT_PATH, Answer, Farewell, Open
from devhook.core.relay_lease import lease_name
from devhook.errors import DevhookError
from tests.relay.client import a_client, farewell
from tests.relay.rig import SWIFT, a_relay, a_sender, ask, get, port_of, request

UNKNOWN = lease_name("", "nobody")


async def test_healthz_says_ok() -> None:
    """For whoever watches over the relay."""
    async with a_relay() as relay:
        reply = await ask(relay.url, request("GET", "/healthz"))
        assert (reply.status, reply.body) == (200, b"ok\n")
        assert reply.by_relay is None


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/healthz/",
        "/t",
        "/t/",
        f"/t/{UNKNOWN}",
        f"/t/{UNKNOWN}/x?y",
        f"/t/{UNKNOWN.upper()}",
        "/t/../connect",
        "/t/short/x",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_whatever_leads_nowhere_gets_the_same_404(
    method: str, target: str
) -> None:
    """Nobody learns which names exist, or how they are made."""
    async with a_relay() as relay:
        reply = await ask(relay.url, request(method, target))
        assert (reply.status, reply.by_relay) == (404, "no-such-url")
        assert reply.body == b"there is nothing at this URL\n"
        assert len(reply.headers) == 3


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("Authorization: Bearer wrong",),
        ("Authorization: Basic canary-relay-token",),
        ("Authorization: Bearer",),
        ("Authorization: Bearer \xff",),
    ],
)
async def test_a_client_without_the_token_is_turned_away(
    fields: tuple[str, ...],
) -> None:
    """At the handshake: nothing it says is read."""
    async with a_relay() as relay:
        asked = request("GET", CONNECT_PATH, "Upgrade: websocket", *fields)
        reply = await ask(relay.url, asked)
        assert (reply.status, reply.by_relay) == (401, "wrong-token")
        assert ("WWW-Authenticate", "Bearer") in reply.headers


async def test_the_token_is_never_taken_from_the_url() -> None:
    """URLs are logged, everywhere."""
    async with a_relay() as relay:
        asked = request("GET", f"{CONNECT_PATH}?token=canary-relay-token")
        assert (await ask(relay.url, asked)).status == 404


async def test_a_visitor_with_the_token_who_speaks_no_websocket_is_told_so() -> None:
    """426, and no tunnel."""
    async with a_relay() as relay:
        fields = "Authorization: Bearer canary-relay-token"
        reply = await ask(relay.url, request("GET", CONNECT_PATH, fields))
        assert (reply.status, reply.by_relay) == (426, "no-websocket")


async def test_with_a_wildcard_every_client_has_a_host_of_its_own() -> None:
    """All its paths are the client's, those of the relay's own included."""
    async with (
        a_relay(public="https://*.relay.test") as relay,
        a_client(relay) as client,
    ):
        host = client.url.removeprefix("https://")
        assert host == f"{lease_name('', 'lease')}.relay.test"
        async with asyncio.TaskGroup() as group:
            sent = f"GET /healthz HTTP/1.1\r\nhOST: {host}:443\r\n\r\n".encode()
            asked = group.create_task(ask(relay.url, sent))
            opened = await client.hears(Open)
            assert (opened.target, opened.headers) == (
                "/healthz",
                (("hOST", f"{host}:443"),),
            )
            await client.say(Answer(stream=opened.stream, status=299, end=True))
            assert (await asked).status == 299


async def test_with_a_wildcard_the_relays_own_host_stays_its_own() -> None:
    """And a path that looks like a lease is nothing there."""
    async with a_relay(public="https://*.relay.test") as relay, a_client(relay):
        target = f"/t/{lease_name('', 'lease')}"
        assert (await ask(relay.url, request("GET", "/healthz"))).status == 200
        assert (await ask(relay.url, request("GET", target))).status == 404


async def test_a_well_formed_name_is_waited_for_after_the_start() -> None:
    """A relay that was restarted knows nobody, and a 404 would lose the event."""
    limits = replace(SWIFT, wait=0.05, grace=5.0)
    async with a_relay(limits) as relay:
        reply = await ask(relay.url, request("GET", f"/t/{UNKNOWN}"))
        assert (reply.status, reply.by_relay) == (503, "client-away")


async def test_at_the_end_what_is_under_way_is_finished() -> None:
    """New requests are refused meanwhile, and clients told when it is over."""
    async with (
        AsyncExitStack() as running,
        asyncio.timeout(10),
        asyncio.TaskGroup() as group,
    ):
        relay = await running.enter_async_context(a_relay())
        client = await running.enter_async_context(a_client(relay))
        kept = await running.enter_async_context(a_sender(relay.url))
        await kept.ask(request("GET", "/healthz"))
        asked = group.create_task(ask(relay.url, get(client.url)))
        opened = await client.hears(Open)
        closing = group.create_task(relay.stop())
        late = await kept.ask(get(client.url))
        assert (late.status, late.by_relay) == (503, "stopping")
        await client.say(Answer(stream=opened.stream, status=299, end=True))
        assert (await asked).status == 299
        await closing
        assert (await farewell(client)).why is Farewell.STOPPING
        assert await client.is_closed()


async def test_the_end_does_not_wait_for_ever() -> None:
    """What is still under way after the limit fails."""
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        async with (
            a_relay(replace(SWIFT, stop=0.05)) as relay,
            a_client(relay) as client,
        ):
            asked = group.create_task(ask(relay.url, get(client.url)))
            await client.hears(Open)
        reply = await asked
        assert (reply.status, reply.by_relay) == (502, "client-gone")


async def test_once_stopped_it_accepts_nobody() -> None:
    """The port is free for the next one."""
    async with a_relay() as relay:
        port = port_of(relay.url)
    async with a_relay(port=port) as again:
        assert again.url == relay.url
    with pytest.raises(ConnectionRefusedError):
        await ask(relay.url, request("GET", "/healthz"))


async def test_a_port_in_use_is_named_with_a_way_out() -> None:
    """Exit 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DevhookError, match=f"127.0.0.1:{port}") as raised:
            async with a_relay(port=port):
                pass
    assert raised.value.exit_code == 1
    assert "--listen" in (raised.value.hint or "")


async def test_half_a_head_is_not_waited_for_long() -> None:
    """A connection that asks for nothing is closed."""
    limits = replace(SWIFT, keep_alive=0.05)
    async with a_relay(limits) as relay, a_sender(relay.url) as sender:
        sender.writer.write(b"GET /healthz HTTP/1.1\r\nHos")
        async with asyncio.timeout(5):
            assert await sender.reader.read() == b""


async def test_a_head_too_large_for_a_frame_is_refused() -> None:
    """431, and the client never sees it."""
    async with a_relay() as relay, a_client(relay) as client:
        fields = [f"X-{n}: {'x' * 8000}" for n in range(60)]
        reply = await ask(relay.url, get(client.url, *fields))
        assert (reply.status, reply.by_relay) == (431, "head-too-large")
