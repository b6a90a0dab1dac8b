"""What reaches the application and the original, and what the platform is answered."""

import json
import stat
from pathlib import Path

import aiohttp

from tests.endpoint import OK, Endpoint, answer, endpoint
from tests.running import Running, until
from tests.upbench import open_bench


async def post(up: Running, query: str = "", **headers: str) -> int:
    """An event by the public URL; the status it is answered."""
    url = f"{up.ready['webhook_uri']}{query}"
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            url, data=b'{"type":"call_hangup","data":{}}', headers=headers
        ) as got,
    ):
        return got.status


def request_lines(end: Endpoint) -> list[str]:
    return [request.partition(b"\r\n")[0].decode() for request in end.requests]


# --- where it goes -----------------------------------------------------------------


async def test_the_targets_path_is_used_and_the_incoming_query_appended(
    tmp_path: Path,
) -> None:
    """The incoming path, which carries the secret, reaches nobody."""
    async with open_bench(tmp_path) as b:
        target = f"{b.app.port}/webhooks?own=1"
        async with b.up(target=target) as up:
            assert await post(up, "?a=1&b=%20") == 200
            await up.lines(2, "attempt", status=200)
        assert request_lines(b.app) == ["POST /webhooks?own=1&a=1&b=%20 HTTP/1.1"]
        assert request_lines(b.original) == ["PUT /voip?key=k HTTP/1.1"]
        secret = up.ready["webhook_uri"].rpartition("/")[2].encode()
        assert not any(secret in r for r in (*b.app.requests, *b.original.requests))


async def test_without_a_target_events_are_only_recorded(tmp_path: Path) -> None:
    """And the original is served all the same."""
    async with open_bench(tmp_path) as b, b.up(target=None) as up:
        assert up.ready["target"] is None
        await b.sandbox.emit("call_hangup")
        await up.line("event", event_type="call_hangup")
        await up.line("attempt", kind="mirror")
        assert b.rows("select kind from deliveries") == [("mirror",)]


async def test_events_limits_what_is_forwarded_and_not_what_is_recorded(
    tmp_path: Path,
) -> None:
    """The original gets everything, too."""
    async with open_bench(tmp_path) as b, b.up("--events", "call_*,agent_*") as up:
        await b.sandbox.emit("message_created")
        await b.sandbox.emit("call_hangup")
        await up.lines(2, "attempt", kind="mirror")
        live = await up.line("attempt", kind="live")
        types = b.rows("select event_type from events order by id")
        assert types == [("message_created",), ("call_hangup",)]
        assert live["event"] == 2
        assert len(b.app.requests) == 1


async def test_a_route_sends_its_types_elsewhere(tmp_path: Path) -> None:
    """The first that matches; all else goes to the target."""
    async with open_bench(tmp_path) as b, endpoint() as other:
        async with b.up("--route", f"message_*={other.port}/sms") as up:
            await b.sandbox.emit("message_created")
            await b.sandbox.emit("call_hangup")
            await up.lines(2, "attempt", kind="live", status=200)
        assert request_lines(other) == ["POST /sms HTTP/1.1"]
        assert request_lines(b.app) == ["POST / HTTP/1.1"]


async def test_no_mirror_leaves_the_original_unserved(tmp_path: Path) -> None:
    """On demand alone."""
    async with open_bench(tmp_path) as b, b.up("--no-mirror") as up:
        await b.sandbox.emit("call_hangup")
        await up.line("attempt", kind="live", status=200)
        assert b.rows("select kind from deliveries") == [("live",)]


# --- what it carries ---------------------------------------------------------------


async def test_headers_are_set_in_place_of_those_of_that_name(tmp_path: Path) -> None:
    """For the application; the original sees what the platform sent."""
    flags = ("-H", "X-Env: laptop", "-H", "user-agent: mine", "--keep-host")
    async with open_bench(tmp_path) as b, b.up(*flags) as up:
        await b.sandbox.emit("call_hangup")
        await up.lines(2, "attempt", status=200)
        app, original = dict(b.app.headers()), dict(b.original.headers())
        assert (app["X-Env"], app["user-agent"]) == ("laptop", "mine")
        assert "User-Agent" not in app
        assert app["Host"] == f"127.0.0.1:{b.port}"
        assert original["User-Agent"] == "Go-http-client/1.1"
        assert original["Host"] == f"127.0.0.1:{b.original.port}"
        assert "X-Env" not in original


# --- what the platform is answered -------------------------------------------------


async def test_ack_app_answers_with_the_applications_status(tmp_path: Path) -> None:
    """So that the platform sees what it would see."""
    async with open_bench(tmp_path, app=answer(422, b"no")) as b:
        async with b.up("--ack", "app"):
            delivery = await b.sandbox.emit("call_hangup")
        assert [attempt.status for attempt in delivery.attempts] == [422]


async def test_ack_app_answers_502_for_an_application_that_is_away(
    tmp_path: Path,
) -> None:
    """The platform sends the event again: each try is an event of its own."""
    async with open_bench(tmp_path) as b, b.up("--ack", "app", target="9") as up:
        delivery = await b.sandbox.emit("call_hangup")
        assert [attempt.status for attempt in delivery.attempts] == [502] * 3
        events = await up.lines(3, "event")
        assert [event["same_as"] for event in events] == [None, 1, 1]


async def test_a_target_that_is_down_is_no_error_of_ours(tmp_path: Path) -> None:
    """200 to the platform, an attempt with its error, and 0 at the end."""
    async with open_bench(tmp_path) as b, b.up(target="9") as up:
        delivery = await b.sandbox.emit("call_hangup")
        assert [attempt.status for attempt in delivery.attempts] == [200]
        attempt = await up.line("attempt", kind="live")
        assert attempt["status"] is None
        assert "refused" in attempt["error"]
        assert attempt["verdict"] == "retried"
        assert await up.end() == 0


async def test_retries_try_an_application_again(tmp_path: Path) -> None:
    """The platform knows nothing of it."""
    answers = iter([answer(500)])

    async with open_bench(tmp_path, app=lambda _: next(answers, OK)) as b:
        async with b.up("--retries", "3") as up:
            delivery = await b.sandbox.emit("call_hangup")
            tries = await up.lines(2, "attempt", kind="live")
        assert [attempt.status for attempt in delivery.attempts] == [200]
        assert [attempt["status"] for attempt in tries] == [500, 200]
        assert len({attempt["delivery"] for attempt in tries}) == 1


async def test_require_signature_refuses_what_is_not_signed_well(
    tmp_path: Path,
) -> None:
    """401, recorded all the same, and sent to nobody."""
    async with open_bench(tmp_path) as b, b.up("--require-signature") as up:
        b.sandbox.change(webhook_secret="another")
        delivery = await b.sandbox.emit("call_hangup")
        assert [attempt.status for attempt in delivery.attempts] == [401]
        await up.line("event", signature="bad")
        assert b.rows("select count(*) from deliveries") == [(0,)]


async def test_what_has_passed_here_already_is_stopped(tmp_path: Path) -> None:
    """An application that sends its events back to the public URL makes no loop."""
    async with open_bench(tmp_path) as b, b.up() as up:
        await b.sandbox.emit("call_hangup")
        await until(lambda: b.app.requests)
        hops = dict(b.app.headers())["X-Devhook-Hop"]
        assert await post(up, **{"X-Devhook-Hop": hops}) == 508
        await up.line("loop")


# --- ready -------------------------------------------------------------------------


async def test_the_ready_file_appears_whole_and_private(tmp_path: Path) -> None:
    """It holds the ready object; one of an earlier run is gone at once."""
    path = tmp_path / "ready.json"
    path.write_text("of an earlier run")
    async with open_bench(tmp_path) as b:
        b.sandbox.fault(method="GET", drip=0.001)
        async with b.up("--ready-file", str(path), ready=False) as up:
            await until(lambda: b.sandbox.requests)
            assert not path.exists()
            await until(path.exists)
            assert json.loads(path.read_text()) == await up.line("ready")
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
