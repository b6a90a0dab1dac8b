"""A laptop in a company: a proxy on the way out, and certificates of its own."""

import ssl
from pathlib import Path
from urllib.parse import urlsplit

import trustme

from tests.proxy import open_proxy
from tests.upbench import open_bench

HOST = "api.devhook.test"
"""A place that the proxy alone can reach."""


async def test_the_api_is_reached_through_a_proxy_and_loopback_is_not(
    tmp_path: Path,
) -> None:
    """By CONNECT, with the certificate verified; the application is at hand."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(tls)
    ca_file = tmp_path / "company.pem"
    authority.cert_pem.write_to_path(ca_file)
    async with open_bench(tmp_path, ssl_context=tls) as b:
        before = b.fields()
        async with open_proxy(urlsplit(b.sandbox.url).port or 0) as proxy:
            b.terminal.environ |= {
                "DEVHOOK_API_URL": f"https://{HOST}/v1.0",
                "HTTPS_PROXY": proxy.url,
                "HTTP_PROXY": proxy.url,
            }
            async with b.up("--ca-file", str(ca_file)) as up:
                await b.sandbox.emit("call_hangup")
                await up.lines(2, "attempt", status=200)
                assert await up.end() == 0
            assert set(proxy.asked) == {f"CONNECT {HOST}:443"}
        assert b.fields() == before


async def test_a_certificate_of_nobody_is_refused(tmp_path: Path) -> None:
    """7; --insecure takes it, and the banner says so."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    async with open_bench(tmp_path, ssl_context=tls) as b:
        code, message, hint = (await b.terminal("up", "--yes", *b.tunnel)).error()
        assert code == 7
        assert "certificate is not trusted" in message
        assert "--ca-file" in hint
        async with b.up("--insecure") as up:
            await up.shown("certificates are not checked")
