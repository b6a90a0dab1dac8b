"""A tunnel opens at once, or says why it cannot and what to type next."""

import pytest

from devhook.core.network import Network
from devhook.errors import (
    ConfigError,
    RelayRefused,
    TunnelError,
    UsageError,
)
from devhook.system import SystemClock
from devhook.tunnel import Choice, open_tunnel
from tests.endpoint import OK, answer, endpoint
from tests.proxy import open_proxy
from tests.relay.rig import TOKEN, a_relay, ask, get, port_of
from tests.tunnel.conftest import Certificate
from tests.tunnel.rig import NOBODY, a_tunnel


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        (Choice(public_url="https://x.test", relay="https://r.test"), "fixed"),
        (Choice(relay="https://r.test"), "relay"),
        (Choice(kind="relay", relay="https://r.test", public_url="https://x"), "relay"),
        (Choice(kind="fixed", public_url="https://x.test"), "fixed"),
    ],
)
def test_auto_takes_the_first_that_is_ready(choice: Choice, kind: str) -> None:
    """A public URL of one's own before a relay; what is named is taken."""
    assert choice.resolved() == kind


def test_without_any_tunnel_every_remedy_is_listed() -> None:
    """Exit 7, and the hint has a flag for each."""
    with pytest.raises(TunnelError, match="no tunnel") as raised:
        Choice().resolved()
    assert raised.value.exit_code == 7
    hint = raised.value.hint or ""
    assert all(
        flag in hint
        for flag in ("--relay ", "--relay-token-file", "--public-url", "--listen")
    )


@pytest.mark.parametrize("kind", ["relay", "fixed", "pigeon"])
def test_a_kind_that_was_named_and_lacks_its_url_is_a_usage_error(kind: str) -> None:
    """Or that does not exist."""
    with pytest.raises(UsageError):
        Choice(kind=kind).resolved()


async def test_a_wrong_token_is_refused() -> None:
    """Exit 6, the relay named, the token not."""
    async with a_relay() as relay:
        with pytest.raises(RelayRefused) as raised:
            await opened(relay.url, token="canary-wrong")
    assert raised.value.exit_code == 6
    assert relay.url in raised.value.message
    assert "canary" not in f"{raised.value.message} {raised.value.hint}"


@pytest.mark.parametrize("token", [None, ""])
async def test_without_a_token_no_relay_is_asked(token: str | None) -> None:
    """The hint says where it goes."""
    with pytest.raises(ConfigError, match="no token") as raised:
        await opened(NOBODY, token=token)
    assert "--relay-token-file" in (raised.value.hint or "")


@pytest.mark.parametrize("token", ["two words", "l\xe4nge", "a\nb"])
async def test_a_token_that_no_header_holds_is_not_sent(token: str) -> None:
    """It would end the header early, or reach the relay as something else."""
    with pytest.raises(ConfigError, match="characters"):
        await opened(NOBODY, token=token)


@pytest.mark.parametrize(
    "relay", ["relay.example.com", "https://r.test/path", "https://*.r.test", "ws://r"]
)
async def test_what_is_no_url_of_a_relay_is_a_usage_error(relay: str) -> None:
    """Exit 2, before anything is sent."""
    with pytest.raises(UsageError, match="--relay"):
        await opened(relay)


async def test_a_relay_that_is_not_there_fails_at_once() -> None:
    """Exit 7; nothing is retried before the first success."""
    with pytest.raises(TunnelError, match="connection refused") as raised:
        await opened(NOBODY)
    assert raised.value.exit_code == 7
    assert NOBODY in raised.value.message


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (answer(200, b"<html>"), "answered 200"),
        (answer(301, b"", "Location: http://127.0.0.1:1/"), "answered 301"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "protocol"),
        (b"", "protocol"),
    ],
    ids=["web page", "redirect", "another protocol", "hangs up"],
)
async def test_what_is_no_relay_is_said_to_be_none(script: bytes, reason: str) -> None:
    """The token goes nowhere else than it was meant for."""
    async with endpoint(script) as end:
        with pytest.raises(TunnelError, match=reason):
            await opened(end.url)


async def test_a_private_certificate_needs_its_authority(
    certificate: Certificate,
) -> None:
    """Refused, with a hint that names --ca-file."""
    async with a_relay(tls=certificate.context) as relay:
        with pytest.raises(TunnelError, match="not trusted") as raised:
            await opened(relay.url)
        assert "--ca-file" in (raised.value.hint or "")


@pytest.mark.parametrize("how", ["ca", "insecure"])
async def test_a_private_authority_can_be_trusted(
    certificate: Certificate, how: str
) -> None:
    """By --ca-file, or by --insecure for everything."""
    trusting = Network(ca_pem=certificate.pem if how == "ca" else None)
    network = trusting if how == "ca" else Network(insecure=True)
    async with (
        a_relay(tls=certificate.context) as relay,
        a_tunnel(relay, NOBODY, network=network) as tunnel,
    ):
        assert tunnel.public_url.startswith("https://")


async def test_the_way_to_the_relay_leads_through_a_proxy() -> None:
    """By CONNECT, with the password the proxy asks for."""
    async with (
        endpoint(OK) as local,
        a_relay() as relay,
        open_proxy(port_of(relay.url), password="me:canary") as proxy,
    ):
        network = Network(environ={"http_proxy": proxy.url})
        async with a_tunnel("http://relay.test", local.url, network=network) as tunnel:
            assert proxy.asked == ["CONNECT relay.test:80"]
            assert (await ask(relay.url, get(tunnel.public_url))).body == b"ok"
            assert "plain http" in (tunnel.warning or "")


async def test_tls_to_the_relay_goes_through_a_proxy(certificate: Certificate) -> None:
    """The proxy sees a name and a port, and no token."""
    async with (
        a_relay(tls=certificate.context) as relay,
        open_proxy(port_of(relay.url)) as proxy,
    ):
        network = Network(ca_pem=certificate.pem, environ={"https_proxy": proxy.url})
        async with a_tunnel("https://relay.test", NOBODY, network=network) as tunnel:
            assert proxy.asked == ["CONNECT relay.test:443"]
            assert tunnel.warning is None


async def test_a_proxy_that_refuses_us_is_named_without_its_password() -> None:
    """Nothing of the proxy's URL is repeated."""
    async with a_relay() as relay, open_proxy(port_of(relay.url), password="x:y") as p:
        network = Network(environ={"http_proxy": p.url.replace("x:y", "x:canary")})
        with pytest.raises(TunnelError, match="the proxy did not") as raised:
            await opened("http://relay.test", network=network)
        assert "canary" not in f"{raised.value.message} {raised.value.hint}"


async def test_open_tunnel_opens_the_kind_that_was_chosen() -> None:
    """The seam the session uses."""
    async with a_relay() as relay, endpoint(OK) as local:
        choices = {
            "relay": Choice(relay=relay.url, relay_token=TOKEN),
            "public-url": Choice(public_url="https://hooks.test/dev/"),
        }
        for kind, choice in choices.items():
            async with open_tunnel(
                choice,
                local=local.url,
                network=Network(),
                clock=SystemClock(),
                lease="secret",
                instance="one",
                chance=lambda: 0.5,
            ) as tunnel:
                assert tunnel.kind == kind


async def opened(
    relay: str, *, token: str | None = TOKEN, network: Network | None = None
) -> None:
    async with a_tunnel(relay, NOBODY, token=token, network=network):
        pass
