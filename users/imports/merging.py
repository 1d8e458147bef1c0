"""What a person's facts change here. Pure.

The rule, for every fact: only what the source changed since the last import is brought over, and
only while it stands here as the import left it. What was changed here since, by staff or by the
person, stays; the conflict is counted and named. Credits do not conflict: the difference between
the source's two balances is added to ours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from users.imports.names import legacy_name
from users.imports.values import instant

Facts = Mapping[str, Any]
_BLINK = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Here:
    """A person as they stand here now. ``suspensions``: ids of live ones that an import imposed;
    ``suspended``: whether any suspension holds. ``keys``: hexadecimal digests of keys that work."""

    username: str
    email: str | None
    role: str
    joined_at: datetime
    tier: int
    ends_at: datetime | None
    months: int
    legacy_months: int
    subscription_id: int | None
    flags: Sequence[str] = ()
    account_closed: bool = False
    suspended: bool = False
    suspensions: Sequence[int] = ()
    keys: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """A person as the source has them now (``facts``) and had them at the last import (``base``;
    None: new).

    ``name`` and ``email`` are what they get here; ``renamed`` and ``readdressed`` say that the
    source changed it. ``password``: the hash to store, None for an unusable one; ``new_password``
    says that it is to be stored.
    """

    ref: int
    facts: Facts
    base: Facts | None = None
    user_id: int | None = None
    name: str = ""
    email: str | None = None
    renamed: bool = False
    readdressed: bool = False
    password: str | None = None
    new_password: bool = False
    key_taken: bool = False
    here: Here | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Tier and months that a person is to have. ``starts_at`` and ``ends_at`` bound the
    subscription's only period; without ``tier`` there is none."""

    tier: int
    starts_at: datetime | None
    ends_at: datetime | None
    months: int
    over: bool

    @property
    def subscribed(self) -> bool:
        return self.tier > 0


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for the whole run. ``map_admins``: the role that admins of the source get, "none"
    for none; ``grant`` says that no earlier run named one, so that standing admins get it now."""

    now: datetime
    as_of: datetime
    map_admins: str = "none"
    grant: bool = True


@dataclass(slots=True)
class Outcome:
    """What is to be written for one person; None and empty mean "as it is". ``opening``: what they
    brought along, in all, balance and use. ``given``: what they got here, kept with their facts as
    the next run's base."""

    ref: int
    user_id: int | None
    given: dict[str, Any]
    username: str | None = None
    legacy_username: str | None = None
    email: str | None = None
    set_email: bool = False
    role: str | None = None
    password: str | None = None
    set_password: bool = False
    joined_at: datetime | None = None
    flags: list[str] | None = None
    opening: tuple[Decimal, Decimal] | None = None
    suspend: bool = False
    lift: Sequence[int] = ()
    standing: Standing | None = None
    key: tuple[str, str, datetime | None] | None = None
    revoke_key: str | None = None
    conflicts: list[str] = field(default_factory=list)

    @property
    def touches_user(self) -> bool:
        """Whether the row of the user itself changes."""
        return bool(
            self.username or self.set_email or self.role or self.set_password or self.joined_at
        ) or (self.flags is not None)


def merge(person: Person, settings: Settings) -> Outcome:
    """What the import writes for this person, new or known."""
    if person.here is None:
        return _new(person, settings)
    # Known without a base: their legacy rows were removed. What they have here then counts as what
    # was imported.
    base = person.base or {
        **person.facts,
        "given_name": person.here.username,
        "given_email": person.here.email,
    }
    return _changed(person, base, person.here, settings)


def _new(person: Person, settings: Settings) -> Outcome:
    facts = person.facts
    role = settings.map_admins if facts["admin"] else "none"
    key = _key(facts)
    return Outcome(
        person.ref,
        None,
        {"given_name": person.name, "given_email": person.email, "given_role": role},
        username=person.name,
        legacy_username=legacy_name(facts["username"], person.name),
        email=person.email,
        set_email=True,
        role=role,
        password=person.password,
        set_password=True,
        joined_at=instant(facts.get("joined_at")) or settings.now,
        flags=list(facts["flags"]),
        opening=opening_of(facts),
        suspend=bool(facts["banned"]),
        standing=standing_of(facts, settings),
        key=None if person.key_taken else key,
    )


def _changed(person: Person, base: Facts, here: Here, settings: Settings) -> Outcome:
    facts = person.facts
    outcome = Outcome(person.ref, person.user_id, {})
    _merge_identity(outcome, person, base, here)
    _merge_role(outcome, facts, base, here, settings)
    joined = instant(facts.get("joined_at"))
    if facts.get("joined_at") != base.get("joined_at") and joined is not None:
        outcome.joined_at = joined
    if opening_of(facts) != opening_of(base):
        if here.account_closed:
            outcome.conflicts.append("credits")
        else:
            outcome.opening = opening_of(facts)
    _merge_ban(outcome, facts, base, here)
    _merge_standing(outcome, facts, base, here, settings)
    _merge_key(outcome, person, base, here)
    kept = [flag for flag in here.flags if flag not in base.get("flags", ())]
    added = [
        flag for flag in facts["flags"] if flag not in base.get("flags", ()) or flag in here.flags
    ]
    flags = sorted({*kept, *added})
    outcome.flags = flags if flags != sorted(here.flags) else None
    return outcome


def _merge_identity(outcome: Outcome, person: Person, base: Facts, here: Here) -> None:
    if person.renamed:
        if here.username == base.get("given_name"):
            outcome.username = person.name
            outcome.legacy_username = legacy_name(person.facts["username"], person.name)
            outcome.given["given_name"] = person.name
        else:
            outcome.conflicts.append("username")
    if person.readdressed:
        if here.email == base.get("given_email"):
            outcome.email, outcome.set_email = person.email, here.email != person.email
            outcome.given["given_email"] = person.email
        else:
            outcome.conflicts.append("email")
    if person.new_password:
        outcome.password, outcome.set_password = person.password, True


def _merge_role(
    outcome: Outcome, facts: Facts, base: Facts, here: Here, settings: Settings
) -> None:
    given = base.get("given_role", "none")
    newly = facts["admin"] and (not base.get("admin") or settings.grant)
    if newly and settings.map_admins != "none" and given == "none":
        if here.role == "none":
            outcome.role = outcome.given["given_role"] = settings.map_admins
        elif here.role != settings.map_admins:
            outcome.conflicts.append("role")
    elif not facts["admin"] and base.get("admin") and given != "none":
        if here.role == given:
            outcome.role = outcome.given["given_role"] = "none"
        else:
            outcome.conflicts.append("role")


def _merge_ban(outcome: Outcome, facts: Facts, base: Facts, here: Here) -> None:
    if facts["banned"] == base.get("banned"):
        return
    if facts["banned"]:
        outcome.suspend = not here.suspended
    else:
        outcome.lift = here.suspensions


def _merge_standing(
    outcome: Outcome, facts: Facts, base: Facts, here: Here, settings: Settings
) -> None:
    wanted, before = standing_of(facts, settings), standing_of(base, settings)
    if wanted == before:
        return
    untouched = (here.tier, here.ends_at, here.months, here.legacy_months) == (
        before.tier,
        before.ends_at,
        0,
        before.months,
    )
    if untouched:
        outcome.standing = wanted
    else:
        outcome.conflicts.append("subscription")


def _merge_key(outcome: Outcome, person: Person, base: Facts, here: Here) -> None:
    new, old = person.facts.get("key"), base.get("key")
    if new == old or new is None:
        return
    if old is not None and old in here.keys:
        outcome.revoke_key = old
    if not person.key_taken and new not in here.keys:
        outcome.key = _key(person.facts)


def standing_of(facts: Facts, settings: Settings) -> Standing:
    """Tier, period and months by the source's facts. A tier without a date is no subscription, nor
    is a date without a tier. Where the beginning is unknown or not before the end, the period
    begins a second before its end."""
    level, ends_at = facts.get("level", 0), instant(facts.get("ends_at"))
    months = facts.get("months", 0)
    if not level or ends_at is None:
        return Standing(0, None, None, months, over=False)
    starts_at = instant(facts.get("since"))
    if starts_at is None or starts_at >= ends_at:
        starts_at = ends_at - _BLINK
    return Standing(level, starts_at, ends_at, months, over=ends_at <= settings.as_of)


def opening_of(facts: Facts) -> tuple[Decimal, Decimal]:
    """Balance and lifetime use that a person brings along."""
    return Decimal(facts.get("quota") or 0), Decimal(facts.get("used") or 0)


def _key(facts: Facts) -> tuple[str, str, datetime | None] | None:
    if facts.get("key") is None:
        return None
    return facts["key"], facts["key_prefix"], instant(facts["key_at"])
