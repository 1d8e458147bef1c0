"""A crowd with every kind of fact in it, ties included, and what the table should say of it:
computed in Python."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from audit.people import SYSTEM
from billing.services import Opening, copy_statistics, post_opening_balances
from subscriptions.models import Standing, Subscription
from tests.factories import make_users
from users.models import Restriction, User
from users.roles import Role

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
NO_END = datetime(9999, 12, 31, tzinfo=UTC)
NAMES = ("ana", "Ben", "mei.zhang", "小明", "Ольга", "zoe_", "O'Neil", "100%", "a\\b", "=cmd")
DOMAINS = ("gmail.com", "QQ.com", "mail.example.org")


@dataclass
class Person:
    """Everything that is known of somebody, as plain facts."""

    pk: int
    username: str
    email: str | None
    verified: bool
    email_state: str
    status: str
    kinds: frozenset[str]
    tier: int
    subscription: str
    ends_at: datetime | None
    months: int
    credits: Decimal
    used: Decimal
    seen: datetime | None
    joined: datetime
    country: str
    role: str
    flags: tuple[str, ...]
    reasons: frozenset[str] = frozenset()

    @property
    def known_email(self):
        if not self.email:
            return "none"
        if self.email_state != "ok":
            return self.email_state
        return "verified" if self.verified else "pending"


STATUSES = ("banned", "suspended", "limited", "active", "closed")
SUBSCRIPTIONS = ("active", "ended", "none")
ROLES = ("super_admin", "user_admin", "support", "read_only", "none")
KEYS = {
    "username": lambda one: one.username.lower(),
    "id": lambda one: one.pk,
    "email": lambda one: (one.email or "").lower(),
    "status": lambda one: STATUSES.index(one.status),
    "tier": lambda one: one.tier,
    "credits": lambda one: one.credits,
    "used": lambda one: one.used,
    "subscription": lambda one: SUBSCRIPTIONS.index(one.subscription),
    "months": lambda one: one.months,
    "expires": lambda one: one.ends_at or NO_END,
    "seen": lambda one: one.seen or NEVER,
    "joined": lambda one: one.joined,
    "country": lambda one: one.country,
    "role": lambda one: ROLES.index(one.role),
}
BLANK = {
    "email": lambda one: one.email is None,
    "expires": lambda one: one.subscription == "none",
}


def in_order(people, sort):
    """The ids in the order of ``sort`` ("-credits"): blanks at the end in both directions, ties by
    id."""
    name, down = sort.removeprefix("-"), sort.startswith("-")
    blank = BLANK.get(name, lambda one: False)
    known = sorted(
        (one for one in people if not blank(one)),
        key=lambda one: (KEYS[name](one), one.pk),
        reverse=down,
    )
    unknown = sorted((one for one in people if blank(one)), key=lambda one: one.pk, reverse=down)
    return [one.pk for one in known + unknown]


def make_crowd(size=120, *, seed=1):
    """Users of every kind; returns what is known of them by id."""
    chance = random.Random(seed)
    ids = make_users(size)
    people = {pk: _person(pk, chance) for pk in ids}
    for one in people.values():
        _write(one, chance)
    openings = [Opening(one.pk, one.credits, one.used) for one in people.values()]
    post_opening_balances(openings, actor=SYSTEM, now=NOW, reason="for a test")
    copy_statistics(now=NOW, full=True)
    return people


def _person(pk, chance):
    subscription = chance.choice(SUBSCRIPTIONS)
    ends_at = None
    if subscription == "active":
        ends_at = chance.choice(
            [None, NOW + timedelta(seconds=1), NOW + timedelta(days=chance.randrange(1, 4))]
        )
    elif subscription == "ended":
        ends_at = chance.choice([NOW, NOW - timedelta(days=chance.randrange(1, 4))])
    level = chance.randrange(1, 4) if subscription != "none" else 0
    email = (
        f"{chance.choice('abXy')}{pk}@{chance.choice(DOMAINS)}" if chance.random() < 0.8 else None
    )
    return Person(
        pk=pk,
        username=f"{chance.choice(NAMES)}{pk}",
        email=email,
        verified=chance.random() < 0.5,
        email_state=chance.choice(["ok", "ok", "bouncing", "complained", "suppressed"]),
        status=chance.choice(STATUSES),
        kinds=frozenset(),
        tier=level if subscription == "active" else 0,
        subscription=subscription,
        ends_at=ends_at,
        months=chance.choice([0, 0, 1, 12, -1]),
        credits=chance.choice(
            [Decimal(0), Decimal("50"), Decimal("-12.3"), Decimal(chance.randrange(9999)) / 100]
        ),
        used=chance.choice([Decimal(0), Decimal("0.000001"), Decimal(chance.randrange(999))]),
        seen=chance.choice([None, NOW, NOW - timedelta(days=chance.randrange(5))]),
        joined=NOW - timedelta(days=chance.randrange(4), hours=chance.choice([0, 12])),
        country=chance.choice(["", "CN", "DE", "US"]),
        role=chance.choice([*[Role.NONE.value] * 9, "support", "read_only", "user_admin"]),
        flags=chance.choice([(), (), ("no_quota",), ("no_quota", "was_admin")]),
    )


def _write(one, chance):
    User.objects.filter(pk=one.pk).update(
        username=one.username,
        email=one.email,
        email_verified_at=NOW if one.verified else None,
        email_state=one.email_state,
        last_seen_at=one.seen,
        joined_at=one.joined,
        country=one.country,
        role=one.role,
        import_flags=list(one.flags),
        closed_at=NOW - timedelta(days=1) if one.status == "closed" else None,
    )
    plan = None
    if one.subscription != "none":
        plan = Subscription.objects.create(user_id=one.pk, tier_id=one.tier or 2)
    Standing.objects.filter(user=one.pk).update(
        subscription=plan,
        tier=plan.tier_id if plan else 0,
        ends_at=one.ends_at,
        months=one.months - 1,
        legacy_months=1,
    )
    _restrict(one, chance)


def _restrict(one, chance):
    """The restrictions that make the status, and dead ones that must not count."""
    soon, past = NOW + timedelta(days=3), NOW - timedelta(days=9)
    dead = [
        ("suspension", past, NOW, None),
        ("suspension", past, None, NOW),
        ("limit", NOW + timedelta(seconds=1), None, None),
    ]
    live = {
        "banned": [
            ("suspension", past, None, None),
            ("suspension", past, soon, None),
            ("limit", past, None, None),
        ],
        "suspended": [("suspension", past, soon, None), ("limit", past, None, None)],
        "limited": [("limit", NOW, soon, None)],
        "active": [],
        "closed": chance.choice([[], [("suspension", past, None, None)]]),
    }[one.status]
    if chance.random() < 0.3:
        live = [*live, ("warning", past, soon, None)]
    one.kinds = frozenset(kind for kind, *_times in live)
    reasons = [("spam", "chargeback", "fraud_payment")[one.pk % 3] for _each in live]
    one.reasons = frozenset(reasons)
    Restriction.objects.bulk_create(
        Restriction(
            user_id=one.pk,
            kind=kind,
            reason_id=reason,
            starts_at=start,
            ends_at=end,
            lifted_at=lifted,
        )
        for reason, (kind, start, end, lifted) in zip(
            [*reasons, "spam"], [*live, chance.choice(dead)], strict=True
        )
    )
