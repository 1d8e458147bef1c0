"""Names and addresses of an imported deployment: what of them can be taken over, and what was odd
about them. Pure."""

from __future__ import annotations

import re
import unicodedata

from coai_admin.console.characters import storable

LONGEST_NAME = 150
_LONGEST_LEGACY_NAME = 600
_LONGEST_EMAIL = 254
_ADDRESS = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+")
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def folded(value: str | None) -> str | None:
    """Lower-cased as Unicode does, for counting collisions; None for what PostgreSQL cannot
    hold."""
    return value.lower() if value is not None and storable(value) else None


def usable_name(raw: str | None, ref: int | None) -> tuple[str, tuple[str, ...]]:
    """A username that a console can show, and what was odd about the old one.

    Control characters, marks that turn the direction of writing, and what is no UTF-8 become
    U+FFFD; a name of more than 150 characters is cut; nothing at all becomes ``user~<legacy id>``.
    The exact old name still signs in.
    """
    if raw is None or not raw.strip():
        return f"user~{ref}", ("no_username",)
    shown = raw
    if not raw.isprintable():
        shown = "".join("\ufffd" if _unseen(character) else character for character in raw)
    flags = []
    if shown != raw:
        flags.append("odd_username" if storable(raw) else "unreadable_username")
    if len(shown) > LONGEST_NAME:
        shown = f"{shown[:LONGEST_NAME]}~{ref}"
        flags.append("long_username")
    return shown, tuple(flags)


def _unseen(character: str) -> bool:
    if " " <= character <= "~":
        return False
    return unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} or character in _BIDI


def usable_email(raw: str | None) -> tuple[str | None, tuple[str, ...]]:
    """An address that mail can be sent to, or None, and what was odd about the old one."""
    if raw is None:
        return None, ("null_email",)
    address = raw.strip()
    if not address:
        return None, ("empty_email",)
    if len(address) > _LONGEST_EMAIL or not storable(address) or not _ADDRESS.fullmatch(address):
        return None, ("invalid_email",)
    return address, ()


def legacy_name(exact: str | None, given: str) -> str | None:
    """The exact old name where the given one differs; people sign in by it."""
    if exact is None or exact == given or len(exact) > _LONGEST_LEGACY_NAME:
        return None
    return exact
