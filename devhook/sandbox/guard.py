"""Which addresses the platform's webhook sender refuses to reach.

The ranges of voipbin/monorepo `bin-webhook-manager/pkg/webhookhandler/urlvalidator.go`.
The sandbox applies them only when it is asked to (`--strict-targets`), since what it is
for lives on loopback.
"""

from ipaddress import IPv6Address, ip_address, ip_network

_REFUSED = tuple(
    ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "0.0.0.0/8",
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
        "::/128",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
        "2001:db8::/32",
    )
)


def is_private(address: str) -> bool:
    """Whether it is in a refused range; an IPv4-mapped address counts as its IPv4."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in network for network in _REFUSED)
