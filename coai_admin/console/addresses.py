"""Whose address a request comes from, behind proxies or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def client_address(meta: Mapping[str, str], trusted: Sequence[Network]) -> str | None:
    """The client's address: the peer's, or, when the peer is a trusted proxy, the right-most
    hop of X-Forwarded-For that is none of ours. What a client writes into that header itself
    stands further left and is never reached. None when there is no peer address (a Unix
    socket)."""
    client = _parse(meta.get("REMOTE_ADDR", ""))
    for hop in reversed(meta.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        if client is None or not _within(client, trusted):
            break
        forwarded = _parse(hop)
        if forwarded is None:
            break
        client = forwarded
    return str(client) if client else None


def from_trusted_proxy(meta: Mapping[str, str], trusted: Sequence[Network]) -> bool:
    """Whether the peer is one of our proxies, whose X-Forwarded-… headers may be believed."""
    peer = _parse(meta.get("REMOTE_ADDR", ""))
    return peer is not None and _within(peer, trusted)


def neighbourhood(address: str | None) -> str:
    """What throttles count as one client: an IPv4 address, or the /64 that a subscriber of IPv6
    owns."""
    parsed = _parse(address or "")
    if isinstance(parsed, IPv6Address):
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed or "")


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _parse(text: str) -> Address | None:
    """``203.0.113.7``, ``203.0.113.7:4711``, ``2001:db8::1`` or ``[2001:db8::1]:4711``."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id:
            return None
        return address.ipv4_mapped or address
    return address
