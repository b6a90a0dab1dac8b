"""The webhook sender: what is sent, how often, where to, and when it is given up."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typing_extensions import override

from devhook.sandbox import Customer, Sandbox, Timing
from devhook.sandbox.go_request import wire_bytes
from devhook.sandbox.sender import Outcome
from devhook.sandbox.signing import signature
from devhook.system import SystemClock
from tests.sandbox.conftest import CATALOGUE, open_sandbox, server_tls, until
from tests.sandbox.target import HANG_UP, Target, answer, open_target

BODY = b'{"type":"x_y","data":{"id":"1"}}'


def _pointed(sandbox: Sandbox, target: Target, *, method: str = "POST") -> None:
    sandbox.change(webhook_uri=f"{target.url}/hook#devhook=1.x", webhook_method=method)


def _body(received: bytes) -> bytes:
    return received.partition(b"\r\n\r\n")[2]


async def test_an_event_goes_out_compact_and_signed(
    sandbox: Sandbox, target: Target
) -> None:
    """Two keys, type first, in Go's escapes, for the account's own customer id."""
    _pointed(sandbox, target)
    await sandbox.emit("call_hangup")
    head, _, body = target.received[0].partition(b"\r\n\r\n")
    assert body.startswith(b'{"type":"call_hangup","data":{"id":"6c44f3f4-')
    assert b'"note":"\\u003cplease hold\\u003e \\u0026 wait"' in body
    assert json.loads(body)["data"]["customer_id"] == sandbox.customer_id
    signed = f"X-Voipbin-Signature: {signature(sandbox.secret, body)}"
    assert signed.encode() in head.split(b"\r\n")


async def test_what_is_recorded_is_what_was_on_the_wire(
    sandbox: Sandbox, target: Target
) -> None:
    """Tests compare against it."""
    _pointed(sandbox, target)
    delivery = await sandbox.emit("message_created")
    assert wire_bytes(delivery.request) == target.received[0]
    assert sandbox.deliveries == [delivery]
    assert delivery.outcome == Outcome.DELIVERED


async def test_raw_bytes_go_out_as_they_are(sandbox: Sandbox, target: Target) -> None:
    """Enveloped or not, JSON or not."""
    _pointed(sandbox, target)
    await sandbox.deliver(b"\x00\xff not json")
    assert _body(target.received[0]) == b"\x00\xff not json"


async def test_without_a_uri_nothing_is_sent(sandbox: Sandbox) -> None:
    """Empty is how events are switched off."""
    delivery = await sandbox.emit("call_hangup")
    assert delivery.outcome == Outcome.NOWHERE
    assert delivery.attempts == []


async def test_without_a_secret_nothing_is_signed(target: Target) -> None:
    """As on an older deployment."""
    async with open_sandbox(customer=Customer(webhook_secret="")) as sandbox:
        _pointed(sandbox, target)
        await sandbox.emit("call_hangup")
    assert b"signature" not in target.received[0].lower()


@pytest.mark.parametrize("status", [200, 204, 304, 400, 404, 499])
async def test_any_status_under_500_is_delivered(
    status: int, sandbox: Sandbox, target: Target
) -> None:
    """Refusals too: they are never sent again."""
    target.answers = [answer(status)]
    _pointed(sandbox, target)
    delivery = await sandbox.emit("call_hangup")
    assert delivery.outcome == Outcome.DELIVERED
    assert [attempt.status for attempt in delivery.attempts] == [status]


async def test_a_5xx_is_sent_three_times_the_same_bytes(
    sandbox: Sandbox, target: Target
) -> None:
    """Then it is given up."""
    target.answers = [answer(500), answer(503), answer(599), answer(200)]
    _pointed(sandbox, target)
    delivery = await sandbox.emit("call_hangup")
    assert delivery.outcome == Outcome.FAILED
    assert [attempt.status for attempt in delivery.attempts] == [500, 503, 599]
    assert len(target.received) == 3
    assert len(set(target.received)) == 1


async def test_a_lost_connection_is_tried_again(
    sandbox: Sandbox, target: Target
) -> None:
    """The second answer counts."""
    target.answers = [HANG_UP, answer(200)]
    _pointed(sandbox, target)
    delivery = await sandbox.emit("call_hangup")
    assert delivery.outcome == Outcome.DELIVERED
    assert [attempt.status for attempt in delivery.attempts] == [None, 200]
    assert delivery.attempts[0].error == "the connection was closed before an answer"


async def test_a_target_that_is_down_is_tried_three_times(sandbox: Sandbox) -> None:
    """Nothing was written, and the error says why."""
    async with open_target() as gone:
        url = gone.url
    sandbox.change(webhook_uri=url, webhook_method="POST")
    delivery = await sandbox.emit("call_hangup")
    assert delivery.outcome == Outcome.FAILED
    assert len(delivery.attempts) == 3
    assert all(attempt.requests == () for attempt in delivery.attempts)
    assert "dial" in str(delivery.attempts[0].error)


async def test_attempts_are_a_pause_apart(target: Target) -> None:
    """Twice between three, none before the first or after the last."""
    pauses: list[float] = []

    class Counting(SystemClock):
        @override
        async def sleep(self, seconds: float) -> None:
            pauses.append(seconds)

    target.answers = [answer(500)] * 3
    timing = Timing(cache_delay=0.0)
    async with Sandbox.open(
        clock=Counting(), new_id=lambda: "", catalogue=CATALOGUE, timing=timing
    ) as sandbox:
        _pointed(sandbox, target)
        await sandbox.emit("call_hangup")
    assert pauses == [1.0, 1.0]


def test_unless_told_otherwise_it_has_the_platforms_patience() -> None:
    """10 s to connect, 10 s for TLS, 15 s to headers, 30 s in all, 1 s of rest."""
    timing = Timing()
    assert (timing.connect, timing.tls) == (10.0, 10.0)
    assert (timing.headers, timing.total, timing.pause) == (15.0, 30.0, 1.0)


async def test_no_headers_in_time_is_a_failed_attempt(target: Target) -> None:
    """Sent again: a slow handler gets its event more than once."""
    target.answers = [b"HTTP/1.1 200 OK\r\n"]
    async with open_sandbox() as sandbox:
        _pointed(sandbox, target)
        delivery = await sandbox.emit("call_hangup")
    assert [attempt.status for attempt in delivery.attempts] == [None, 200]
    assert delivery.attempts[0].error == "no headers: nothing within 0.2 s"
    assert delivery.attempts[0].seconds >= 0.2


async def test_the_whole_attempt_has_a_limit_of_its_own(target: Target) -> None:
    """Redirects and their waits are within it."""
    target.answers = [answer(307, location="/next"), b"HTTP/1.1 200 OK\r\n"]
    timing = Timing(headers=5.0, total=0.2, pause=0.0, cache_delay=0.0)
    async with open_sandbox(timing=timing) as sandbox:
        _pointed(sandbox, target)
        delivery = await sandbox.emit("call_hangup")
    assert delivery.attempts[0].error == "no answer within 0.2 s"
    assert len(delivery.attempts[0].requests) == 2


async def test_a_body_that_never_ends_does_not_undo_the_status(
    target: Target,
) -> None:
    """The sender ignores what became of the body, its time-out included."""
    target.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegun"]
    timing = Timing(total=0.1, cache_delay=0.0)
    async with open_sandbox(timing=timing) as sandbox:
        _pointed(sandbox, target)
        delivery = await sandbox.emit("call_hangup")
    assert delivery.outcome == Outcome.DELIVERED
    assert delivery.attempts[0].seconds >= 0.1


async def test_the_third_redirect_is_refused_and_the_event_sent_again(
    sandbox: Sandbox, target: Target
) -> None:
    """A loop costs nine requests, then the event is lost."""
    target.answers = [answer(307, location="/again")] * 9
    _pointed(sandbox, target)
    delivery = await sandbox.emit("call_hangup")
    assert delivery.outcome == Outcome.FAILED
    assert delivery.attempts[0].error == "too many redirects"
    assert len(target.received) == 9


async def test_the_fragment_is_never_sent(sandbox: Sandbox, target: Target) -> None:
    """Nor is anything of it in a header."""
    _pointed(sandbox, target)
    await sandbox.emit("call_hangup")
    assert b"devhook" not in target.received[0]


@pytest.mark.parametrize(
    ("uri", "method", "reason"),
    [
        ("ftp://127.0.0.1/x", "POST", "unsupported scheme: 'ftp'"),
        ("/hook", "POST", "unsupported scheme: ''"),
        ("http:///hook", "POST", "empty hostname"),
        ("http://127.0.0.1/a%zz", "POST", "invalid URL escape in the path"),
        ("http://127.0.0.1:port/", "POST", "invalid port or host"),
        ("http://127.0.0.1/\n", "POST", "control character in URL"),
        ("http://127.0.0.1/", "P ST", "invalid method 'P ST'"),
    ],
)
async def test_what_cannot_be_sent_is_not_tried(
    uri: str, method: str, reason: str, sandbox: Sandbox
) -> None:
    """The API stored it all the same."""
    sandbox.change(webhook_uri=uri, webhook_method=method)
    delivery = await sandbox.emit("call_hangup")
    assert delivery.outcome == Outcome.REFUSED
    assert delivery.reason == reason
    assert delivery.attempts == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.1.2.3",
        "172.31.255.255",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "203.0.113.9",
        "0.0.0.0",  # noqa: S104 - refused, not bound
        "255.255.255.255",
        "[::1]",
        "[fe80::1]",
        "[fd00::1]",
        "[::ffff:127.0.0.1]",
    ],
)
async def test_strict_targets_refuse_private_addresses(host: str) -> None:
    """As the platform does; by default the sandbox does not."""
    async with open_sandbox(strict_targets=True) as sandbox:
        sandbox.change(webhook_uri=f"http://{host}/hook", webhook_method="POST")
        delivery = await sandbox.emit("call_hangup")
    assert delivery.outcome == Outcome.REFUSED
    assert "private or reserved" in str(delivery.reason)


async def test_connections_are_used_again(sandbox: Sandbox, target: Target) -> None:
    """One after the other needs one."""
    _pointed(sandbox, target)
    for _ in range(3):
        await sandbox.emit("call_hangup")
    assert target.connections == 1


async def test_at_most_five_connections_stay_open(
    sandbox: Sandbox, target: Target
) -> None:
    """However many there were at once."""
    _pointed(sandbox, target)
    await sandbox.burst(20, concurrency=20)
    await until(lambda: target.open <= 5)
    assert target.open == 5
    assert target.connections <= 20


async def test_the_uri_is_read_once_for_all_attempts_of_an_event(
    sandbox: Sandbox, target: Target
) -> None:
    """A change in between is for the next event."""
    target.answers = [HANG_UP] * 3
    _pointed(sandbox, target)
    delivering = asyncio.gather(sandbox.emit("call_hangup"))
    await until(lambda: bool(target.received))
    sandbox.change(webhook_uri="http://127.0.0.1:1/elsewhere")
    (delivery,) = await delivering
    assert len(target.received) == len(delivery.attempts) == 3


async def test_the_sender_hears_of_a_change_a_while_later(target: Target) -> None:
    """An event right after a PUT still goes to the old place."""
    timing = Timing(cache_delay=0.05, pause=0.0)
    async with open_sandbox(timing=timing) as sandbox:
        _pointed(sandbox, target)
        assert (await sandbox.emit("call_hangup")).outcome == Outcome.NOWHERE
        await until(lambda: sandbox.setting.uri == sandbox.account.webhook_uri)
        assert (await sandbox.emit("call_hangup")).outcome == Outcome.DELIVERED


@asynccontextmanager
async def _never_answering() -> AsyncIterator[str]:
    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_the_sandbox_ends_with_deliveries_under_way() -> None:
    """They are given up."""
    async with asyncio.timeout(5), _never_answering() as url:
        async with open_sandbox(timing=Timing(cache_delay=0.0)) as sandbox:
            sandbox.change(webhook_uri=url, webhook_method="POST")
            emitting = asyncio.gather(sandbox.emit("call_hangup"))
            await until(lambda: bool(sandbox.deliveries))
        (delivery,) = await emitting
    assert delivery.outcome == Outcome.PENDING


async def test_a_target_with_a_certificate_of_its_own_fails(
    certificate: Path,
) -> None:
    """Unless it is trusted, as the second sandbox does."""
    async with open_target(tls=server_tls(certificate)) as target:
        for trusted, outcome in (
            (ssl.create_default_context(), Outcome.FAILED),
            (ssl.create_default_context(cafile=certificate), Outcome.DELIVERED),
        ):
            async with open_sandbox(target_tls=trusted) as sandbox:
                _pointed(sandbox, target)
                delivery = await sandbox.emit("call_hangup")
            assert delivery.outcome == outcome
