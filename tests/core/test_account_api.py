import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core import account_api
from devhook.core.account_api import ApiAnswer, ApiRequest, mask_url, token_expiry
from devhook.core.http import printable
from devhook.core.model import Account
from devhook.core.network import Credential
from devhook.errors import Refused, Rejected, Throttled, Unreachable

API = "https://api.example/v1.0"
CUSTOMER = {
    "id": "b3e8a1c0-52a7-4bfe-ab54-11445369c7c2",
    "name": "Acme",
    "webhook_uri": "https://acme.example/voip?key=1",
    "webhook_method": "POST",
    "tm_update": "2026-01-02T03:04:05.6Z",
}


def token(value: str = "canary.jwt.value", *, in_query: bool = False) -> Credential:
    return Credential(kind="token", value=value, source="--token", in_query=in_query)


def key(value: str = "vb_canary", *, in_query: bool = False) -> Credential:
    return Credential(
        kind="access_key", value=value, source="VN_ACCESS_KEY", in_query=in_query
    )


def answer(
    status: int, body: object = None, headers: tuple[tuple[str, str], ...] = ()
) -> ApiAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ApiAnswer(status=status, headers=headers, body=raw)


def envelope(reason: str) -> dict[str, Any]:
    return {
        "error": {"status": "X", "reason": reason, "message": "m", "request_id": "r"}
    }


def read(found: ApiAnswer, credential: Credential | None = None) -> Account:
    request = account_api.get_account(API, credential or token())
    return account_api.read_account(request, found)


def test_a_token_travels_as_bearer() -> None:
    """And nowhere else."""
    request = account_api.get_account(API, token())
    assert ("Authorization", "Bearer canary.jwt.value") in request.headers
    assert request.url == f"{API}/customer"


def test_an_access_key_travels_as_a_cookie() -> None:
    """The API reads it neither as Bearer nor as `?token=`."""
    request = account_api.get_account(API, key())
    assert ("Cookie", "accesskey=vb_canary") in request.headers
    assert request.url == f"{API}/customer"


@pytest.mark.parametrize(
    ("credential", "query"),
    [
        pytest.param(token("a+b", in_query=True), "token=a%2Bb", id="token"),
        pytest.param(key("vb_a", in_query=True), "accesskey=vb_a", id="access key"),
    ],
)
def test_the_query_carries_a_credential_only_when_told_to(
    credential: Credential, query: str
) -> None:
    """For deployments that read it from nowhere else."""
    request = account_api.get_account(API, credential)
    assert request.url == f"{API}/customer?{query}"
    assert not {"Authorization", "Cookie"} & {name for name, _ in request.headers}
    assert request.place == f"{API}/customer"


def test_no_repr_shows_a_credential() -> None:
    """Nor what may hold one."""
    request = account_api.get_account(API, token(in_query=True))
    login = account_api.login(API, "me", "canary")
    assert "canary" not in repr(request) + repr(login) + repr(answer(200, b"canary"))


def test_a_put_carries_all_seven_fields() -> None:
    """The API blanks those that are left out."""
    fields = {name: name.upper() for name in account_api.FIELDS}
    request = account_api.put_account(API, token(), fields)
    assert json.loads(request.body or b"") == fields


def test_a_put_with_fewer_fields_cannot_be_built() -> None:
    """The quickstart's two-field body is a bug here."""
    with pytest.raises(ValueError, match="exactly"):
        account_api.put_account(
            API, token(), {"webhook_uri": "https://x.example", "webhook_method": "POST"}
        )


def test_the_login_lies_beside_the_versioned_api() -> None:
    """`/v1.0/auth/login` is a 404 there."""
    request = account_api.login(API, "me", "secret")
    assert (request.method, request.url) == ("POST", "https://api.example/auth/login")


def test_fields_that_were_left_out_are_empty() -> None:
    """The API leaves empty ones out."""
    account = read(answer(200, {"id": CUSTOMER["id"], "name": "Acme"}))
    assert account.fields() == {
        "name": "Acme",
        "detail": "",
        "email": "",
        "phone_number": "",
        "address": "",
        "webhook_method": "",
        "webhook_uri": "",
    }
    assert account.webhook_secret is None


@given(st.fixed_dictionaries({name: st.text() for name in account_api.FIELDS}))
def test_any_text_of_an_account_comes_back_in_a_put(fields: dict[str, str]) -> None:
    """Read, sent and read again, it is the same."""
    account = read(answer(200, {"id": "x", **fields}))
    request = account_api.put_account(API, token(), account.fields())
    assert json.loads(request.body or b"") == fields


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(answer(200, b"<html>welcome</html>"), id="html"),
        pytest.param(answer(200, b'{"id": "x", "na'), id="cut"),
        pytest.param(answer(200, b""), id="empty"),
        pytest.param(answer(200, ["id"]), id="a list"),
        pytest.param(answer(200, {"name": "Acme"}), id="no id"),
        pytest.param(answer(200, {"id": 7}), id="id is a number"),
        pytest.param(answer(200, {**CUSTOMER, "webhook_uri": 1}), id="wrong type"),
        pytest.param(answer(200, b"[" * 100_000), id="deep"),
        pytest.param(
            answer(302, b"", (("Location", "https://evil.example"),)), id="302"
        ),
        pytest.param(answer(404, envelope("ROUTE_NOT_FOUND")), id="404"),
        pytest.param(answer(400, envelope("INVALID_ARGUMENT")), id="400"),
        pytest.param(answer(500, envelope("INTERNAL")), id="500"),
        pytest.param(answer(503, b"<html>gateway</html>"), id="503 html"),
        pytest.param(answer(403, b"<html>blocked</html>"), id="403 of a firewall"),
    ],
)
def test_what_is_no_customer_is_unreachable(found: ApiAnswer) -> None:
    """Exit 7, naming the place; nothing is assumed from it."""
    with pytest.raises(
        Unreachable, match=r"https://api\.example/v1\.0/customer"
    ) as caught:
        read(found)
    assert caught.value.exit_code == 7
    assert caught.value.hint


@pytest.mark.parametrize("status", [400, 413, 414, 422])
def test_a_request_that_is_not_liked_is_rejected(status: int) -> None:
    """The public source answers so too when it wrote, and could not read back."""
    with pytest.raises(Rejected) as caught:
        read(answer(status, envelope("INVALID_ARGUMENT")))
    assert caught.value.answered


def test_an_unreachable_place_is_named_without_its_credential() -> None:
    """Also where the query carries it."""
    with pytest.raises(Unreachable) as caught:
        read(answer(500, b""), token("canary", in_query=True))
    assert "canary" not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize(
    ("status", "body", "credential", "says"),
    [
        pytest.param(403, envelope("PERMISSION_DENIED"), token(), "admin", id="agent"),
        pytest.param(403, envelope("ACCOUNT_FROZEN"), token(), "frozen", id="frozen"),
        pytest.param(
            404, envelope("CUSTOMER_NOT_FOUND"), key(), "no such account", id="deleted"
        ),
        pytest.param(
            403, envelope("DIRECT_ACCESS_NOT_SUPPORTED"), token(), "direct", id="direct"
        ),
        pytest.param(
            401, envelope("INVALID_CREDENTIALS"), token(), "log in again", id="expired"
        ),
        pytest.param(
            401,
            envelope("INVALID_CREDENTIALS"),
            token("vb_canary"),
            "looks like an access key",
            id="key as token",
        ),
        pytest.param(
            401,
            envelope("INVALID_CREDENTIALS"),
            key("canary.a.b"),
            "looks like a login token",
            id="token as key",
        ),
        pytest.param(401, envelope("INVALID_CREDENTIALS"), key(), "revoked", id="key"),
        pytest.param(401, b"", token(), "--token", id="an older server's bare 401"),
    ],
)
def test_a_refusal_says_what_to_do(
    status: int, body: object, credential: Credential, says: str
) -> None:
    """Exit 6, where the credential came from, never the credential."""
    with pytest.raises(Refused) as caught:
        read(answer(status, body), credential)
    text = f"{caught.value.message}\n{caught.value.hint}"
    assert says in text
    assert "canary" not in text
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [((("retry-after", "7"),), 7.0), ((("Retry-After", "soon"),), 1.0), ((), 1.0)],
)
def test_a_rate_limit_keeps_its_pause(
    headers: tuple[tuple[str, str], ...], seconds: float
) -> None:
    """A second, where it does not say."""
    with pytest.raises(Throttled) as caught:
        read(answer(429, envelope("RATE_LIMIT_EXCEEDED"), headers))
    assert caught.value.retry_after == seconds


def test_a_good_login_gives_its_token() -> None:
    """The user name beside it is of no use."""
    request = account_api.login(API, "me", "secret")
    found = answer(200, {"username": "me", "token": "a.b.c"})
    assert account_api.read_token(request, found) == "a.b.c"


def test_a_bad_login_is_refused() -> None:
    """The API answers a bare 400."""
    request = account_api.login(API, "me", "canary")
    with pytest.raises(Refused, match="does not accept this user name"):
        account_api.read_token(request, answer(400, b""))


@pytest.mark.parametrize(
    "found", [answer(200, {}), answer(200, b"<html>"), answer(502, b"")]
)
def test_a_login_without_a_token_is_unreachable(found: ApiAnswer) -> None:
    """So is one that was not answered by the API."""
    with pytest.raises(Unreachable):
        account_api.read_token(account_api.login(API, "me", "x"), found)


def jwt(claims: object) -> str:
    packed = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{packed}.signature"


@pytest.mark.parametrize(
    ("text", "expiry"),
    [
        pytest.param(
            jwt({"expire": "2026-03-01T10:00:00.000000Z"}),
            datetime(2026, 3, 1, 10, tzinfo=UTC),
            id="the platform's claim",
        ),
        pytest.param(jwt({"exp": 0}), datetime(1970, 1, 1, tzinfo=UTC), id="exp"),
        pytest.param(jwt({}), None, id="neither"),
        pytest.param(jwt({"expire": "soon"}), None, id="no time"),
        pytest.param(jwt({"exp": 10**30}), None, id="too far"),
        pytest.param(jwt([]), None, id="no object"),
        pytest.param("vb_0123456789", None, id="access key"),
        pytest.param("a.%%%.c", None, id="no base64"),
        pytest.param("", None, id="empty"),
    ],
)
def test_the_end_of_a_token_is_read(text: str, expiry: datetime | None) -> None:
    """Unverified: the server alone can verify it."""
    assert token_expiry(text) == expiry


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://a.example/x", "https://a.example/x"),
        ("https://u:canary@a.example:8443/x", "https://***@a.example:8443/x"),
        (
            "https://a.example/x?key=canary&b=canary",
            "https://a.example/x?key=***&b=***",
        ),
        ("https://a.example/x?canary", "https://a.example/x?***"),
        ("https://a.example/x#devhook=1.canary", "https://a.example/x#***"),
        ("https://a.example/@me", "https://a.example/@me"),
        ("https://a.example/to/http://u@b", "https://a.example/to/http://u@b"),
        ("https://u:can@ary@a.example", "https://***@a.example"),
        ("u:canary@a.example", "***@a.example"),
        ("http://[", "http://["),
        ("https://a.example/\x1b[2J", "https://a.example/\\x1b[2J"),
        ("", ""),
    ],
)
def test_what_is_secret_in_a_url_is_masked(url: str, masked: str) -> None:
    """User info, query values and the fragment; any text gets through."""
    assert mask_url(url) == masked


@given(st.text())
def test_any_text_is_masked_into_what_a_terminal_may_show(text: str) -> None:
    """An account may hold any text as its URI."""
    assert mask_url(text) == printable(mask_url(text))


def test_an_answer_to_a_put_must_be_the_customer() -> None:
    """Anything else leaves the outcome unknown."""
    request = account_api.put_account(
        API, token(), dict.fromkeys(account_api.FIELDS, "")
    )
    account_api.read_put(request, answer(200, CUSTOMER))
    with pytest.raises(Unreachable):
        account_api.read_put(request, answer(200, b"<html>"))


def test_a_request_shows_its_method_alone() -> None:
    """So that it can stand in a log."""
    assert repr(ApiRequest(method="GET", url="u", headers=())) == (
        "ApiRequest(method='GET', credential=None)"
    )
