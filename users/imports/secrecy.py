"""What must not be kept in clear: password hashes, tokens, API keys and codes, wherever they stand.
Pure.

A secret is told by the name of its column, by the name beside it (``key = smtp_password, value =
…``), by the shape of its value, or, inside longer text, by a pattern. In its place stands
``{"digest": "…"}``, an HMAC under a key of this server, so that equal secrets stay recognisable as
equal. Passwords get no digest at all (``{"digest": null}``): people choose them, so a digest could
be searched.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

from coai_admin.console.characters import storable
from users.imports.values import Cell

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_CHOSEN = frozenset({"password", "passwd", "pwd", "pass", "passphrase", "passcode", "pin"})
_ISSUED = frozenset(
    {
        "secret",
        "secrets",
        "token",
        "tokens",
        "apikey",
        "apikeys",
        "hash",
        "digest",
        "salt",
        "otp",
        "totp",
    }
    | {
        "mfa",
        "credential",
        "credentials",
        "cookie",
        "session",
        "jwt",
        "bearer",
        "signature",
        "private",
    }
    | {"accesskey", "secretkey", "privatekey", "authkey", "sk", "authorization"}
)
_KEYS_OF = frozenset(
    {
        "api",
        "access",
        "auth",
        "app",
        "client",
        "secret",
        "private",
        "encryption",
        "signing",
        "license",
    }
    | {"master", "stripe", "openai", "service", "webhook"}
)
_CODE_TABLES = frozenset(
    {
        "redeem",
        "invitation",
        "invite",
        "coupon",
        "gift",
        "voucher",
        "cdk",
        "code",
        "codes",
        "verification",
    }
)
_ABOUT = frozenset(
    {
        "at",
        "date",
        "time",
        "changed",
        "updated",
        "created",
        "expires",
        "expired",
        "count",
        "attempts",
    }
    | {"length", "limit", "used", "total", "max", "min", "enabled", "required", "is", "has", "type"}
)
# Of people: their names are no secrets, whatever they look like, and are kept in any case.
_NAMES = frozenset({"username", "email"})
_NAMING = ("key", "name", "option", "setting", "config_key", "item", "k")
_NAMED = frozenset({"value", "val", "data", "content", "v", "setting_value", "config_value"})

_NUMERIC = re.compile(r"[+-]?[\d.,:/ TZ+-]{1,40}", re.ASCII)
_SHORTEST_SHAPED, _LONGEST_SHAPED = 20, 512
_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]{32,}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RUN = re.compile(r"[A-Za-z0-9]{24,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
_PATTERNS = (
    r"(?<![A-Za-z0-9])(?:sk|pk|rk|nio)[-_][A-Za-z0-9_-]{16,}",
    r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    r"(?<![0-9A-Za-z])[0-9a-fA-F]{64}(?![0-9A-Za-z])",
    r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}",
    r"\$(?:argon2\w*|[156y]|scrypt|7)\$[^\s\"'<>]{20,}",
    r"\b(?:pbkdf2|scrypt|bcrypt)_?\w{0,20}\$[^\s\"'<>]{20,}",
    r"\b(?:gh[pousr]_|github_pat_|glpat-|AKIA|AIza|xox[abposr]-|hf_|SG\.)[A-Za-z0-9_.-]{16,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
)
_INSIDE = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.DOTALL)
_WHOLLY = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.DOTALL)
# No pattern begins with an open repetition: text of megabytes must not cost its square.
_ASSIGNED = re.compile(
    r"""(?ix)
    (?P<name>
        (?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)
        [\w-]{0,40}
    )
    (?P<between>\\{0,8}["']?\s{0,8}[:=]\s{0,8}\\{0,8}["']?(?:Bearer\s{1,8})?)
    (?P<value>[^\s"'\\,;&<>{}\[\]]{6,})
    """
)
_TELLING = re.compile(r"pass|pwd|secret|token|key|credential", re.IGNORECASE)
_IN_URL = re.compile(r"(?P<before>://[^\s/:@]{0,200}:)(?P<value>[^\s/@]{1,500})(?=@)")


@lru_cache(4_096)
def words(name: str) -> tuple[str, ...]:
    """The words of a column name, lower-cased: ``apiKey_hash`` → api, key, hash."""
    return tuple(word.lower() for word in _WORD.findall(name))


@lru_cache(4_096)
def names_a_secret(name: str) -> bool:
    """Whether something called ``name`` is likely to be secret."""
    found = words(name)
    if _chosen(name) or not _ISSUED.isdisjoint(found):
        return True
    return any(before in _KEYS_OF and word in {"key", "keys"} for before, word in pairwise(found))


@lru_cache(4_096)
def _chosen(name: str) -> bool:
    return not _CHOSEN.isdisjoint(words(name))


def shaped_like_a_secret(value: str) -> bool:
    """Whether a value without a telling name looks like a key, a token or a hash."""
    if not _SHORTEST_SHAPED <= len(value) <= _LONGEST_SHAPED:
        return False
    if any(mark in value for mark in " \n\t:"):
        return False
    if _WHOLLY.fullmatch(value) or _HEX.fullmatch(value):
        return True
    if _UUID.fullmatch(value):
        return False
    if any(_mixed(run) for run in _RUN.findall(value)):
        return True
    return _BASE64.fullmatch(value) is not None and _mixed(value) and value.lower() != value


def _mixed(value: str) -> bool:
    digits = sum(map(str.isdigit, value))
    return digits >= 3 and sum(map(str.isalpha, value)) >= 3


class Keeper:
    """Turns the rows of one deployment into JSON that may be kept. ``key`` belongs to this server
    alone."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(b"users.imports.secrecy:" + key).digest()

    def digest(self, secret: str | bytes) -> str:
        """The digest of a secret: 32 hex digits of its HMAC-SHA256."""
        raw = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
        return hmac.digest(self._key, raw, "sha256").hex()[:32]

    def row(self, table: str, cells: Mapping[str, Cell]) -> dict[str, Any]:
        """A whole row of any table, secrets replaced, in a form that jsonb can hold."""
        beside = self._secret_beside(cells)
        kept: dict[str, Any] = {}
        for name, cell in cells.items():
            shown, free = _treatment(table, name)
            if cell is None or (free and type(cell) is int):
                kept[shown] = cell
            elif free and type(cell) is str and name not in beside:
                plain = table == "auth" and name in _NAMES and storable(cell)
                kept[shown] = cell if plain else self._free(cell)
            else:
                kept[shown] = self.cell(table, name, cell, beside=name in beside)
        return kept

    def cell(self, table: str, name: str, cell: Cell, *, beside: bool = False) -> Any:
        """One value; ``beside``: another column of the row says that this one is a secret."""
        if cell is None or cell == "" or cell == b"":
            return "" if isinstance(cell, str) else None
        if _chosen(name) and not _harmless(cell, name):
            return {"digest": None}
        if isinstance(cell, str | bytes):
            if (beside or _secret_column(table, name)) and not _harmless(cell, name):
                return {"digest": self.digest(cell)}
            return self._free(cell)
        return cell if isinstance(cell, int) or math.isfinite(cell) else repr(cell)

    def tree(self, name: str, value: Any) -> Any:
        """What a configuration file says under ``name``, however deep."""
        if isinstance(value, Mapping):
            return {str(key): self.tree(str(key), inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.tree(name, inner) for inner in value]
        if isinstance(value, bool) or value is None:
            return value
        return self.cell(
            "", name, value if isinstance(value, int | float | str | bytes) else str(value)
        )

    def clean(self, value: str) -> str:
        """Longer text with the secrets inside it replaced."""
        if "://" in value:
            value = _IN_URL.sub(
                lambda match: f"{match['before']}{self._mark(match['value'])}", value
            )
        if ("=" in value or ":" in value) and _TELLING.search(value):
            value = _ASSIGNED.sub(self._assigned, value)
        if len(value) < _SHORTEST_SHAPED:
            return value
        return _INSIDE.sub(lambda match: self._mark(match[0]), value)

    def _secret_beside(self, cells: Mapping[str, Cell]) -> frozenset[str]:
        values = _NAMED & cells.keys()
        if values:
            for name in _NAMING:
                called = cells.get(name)
                if isinstance(called, str) and names_a_secret(called):
                    return frozenset(values)
        return frozenset()

    def _free(self, cell: str | bytes) -> Any:
        value = cell.decode("utf-8", "surrogateescape") if isinstance(cell, bytes) else cell
        if len(value) < _SHORTEST_SHAPED and value.isalnum():
            return value
        if len(value) >= _SHORTEST_SHAPED and shaped_like_a_secret(value):
            return {"digest": self.digest(cell)}
        if value[:1].isdigit() and _NUMERIC.fullmatch(value):
            return value
        value = self.clean(value)
        if not storable(value):
            raw = (
                value.encode("utf-8", "surrogateescape")
                if _escaped(value)
                else value.encode("utf-8", "surrogatepass")
            )
            return {"base64": base64.b64encode(raw).decode()}
        return value

    def _assigned(self, match: re.Match[str]) -> str:
        if _NUMERIC.fullmatch(match["value"]) and not _chosen(match["name"]):
            return match[0]
        return f"{match['name']}{match['between']}{self._mark(match['value'])}"

    def _mark(self, secret: str) -> str:
        return f"[withheld {self.digest(secret)[:12]}]"


def _escaped(value: str) -> bool:
    """Whether every lone surrogate stands for one undecodable byte."""
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(4_096)
def _treatment(table: str, name: str) -> tuple[str, bool]:
    """How a column is called in JSON, and whether its name tells nothing of a secret."""
    shown = name if storable(name) else repr(name)
    return shown, not _chosen(name) and not _secret_column(table, name)


@lru_cache(4_096)
def _secret_column(table: str, name: str) -> bool:
    if names_a_secret(name):
        return True
    return words(name)[-1:] in {("code",), ("codes",)} and not _CODE_TABLES.isdisjoint(words(table))


def _harmless(cell: Cell, name: str) -> bool:
    """Flags, and figures and dates *about* a secret (``token_count``, ``password_changed_at``)."""
    found = words(name)
    if not isinstance(cell, str | bytes):
        return cell in (0, 1) or not _ABOUT.isdisjoint(found)
    shown = cell.decode("ascii", "replace") if isinstance(cell, bytes) else cell
    if shown.lower() in {"0", "1", "true", "false"}:
        return True
    return _NUMERIC.fullmatch(shown) is not None and (
        not _ABOUT.isdisjoint(found) or _CHOSEN.isdisjoint(found)
    )


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)


def as_json(value: Any) -> str:
    """JSON of one form for one value, so that equal rows have equal digests."""
    return _JSON.encode(value)


def fingerprint(shown: str) -> bytes:
    """What tells a changed row from an unchanged one: 16 bytes of the SHA-256 of its kept JSON."""
    return hashlib.sha256(shown.encode()).digest()[:16]
