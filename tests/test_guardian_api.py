"""The guardian and the account API: TLS, proxies, and servers that hang."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from devhook.core.guarding import Order, Plan, Word, packed_plan
from devhook.core.model import Stage
from devhook.core.network import Network
from devhook.core.takeover import Ending, Restored
from devhook.sandbox import Sandbox
from tests.endpoint import answer, endpoint
from tests.guarded import ACME, Guarded, guarded, open_sandbox, plan, post, record
from tests.proxy import open_proxy

HOST = "api.acme.test"
PASSWORD = "walter:s3cr3t"


@dataclass(frozen=True)
class Away:
    """A sandbox, TLS or not, and what a guardian must know to reach it."""

    sandbox: Sandbox
    plan: Plan
    port: int

    def through(self, proxy: str) -> Plan:
        """By the name of a host that only the proxy knows."""
        scheme = urlsplit(self.plan.api_url).scheme
        network = replace(self.plan.network, environ={f"{scheme}_proxy": proxy})
        url = f"{scheme}://{HOST}:{self.port}/v1.0"
        return replace(self.plan, api_url=url, network=network)


@asynccontextmanager
async def away(folder: Path, *, tls: bool) -> AsyncIterator[Away]:
    """With a certificate that only the plan's authority vouches for."""
    authority, server = (
        trustme.CA(),
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
    )
    authority.issue_cert("127.0.0.1", HOST).configure_cert(server)
    async with open_sandbox(ssl_context=server if tls else None) as sandbox:
        ca_pem = authority.cert_pem.bytes().decode()
        planned = replace(plan(sandbox, folder), network=Network(ca_pem=ca_pem))
        yield Away(sandbox, planned, urlsplit(sandbox.url).port or 0)


async def restored(g: Guarded, a: Away, planned: Plan) -> Restored:
    """What becomes of a takeover that is restored by this plan, tried once."""
    found = record(a.sandbox, Stage.ACTIVE)
    a.sandbox.change(webhook_uri=found.mine)
    g.tell(Order.PLAN, plan=packed_plan(replace(planned, within=0.0)))
    await g.keep(found)
    return (await g.restored())[0]


async def error(g: Guarded, a: Away, planned: Plan) -> str:
    """Why such a takeover could not be restored."""
    found = await restored(g, a, planned)
    assert found.ending is Ending.UNCONFIRMED
    return found.error or ""


async def test_it_speaks_tls_to_whom_the_given_authority_vouches_for(
    tmp_path: Path,
) -> None:
    """The run's own CA file goes with the plan."""
    async with away(tmp_path, tls=True) as a, guarded() as g:
        assert (await restored(g, a, a.plan)).ending is Ending.RESTORED
        assert a.sandbox.account.fields() == ACME.fields()


async def test_a_server_that_nobody_vouches_for_is_shown_no_credential(
    tmp_path: Path,
) -> None:
    """The restore waits for a better one."""
    async with away(tmp_path, tls=True) as a, guarded() as g:
        untrusting = replace(a.plan, network=Network())
        assert "cannot be reached" in await error(g, a, untrusting)
        assert a.sandbox.requests == []


@pytest.mark.parametrize("tls", [True, False], ids=["https", "http"])
async def test_it_goes_through_a_proxy_that_asks_for_a_password(
    tmp_path: Path, tls: bool
) -> None:
    """As the run did: where there is one, there is no other way out."""
    async with (
        away(tmp_path, tls=tls) as a,
        open_proxy(a.port, password=PASSWORD) as proxy,
        guarded() as g,
    ):
        assert (await restored(g, a, a.through(proxy.url))).ending is Ending.RESTORED
        assert a.sandbox.account.fields() == ACME.fields()
        method = "CONNECT" if tls else "GET"
        assert proxy.asked[0].startswith(method)
        assert HOST in proxy.asked[0]


async def test_a_proxy_that_refuses_is_no_answer_of_the_api(tmp_path: Path) -> None:
    """Nothing is settled by it, and its password is in no message."""
    async with (
        away(tmp_path, tls=True) as a,
        open_proxy(a.port, password=PASSWORD) as proxy,
        guarded() as g,
    ):
        wrong = proxy.url.replace(PASSWORD, "walter:wr0ng")
        told = await error(g, a, a.through(wrong))
        assert "cannot be reached" in told
        assert "wr0ng" not in told


async def test_a_proxy_that_it_cannot_go_through_is_told_before_anything_changes(
    tmp_path: Path,
) -> None:
    """It ends at once: a run without a guardian changes no account."""
    async with away(tmp_path, tls=True) as a, guarded() as g:
        g.tell(Order.PLAN, plan=packed_plan(a.through("https://proxy.acme.test:3128")))
        trouble = await g.hear(Word.TROUBLE)
        assert "cannot go through a proxy" in trouble["error"]
        assert await g.over() == 0


@pytest.mark.parametrize("fault", [{"hang": True}, {"drip": 0.1}], ids=["hang", "drip"])
async def test_an_answer_has_a_deadline_as_a_whole(
    tmp_path: Path, fault: dict[str, Any]
) -> None:
    """However the server stretches it; then it is asked again."""
    async with post(tmp_path, answered=0.3) as p:
        await p.hold()
        p.sandbox.fault(method="GET", **fault)
        p.guarded.tell(Order.RESTORE, number=1)
        await p.guarded.hear(Word.RESTORING)
        trouble = await p.guarded.hear(Word.TROUBLE)
        assert "did not answer within 0.3 s" in trouble["error"]
        assert (await p.guarded.ended())[0].ending is Ending.RESTORED


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "cannot be reached"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "cannot be understood"),
        (answer(200, b"<html>welcome</html>"), "something else than its JSON"),
        (answer(200, b'{"id": "another"}'), "another account than the one"),
        (answer(307, b"", "Location: https://evil.example"), "redirects elsewhere"),
    ],
    ids=["hangs up", "no http", "html", "another account", "redirect"],
)
async def test_what_is_no_answer_of_the_api_settles_nothing(
    tmp_path: Path, said: bytes, why: str
) -> None:
    """The record stays open, and the credential goes nowhere else."""
    async with endpoint(said) as server, away(tmp_path, tls=False) as a, guarded() as g:
        planned = replace(a.plan, api_url=f"{server.url}/v1.0")
        assert why in await error(g, a, planned)
        assert all(request.startswith(b"GET /v1.0/") for request in server.requests)


async def test_a_key_in_the_query_is_sent_there(tmp_path: Path) -> None:
    """For deployments that read it from nowhere else."""
    async with away(tmp_path, tls=False) as a, guarded() as g:
        credential = replace(a.plan.credential, in_query=True)
        planned = replace(a.plan, credential=credential)
        assert (await restored(g, a, planned)).ending is Ending.RESTORED
