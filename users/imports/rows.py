"""The rows of the four tables that become ours: what each one says, what is odd about it, and what
becomes of it. Pure.

A row is *imported* (it became part of a person), *kept* (its facts have no place here yet) or
*quarantined* (it belongs to nobody, or cannot be read). Nothing is dropped: all three are stored
whole, less their secrets.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from coai_admin.console.characters import storable
from users.imports import values
from users.imports.names import folded, usable_email, usable_name
from users.imports.secrecy import Keeper, as_json, fingerprint
from users.imports.values import Cell

IMPORTED, KEPT, QUARANTINED = "imported", "kept", "quarantined"

DEFAULT_ROOT_HASH = hashlib.sha256(b"chatnio123456").hexdigest()
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_MOST_MONTHS = 2**31 - 1
_LONGEST_KEY = 200
_PREFIX = 11


@dataclass(slots=True)
class Staged:
    """One source row, judged: what is stored of it, and (where imported) the facts taken from
    it."""

    table: str
    key: str
    user_ref: int | None
    state: str
    row: str
    digest: bytes
    reason: str = ""
    facts: dict[str, Any] | None = None
    flags: tuple[str, ...] = ()
    name: str | None = None
    email: str | None = None
    name_folded: str | None = None
    email_folded: str | None = None
    password: str | None = None
    password_group: str | None = None

    @property
    def facts_json(self) -> str | None:
        return None if self.facts is None else as_json(self.facts)


@dataclass(slots=True)
class Tally:
    """Everything counted while reading."""

    tables: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    anomalies: Counter[str] = field(default_factory=Counter)
    quota: Decimal = Decimal(0)
    used: Decimal = Decimal(0)
    quarantined_quota: Decimal = Decimal(0)
    quarantined_used: Decimal = Decimal(0)
    residual: Decimal = Decimal(0)
    rounded: int = 0
    active_by_level: Counter[int] = field(default_factory=Counter)
    admins: int = 0
    banned: int = 0

    def row(self, staged: Staged) -> Staged:
        """Count one row and its oddities."""
        counts = self.tables[staged.table]
        counts["read"] += 1
        counts[staged.state] += 1
        if staged.flags:
            staged.flags = tuple(dict.fromkeys(staged.flags))
            self.anomalies.update(staged.flags)
        return staged

    def amounts(self, quota: values.Money, used: values.Money, *, imported: bool) -> None:
        self.quota += quota.amount
        self.used += used.amount
        if not imported:
            self.quarantined_quota += quota.amount
            self.quarantined_used += used.amount
        for amount in (quota, used):
            if amount.residual:
                self.residual += abs(amount.residual)
                self.rounded += 1


class Keys:
    """Names the rows of one table: by primary key where there is one, else by content, so that a
    second run finds each row again. A name is never a secret, never long, and never given twice."""

    def __init__(self, columns: tuple[str, ...], *, unique: bool) -> None:
        self._columns = columns
        self._given: Counter[str] | None = None if unique else Counter()

    def name(self, row: Mapping[str, Any], digest: bytes) -> str:
        """``row``: as it is kept, secrets replaced."""
        if len(self._columns) == 1:
            name = _part(row.get(self._columns[0]))
        elif self._columns:
            name = ",".join(_part(row.get(column)) for column in self._columns)
        else:
            name = f"row {digest.hex()}"
        if len(name) > _LONGEST_KEY:
            name = f"key {hashlib.sha256(name.encode()).hexdigest()}"
        if self._given is None:
            return name
        self._given[name] += 1
        return name if self._given[name] == 1 else f"{name}#{self._given[name]}"


def _part(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("digest") or value.get("base64"))
    return "NULL" if value is None else str(value)


class Reader:
    """Judges the rows of one deployment; ``auth`` first, for the other tables ask who exists.

    ``encode_password`` makes the hash to store of CoAI's 64 hexadecimal digits. ``as_of``: the
    instant at which subscriptions are counted as active.
    """

    def __init__(
        self,
        *,
        zone: ZoneInfo,
        as_of: datetime,
        keeper: Keeper,
        encode_password: Callable[[str], str],
    ) -> None:
        self.zone = zone
        self.as_of = as_of
        self.keeper = keeper
        self.encode_password = encode_password
        self.tally = Tally()
        self.people: set[int] = set()
        self.fingerprints: list[tuple[int, str]] = []
        self._owners: dict[str, set[int]] = {"quota": set(), "subscription": set(), "apikey": set()}
        self._api_keys: set[bytes] = set()

    def stage(self, table: str, cells: Mapping[str, Cell], keys: Keys) -> Staged:
        """Judge a row of one of the four tables."""
        judge = {
            "auth": self._auth,
            "quota": self._quota,
            "subscription": self._subscription,
            "apikey": self._apikey,
        }[table]
        return self.tally.row(judge(cells, self._blank(table, cells, keys)))

    def keep(self, table: str, cells: Mapping[str, Cell], keys: Keys, owner: str | None) -> Staged:
        """Judge a row of any other table. ``owner``: the column that names its user, if one
        does."""
        staged = self._blank(table, cells, keys)
        staged.state = KEPT
        if owner is not None:
            self._find_owner(staged, cells.get(owner), strict=table in OWNED_TABLES)
        return self.tally.row(staged)

    def _blank(self, table: str, cells: Mapping[str, Cell], keys: Keys) -> Staged:
        kept = self.keeper.row(table, cells)
        shown = as_json(kept)
        digest = fingerprint(shown)
        return Staged(table, keys.name(kept, digest), None, IMPORTED, shown, digest)

    def _find_owner(self, staged: Staged, cell: Cell, *, strict: bool) -> None:
        """Quarantine a row whose user does not exist. Where the table is not ours to know
        (``strict`` off), an empty or non-positive number means nobody."""
        ref = values.whole(cell)
        if not strict and (cell is None or cell == "" or (ref is not None and ref <= 0)):
            return
        staged.user_ref = ref
        if ref not in self.people:
            kind = "orphan_row" if staged.table == "conversation" else f"orphan_{staged.table}"
            _quarantine(staged, "orphan", kind)

    def _auth(self, cells: Mapping[str, Cell], staged: Staged) -> Staged:
        ref = values.whole(cells.get("id"))
        staged.user_ref = ref
        admin, banned = (values.truth(cells.get(name)) for name in ("is_admin", "is_banned"))
        flags = [] if admin is not None and banned is not None else ["unreadable_flag"]
        self.tally.admins += bool(admin)
        self.tally.banned += bool(banned)
        raw_name, raw_email = (values.text(cells.get(name)) for name in ("username", "email"))
        flags += ["was_admin"] if admin else []
        staged.name, name_flags = usable_name(raw_name, ref)
        staged.email, email_flags = usable_email(raw_email)
        hashed = values.text(cells.get("password"))
        password, password_flags = self._password(raw_name, hashed)
        staged.password = password
        staged.password_group = None if hashed is None else self.keeper.digest(hashed)
        staged.name_folded, staged.email_folded = folded(raw_name), folded(raw_email)
        staged.facts = {
            "username": raw_name if raw_name is not None and storable(raw_name) else None,
            "email": raw_email if raw_email is not None and storable(raw_email) else None,
            "admin": bool(admin),
            "banned": bool(banned),
            "password": "hash" if password else password_flags[0],
        }
        staged.flags = (*flags, *name_flags, *email_flags, *password_flags)
        if ref is None:
            _quarantine(staged, "no_id")
        elif ref in self.people:
            _quarantine(staged, "duplicate_id")
        else:
            self.people.add(ref)
            self.fingerprints.append((ref, hashed or ""))
        return staged

    def _password(self, name: str | None, hashed: str | None) -> tuple[str | None, tuple[str, ...]]:
        if name == "root" and hashed == DEFAULT_ROOT_HASH:
            return None, ("default_root_password",)
        if hashed is None or not _SHA256.fullmatch(hashed.strip()):
            return None, ("unusable_password",)
        return self.encode_password(hashed.strip().lower()), ()

    def _belongs(self, cells: Mapping[str, Cell], staged: Staged) -> None:
        """Find the user of a row that there is one of for each user; a second one is
        quarantined."""
        self._find_owner(staged, cells.get("user_id"), strict=True)
        owners = self._owners[staged.table]
        if staged.state == IMPORTED and staged.user_ref in owners:
            _quarantine(staged, "second_row", f"second_{staged.table}_row")
        elif staged.user_ref is not None:
            owners.add(staged.user_ref)

    def _quota(self, cells: Mapping[str, Cell], staged: Staged) -> Staged:
        self._belongs(cells, staged)
        flags: list[str] = []
        amounts: list[values.Money] = []
        for name in ("quota", "used"):
            cell = cells.get(name)
            amount = values.ZERO if cell is None else values.money(cell)
            if amount is None:
                _quarantine(staged, "bad_amount", "bad_amount")
                amount = values.ZERO
            amounts.append(amount)
        quota, used = amounts
        flags += ["negative_balance"] if quota.amount < 0 else []
        flags += ["negative_used"] if used.amount < 0 else []
        flags += ["null_quota"] if cells.get("quota") is None else []
        joined = values.moment(cells.get("created_at"), self.zone)
        flags += [joined.oddity] if joined.oddity else []
        flags += ["no_join_date"] if joined.at is None else []
        self.tally.amounts(quota, used, imported=staged.state == IMPORTED)
        staged.flags += tuple(flags)
        if staged.state == IMPORTED:
            staged.facts = {
                "quota": str(quota.amount),
                "used": str(used.amount),
                "joined_at": values.iso(joined.at),
            }
        return staged

    def _subscription(self, cells: Mapping[str, Cell], staged: Staged) -> Staged:
        self._belongs(cells, staged)
        # Before CoAI 3.6 there was one tier; its migration made every row of that time level 3.
        level = values.whole(cells["level"]) if "level" in cells else 3
        ends = values.moment(cells.get("expired_at"), self.zone, later=True)
        since = values.moment(cells.get("created_at"), self.zone)
        months = values.whole(cells.get("total_month")) or 0
        flags = subscription_flags(level or 0, ends.at)
        flags += [moment.oddity for moment in (ends, since) if moment.oddity]
        flags += ["negative_total_month"] if months < 0 else []
        if abs(months) > _MOST_MONTHS:
            flags, months = [*flags, "unreadable_months"], 0
        if (level or 0) > 0 and ends.at is not None and ends.at > self.as_of:
            self.tally.active_by_level[level or 0] += 1
        staged.flags += tuple(flags)
        if not 0 <= (level or 0) <= 3 and staged.state == IMPORTED:
            staged.state, staged.reason = KEPT, "unknown_level"
            staged.flags = (*staged.flags, "unknown_level")
        if staged.state == IMPORTED:
            staged.facts = {
                "level": level or 0,
                "ends_at": values.iso(ends.at),
                "months": months,
                "since": values.iso(since.at),
            }
        return staged

    def _apikey(self, cells: Mapping[str, Cell], staged: Staged) -> Staged:
        self._belongs(cells, staged)
        key = values.text(cells.get("api_key"))
        if not key or not storable(key):
            _quarantine(staged, "no_key", "unusable_key")
            return staged
        digest = hashlib.sha256(key.encode()).digest()
        if digest in self._api_keys:
            _quarantine(staged, "same_key", "shared_api_key")
        self._api_keys.add(digest)
        made = values.moment(cells.get("created_at"), self.zone)
        if staged.state == IMPORTED:
            staged.facts = {
                "key": digest.hex(),
                "key_prefix": visible_prefix(key),
                "key_at": values.iso(made.at),
            }
        return staged


# Tables of CoAI whose user_id must name a user; elsewhere 0 and NULL may mean nobody.
OWNED_TABLES = frozenset(
    {"quota", "subscription", "apikey", "package", "conversation", "mask", "sharing"}
)


def _quarantine(staged: Staged, reason: str, flag: str = "") -> None:
    if staged.state == QUARANTINED:
        return
    staged.state, staged.reason = QUARANTINED, reason
    staged.flags = (*staged.flags, flag or reason)


def subscription_flags(level: int, ends_at: datetime | None) -> list[str]:
    """The contradictions between tier and date."""
    if level > 0 and ends_at is None:
        return ["tier_without_expiry"]
    if level == 0:
        return ["expiry_without_tier" if ends_at is not None else "neither_tier_nor_expiry"]
    return []


def visible_prefix(key: str) -> str:
    """What people recognise a key by: never enough of it to guess the rest."""
    return key[: min(_PREFIX, len(key) // 4)]
