"""Which addresses a webhook must not lead to, by the registries of special addresses (IANA) and the habits of clouds.

Somebody who may name a URL must not be able to reach what only this machine reaches: the services of the private
network, those of the machine itself, and the metadata service of a cloud, which hands out keys. Python's own
`is_global` changed its mind between patch releases, hence a table.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_V4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), words)
    for network, words in (
        ("0.0.0.0/8", "an unspecified"),
        ("127.0.0.0/8", "a loopback"),
        ("169.254.0.0/16", "a link-local"),  # the metadata service of most clouds
        ("168.63.129.16/32", "a cloud's metadata"),  # Azure
        ("10.0.0.0/8", "a private"),
        ("172.16.0.0/12", "a private"),
        ("192.168.0.0/16", "a private"),
        ("100.64.0.0/10", "a private"),  # shared among the customers of a carrier; Alibaba's metadata service
        ("192.0.0.0/24", "a reserved"),  # Oracle's metadata service
        ("192.0.2.0/24", "a reserved"),
        ("192.88.99.0/24", "a reserved"),
        ("198.18.0.0/15", "a reserved"),
        ("198.51.100.0/24", "a reserved"),
        ("203.0.113.0/24", "a reserved"),
        ("224.0.0.0/4", "a multicast"),
        ("240.0.0.0/4", "a reserved"),
    )
)

_EMBEDDING = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
"""The last four bytes are an IPv4 address: mapped, or translated by NAT64."""

_V6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), words)
    for network, words in (
        ("::1/128", "a loopback"),
        ("::/128", "an unspecified"),
        ("fe80::/10", "a link-local"),
        ("fc00::/7", "a private"),  # also the metadata service of Amazon
        ("ff00::/8", "a multicast"),
        ("2001::/23", "a reserved"),  # Teredo and others that lead somewhere else
        ("2001:db8::/32", "a reserved"),
        ("2002::/16", "a reserved"),  # 6to4: an IPv4 address in disguise
        ("3fff::/20", "a reserved"),
    )
)
_V6_IN_USE = IPv6Network("2000::/3")
"""All that was ever given out for public use."""


def special_kind(text: str) -> str | None:
    """`a private`, `a loopback` ... address; None for a public one. Raises ValueError for what is no address."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if not any(address in network for network in _EMBEDDING):
            return _kind_of_v6(address)
        address = IPv4Address(int(address) & 0xFFFFFFFF)
    return next((words for network, words in _V4 if address in network), None)


def _kind_of_v6(address: IPv6Address) -> str | None:
    found = next((words for network, words in _V6 if address in network), None)
    return found or (None if address in _V6_IN_USE else "a reserved")
