"""Clients at the relay's door: greetings, leases, and rules kept by both sides."""

import asyncio
from dataclasses import replace

import pytest

from devhook.core.relay import (
    Answer,
    Cancel,
    Data,
    Farewell,
    Fault,
    Frame,
    Goodbye,
    Hello,
    Open,
    Ping,
    Pong,
    Welcome,
    Window,
)
from devhook.core.relay_codec import encode
from devhook.core.relay_lease import lease_name
from tests.relay.client import Client, a_client, dialled, farewell
from tests.relay.rig import SWIFT, a_relay, a_sender, ask, get, request

HELLO = Hello(lease="lease", instance="one")


async def test_a_client_is_welcomed_with_its_url() -> None:
    """Derived from its secret and its token, and from nothing else."""
    async with a_relay() as relay, dialled(relay) as client:
        await client.say(HELLO)
        welcome = await client.hears(Welcome)
        assert welcome.public_url == f"{relay.url}/t/{lease_name('', 'lease')}"


async def test_another_token_leads_to_another_url() -> None:
    """A secret that leaked to the holder of another token opens nothing."""
    async with a_relay() as relay, dialled(relay, token="other-token") as client:
        await client.say(HELLO)
        welcome = await client.hears(Welcome)
        assert welcome.public_url.endswith(lease_name("other", "lease"))


async def test_of_several_versions_the_known_one_is_chosen() -> None:
    """A newer client offers more than one."""
    async with a_relay() as relay, dialled(relay) as client:
        await client.say(replace(HELLO, versions=(9, 1)))
        assert (await client.hears(Welcome)).version == 1


async def test_without_a_version_in_common_the_client_is_told_so() -> None:
    """Rather than misunderstood."""
    async with a_relay() as relay, dialled(relay) as client:
        await client.say(replace(HELLO, versions=(9,)))
        assert (await farewell(client)).why is Farewell.NO_COMMON_VERSION
        assert await client.is_closed()


@pytest.mark.parametrize(
    "message",
    [b"", b"garbage", encode(Ping(1)), encode(HELLO) * 2],
    ids=["nothing", "garbage", "another frame", "twice"],
)
async def test_a_greeting_that_is_none_ends_the_connection(message: bytes) -> None:
    """With the reason."""
    async with a_relay() as relay, dialled(relay) as client:
        await client.say_bytes(message)
        assert (await farewell(client)).why is Farewell.BROKEN_RULES
        assert await client.is_closed()


async def test_a_client_that_says_nothing_is_not_waited_for() -> None:
    """A token alone holds no connection open."""
    async with a_relay(replace(SWIFT, hello=0.05)) as relay, dialled(relay) as client:
        assert (await farewell(client)).text == "no HELLO in time"


@pytest.mark.parametrize(
    "frame",
    [
        HELLO,
        Welcome(public_url="x"),
        Open(stream=1, method="GET", target="/"),
        Data(1, b"x"),
        Answer(stream=1, status=200),
        Window(7, 1),
    ],
    ids=lambda frame: type(frame).__name__,
)
async def test_a_frame_that_breaks_the_rules_ends_the_connection(frame: Frame) -> None:
    """Its requests fail, and the relay goes on."""
    async with a_relay() as relay, a_client(relay) as client:
        await client.say(frame)
        assert (await farewell(client)).why is Farewell.BROKEN_RULES
        assert await client.is_closed()
        assert (await ask(relay.url, request("GET", "/healthz"))).status == 200


async def test_text_ends_the_connection() -> None:
    """The wire is binary."""
    async with a_relay() as relay, a_client(relay) as client:
        await client.say_text("hello")
        assert (await farewell(client)).why is Farewell.BROKEN_RULES


async def test_a_ping_is_answered() -> None:
    """Either end may ask for a sign of life."""
    async with a_relay() as relay, a_client(relay) as client:
        await client.say(Ping(7))
        assert await client.hears(Pong) == Pong(7)


async def test_a_quiet_client_is_asked_and_then_dropped() -> None:
    """Its lease is free again after the patience."""
    limits = replace(SWIFT, heartbeat=0.05, patience=0.2)
    async with a_relay(limits) as relay, a_client(relay) as client:
        await client.hears(Ping)
        assert await client.is_closed()
        async with a_client(relay, instance="two") as other:
            assert other.url == client.url


async def test_a_held_lease_is_refused_to_another_client() -> None:
    """Unless it asks for it."""
    async with a_relay() as relay, a_client(relay) as holder:
        async with dialled(relay) as other:
            await other.say(replace(HELLO, instance="two"))
            assert (await farewell(other)).why is Farewell.LEASE_HELD
        async with a_client(relay, instance="two", takeover=True):
            assert (await farewell(holder)).why is Farewell.TAKEN_OVER


async def test_a_client_replaces_itself_at_once() -> None:
    """The old connection may be dead without anybody knowing yet."""
    async with a_relay() as relay, a_client(relay) as old, a_client(relay) as new:
        assert (await farewell(old)).why is Farewell.REPLACED
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(ask(relay.url, get(new.url)))
            opened = await new.hears(Open)
            await new.say(Answer(stream=opened.stream, status=299, end=True))
            assert (await asked).status == 299


async def test_a_client_that_leaves_is_not_waited_for() -> None:
    """Its GOODBYE says that it is done."""
    async with a_relay() as relay:
        async with a_client(relay) as client:
            await client.say(Goodbye(Farewell.DONE))
        assert (await ask(relay.url, get(client.url))).status == 404


async def test_a_client_that_is_lost_is_waited_for() -> None:
    """Its next connection gets the request that came meanwhile."""
    async with a_relay() as relay, asyncio.TaskGroup() as group:
        async with a_client(relay) as client:
            pass
        asked = group.create_task(ask(relay.url, get(client.url)))
        async with a_client(relay, instance="two") as again:
            opened = await again.hears(Open)
            await again.say(Answer(stream=opened.stream, status=299, end=True))
            assert (await asked).status == 299


async def test_a_client_that_is_lost_is_forgotten_after_a_while() -> None:
    """Then its URL is as unknown as any other."""
    async with a_relay(replace(SWIFT, keep=0.0)) as relay:
        async with a_client(relay) as client:
            pass
        reply = await ask(relay.url, get(client.url))
        assert (reply.status, reply.by_relay) == (404, "no-such-url")


async def test_the_body_of_a_request_waits_for_the_clients_window() -> None:
    """Not a byte more is sent than the client has said it takes."""
    async with (
        a_relay() as relay,
        a_client(relay, window=1000) as client,
        a_sender(relay.url) as sender,
    ):
        fields = "Content-Length: 2500"
        sender.writer.write(get(client.url, fields) + bytes(2500))
        opened = await client.hears(Open)
        assert not opened.end
        assert await received(client, 1000) == 1000
        await client.say(Ping(1))
        assert await client.hear() == Pong(1)
        await client.say(Window(opened.stream, 1500))
        assert await received(client, 1500) == 1500


async def test_the_body_of_an_answer_waits_for_the_sender() -> None:
    """The relay grants no more than its window until the sender has read."""
    limits = replace(SWIFT, window=200_000, idle=0.3)
    async with (
        a_relay(limits) as relay,
        a_client(relay) as client,
        a_sender(relay.url) as sender,
    ):
        sender.writer.write(get(client.url))
        opened = await client.hears(Open)
        await client.say(Answer(stream=opened.stream, status=200))
        room, sent = 200_000, 0
        while True:
            while room:
                piece = bytes(min(room, 50_000))
                await client.say(Data(opened.stream, piece))
                room, sent = room - len(piece), sent + len(piece)
            frame = await client.hear()
            if isinstance(frame, Cancel):
                break
            assert isinstance(frame, Window)
            room += frame.credit
        assert frame.why is Fault.SENDER_GONE
        assert sent < 20_000_000  # what sockets hold, and one window


async def test_an_answer_longer_than_its_length_is_cut() -> None:
    """It could be taken for the answer to the next request of somebody else."""
    async with a_relay() as relay, a_client(relay) as client:
        head = Answer(stream=1, status=200, headers=(("Content-Length", "3"),))
        body = Data(1, b"abcHTTP/1.1 200 OK\r\n\r\n", end=True)
        async with a_sender(relay.url) as sender, asyncio.TaskGroup() as group:
            sender.writer.write(get(client.url))
            await client.hears(Open)
            group.create_task(client.say(head, body))
            assert b"200 OK\r\n\r\n" not in (await sender.reader.read())[20:]


async def test_an_answer_shorter_than_its_length_is_cut() -> None:
    """Never taken for a whole one."""
    async with a_relay() as relay, a_client(relay) as client:
        head = Answer(stream=1, status=200, headers=(("Content-Length", "9"),))
        async with a_sender(relay.url) as sender:
            sender.writer.write(get(client.url))
            await client.hears(Open)
            await client.say(head, Data(1, b"abc", end=True))
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await sender.reply()


@pytest.mark.parametrize("length", ["-1", "3, 3", "+3"])
async def test_an_answer_whose_length_is_none_is_a_502(length: str) -> None:
    """Nothing of it goes out."""
    async with a_relay() as relay, a_client(relay) as client:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(ask(relay.url, get(client.url)))
            await client.hears(Open)
            fields = (("Content-Length", length),)
            await client.say(Answer(stream=1, status=200, headers=fields))
            reply = await asked
        assert (reply.status, reply.by_relay) == (502, "client-error")


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        (Fault.LOCAL_UNREACHABLE, 502, "local-unreachable"),
        (Fault.LOCAL_BROKE_OFF, 502, "local-broke-off"),
        (Fault.CLIENT_GONE, 502, "client-gone"),
        (Fault.OTHER, 502, "other"),
    ],
)
async def test_a_cancelled_request_is_told_whose_fault_it_was(
    fault: Fault, status: int, reason: str
) -> None:
    """As the client said it."""
    async with a_relay() as relay, a_client(relay) as client:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(ask(relay.url, get(client.url)))
            await client.hears(Open)
            await client.say(Cancel(1, fault, "canary 10.0.0.1"))
            reply = await asked
        assert (reply.status, reply.by_relay) == (status, reason)
        assert b"canary" not in reply.body


async def received(client: Client, size: int) -> int:
    """So many bytes of DATA, in however many frames."""
    got = 0
    while got < size:
        got += len((await client.hears(Data)).body)
    return got
