import ssl

import pytest

from devhook.core.network import (
    Credential,
    Network,
    is_loopback,
    proxy_for,
    refused_address,
    tls_context,
)
from devhook.errors import ConfigError

PROXY = "http://proxy.example:3128"


def through(**variables: str) -> Network:
    return Network(environ=variables)


@pytest.mark.parametrize(
    ("url", "variables", "expected"),
    [
        pytest.param("https://api.example", {"HTTPS_PROXY": PROXY}, PROXY, id="https"),
        pytest.param("wss://api.example", {"HTTPS_PROXY": PROXY}, PROXY, id="wss"),
        pytest.param("http://api.example", {"HTTPS_PROXY": PROXY}, None, id="other"),
        pytest.param("http://api.example", {"http_proxy": PROXY}, PROXY, id="http"),
        pytest.param("https://api.example", {"ALL_PROXY": PROXY}, PROXY, id="all"),
        pytest.param("https://api.example", {}, None, id="none"),
        pytest.param(
            "https://api.example",
            {"https_proxy": "http://lower:1", "HTTPS_PROXY": "http://upper:1"},
            "http://lower:1",
            id="lower case wins",
        ),
        pytest.param(
            "https://api.example",
            {"https_proxy": "", "HTTPS_PROXY": PROXY},
            None,
            id="an empty one switches off",
        ),
        pytest.param(
            "https://api.example",
            {"HTTPS_PROXY": "proxy.example:3128"},
            PROXY,
            id="without a scheme",
        ),
    ],
)
def test_the_proxy_of_a_url_is_found(
    url: str, variables: dict[str, str], expected: str | None
) -> None:
    """By scheme, lower case first, as curl does."""
    assert proxy_for(url, through(**variables)) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:3000",
        "https://LOCALHOST.",
        "http://app.localhost",
        "http://127.9.9.9",
        "http://[::1]:80",
        "http://[::ffff:127.0.0.1]",
    ],
)
def test_loopback_never_goes_through_a_proxy(url: str) -> None:
    """A proxy would look for it on its own machine."""
    network = through(ALL_PROXY=PROXY, HTTP_PROXY=PROXY, HTTPS_PROXY=PROXY)
    assert proxy_for(url, network) is None


@pytest.mark.parametrize(
    ("no_proxy", "url", "exempt"),
    [
        ("*", "https://api.example", True),
        ("example", "https://api.example", True),
        (".example", "https://api.example", True),
        ("*.example", "https://api.example", True),
        ("api.example", "https://API.example.", True),
        ("pi.example", "https://api.example", False),
        ("api.example:443", "https://api.example", True),
        ("api.example:8443", "https://api.example", False),
        ("api.example:8443", "https://api.example:8443", True),
        ("other.example, api.example", "https://api.example", True),
        ("other.example api.example", "https://api.example", True),
        ("10.0.0.0/8", "https://10.2.3.4", True),
        ("10.0.0.0/8", "https://11.2.3.4", False),
        ("10.0.0.0/8", "https://api.example", False),
        ("10.2.3.4", "https://10.2.3.4", True),
        ("10.2.3.4:444", "https://10.2.3.4", False),
        ("2.3.4", "https://1.2.3.4", False),
        ("fd00::/8", "https://[fd00::7]", True),
        ("fd00::7", "https://[fd00::7]", True),
        ("[fd00::7]:443", "https://[fd00::7]", True),
        ("[fd00::7]:80", "https://[fd00::7]", False),
        ("not a/cidr", "https://10.2.3.4", False),
        (",", "https://api.example", False),
    ],
)
def test_no_proxy_exempts_by_suffix_port_address_and_network(
    no_proxy: str, url: str, exempt: bool
) -> None:
    """Every form that other tools read."""
    found = proxy_for(url, through(HTTPS_PROXY=PROXY, NO_PROXY=no_proxy))
    assert (found is None) is exempt


def test_a_proxy_that_speaks_no_http_is_refused_by_name() -> None:
    """Its password is not in the message."""
    with pytest.raises(
        ConfigError, match="HTTPS_PROXY names a proxy of the kind socks5"
    ):
        proxy_for("https://api.example", through(HTTPS_PROXY="socks5://u:canary@p:1"))


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1",
        "fe80::1%eth0",
        "[fe80::1]",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::254%eth0",
        "metadata.google.internal",
        "METADATA.google.internal.",
        "instance-data.ec2.internal",
    ],
)
def test_link_local_and_metadata_addresses_are_refused(address: str) -> None:
    """Events must not be able to reach what hands out credentials."""
    assert refused_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "10.1.2.3",
        "192.168.1.9",
        "fd00::7",
        "app.example",
        "169.255.0.1",
    ],
)
def test_other_addresses_may_be_sent_to(address: str) -> None:
    """Loopback and the local network are what devhook is for."""
    assert refused_address(address) is None


def test_this_machine_is_told_from_its_neighbours() -> None:
    """A name that merely starts like localhost is somebody else's."""
    assert is_loopback("localhost")
    assert not is_loopback("localhost.example")
    assert not is_loopback("128.0.0.1")


def test_tls_verifies_by_default() -> None:
    """With host names, and TLS 1.2 at least."""
    context = tls_context(Network())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_insecure_verifies_nothing() -> None:
    """As the flag says."""
    context = tls_context(Network(insecure=True))
    assert context.verify_mode is ssl.CERT_NONE
    assert not context.check_hostname


def test_a_ca_file_without_a_certificate_is_a_configuration_error() -> None:
    """Not a traceback of ssl."""
    with pytest.raises(ConfigError, match="no certificate"):
        tls_context(Network(ca_pem="-----BEGIN CERTIFICATE-----\nAAAA\n"))


def test_a_credential_does_not_show_its_value() -> None:
    """Not in a repr, nor do a network's proxies."""
    credential = Credential(kind="token", value="canary", source="--token")
    network = through(HTTPS_PROXY="http://u:canary@p:1")
    assert "canary" not in repr(credential) + repr(network)
