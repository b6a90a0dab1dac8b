"""Against the sandbox, over real sockets, TLS and proxies."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
import trustme

from devhook.core.network import Credential, Network
from devhook.errors import Refused, Throttled, Unreachable
from devhook.provider.client import AccountClient, login
from devhook.sandbox import Customer, Sandbox, credentials
from devhook.system import SystemClock, new_id
from tests.proxy import open_proxy

HOST = "api.devhook.test"
FAR = f"https://{HOST}/v1.0"
"""A place that a proxy alone can reach."""


@asynccontextmanager
async def sandbox(context: ssl.SSLContext | None = None) -> AsyncIterator[Sandbox]:
    customer = Customer(webhook_uri="https://acme.example/voip", webhook_method="POST")
    async with Sandbox.open(
        clock=SystemClock(), new_id=new_id, customer=customer, ssl_context=context
    ) as opened:
        yield opened


@pytest.fixture
async def plain() -> AsyncIterator[Sandbox]:
    async with sandbox() as opened:
        yield opened


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def secure(authority: trustme.CA) -> AsyncIterator[Sandbox]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, "127.0.0.1").configure_cert(context)
    async with sandbox(context) as opened:
        yield opened


def trusting(authority: trustme.CA, **environ: str) -> Network:
    return Network(ca_pem=authority.cert_pem.bytes().decode(), environ=environ)


def key(sandbox: Sandbox) -> Credential:
    return Credential(kind="access_key", value=sandbox.access_key, source="test")


def token(value: str) -> Credential:
    return Credential(kind="token", value=value, source="test")


def client(
    sandbox: Sandbox,
    credential: Credential | None = None,
    network: Network | None = None,
    **options: float,
) -> AccountClient:
    return AccountClient(
        sandbox.api_url, credential or key(sandbox), network or Network(), **options
    )


async def failure(opened: AccountClient) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        async with opened:
            await opened.get()
    return caught.value


async def test_an_account_is_read(plain: Sandbox) -> None:
    """With its signing secret, and the sandbox's own address beside it."""
    async with client(plain) as account_client:
        account = await account_client.get()
        assert account.webhook_uri == "https://acme.example/voip"
        assert account.webhook_secret == plain.secret
        assert account_client.sandbox == plain.control_url


async def test_a_put_leaves_the_other_five_fields_alone(plain: Sandbox) -> None:
    """All seven are sent."""
    before = plain.account.fields()
    async with client(plain) as account_client:
        account = await account_client.get()
        await account_client.put(account.fields() | {"webhook_uri": "https://new"})
    assert plain.account.fields() == before | {"webhook_uri": "https://new"}


async def test_a_token_works_by_bearer_and_a_key_by_cookie(plain: Sandbox) -> None:
    """The sandbox, as the platform, accepts neither by the other's way."""
    for credential in (key(plain), token(plain.admin_token)):
        async with client(plain, credential) as account_client:
            assert (await account_client.get()).name == "Acme"


async def test_the_query_form_works_where_it_is_asked_for(plain: Sandbox) -> None:
    """`auth = "query"`."""
    credential = Credential(
        kind="access_key", value=plain.access_key, source="test", in_query=True
    )
    async with client(plain, credential) as account_client:
        assert (await account_client.get()).name == "Acme"
    assert plain.requests[-1].credential == "?accesskey="


@pytest.mark.parametrize("kind", ["expired_token", "agent_token", "direct_token"])
async def test_a_credential_that_may_not_is_refused(plain: Sandbox, kind: str) -> None:
    """Exit 6."""
    async with client(plain, token(getattr(plain, kind))) as account_client:
        with pytest.raises(Refused):
            await account_client.get()


async def test_a_manager_may_read_and_not_write(plain: Sandbox) -> None:
    """As on the platform; the account stays as it was."""
    before = plain.account.fields()
    async with client(plain, token(plain.manager_token)) as account_client:
        account = await account_client.get()
        with pytest.raises(Refused, match="needs an admin"):
            await account_client.put(account.fields() | {"webhook_uri": ""})
    assert plain.account.fields() == before


async def test_a_login_gives_a_token_that_works(plain: Sandbox) -> None:
    """And a bad one is refused."""
    admin = credentials.ADMIN
    given = await login(plain.api_url, admin.name, admin.password, Network())
    async with client(plain, token(given)) as account_client:
        assert (await account_client.get()).name == "Acme"
    with pytest.raises(Refused):
        await login(plain.api_url, admin.name, "wrong", Network())


async def test_a_rate_limit_says_how_long_to_wait(plain: Sandbox) -> None:
    """From `Retry-After`."""
    plain.fault(retry_after=3)
    async with client(plain) as account_client:
        with pytest.raises(Throttled) as caught:
            await account_client.get()
    assert caught.value.retry_after == 3


async def test_a_redirect_is_not_followed(plain: Sandbox) -> None:
    """The credential would go to another place."""
    plain.fault(status=302, headers={"Location": f"{plain.url}/elsewhere"})
    error = await failure(client(plain))
    assert "redirects elsewhere" in error.message
    assert len(plain.requests) == 1


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        pytest.param({"status": 200, "body": "<html>"}, "its JSON", id="html"),
        pytest.param({"status": 200, "body": '{"id":'}, "its JSON", id="cut"),
        pytest.param({"status": 503}, "503", id="503"),
        pytest.param({"drop": True, "times": 2}, "broke off", id="hung up"),
        pytest.param({"status": 200, "body": "x" * (1 << 21)}, "more than", id="huge"),
    ],
)
async def test_what_is_no_answer_is_unreachable(
    plain: Sandbox, fault: dict[str, object], says: str
) -> None:
    """Exit 7, with the URL."""
    plain.fault(**fault)
    error = await failure(client(plain))
    assert says in error.message
    assert f"{plain.api_url}/customer" in error.message


@pytest.mark.parametrize(
    "fault", [{"hang": True}, {"drip": 0.05}], ids=["hang", "drip"]
)
async def test_one_deadline_covers_the_whole_exchange(
    plain: Sandbox, fault: dict[str, object]
) -> None:
    """Also a body that comes byte by byte."""
    plain.fault(**fault)
    error = await failure(client(plain, timeout=0.3))
    assert "within 0.3 s" in error.message


async def test_a_closed_port_is_named() -> None:
    """Nobody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1.0"
    error = await failure(AccountClient(url, token("t"), Network()))
    assert "Connection refused" in error.message
    assert error.hint == "look whether it runs, and at --api-url"


async def test_an_unknown_host_is_named() -> None:
    """`.invalid` never resolves (RFC 6761)."""
    url = "https://api.invalid/v1.0"
    error = await failure(AccountClient(url, token("t"), Network()))
    assert "no host api.invalid is known" in error.message


async def test_an_unknown_authority_is_not_trusted(secure: Sandbox) -> None:
    """The hint says how to trust it."""
    error = await failure(client(secure))
    assert "certificate is not trusted" in error.message
    assert "--ca-file" in (error.hint or "")
    assert secure.requests == []


async def test_a_ca_file_makes_a_private_authority_trusted(
    secure: Sandbox, authority: trustme.CA
) -> None:
    """A platform of one's own has a certificate of one's own."""
    async with client(secure, network=trusting(authority)) as account_client:
        assert (await account_client.get()).name == "Acme"


async def test_insecure_trusts_anybody(secure: Sandbox) -> None:
    """As its name says."""
    async with client(secure, network=Network(insecure=True)) as account_client:
        assert (await account_client.get()).name == "Acme"


async def test_plain_http_on_a_tls_port_is_unreachable(secure: Sandbox) -> None:
    """Not a traceback."""
    url = secure.api_url.replace("https:", "http:")
    await failure(AccountClient(url, key(secure), Network()))


async def test_tls_on_a_plain_port_is_unreachable(plain: Sandbox) -> None:
    """The hint asks whether it is https at all."""
    url = plain.api_url.replace("http:", "https:")
    error = await failure(AccountClient(url, key(plain), Network()))
    assert "https" in (error.hint or "")


async def test_an_api_is_reached_through_a_proxy(
    secure: Sandbox, authority: trustme.CA
) -> None:
    """By CONNECT, with the certificate verified end to end."""
    async with open_proxy(urlsplit(secure.url).port or 0) as proxy:
        network = trusting(authority, HTTPS_PROXY=proxy.url)
        async with AccountClient(FAR, key(secure), network) as account_client:
            assert (await account_client.get()).name == "Acme"
            assert account_client.sandbox is None
        assert proxy.asked == [f"CONNECT {HOST}:443"]


async def test_a_proxy_with_a_password_is_given_it(
    secure: Sandbox, authority: trustme.CA
) -> None:
    """Out of the variable's user info."""
    port = urlsplit(secure.url).port or 0
    async with open_proxy(port, password="user:pass") as proxy:
        network = trusting(authority, https_proxy=proxy.url)
        async with AccountClient(FAR, key(secure), network) as account_client:
            assert (await account_client.get()).name == "Acme"


async def test_a_proxy_s_refusal_hides_its_password(
    secure: Sandbox, authority: trustme.CA
) -> None:
    """The message names the proxy, and what to set."""
    port = urlsplit(secure.url).port or 0
    async with open_proxy(port, password="user:right") as proxy:
        url = proxy.url.replace("right", "canary")
        network = trusting(authority, https_proxy=url)
        error = await failure(AccountClient(FAR, key(secure), network))
    assert "the proxy asks for a password" in error.message
    assert "http://***@127.0.0.1" in error.message
    assert "canary" not in f"{error.message}{error.hint}"


async def test_a_dead_proxy_is_told_from_a_dead_api(secure: Sandbox) -> None:
    """The hint names the variable."""
    async with open_proxy(1) as proxy:
        network = Network(environ={"HTTPS_PROXY": proxy.url})
    error = await failure(AccountClient(FAR, key(secure), network))
    assert "the proxy does not answer" in error.message
    assert "HTTPS_PROXY" in (error.hint or "")


async def test_only_loopback_may_call_itself_a_sandbox(plain: Sandbox) -> None:
    """Else any API could have devhook send events where it likes."""
    plain.fault(headers={"X-Devhook-Sandbox": "http://evil.example"})
    async with client(plain) as account_client:
        await account_client.get()
        assert account_client.sandbox != "http://evil.example"


@pytest.mark.parametrize(
    "fault",
    [
        {"drop": True, "times": 2},
        {"hang": True},
        {"status": 500},
        {"status": 302, "headers": {"Location": "http://x.example"}},
        {"status": 200, "body": "<html>"},
    ],
    ids=lambda fault: next(iter(fault)) + str(fault.get("status", "")),
)
@pytest.mark.parametrize("in_query", [True, False], ids=["query", "header"])
async def test_no_failure_carries_the_credential(
    plain: Sandbox,
    fault: dict[str, object],
    in_query: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither its text, nor its cause, nor a log line."""
    caplog.set_level(logging.DEBUG)
    credential = Credential(
        kind="token", value="canary", source="test", in_query=in_query
    )
    plain.fault(**fault)
    error = await failure(client(plain, credential, timeout=0.3))
    assert "canary" not in f"{error!r} {error.hint} {error.__cause__!r} {caplog.text}"


async def test_cancelling_is_not_swallowed(plain: Sandbox) -> None:
    """It is the only stop signal."""
    plain.fault(hang=True)
    async with client(plain) as account_client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await account_client.get()


@pytest.mark.parametrize(
    ("date", "said"),
    [
        ("Fri, 21 Aug 2026 09:15:30 GMT", datetime(2026, 8, 21, 9, 15, 30, tzinfo=UTC)),
        ("21 Aug 2026 18:15:30 +0900", datetime(2026, 8, 21, 9, 15, 30, tzinfo=UTC)),
        ("21 Aug 2026 09:15:30 -0000", datetime(2026, 8, 21, 9, 15, 30, tzinfo=UTC)),
        ("", None),
        ("soon", None),
        ("Fri, 41 Aug 2026 09:15:30 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None),
    ],
)
async def test_the_clock_of_the_api_is_heard_with_each_answer(
    plain: Sandbox, date: str, said: datetime | None
) -> None:
    """A refusal's too; what cannot be read is as if it were not there."""
    async with client(plain, token(plain.expired_token)) as account_client:
        assert account_client.server_time is None
        plain.fault(headers={"Date": date})
        with pytest.raises(Refused):
            await account_client.get()
        assert account_client.server_time == said
