"""What goes wrong on request: each scripted fault, and which requests it is for."""

import asyncio
from collections.abc import Mapping

import aiohttp
import pytest
from aiohttp import ClientSession

from devhook.core.model import Json
from devhook.errors import UsageError
from devhook.sandbox import Sandbox, Timing
from devhook.sandbox.faults import Fault, fault_from
from devhook.sandbox.sender import Outcome
from tests.sandbox.conftest import open_sandbox, until
from tests.sandbox.target import Target

PUT = {"webhook_method": "POST", "webhook_uri": "https://new.example/hook#devhook=1.x"}


class Client:
    """A client of the account API with the sandbox's access key."""

    def __init__(self, http: ClientSession, sandbox: Sandbox) -> None:
        self._http = http
        self._url = f"{sandbox.api_url}/customer"
        self._headers = {"Cookie": f"accesskey={sandbox.access_key}"}

    async def send(
        self, method: str, body: Mapping[str, str] | None = None
    ) -> tuple[int, str, dict[str, str]]:
        async with self._http.request(
            method, self._url, headers=self._headers, json=body
        ) as answer:
            return answer.status, await answer.text(), {**answer.headers}

    async def put(self) -> int:
        return (await self.send("PUT", PUT))[0]

    async def uri(self) -> str:
        """What a GET shows."""
        async with self._http.get(self._url, headers=self._headers) as answer:
            return str((await answer.json()).get("webhook_uri", ""))


@pytest.fixture
def client(http: ClientSession, sandbox: Sandbox) -> Client:
    return Client(http, sandbox)


async def test_an_answer_can_be_delayed(sandbox: Sandbox, client: Client) -> None:
    """It comes, later; the next one does not wait."""
    loop = asyncio.get_running_loop()
    sandbox.fault(delay=0.1)
    start = loop.time()
    assert await client.put() == 200
    assert loop.time() - start >= 0.1
    start = loop.time()
    assert await client.put() == 200
    assert loop.time() - start < 0.1


async def test_a_reply_can_be_lost_after_the_change(
    sandbox: Sandbox, client: Client
) -> None:
    """The client does not know; the account has changed."""
    sandbox.fault(method="PUT", drop=True, times=None)
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.put()
    assert await client.uri() == PUT["webhook_uri"]
    assert sandbox.requests[0].status is None


async def test_a_request_can_be_lost_without_a_change(
    sandbox: Sandbox, client: Client
) -> None:
    """The client sees the same; the account has not changed."""
    before = sandbox.account
    sandbox.fault(method="PUT", drop=True, applies=False, times=None)
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.put()
    assert sandbox.account == before


async def test_an_answer_can_be_a_page_of_html(
    sandbox: Sandbox, client: Client
) -> None:
    """As from a proxy in between; nothing is carried out."""
    before = sandbox.account
    sandbox.fault(method="PUT", status=200, body="<html>Sign in</html>")
    status, text, headers = await client.send("PUT", PUT)
    assert (status, text) == (200, "<html>Sign in</html>")
    assert headers["Content-Type"].startswith("text/html")
    assert sandbox.account == before


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "INVALID_CREDENTIALS"),
        (403, "PERMISSION_DENIED"),
        (500, "INTERNAL"),
        (502, "INTERNAL"),
        (503, "SERVICE_UNAVAILABLE"),
    ],
)
async def test_a_status_alone_comes_with_the_platforms_envelope(
    status: int, reason: str, sandbox: Sandbox, client: Client
) -> None:
    """Its own words for it."""
    sandbox.fault(status=status)
    got, text, _ = await client.send("GET")
    assert got == status
    assert f'"reason":"{reason}"' in text


async def test_a_failure_can_have_been_carried_out(
    sandbox: Sandbox, client: Client
) -> None:
    """A 500, or 400, for a change that was made."""
    sandbox.fault(method="PUT", status=500, applies=True)
    assert await client.put() == 500
    assert await client.uri() == PUT["webhook_uri"]


async def test_a_success_can_have_been_forgotten(
    sandbox: Sandbox, client: Client
) -> None:
    """A 200 that shows the change, which no GET ever does."""
    sandbox.fault(method="PUT", applies=False)
    status, text, _ = await client.send("PUT", PUT)
    assert status == 200
    assert PUT["webhook_uri"] in text
    assert await client.uri() == ""


async def test_a_redirect_can_be_answered(sandbox: Sandbox, client: Client) -> None:
    """With headers of its own."""
    sandbox.fault(status=302, body="", headers={"Location": "/ping"})
    status, text, _ = await client.send("GET")
    assert (status, text) == (200, '{"message":"pong"}')


async def test_the_rate_limit_can_be_hit(sandbox: Sandbox, client: Client) -> None:
    """429 with Retry-After, nothing carried out."""
    before = sandbox.account
    sandbox.fault(method="PUT", retry_after=7)
    status, text, headers = await client.send("PUT", PUT)
    assert (status, headers["Retry-After"]) == (429, "7")
    assert '"limited_by":"customer"' in text
    assert sandbox.account == before


async def test_reads_can_be_stale_for_a_number_of_times(
    sandbox: Sandbox, client: Client
) -> None:
    """They show the account as it was when that was scripted."""
    sandbox.fault(method="GET", stale=True, times=2)
    await client.put()
    shown = [await client.uri() for _ in range(3)]
    assert shown == ["", "", PUT["webhook_uri"]]


async def test_reads_can_lag_behind_by_a_time(sandbox: Sandbox, client: Client) -> None:
    """As a replica does that is so many seconds late."""
    sandbox.fault(method="GET", lag=0.1, times=None)
    await client.put()
    assert await client.uri() == ""
    await asyncio.sleep(0.1)
    assert await client.uri() == PUT["webhook_uri"]


async def test_a_change_can_be_answered_and_made_later(
    sandbox: Sandbox, client: Client
) -> None:
    """200 at once, the account follows."""
    sandbox.fault(method="PUT", apply_after=0.05)
    assert await client.put() == 200
    assert await client.uri() == ""
    await until(lambda: sandbox.account.webhook_uri == PUT["webhook_uri"])


async def test_a_change_can_hang_and_be_made_later(
    sandbox: Sandbox, client: Client
) -> None:
    """Never answered, not even when the client has gone, and made all the same."""
    sandbox.fault(method="PUT", hang=True, apply_after=0.05)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await client.put()
    assert sandbox.account.webhook_uri == ""
    await until(lambda: sandbox.account.webhook_uri == PUT["webhook_uri"])


async def test_an_answer_can_come_in_drips(sandbox: Sandbox, client: Client) -> None:
    """A byte at a time, whole in the end."""
    loop = asyncio.get_running_loop()
    sandbox.fault(drip=0.0005)
    start = loop.time()
    status, text, _ = await client.send("GET")
    assert status == 200
    assert text.endswith("}")
    assert loop.time() - start >= 0.0005 * len(text)


async def test_the_fragment_can_be_stripped(sandbox: Sandbox, client: Client) -> None:
    """As a server would that normalises what it stores."""
    sandbox.fault(method="PUT", strip_fragment=True)
    assert await client.put() == 200
    assert await client.uri() == "https://new.example/hook"


async def test_other_values_than_those_given_can_be_stored(
    sandbox: Sandbox, client: Client
) -> None:
    """As a server would that resets a field by itself."""
    sandbox.fault(method="PUT", stored={"name": "RESET"})
    await client.put()
    assert sandbox.account.name == "RESET"


async def test_the_sender_can_hear_of_two_changes_in_the_wrong_order(
    http: ClientSession, target: Target
) -> None:
    """The account shows the newer setting, deliveries follow the older one."""
    async with open_sandbox(timing=Timing(cache_delay=0.0)) as sandbox:
        client = Client(http, sandbox)
        sandbox.change(webhook_uri=target.url, webhook_method="POST")
        sandbox.fault(method="PUT", cache_after=0.05)
        await client.put()
        sandbox.change(webhook_uri=target.url)
        await until(lambda: sandbox.setting.uri == PUT["webhook_uri"])
        assert await client.uri() == target.url


async def test_faults_are_for_the_requests_they_name(
    sandbox: Sandbox, client: Client
) -> None:
    """By method and path; others pass, and do not use it up."""
    sandbox.fault(method="PUT", path="/v1.0/customer", status=503)
    sandbox.fault(path="/nothing", status=500)
    assert (await client.send("GET"))[0] == 200
    assert await client.put() == 503
    assert await client.put() == 200


async def test_a_fault_can_let_some_pass_and_come_again(
    sandbox: Sandbox, client: Client
) -> None:
    """`skip` before, `times` after, then it is over."""
    sandbox.fault(skip=1, times=2, status=500)
    statuses = [(await client.send("GET"))[0] for _ in range(4)]
    assert statuses == [200, 500, 500, 200]


async def test_faults_come_in_the_order_of_scripting(
    sandbox: Sandbox, client: Client
) -> None:
    """One for each request."""
    sandbox.fault(status=500)
    sandbox.fault(status=503)
    statuses = [(await client.send("GET"))[0] for _ in range(3)]
    assert statuses == [500, 503, 200]


async def test_a_reset_brings_everything_back(sandbox: Sandbox, client: Client) -> None:
    """Account, sender, faults, deliveries, log, and what was to come later."""
    before = sandbox.account
    sandbox.fault(method="PUT", apply_after=0.02)
    await client.put()
    sandbox.change(name="Other", webhook_uri="http://127.0.0.1:1/")
    sandbox.fault(status=500, times=None)
    sandbox.reset()
    await asyncio.sleep(0.04)
    assert sandbox.account == before
    assert sandbox.setting.uri == before.webhook_uri
    assert sandbox.requests == []
    assert await client.put() == 200
    assert (await sandbox.emit("call_hangup")).outcome != Outcome.NOWHERE


async def test_the_sandbox_ends_with_answers_that_never_come(
    http: ClientSession,
) -> None:
    """And ends quickly."""
    async with asyncio.timeout(3):
        async with open_sandbox() as sandbox:
            sandbox.fault(hang=True)
            asking = asyncio.gather(Client(http, sandbox).put(), return_exceptions=True)
            await until(lambda: bool(sandbox.requests))
        (lost,) = await asking
    assert isinstance(lost, aiohttp.ClientError)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({}, Fault()),
        ({"delay": 1, "times": None}, Fault(delay=1, times=None)),
        ({"status": 500, "applies": True}, Fault(status=500, applies=True)),
        ({"stored": {"name": ""}}, Fault(stored={"name": ""})),
        ({"headers": {"A": "b"}}, Fault(headers={"A": "b"})),
    ],
)
def test_a_fault_is_read_from_json(given: dict[str, Json], fault: Fault) -> None:
    """By the names of its fields."""
    assert fault_from(given) == fault


@pytest.mark.parametrize(
    "given",
    [
        {"dely": 1},
        {"delay": "1"},
        {"times": True},
        {"drop": 1},
        {"status": None, "body": 7},
        {"stored": {"nmae": ""}},
        {"stored": "name"},
        {"headers": {"A": 1}},
        {"method": {}},
    ],
)
def test_a_fault_that_is_none_is_refused(given: dict[str, Json]) -> None:
    """A wrong name or value is an error, not a fault that never comes."""
    with pytest.raises(UsageError):
        fault_from(given)
