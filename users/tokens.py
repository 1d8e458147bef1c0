"""The tokens of mailed links. A token is the id of a row and a signature over what the link is
good for, made from the server's key when it is needed: it stands neither in the database nor in
the outbox, so that who reads those cannot follow a link."""

from __future__ import annotations

import json

from django.core.signing import Signer
from django.utils.crypto import constant_time_compare

_LONGEST_ID = 18


def make(purpose: str, row: int, *bound: object) -> str:
    """The token for a row. ``purpose`` keeps links of different kinds apart; ``bound`` is what
    the link holds for alone (an address, the act it came by): where it changes, the token fails."""
    return f"{row}-{_signer(purpose).signature(_signed(row, bound))}"


def row_of(token: str) -> int | None:
    """Which row a token names, whether or not it is genuine; None for what is no token."""
    row = token.partition("-")[0]
    if not (row.isascii() and row.isdigit() and len(row) <= _LONGEST_ID):
        return None
    return int(row)


def is_genuine(token: str, purpose: str, *bound: object) -> bool:
    """Whether we made this token, for this purpose and with these ``bound``."""
    row, signature = row_of(token), token.partition("-")[2]
    if row is None or not token.startswith(f"{row}-"):
        return False
    signer, signed = _signer(purpose), _signed(row, bound)
    keys = [signer.key, *signer.fallback_keys]
    return any(constant_time_compare(signature, signer.signature(signed, key)) for key in keys)


def _signer(purpose: str) -> Signer:
    return Signer(salt=f"users.tokens.{purpose}")


def _signed(row: int, bound: tuple[object, ...]) -> str:
    return json.dumps([row, *map(str, bound)])
