"""Personal data for those who do not see it whole: enough to recognise, too little to use. What is
hidden does not show how long it is."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

HIDDEN = "•••"


def masked_email(email: str | None) -> str | None:
    """``ana@example.com`` is shown as ``a•••@e•••.com``: the first letter, the first letter of the
    domain and its last label."""
    if not email:
        return email
    name, at, domain = email.rpartition("@")
    label = f".{domain.rpartition('.')[2]}" if "." in domain else ""
    return f"{name[:1]}{HIDDEN}{at}{domain[:1]}{HIDDEN}{label}"


def masked_ip(address: str | None) -> str | None:
    """``203.0.113.7`` is shown as ``203.0.•••``, ``2001:db8::1`` as ``2001:db8:•••``: roughly the
    network, not the subscriber."""
    if not address:
        return address
    try:
        parsed = ip_address(address)
    except ValueError:
        return HIDDEN
    if isinstance(parsed, IPv6Address):
        first, second, *_rest = parsed.exploded.split(":")
        return f"{int(first, 16):x}:{int(second, 16):x}:{HIDDEN}"
    return f"{'.'.join(str(parsed).split('.')[:2])}.{HIDDEN}"
