"""Which credential counts, from where, and what it may do."""

import base64
import json
from datetime import timedelta

import pytest
from aiohttp import ClientSession

from devhook.sandbox import Sandbox
from devhook.sandbox.credentials import ACCESS_KEY, USERS, User


async def _status(
    http: ClientSession,
    sandbox: Sandbox,
    *,
    method: str = "GET",
    cookie: str = "",
    query: dict[str, str] | None = None,
    authorization: str = "",
) -> tuple[int, str | None]:
    """The status, and the reason when it is an error."""
    headers = {"Cookie": cookie} if cookie else {}
    headers |= {"Authorization": authorization} if authorization else {}
    url = f"{sandbox.api_url}/customer"
    async with http.request(
        method, url, headers=headers, params=query or {}, data=b"{}"
    ) as answer:
        envelope = await answer.json()
        return answer.status, envelope.get("error", {}).get("reason")


OK = (200, None)
NONE = (401, "AUTHENTICATION_REQUIRED")
BAD = (401, "INVALID_CREDENTIALS")
DENIED = (403, "PERMISSION_DENIED")


async def test_a_token_is_taken_from_cookie_query_and_bearer(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """The three places the platform looks for a token."""
    token = sandbox.admin_token
    assert await _status(http, sandbox, cookie=f"token={token}") == OK
    assert await _status(http, sandbox, query={"token": token}) == OK
    assert await _status(http, sandbox, authorization=f"Bearer {token}") == OK


async def test_an_access_key_is_taken_from_cookie_and_query(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """The two places the platform looks for a key."""
    key = sandbox.access_key
    assert await _status(http, sandbox, cookie=f"accesskey={key}") == OK
    assert await _status(http, sandbox, query={"accesskey": key}) == OK


async def test_an_access_key_is_never_a_token(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """As Bearer, ?token= or the token cookie it is read as a JWT, and is none."""
    key = sandbox.access_key
    assert await _status(http, sandbox, authorization=f"Bearer {key}") == BAD
    assert await _status(http, sandbox, query={"token": key}) == BAD
    assert await _status(http, sandbox, cookie=f"token={key}") == BAD


async def test_the_word_bearer_is_case_sensitive(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """Any other spelling is no credential at all."""
    lower = f"bearer {sandbox.admin_token}"
    assert await _status(http, sandbox, authorization=lower) == NONE


async def test_no_credential_and_an_empty_one_are_the_same(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """Both are asked to authenticate."""
    assert await _status(http, sandbox) == NONE
    empty = {"token": "", "accesskey": ""}
    assert await _status(http, sandbox, query=empty) == NONE


async def test_each_source_shadows_those_after_it(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """A wrong credential found first is not made good by a right one later."""
    token, key = sandbox.admin_token, sandbox.access_key
    bearer = f"Bearer {token}"
    assert (
        await _status(
            http,
            sandbox,
            cookie="token=x",
            query={"token": token},
            authorization=bearer,
        )
        == BAD
    )
    assert (
        await _status(http, sandbox, query={"token": "x"}, authorization=bearer) == BAD
    )
    assert (
        await _status(
            http, sandbox, authorization="Bearer x", cookie=f"accesskey={key}"
        )
        == BAD
    )
    assert (
        await _status(http, sandbox, cookie="accesskey=x", query={"accesskey": key})
        == BAD
    )


@pytest.mark.parametrize("wrong", ["vb_00000000000000000000000000000000", "x"])
async def test_an_unknown_access_key_is_invalid(
    wrong: str, sandbox: Sandbox, http: ClientSession
) -> None:
    """Revoked, expired and made up look alike."""
    assert await _status(http, sandbox, query={"accesskey": wrong}) == BAD


async def test_an_expired_token_is_invalid(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """It is judged by its string claim `expire`."""
    expired = f"Bearer {sandbox.expired_token}"
    assert await _status(http, sandbox, authorization=expired) == BAD


async def test_a_token_ends_when_it_was_told_to(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """For what clients do with one that ends soon."""
    for seconds, expected in ((60, OK), (-60, BAD)):
        token = sandbox.token_for(timedelta(seconds=seconds))
        bearer = f"Bearer {token}"
        assert await _status(http, sandbox, authorization=bearer) == expected


async def test_a_token_with_a_changed_claim_is_invalid(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """A plain agent cannot make itself an administrator."""
    header, _, mac = sandbox.agent_token.split(".")
    _, claims, _ = sandbox.admin_token.split(".")
    forged = f"Bearer {header}.{claims}.{mac}"
    assert await _status(http, sandbox, authorization=forged) == BAD


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "e30.e30.", "ü.ü.ü"])
async def test_what_is_no_token_is_invalid_and_no_accident(
    token: str, sandbox: Sandbox, http: ClientSession
) -> None:
    """Whatever its shape."""
    expected = BAD if token else NONE
    assert await _status(http, sandbox, query={"token": token}) == expected


async def test_a_plain_agent_may_neither_read_nor_write(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """403 on both."""
    agent = f"Bearer {sandbox.agent_token}"
    assert await _status(http, sandbox, authorization=agent) == DENIED
    assert await _status(http, sandbox, method="PUT", authorization=agent) == DENIED


async def test_a_manager_reads_the_secret_and_may_not_write(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """GET shows all of it, PUT is 403 and changes nothing."""
    before = sandbox.account
    manager = f"Bearer {sandbox.manager_token}"
    headers = {"Authorization": manager}
    async with http.get(f"{sandbox.api_url}/customer", headers=headers) as answer:
        assert (await answer.json())["webhook_secret"] == sandbox.secret
    assert await _status(http, sandbox, method="PUT", authorization=manager) == DENIED
    assert sandbox.account == before


async def test_an_administrator_and_an_access_key_may_write(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """Access keys count as administrators."""
    admin = f"Bearer {sandbox.admin_token}"
    assert await _status(http, sandbox, method="PUT", authorization=admin) == OK
    key = f"accesskey={sandbox.access_key}"
    assert await _status(http, sandbox, method="PUT", cookie=key) == OK


async def test_a_direct_token_may_not_use_the_account(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """It has a reason of its own."""
    direct = f"Bearer {sandbox.direct_token}"
    reason = (403, "DIRECT_ACCESS_NOT_SUPPORTED")
    assert await _status(http, sandbox, authorization=direct) == reason


async def test_a_bad_body_is_400_before_the_permission_is_looked_at(
    sandbox: Sandbox, http: ClientSession
) -> None:
    """The handler binds first."""
    headers = {"Authorization": f"Bearer {sandbox.agent_token}"}
    url = f"{sandbox.api_url}/customer"
    async with http.put(url, headers=headers, data=b"[") as answer:
        assert answer.status == 400


@pytest.mark.parametrize("user", USERS, ids=[user.name for user in USERS])
async def test_a_login_gives_a_token_and_the_cookie(
    user: User, sandbox: Sandbox, http: ClientSession
) -> None:
    """Outside /v1.0; the claims say who, for which customer, until when."""
    login = {"username": user.name, "password": user.password}
    async with http.post(f"{sandbox.url}/auth/login", json=login) as answer:
        assert answer.status == 200
        given = await answer.json()
        cookie = answer.headers["Set-Cookie"]
    assert [*given] == ["username", "token"]
    assert cookie.startswith(f"token={given['token']};")
    assert "HttpOnly" in cookie
    assert "Secure" in cookie
    assert "SameSite=Strict" in cookie
    claims = json.loads(base64.urlsafe_b64decode(given["token"].split(".")[1] + "=="))
    assert claims["type"] == "agent"
    assert claims["agent"]["customer_id"] == sandbox.customer_id
    assert claims["agent"]["permission"] == user.permission
    assert claims["expire"].endswith("Z")


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"username":"admin@localhost","password":"wrong"}'],
)
async def test_a_failed_login_is_a_bare_400(
    body: bytes, sandbox: Sandbox, http: ClientSession
) -> None:
    """No envelope, no body, no cookie."""
    async with http.post(f"{sandbox.url}/auth/login", data=body) as answer:
        assert answer.status == 400
        assert await answer.read() == b""
        assert "Set-Cookie" not in answer.headers


def test_the_access_key_looks_like_one_and_says_that_it_is_not() -> None:
    """`vb_` and 32 characters of base64url, obviously fake."""
    assert len(ACCESS_KEY) == 35
    assert ACCESS_KEY.startswith("vb_devhook_sandbox_")
