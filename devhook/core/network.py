"""The way out of a laptop: credentials, proxies, certificates, addresses to keep from.

Decided from values alone; the rooms that dial ask here first. The same rules hold for
API, sockets, relay and guardian, and never for what listens on loopback.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from devhook.core.http import Headers
from devhook.errors import ConfigError

if TYPE_CHECKING:
    import ssl

_Address: TypeAlias = IPv4Address | IPv6Address

_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
_PORTS = {"http": 80, "https": 443}

PROXY_VARIABLES = frozenset(("http_proxy", "https_proxy", "all_proxy", "no_proxy"))

# Where clouds hand credentials to whoever asks from the inside.
_METADATA_NAMES = frozenset(
    ("metadata", "metadata.google.internal", "metadata.goog", "instance-data")
)
_METADATA_ADDRESSES = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google
    )
)
_NAT64 = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What the account API is shown; `source` names where it was found, for the banner.

    `in_query` is for deployments that read it from nowhere else.
    """

    kind: Literal["token", "access_key"]
    value: str = field(repr=False)
    source: str
    in_query: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How to dial. `ca_pem` is trusted besides the system's authorities."""

    ca_pem: str | None = field(default=None, repr=False)
    insecure: bool = False
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The `*_proxy` variables alone, in either case; they may hold a password."""


def proxy_for(url: str, network: Network) -> str | None:
    """The proxy's URL, its credentials included, or None for a straight way.

    The lower-case variable wins, as in curl. Raises ConfigError for a proxy that is
    none of HTTP.
    """
    parts = urlsplit(url)
    scheme, host = _SCHEMES.get(parts.scheme, "http"), parts.hostname or ""
    if is_loopback(host) or _exempt(parts, scheme, _variable(network, "no_proxy")):
        return None
    for name in (f"{scheme}_proxy", "all_proxy"):
        if proxy := _variable(network, name):
            return _checked_proxy(proxy, name)
    return None


def proxy_authorization(proxy: str | None) -> Headers:
    """What a proxy whose URL holds a name and a password is shown."""
    parts = urlsplit(proxy or "")
    if parts.username is None:
        return ()
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    packed = base64.b64encode(pair.encode()).decode()
    return (("Proxy-Authorization", f"Basic {packed}"),)


def tls_context(network: Network) -> "ssl.SSLContext":
    """The system's authorities (or SSL_CERT_FILE's) and `ca_pem`; TLS 1.2 at least."""
    import ssl  # most commands dial nowhere, and do without

    context = ssl.create_default_context()
    if network.ca_pem is not None:
        try:
            context.load_verify_locations(cadata=network.ca_pem)
        except ssl.SSLError as exc:
            raise ConfigError(
                "the CA file holds no certificate that can be read",
                hint="--ca-file FILE takes certificates in PEM form",
            ) from exc
    if network.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def is_loopback(host: str) -> bool:
    """True for what cannot leave this machine: `localhost`, 127/8, ::1."""
    name = _bare(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and address.is_loopback


def refused_address(host_or_ip: str) -> str | None:
    """Why devhook never sends there, or None when it may.

    A name may still lead to such an address: ask again with each address it resolves
    to, at the moment of dialling.
    """
    name = _bare(host_or_ip)
    if name in _METADATA_NAMES or name.startswith("instance-data."):
        return "a cloud's metadata service"
    address = _address(name)
    if address is None:
        return None
    if address in _METADATA_ADDRESSES:
        return "a cloud's metadata service"
    return "a link-local address" if address.is_link_local else None


def _bare(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _address(name: str) -> _Address | None:
    """The address a text spells, freed from the IPv6 forms that wrap an IPv4 one."""
    try:
        address = ip_address(name)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    # By way of int: a scope (`%eth0`) would keep equal addresses from comparing equal.
    return address.ipv4_mapped or IPv6Address(int(address))


def _variable(network: Network, name: str) -> str:
    environ = network.environ
    return environ.get(name, environ.get(name.upper(), "")).strip()


def _checked_proxy(proxy: str, name: str) -> str:
    url = proxy if "://" in proxy else f"http://{proxy}"
    scheme = url.partition("://")[0].lower()
    if scheme not in _PORTS:
        raise ConfigError(
            f"{name.upper()} names a proxy of the kind {scheme}",
            hint=f"devhook goes through http and https proxies: set {name.upper()}",
        )
    return url


def _exempt(parts: SplitResult, scheme: str, no_proxy: str) -> bool:
    host = _bare(parts.hostname or "")
    port = parts.port or _PORTS[scheme]
    entries = no_proxy.replace(",", " ").split()
    return any(_covers(entry, host, port) for entry in entries)


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether an entry (`*`, suffix, host:port, address or CIDR) names this host."""
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        return address is not None and _in_network(address, entry)
    name, entry_port = _split_port(entry.lower())
    if entry_port is not None and entry_port != str(port):
        return False
    if address is not None:
        return _address(_bare(name)) == address
    suffix = name.removeprefix("*").strip(".")
    return bool(suffix) and (host == suffix or host.endswith(f".{suffix}"))


def _in_network(address: _Address, cidr: str) -> bool:
    try:
        return address in ip_network(cidr, strict=False)
    except ValueError:
        return False


def _split_port(entry: str) -> tuple[str, str | None]:
    if entry.startswith("["):
        name, _, port = entry[1:].partition("]")
        return name, port.removeprefix(":") or None
    name, colon, port = entry.partition(":")
    if ":" in port:  # a bare IPv6 address
        return entry, None
    return name, port if colon else None
