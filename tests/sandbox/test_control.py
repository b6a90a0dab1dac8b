"""The control address: what it does, and whom it answers."""

import base64
import json
from typing import Any

import pytest
from aiohttp import ClientSession

from devhook.sandbox import Moment, Sandbox
from tests.sandbox.conftest import open_sandbox
from tests.sandbox.target import Target, answer


class Control:
    def __init__(self, http: ClientSession, sandbox: Sandbox) -> None:
        self._http = http
        self._url = sandbox.control_url

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Status and JSON of the answer; a body of bytes goes as it is."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        async with self._http.request(
            method, f"{self._url}/{path}", data=data, headers=headers
        ) as answer:
            return answer.status, await answer.json()

    async def done(self, method: str, path: str, body: Any = None) -> Any:
        status, shown = await self.ask(method, path, body)
        assert status == 200, shown
        return shown


@pytest.fixture
def control(http: ClientSession, sandbox: Sandbox) -> Control:
    return Control(http, sandbox)


async def test_the_index_says_what_there_is(sandbox: Sandbox, control: Control) -> None:
    """Where things are, the fake key, and the names of events and scenarios."""
    shown = await control.done("GET", "")
    assert shown["api_url"] == sandbox.api_url
    assert shown["access_key"] == sandbox.access_key
    assert shown["event_types"] == ["call_hangup", "message_created"]
    assert shown["scenarios"] == []


async def test_an_event_is_emitted_with_changes(
    sandbox: Sandbox, control: Control, target: Target
) -> None:
    """Paths are from the top of the body; the answer has the outcome."""
    sandbox.change(webhook_uri=target.url, webhook_method="POST")
    wish = {"type": "call_hangup", "set": {"data.status": "busy"}}
    shown = await control.done("POST", "emit", wish)
    assert shown["event_type"] == "call_hangup"
    assert shown["outcome"] == "delivered"
    assert shown["attempts"][0]["status"] == 200
    body = base64.b64decode(shown["body"])
    assert json.loads(body)["data"]["status"] == "busy"
    assert target.received[0].endswith(body)


async def test_an_event_can_be_left_to_itself(
    sandbox: Sandbox, control: Control, target: Target
) -> None:
    """Without waiting for its outcome."""
    sandbox.change(webhook_uri=target.url, webhook_method="POST")
    wish = {"type": "call_hangup", "wait": False}
    shown = await control.done("POST", "emit", wish)
    assert shown["outcome"] == "pending"
    await sandbox.deliveries[0].done.wait()
    assert len(target.received) == 1


async def test_raw_bytes_are_delivered_as_they_are(
    sandbox: Sandbox, control: Control, target: Target
) -> None:
    """The request's own body is the event."""
    sandbox.change(webhook_uri=target.url, webhook_method="POST")
    shown = await control.done("POST", "deliver", b"\x00\xff")
    assert base64.b64decode(shown["body"]) == b"\x00\xff"
    assert target.received[0].endswith(b"\r\n\r\n\x00\xff")


async def test_many_are_emitted_in_one_request(
    sandbox: Sandbox, control: Control, target: Target
) -> None:
    """Mixed, in parallel, each with its outcome."""
    sandbox.change(webhook_uri=target.url, webhook_method="POST")
    wish = {"count": 30, "concurrency": 10, "types": ["message_created"], "seed": 1}
    shown = (await control.done("POST", "burst", wish))["deliveries"]
    assert len(shown) == len(target.received) == 30
    assert {one["event_type"] for one in shown} == {"message_created"}


async def test_a_scenario_is_played_by_name_or_by_its_events(
    http: ClientSession, target: Target
) -> None:
    """Offsets in milliseconds, bodies in base64."""
    moments = [Moment(offset_ms=0, body=b"a"), Moment(offset_ms=10, body=b"b")]
    async with open_sandbox(scenarios={"two": moments}) as sandbox:
        control = Control(http, sandbox)
        sandbox.change(webhook_uri=target.url, webhook_method="POST")
        await control.done("POST", "scenario", {"name": "two", "speed": 10})
        events = [{"offset_ms": 0, "body": base64.b64encode(b"c").decode()}]
        await control.done("POST", "scenario", {"events": events})
    assert [received[-1:] for received in target.received] == [b"a", b"b", b"c"]


async def test_deliveries_are_listed_with_all_their_attempts(
    sandbox: Sandbox, control: Control, target: Target
) -> None:
    """What was sent byte for byte, what came of it, and only those after an id."""
    sandbox.change(webhook_uri=target.url, webhook_method="PUT")
    target.answers = [answer(500)]
    await sandbox.deliver(b"first")
    await sandbox.deliver(b"second")
    first, second = (await control.done("GET", "deliveries"))["deliveries"]
    assert [attempt["status"] for attempt in first["attempts"]] == [500, 200]
    (request,) = first["attempts"][0]["requests"]
    assert (request["method"], request["target"]) == ("PUT", "/")
    assert request["headers"][0] == ["Host", f"127.0.0.1:{target.port}"]
    assert base64.b64decode(request["body"]) == b"first"
    newer = await control.done("GET", f"deliveries?after={first['id']}&limit=5")
    assert newer["deliveries"] == [second]


async def test_requests_to_the_api_are_listed(
    sandbox: Sandbox, control: Control, http: ClientSession
) -> None:
    """With their bodies, without their credentials."""
    headers = {"Authorization": f"Bearer {sandbox.admin_token}"}
    url = f"{sandbox.api_url}/customer"
    async with http.put(url, headers=headers, data=b"{}") as answer:
        assert answer.status == 200
    (shown,) = (await control.done("GET", "requests"))["requests"]
    assert (shown["method"], shown["path"]) == ("PUT", "/v1.0/customer")
    assert (shown["status"], shown["credential"]) == (200, "Bearer")
    assert base64.b64decode(shown["body"]) == b"{}"


async def test_a_colleague_changes_the_account(
    sandbox: Sandbox, control: Control
) -> None:
    """The fields named, no other, and the sender hears of it."""
    before = sandbox.account.fields()
    changes = {"webhook_uri": "https://colleague.example/", "name": ""}
    shown = await control.done("PATCH", "account", changes)
    assert sandbox.account.fields() == before | changes
    assert shown["name"] == ""
    assert shown["sender"]["webhook_uri"] == "https://colleague.example/"
    assert shown == await control.done("GET", "account")


async def test_faults_are_scripted_listed_and_cleared(
    sandbox: Sandbox, control: Control, http: ClientSession
) -> None:
    """By the same names as in Python."""
    fault = {"path": "/ping", "status": 503, "times": 2}
    shown = await control.done("POST", "faults", fault)
    assert shown == {"faults": [fault]}
    async with http.get(f"{sandbox.url}/ping") as answer:
        assert answer.status == 503
    await control.done("DELETE", "faults")
    async with http.get(f"{sandbox.url}/ping") as answer:
        assert answer.status == 200


async def test_a_reset_is_asked_for(sandbox: Sandbox, control: Control) -> None:
    """The account is as it was."""
    before = sandbox.account
    sandbox.change(name="Other")
    await control.done("POST", "reset")
    assert sandbox.account == before


@pytest.mark.parametrize(
    ("method", "path", "body", "error"),
    [
        ("POST", "emit", {"type": "call_hangups"}, "no event type 'call_hangups'"),
        ("POST", "emit", {}, "'type' is a str, not None"),
        ("POST", "emit", b"{", "not JSON"),
        ("POST", "emit", [], "not a JSON object"),
        ("POST", "emit", {"typ": "x"}, "no 'typ' here"),
        ("POST", "emit", {"type": "call_hangup", "set": {"a.b": 1}}, "no 'a'"),
        ("POST", "burst", {"count": "3"}, "'count' is a int"),
        ("POST", "burst", {"count": 3, "concurrency": 0}, "at least 1"),
        ("POST", "scenario", {"name": "none"}, "no scenario 'none'"),
        ("POST", "scenario", {"events": [{"offset_ms": 0}]}, "an offset_ms and a body"),
        (
            "POST",
            "scenario",
            {"events": [{"offset_ms": 0, "body": "!"}]},
            "is base64",
        ),
        ("POST", "scenario", {"events": [], "speed": 0}, "speed is more than 0"),
        ("PATCH", "account", {"id": "x"}, "no 'id' here"),
        ("PATCH", "account", {"name": None}, "'name' is a str"),
        ("POST", "faults", {"dely": 1}, "no 'dely'"),
        ("GET", "deliveries?after=x", None, "'after' is a number"),
    ],
)
async def test_a_wish_that_cannot_be_met_says_why(
    method: str, path: str, body: Any, error: str, control: Control
) -> None:
    """400, in words."""
    status, shown = await control.ask(method, path, body)
    assert status == 400
    assert error in shown["error"]


@pytest.mark.parametrize(("method", "path"), [("GET", "nothing"), ("PUT", "emit")])
async def test_what_is_not_there_is_an_error_in_json(
    method: str, path: str, control: Control
) -> None:
    """With the way to the index."""
    status, shown = await control.ask(method, path)
    assert status in (404, 405)
    assert shown["hint"] == "GET /_sandbox/"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:4010", "127.0.0.1.evil.example", "", "169.254.1.1"],
)
async def test_a_foreign_host_name_is_refused(host: str, control: Control) -> None:
    """So that a page cannot have its own name lead here."""
    status, _ = await control.ask("GET", "account", headers={"Host": host})
    assert status == 403


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", ""]
)
async def test_pages_of_another_origin_are_refused(
    origin: str, sandbox: Sandbox, control: Control
) -> None:
    """Even those of this machine; nothing is carried out."""
    before = sandbox.account
    status, _ = await control.ask("POST", "reset", headers={"Origin": origin})
    assert status == 403
    changes = {"name": "stolen"}
    status, _ = await control.ask(
        "PATCH", "account", changes, headers={"Origin": origin}
    )
    assert status == 403
    assert sandbox.account == before


async def test_a_page_of_its_own_is_answered(
    sandbox: Sandbox, control: Control
) -> None:
    """The same scheme, host and port."""
    status, _ = await control.ask("GET", "account", headers={"Origin": sandbox.url})
    assert status == 200


async def test_localhost_is_this_machine_too(
    sandbox: Sandbox, control: Control
) -> None:
    """By its usual name."""
    port = sandbox.url.rpartition(":")[2]
    headers = {"Host": f"localhost:{port}"}
    status, _ = await control.ask("GET", "account", headers=headers)
    assert status == 200
