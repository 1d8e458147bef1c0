"""What is known of one user, for the user page: read only, masked for its viewer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject

from audit.people import Reader
from coai_admin.console.masks import masked_email, masked_ip
from coai_admin.console.statements import statement
from users import factor_resets
from users.email.changes import OPEN
from users.models import ApiKey, EmailChange, PasswordLink, Restriction, Session, User
from users.password_links import Life, life
from users.sessions import agents

_MOST = 200
_MOST_LINKS = 10


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers in the heading: live, not the copy that lists sort by."""

    credits: Decimal
    held: Decimal
    overdraft: Decimal
    used: Decimal
    used_before_import: Decimal
    tier: int
    plan: str
    subscribed: bool
    ends_at: datetime | None
    over: bool
    months: int
    legacy_months: int

    @property
    def in_overdraft(self) -> bool:
        return self.credits < 0


def person(user_id: int) -> User | None:
    """The user with account, standing and plan, ``changing`` (the address on its way, and until
    when it can be verified) and ``reset_due_at`` (when the second factor will be taken), in one
    statement; None for nobody."""
    return next(iter(_person(user_id)), None)


@statement
def _person(user_id: Any) -> QuerySet[User]:
    people = User.objects.select_related("account", "standing__subscription__tier")
    pending = EmailChange.objects.filter(OPEN, user=OuterRef("pk"))
    changing = Subquery(pending.values(json=JSONObject(to="new_email", until="expires_at"))[:1])
    reset = factor_resets.waiting(OuterRef("pk"))
    return people.annotate(changing=changing, reset_due_at=reset).filter(pk=user_id)


def figures(user: User, now: datetime) -> Figures:
    """The heading's numbers of somebody that ``person`` found."""
    account, standing = user.account, user.standing
    subscription = standing.subscription
    return Figures(
        credits=account.balance,
        held=account.held,
        overdraft=account.overdraft_limit,
        used=account.used_total + account.opening_used,
        used_before_import=account.opening_used,
        tier=standing.effective_tier(now),
        plan=subscription.tier.name if subscription else "",
        subscribed=subscription is not None,
        ends_at=standing.ends_at,
        over=standing.ends_at is not None and standing.ends_at <= now,
        months=standing.months + standing.legacy_months,
        legacy_months=standing.legacy_months,
    )


@dataclass(frozen=True, slots=True)
class Address:
    """An email address as its viewer sees it, and what is known of it."""

    text: str
    masked: bool
    state: str
    state_label: str
    verified_at: datetime | None
    changing_to: str = ""


_ADDRESS_MARKS = {
    User.EmailState.OK: "good",
    User.EmailState.BOUNCING: "bad",
    User.EmailState.COMPLAINED: "bad",
    User.EmailState.SUPPRESSED: "warn",
}


def address(user: User, viewer: Reader, now: datetime) -> Address:
    """The address of somebody that ``person`` found, and the one about to replace it; whole or
    masked."""
    masked = viewer.sees_masked("users.inspect")
    changing = getattr(user, "changing", None)
    to = changing["to"] if changing and now < datetime.fromisoformat(changing["until"]) else ""
    return Address(
        text=(masked_email(user.email) if masked else user.email) or "",
        masked=masked,
        state=_ADDRESS_MARKS[User.EmailState(user.email_state)],
        state_label=user.get_email_state_display(),
        verified_at=user.email_verified_at,
        changing_to=(masked_email(to) if masked else to) or "",
    )


def holding(user_id: int, now: datetime) -> tuple[list[Restriction], list[Restriction]]:
    """The restrictions that hold, the longest first, and those to come; one statement."""
    found = _unlifted(user_id, now)
    live = [each for each in found if each.is_live(now)]
    live.sort(key=_gravity)
    return live, [each for each in found if each.starts_at > now]


@statement
def _unlifted(user_id: Any, now: Any) -> QuerySet[Restriction]:
    endless_or_later = Q(ends_at__isnull=True) | Q(ends_at__gt=now)
    unlifted = _restrictions(user_id).filter(endless_or_later, lifted_at__isnull=True)
    return unlifted[:_MOST]


def _gravity(restriction: Restriction) -> tuple[bool, float]:
    end = restriction.ends_at.timestamp() if restriction.ends_at else math.inf
    return restriction.kind != Restriction.Kind.SUSPENSION, -end


def restrictions(user_id: int) -> list[Restriction]:
    """Past, present and coming ones, newest first, with reason, issuer and who lifted it; one
    statement."""
    return list(_restrictions(user_id)[:_MOST])


def _restrictions(user_id: Any) -> QuerySet[Restriction]:
    related = Restriction.objects.select_related("reason", "issuer", "lifted_by")
    return related.filter(user=user_id).order_by("-starts_at", "-pk")


def origin(user_id: int) -> User | None:
    """Where an imported user came from: source, id and name there, and what was odd; None for
    others."""
    imported = User.objects.filter(pk=user_id).exclude(legacy_source="")
    return imported.only("legacy_source", "legacy_id", "legacy_username", "import_flags").first()


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session as its viewer sees it. The browser is in words; the whole header only for those who
    see all."""

    ip: str
    browser: str
    agent: str
    created_at: datetime
    seen_at: datetime
    over: bool


def sessions(user_id: int, viewer: Reader, now: datetime) -> list[SessionLine]:
    """The user's sessions, the last used first; one statement."""
    masked = viewer.sees_masked("users.inspect_logins")
    rows = Session.objects.filter(user=user_id).order_by("-seen_at", "-pk")[:_MOST]
    return [
        SessionLine(
            ip=(masked_ip(row.ip) if masked else row.ip) or "",
            browser=agents.in_words(row.agent),
            agent="" if masked else row.agent,
            created_at=row.created_at,
            seen_at=row.seen_at,
            over=row.expire_date <= now,
        )
        for row in rows
    ]


def api_keys(user_id: int) -> list[ApiKey]:
    """The user's API keys, the usable ones first, then the newest; one statement."""
    rows = (
        ApiKey.objects.filter(user=user_id).defer("digest").order_by("-created_at", "-pk")[:_MOST]
    )
    return sorted(rows, key=lambda key: key.revoked_at is not None)


@dataclass(frozen=True, slots=True)
class LinkLine:
    """A mailed password link as its viewer sees it."""

    email: str
    mark: str
    state: str
    link: PasswordLink


_LINK_MARKS = {Life.USED: "good", Life.OPENED: "info", Life.SENT: "info", Life.WAITING: "wait"}


def password_links(user_id: int, viewer: Reader, now: datetime) -> list[LinkLine]:
    """The links to choose a password that were mailed to the user, newest first; one statement."""
    masked = viewer.sees_masked("users.inspect")
    rows = PasswordLink.objects.filter(user=user_id).order_by("-created_at", "-pk")[:_MOST_LINKS]
    return [
        LinkLine(
            email=(masked_email(row.email) if masked else row.email) or "",
            mark=_LINK_MARKS.get(life(row, now), "none"),
            state=str(life(row, now).label),
            link=row,
        )
        for row in rows
    ]


def personal_data(user: User) -> dict[str, Any]:
    """What the console masks of one user, whole: for a reveal that is recorded. One statement."""
    rows = Session.objects.filter(user=user, ip__isnull=False).order_by("-seen_at", "-pk")
    addresses = dict.fromkeys(rows.values_list("ip", flat=True)[:_MOST])
    return {"email": user.email or "", "addresses": list(addresses)}
