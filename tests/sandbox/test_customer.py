"""The account API: what a GET shows, what a PUT replaces, and the errors."""

from datetime import datetime

import aiohttp
import pytest
from aiohttp import ClientResponse, ClientSession

from devhook.core.model import Json
from devhook.sandbox import Customer, Sandbox
from tests.sandbox.conftest import open_sandbox

SEVEN = {
    "name": "New",
    "detail": "all seven",
    "email": "Odd Address@x",
    "phone_number": "+1",
    "address": "ü <&>",
    "webhook_method": "FOO",
    "webhook_uri": "not a url #x",
}
FIVE = ("name", "detail", "email", "phone_number", "address")


async def _get(http: ClientSession, sandbox: Sandbox) -> dict[str, Json]:
    async with http.get(_url(sandbox), headers=_key(sandbox)) as answer:
        assert answer.status == 200
        shown: dict[str, Json] = await answer.json()
        return shown


async def _put(http: ClientSession, sandbox: Sandbox, body: object) -> ClientResponse:
    data = body if isinstance(body, bytes) else aiohttp.JsonPayload(body)
    answer = await http.put(_url(sandbox), headers=_key(sandbox), data=data)
    await answer.read()
    return answer


def _url(sandbox: Sandbox) -> str:
    return f"{sandbox.api_url}/customer"


def _key(sandbox: Sandbox) -> dict[str, str]:
    return {"Cookie": f"accesskey={sandbox.access_key}"}


async def test_a_get_shows_the_account_and_its_secret(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """The fields of the platform's own struct, in its order."""
    shown = await _get(http, sandbox)
    assert [*shown] == [
        "id",
        *FIVE,
        "billing_account_id",
        "metadata",
        "email_verified",
        "status",
        "identity_verification_status",
        "tm_deletion_scheduled",
        "tm_create",
        "tm_update",
        "tm_delete",
        "webhook_secret",
    ]
    assert shown["id"] == sandbox.customer_id
    assert shown["webhook_secret"] == sandbox.secret


async def test_the_quickstarts_two_field_put_blanks_the_other_five(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """The page says two are enough; the code replaces seven."""
    two = {"webhook_method": "POST", "webhook_uri": "https://your-server.com/voipbin"}
    answer = await _put(http, sandbox, two)
    assert answer.status == 200
    assert sandbox.account.fields() == dict.fromkeys(FIVE, "") | two


async def test_a_put_of_all_seven_stores_them_as_given(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """Nothing is validated: neither method, URI nor address."""
    await _put(http, sandbox, SEVEN)
    shown = await _get(http, sandbox)
    assert {name: shown[name] for name in SEVEN} == SEVEN


async def test_the_answer_to_a_put_has_no_secret(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """Only GET shows it."""
    answer = await _put(http, sandbox, SEVEN)
    changed = await answer.json()
    assert changed["name"] == "New"
    assert "webhook_secret" not in changed


async def test_empty_fields_are_left_out(sandbox: Sandbox, http: ClientSession) -> None:
    """An account without a webhook shows neither field."""
    await _put(http, sandbox, {})
    assert not {*SEVEN} & {*await _get(http, sandbox)}


async def test_an_empty_secret_is_left_out(http: ClientSession) -> None:
    """As on an older deployment."""
    async with open_sandbox(customer=Customer(webhook_secret="")) as sandbox:
        assert "webhook_secret" not in await _get(http, sandbox)


async def test_a_put_moves_tm_update(sandbox: Sandbox, http: ClientSession) -> None:
    """The only mark of a change there is."""
    stamps: list[str] = []
    for _ in range(2):
        await _put(http, sandbox, SEVEN)
        stamps.append(str((await _get(http, sandbox))["tm_update"]))
    first, second = map(datetime.fromisoformat, stamps)
    assert first < second


async def test_text_is_escaped_as_go_escapes_it(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """Angle brackets and ampersands as escapes, other text as UTF-8."""
    answer = await _put(http, sandbox, SEVEN)
    assert '"address":"ü \\u003c\\u0026\\u003e"' in await answer.text()
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        pytest.param(b'{"name":null,"detail":"d"}', {"detail": "d"}, id="null"),
        pytest.param(b"null", {}, id="null as a whole"),
        pytest.param(b'{"NAME":"n"}', {"name": "n"}, id="name in another case"),
        pytest.param(b'{"name":"a","name":"b"}', {"name": "b"}, id="name twice"),
        pytest.param(b'{"name":"n"} and more', {"name": "n"}, id="text after it"),
        pytest.param(b'{"name":"n","id":7}', {"name": "n"}, id="unknown name"),
        pytest.param(b'{"name":"\xff"}', {"name": "\ufffd"}, id="invalid UTF-8"),
    ],
)
async def test_a_put_body_is_read_as_go_reads_it(
    body: bytes, stored: dict[str, str], sandbox: Sandbox, http: ClientSession
) -> None:
    """What Go's decoder lets pass is stored, the rest of the seven blanked."""
    assert (await _put(http, sandbox, body)).status == 200
    assert sandbox.account.fields() == dict.fromkeys(SEVEN, "") | stored


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"name=x", id="a form"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"name"', id="a string"),
        pytest.param(b'{"name":1}', id="a number for a string"),
        pytest.param(b'{"name":NaN}', id="not a number"),
        pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
        pytest.param(b"[" * 100_000, id="too deep"),
    ],
)
async def test_a_body_that_does_not_bind_changes_nothing(
    body: bytes, sandbox: Sandbox, http: ClientSession
) -> None:
    """A 400 whose JSON comes as text/plain, gin's own slip."""
    before = sandbox.account
    answer = await _put(http, sandbox, body)
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    envelope = (await answer.json(content_type=None))["error"]
    assert envelope["status"] == "INVALID_ARGUMENT"
    assert envelope["reason"] == "INVALID_JSON_BODY"
    assert sandbox.account == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1.0/nothing"),
        ("DELETE", "/v1.0/customer"),
        ("POST", "/v1.0/auth/login"),
        ("GET", "/customer"),
    ],
)
async def test_a_route_that_is_not_there_is_404(
    method: str, path: str, sandbox: Sandbox, http: ClientSession
) -> None:
    """A wrong method too, and before any credential is looked at."""
    async with http.request(method, f"{sandbox.url}{path}") as answer:
        assert answer.status == 404
        envelope = (await answer.json())["error"]
    assert envelope["status"] == "NOT_FOUND"
    assert envelope["reason"] == "ROUTE_NOT_FOUND"


async def test_an_error_is_an_envelope_with_the_request_id(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """Four fields, no details where there are none."""
    async with http.get(_url(sandbox)) as answer:
        envelope = await answer.json()
        request_id = answer.headers["X-Request-Id"]
    assert request_id.startswith("req_")
    assert len(request_id) == 30
    assert envelope == {
        "error": {
            "message": "Authentication is required.",
            "reason": "AUTHENTICATION_REQUIRED",
            "request_id": request_id,
            "status": "UNAUTHENTICATED",
        }
    }


@pytest.mark.parametrize(
    ("given", "echoed"),
    [("my-Request_1", True), ("x" * 64, True), ("x" * 65, False), ("a b", False)],
)
async def test_a_safe_request_id_is_echoed(
    given: str, echoed: bool, sandbox: Sandbox, http: ClientSession
) -> None:
    """Anything else gets a fresh one."""
    headers = {"X-Request-Id": given}
    async with http.get(f"{sandbox.url}/ping", headers=headers) as answer:
        assert (answer.headers["X-Request-Id"] == given) is echoed


async def test_every_answer_names_the_control_address(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """Errors too: that is how a client knows a sandbox."""
    for path in ("/ping", "/v1.0/customer", "/nothing"):
        async with http.get(sandbox.url + path) as answer:
            assert answer.headers["X-Devhook-Sandbox"] == sandbox.control_url


async def test_too_many_requests_are_told_when_to_come_back(
    http: ClientSession,
) -> None:
    """429 with Retry-After, and in the details what was exceeded."""
    async with open_sandbox(rate_limit=0.01) as sandbox:
        await _get(http, sandbox)
        async with http.get(_url(sandbox), headers=_key(sandbox)) as answer:
            assert answer.status == 429
            assert 0 < int(answer.headers["Retry-After"]) <= 100
            envelope = (await answer.json())["error"]
    assert envelope["status"] == "RESOURCE_EXHAUSTED"
    assert envelope["reason"] == "RATE_LIMIT_EXCEEDED"
    assert envelope["details"] == [{"limited_by": "customer"}]


async def test_a_frozen_account_is_403_with_the_way_back(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """The details say since when, until when, and how to recover."""
    sandbox.change(status="frozen")
    async with http.get(_url(sandbox), headers=_key(sandbox)) as answer:
        assert answer.status == 403
        envelope = (await answer.json())["error"]
    assert envelope["reason"] == "ACCOUNT_FROZEN"
    assert envelope["details"][0]["recovery_endpoint"] == "DELETE /auth/unregister"
    assert envelope["details"][0]["deletion_scheduled_at"] is not None


async def test_requests_are_logged_without_their_credentials(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """Method, path, body and status stay; of a credential only where it came from."""
    query = {"accesskey": sandbox.access_key, "a": "b"}
    async with http.put(_url(sandbox), params=query, data=b"{}") as answer:
        assert answer.status == 200
    login = {"username": "admin@localhost", "password": "admin@localhost"}
    async with http.post(f"{sandbox.url}/auth/login", json=login) as answer:
        assert answer.status == 200
    put, post = sandbox.requests
    assert (put.method, put.path, put.body, put.status) == (
        "PUT",
        "/v1.0/customer",
        b"{}",
        200,
    )
    assert put.query == "accesskey=%2A%2A%2A&a=b"
    assert put.credential == "?accesskey="
    assert post.body == b""
    assert sandbox.access_key not in repr(sandbox.requests)
