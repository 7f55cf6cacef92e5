"""From which address a request comes. What a proxy says of it is believed of named proxies alone.

    X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.2        peer 10.0.0.1
                     forged   the client   <-- trusted <-- trusted

The list is read from its end, past the proxies of `http.trusted_proxies`: each of them has added
the address that it saw, and what stands before the first stranger anybody may have written.
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.types import Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(maxsize=64)
def networks(names: Sequence[str]) -> tuple[Network, ...]:
    """Reads addresses and networks such as `10.0.0.0/8`.

    Raises:
        ValueError: one is neither.
    """
    return tuple(ipaddress.ip_network(name) for name in names)


def comes_from_proxy(scope: Scope, trusted: tuple[str, ...]) -> bool:
    """Whether the peer of the connection is a proxy whose headers are believed."""
    address = _peer(scope)
    return address is not None and _is_in(address, networks(trusted))


def client_address(scope: Scope, trusted: tuple[str, ...]) -> str:
    """Gives the client's address; empty when it is not known."""
    address = _peer(scope)
    if address is None:
        return ""
    known = networks(trusted)
    hops = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    while _is_in(address, known) and hops:
        before = _parsed(hops.pop().strip())
        if before is None:
            break
        address = before
    return str(address)


def _peer(scope: Scope) -> Address | None:
    client = scope.get("client")
    return _parsed(client[0]) if client else None


def _parsed(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _is_in(address: Address, known: Sequence[Network]) -> bool:
    return any(address.version == one.version and address in one for one in known)
