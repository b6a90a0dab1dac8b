"""C, before the PUT, and the wire below all of it."""

import asyncio
import signal
import ssl
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from devhook.core.guarding import ANSWERED_WITHIN, Order, Word
from devhook.core.model import Setting, Stage
from devhook.core.network import Credential, Network
from devhook.core.takeover import Ending
from devhook.errors import ChangedElsewhere, Unreachable
from devhook.provider import client
from devhook.provider.client import AccountClient
from tests.endpoint import answer, endpoint, speaking
from tests.guarded import ACME, post
from tests.matrix.bench import alone, open_short
from tests.matrix.machines import machines, puts
from tests.proxy import open_proxy
from tests.upbench import Bench, open_bench

Seen = Callable[[str], None]

KEY = Credential(kind="access_key", value="vb_key", source="test")


async def refused(b: Bench, **environ: str) -> tuple[int, str]:
    """Exit code and words of an `up` that does not start, and changes nothing."""
    done = await b.terminal("up", "--yes", *b.tunnel, **environ)
    code, message, hint = done.error()
    assert b.puts() == []
    assert b.takeovers.history() == []
    return code, f"{message}\n{hint}"


# --- the first GET -------------------------------------------------------------------


@pytest.mark.case(45, "GET: refused, unknown name, no TLS, untrusted", "no PUT; text")
async def test_45_an_api_that_cannot_be_reached(tmp_path: Path, seen: Seen) -> None:
    """7, what is wrong with it, and where to look."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    async with open_bench(tmp_path) as b, endpoint(tls=tls) as nobodys:
        said = {
            "http://127.0.0.1:9/v1.0": "/v1.0/customer cannot be reached: Connection",
            "https://api.invalid/v1.0": "no host api.invalid is known",
            b.sandbox.api_url.replace("http:", "https:"): "no TLS there",
            f"{nobodys.url}/v1.0": "its certificate is not trusted",
        }
        for url, text in said.items():
            code, words = await refused(b, DEVHOOK_API_URL=url)
            assert code == 7
            assert text in words
            assert "look " in words or "trust " in words
    seen("7, each with its reason")


@pytest.mark.case(45, "GET: no answer", "no PUT; clear text")
async def test_45_an_api_that_says_nothing(seen: Seen) -> None:
    """Given up after ten seconds; here after a part of one."""
    assert client.TIMEOUT == 10

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with speaking(silent) as mute:
        api = AccountClient(f"{mute.url}/v1.0", KEY, Network(), timeout=0.2)
        async with api:
            with pytest.raises(Unreachable, match=r"did not answer within 0\.2 s"):
                await api.get()
    seen("given up after the deadline, which is 10 s")


@pytest.mark.case(46, "GET 401, 403", "no PUT")
async def test_46_a_credential_that_is_not_accepted(tmp_path: Path, seen: Seen) -> None:
    """6, naming where the credential was found and what it takes."""
    async with open_bench(tmp_path) as b:
        code, words = await refused(b, DEVHOOK_ACCESS_KEY="vb_wrong")
        assert code == 6
        assert "(DEVHOOK_ACCESS_KEY)" in words
        assert "vb_wrong" not in words
        token = {"DEVHOOK_ACCESS_KEY": "", "DEVHOOK_TOKEN": b.sandbox.agent_token}
        code, words = await refused(b, **token)
        assert code == 6
        assert "needs an admin" in words
    seen("6, says where it was found and what it takes")


@pytest.mark.case(47, "GET 200 with HTML, cut JSON, wrong types", "no PUT")
async def test_47_what_is_no_account(tmp_path: Path, seen: Seen) -> None:
    """7: a portal or a proxy answers, and not the API; what it says is not shown."""
    bodies = (
        "<html>sign in</html>",
        '{"id": "x", "na',
        '["id"]',
        '{"id": 7}',
        '{"id": "x", "webhook_uri": ["sign in"]}',
    )
    async with open_bench(tmp_path) as b:
        for status, body in [*((200, body) for body in bodies), (503, bodies[0])]:
            b.sandbox.fault(status=status, body=body)
            code, words = await refused(b)
            assert code == 7
            assert "sign in" not in words
    seen("7, nothing assumed from it")


@pytest.mark.case(47, "GET of another account than before", "no PUT")
async def test_47_another_account_than_before(tmp_path: Path, seen: Seen) -> None:
    """Between two looks, and when a record is settled: it is no word on ours."""
    async with machines(tmp_path) as (a,):
        account = replace(await a.client.get(), id="0d5f6c1e-another")
        with pytest.raises(ChangedElsewhere):
            await a.take(as_read=account)
        assert a.takeovers.history() == []
        await a.take()
        theirs = replace(a.record, account_id=account.id)
        a.takeovers.keep(theirs, theirs.started_at, theirs.process)
        restored = await a.recover()
        assert restored.ending is Ending.UNCONFIRMED
        assert "another account" in str(restored.error)
        assert puts(a.sandbox) == 1
        a.takeovers.keep(
            replace(a.record, account_id=a.sandbox.customer_id),
            theirs.started_at,
            theirs.process,
        )
        assert (await a.recover()).ending is Ending.RESTORED
    seen("no PUT, and no record settled by it")


@pytest.mark.case(68, "method was GET, PUT or empty, with a URI or none", "as before")
async def test_68_all_seven_fields_are_as_before(tmp_path: Path, seen: Seen) -> None:
    """A field that the API leaves out is empty, and is left out again at the end."""
    uris, methods = (
        ("https://api.acme.example/voip?k=1", ""),
        ("POST", "GET", "PUT", ""),
    )
    for number, (uri, method) in enumerate(product(uris, methods)):
        root = Setting(uri=uri, method=method)
        async with machines(tmp_path / str(number), root=root) as (a,):
            before = a.sandbox.account.fields()
            hold = await a.take()
            during = a.sandbox.account.fields()
            assert during["webhook_uri"].startswith(f"{a.uri}#devhook=1.")
            assert during["webhook_method"] == "POST"
            assert [*during.values()][:5] == [*before.values()][:5]
            assert (await hold.end()).ending is Ending.RESTORED
            assert a.sandbox.account.fields() == before
    seen("exactly as before, all eight")


@pytest.mark.case(48, "GET without webhook_uri", 'original is ""')
async def test_48_a_field_left_out_is_empty(tmp_path: Path, seen: Seen) -> None:
    """And a legal original."""
    async with machines(tmp_path, root=Setting(uri="", method="")) as (a,):
        hold = await a.take()
        assert a.record.root == Setting(uri="", method="")
        assert (await hold.end()).ending is Ending.RESTORED
        assert a.sandbox.account.webhook_uri == ""
    seen("restored to nothing")


# --- the wire ------------------------------------------------------------------------


@pytest.mark.case(65, "API redirects to another host", "refused; no token sent on")
async def test_65_a_redirect_is_not_followed(tmp_path: Path, seen: Seen) -> None:
    """Neither by a run nor by its guardian."""
    async with endpoint() as evil, post(tmp_path) as p:
        elsewhere = answer(307, b"", f"Location: {evil.url}/v1.0/customer")
        async with endpoint(elsewhere) as redirecting:
            api = AccountClient(f"{redirecting.url}/v1.0", KEY, Network())
            async with api:
                with pytest.raises(Unreachable, match="redirects elsewhere"):
                    await api.get()
        await p.hold()
        headers = {"Location": f"{evil.url}/v1.0/customer"}
        p.sandbox.fault(status=308, body="", headers=headers)
        p.guarded.tell(Order.RESTORE, number=1)
        await p.guarded.hear(Word.RESTORING)
        assert "redirects" in (await p.guarded.hear(Word.TROUBLE))["error"]
        assert (await p.guarded.ended())[0].ending is Ending.RESTORED
        assert evil.requests == []
    seen("refused by both; the other host was asked nothing")


@pytest.mark.case(66, "API drips a byte at a time", "10 s for the whole answer")
async def test_66_a_dripping_answer_has_a_deadline(tmp_path: Path, seen: Seen) -> None:
    """As a whole, in the run and in its guardian; here it is 0.4 s."""
    assert client.TIMEOUT == ANSWERED_WITHIN == 10
    async with post(tmp_path, answered=0.4) as p:
        found = await p.hold()
        for _ in range(2):
            p.sandbox.fault(method="GET", drip=0.1)
        key = p.plan.credential
        api = AccountClient(p.sandbox.api_url, key, Network(), timeout=0.4)
        async with api:
            with pytest.raises(Unreachable, match=r"did not answer within 0\.4 s"):
                await api.get()
        p.guarded.tell(Order.RESTORE, number=1)
        await p.guarded.hear(Word.RESTORING)
        trouble = await p.guarded.hear(Word.TROUBLE)
        assert "did not answer within 0.4 s" in trouble["error"]
        assert (await p.guarded.ended())[0].ending is Ending.RESTORED
        assert p.fields == ACME.fields()
        assert found.stage is Stage.ACTIVE
    seen("given up by both, then asked again")


@pytest.mark.slow
@pytest.mark.case(67, "proxy variables set", "run and guardian by the proxy")
async def test_67_the_proxy_is_the_only_way_out(tmp_path: Path, seen: Seen) -> None:
    """A host that it alone knows: taken by the run, restored by the guardian."""
    async with open_short(tmp_path) as b:
        port = urlsplit(b.sandbox.url).port or 0
        async with open_proxy(port, password="walter:s3cr3t") as proxy:
            b.terminal.environ |= {
                "DEVHOOK_API_URL": f"http://api.acme.test:{port}/v1.0",
                "HTTP_PROXY": proxy.url,
            }
            async with b.up() as up:
                by_the_run = len(proxy.asked)
                assert by_the_run
                await up.end(signal.SIGKILL)
                await alone(b)
            assert len(proxy.asked) > by_the_run
            assert all("api.acme.test" in asked for asked in proxy.asked)
            assert all("127.0.0.1" not in asked for asked in proxy.asked)
    seen("both by the proxy, loopback straight")
