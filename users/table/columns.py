"""The columns of the user table: what each holds, who sees it, and how it sorts."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, cast

from django.db.models import (
    BigIntegerField,
    Case,
    CharField,
    DateTimeField,
    DecimalField,
    F,
    Func,
    IntegerField,
    Q,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Lower, NullIf
from django.db.models.lookups import IsNull
from django.utils.translation import gettext_lazy as _

from audit.people import Reader
from coai_admin.console import masks
from coai_admin.console.columns import Column, Kind, Sight, Viewer
from coai_admin.console.keyset import Segment, Sort
from users import roles
from users.models import NEVER, User
from users.status import segments, status_expression, until_expression
from users.table.further import FURTHER

TIERS = (0, 1, 2, 3)
# As the indexes have them: sorts and filters must name the same expression.
MONTHS = F("standing__months") + F("standing__legacy_months")
SEEN = Coalesce("last_seen_at", Value(NEVER))
CREDITS = DecimalField(max_digits=24, decimal_places=6)


def personal(viewer: Viewer) -> Sight:
    """Whole or masked, as the viewer's role has it."""
    return Sight.MASKED if cast("Reader", viewer).sees_masked("users.browse") else Sight.FULL


def staff_facts(viewer: Viewer) -> Sight:
    """Who holds a role is not for everybody."""
    return Sight.FULL if viewer.may("users.inspect_staff") else Sight.NONE


def with_tier(tiers: Collection[int], now: datetime) -> Q:
    """The users whose effective tier at ``now`` is one of these; the end is exclusive."""
    paid = [tier for tier in tiers if tier > 0]
    running = Q(standing__ends_at__isnull=True) | Q(standing__ends_at__gt=now)
    found = Q(standing__tier__in=paid) & running if paid else Q()
    if 0 not in tiers:
        return found
    none = Q(standing__tier=0) | Q(standing__ends_at__lte=now)
    return found | none if paid else none


def subscription_condition(state: str, now: datetime) -> Q:
    """The users whose subscription is ``active``, ``ended``, or who have ``none``."""
    if state == "none":
        return Q(standing__subscription__isnull=True)
    some = Q(standing__subscription__isnull=False)
    if state == "ended":
        return some & Q(standing__ends_at__lte=now)
    return some & (Q(standing__ends_at__isnull=True) | Q(standing__ends_at__gt=now))


def email_state_condition(state: str) -> Q:
    """The users whose address is in this state (see ``users.table.rows.email_state``)."""
    if state == "none":
        return Q(email__isnull=True)
    if state in {"verified", "pending"}:
        verified = Q(email_verified_at__isnull=state == "pending")
        return Q(email__isnull=False, email_state=User.EmailState.OK) & verified
    return Q(email__isnull=False, email_state=state)


def _named(states: dict[str, Q]) -> Case:
    return Case(
        *(When(condition, then=Value(name)) for name, condition in states.items()),
        output_field=TextField(),
    )


def _effective_tier(now: datetime) -> Case:
    tiers = (When(with_tier([tier], now), then=Value(tier)) for tier in TIERS)
    return Case(*tiers, output_field=IntegerField())


def _subscription(now: datetime) -> Case:
    return _named({state: subscription_condition(state, now) for state in ("active", "ended")})


def _email_state(now: datetime) -> Case:
    return _named(
        {state: email_state_condition(state) for state in EMAIL_STATES if state != "none"}
    )


def _masked_email() -> Any:
    """An address as ``masks.masked_email`` shows it; NULL stays NULL."""
    first = _sql("regexp_replace", F("email"), Value("^(.?).*@[^@]*$"), Value(r"\1"))
    domain = _sql("regexp_replace", F("email"), Value("^.*@"), Value(""))
    label = _sql("regexp_substr", domain, Value(r"(\.[^.]*)?$"))
    dots = Value(masks.HIDDEN)
    hidden = (_sql("left", domain, Value(1)), dots, label)
    return Case(
        When(email__contains="@", then=_sql("concat", first, dots, Value("@"), *hidden)),
        When(email__isnull=False, then=_sql("concat", dots, *hidden)),
        output_field=TextField(),
    )


def _sql(function: str, *arguments: Any) -> Func:
    return Func(*arguments, function=function, output_field=TextField())


def _text(path: str) -> Any:
    return NullIf(F(path), Value(""), output_field=CharField())


EMAIL_STATES = {
    "verified": _("verified"),
    "pending": _("pending"),
    **{state.value: state.label for state in User.EmailState if state != User.EmailState.OK},
    "none": _("no address"),
}
_STAFF = [role.value for role in roles.ROLES]
_ENDLESS = Q(standing__subscription__isnull=False, standing__ends_at__isnull=True)
# In the words of the unique index on lower(email): the blanks in it are stepped over.
_HAS_EMAIL = Q(IsNull(Lower("email"), False))  # noqa: FBT003 (a lookup takes its value by place)
_standing: dict[str, Any] = {"where": Q(standing__isnull=False), "tie": "standing__user_id"}
_statistics: dict[str, Any] = {"where": Q(statistics__isnull=False), "tie": "statistics__user_id"}

# Those of the beginning fit a window of 1440 px: more are chosen by whoever wants them.
COLUMNS = (
    Column(
        name="username",
        label=_("Username"),
        css="pin-name",
        pinned=True,
        read=lambda now: F("username"),
        sort=Sort(key=Lower("username"), field=TextField()),
    ),
    Column(name="id", label=_("ID"), kind=Kind.NUMBER, read=lambda now: F("pk"), sort=Sort()),
    Column(
        name="email",
        label=_("Email"),
        sight=personal,
        read=lambda now: F("email"),
        mask=lambda now: _masked_email(),
        sort=Sort(
            key=Lower("email"),
            field=TextField(),
            segments=lambda now: [_HAS_EMAIL],
            last=Q(email__isnull=True),
        ),
    ),
    Column(name="email_state", label=_("Email state"), read=_email_state, default=False),
    Column(
        name="status",
        label=_("Status"),
        kind=Kind.STATE,
        read=status_expression,
        sort=Sort(segments=segments),
    ),
    Column(
        name="status_until",
        label=_("Status until"),
        kind=Kind.DATE,
        read=until_expression,
        on_page=False,
    ),
    Column(
        name="tier",
        label=_("Tier"),
        css="start",
        kind=Kind.NUMBER,
        read=_effective_tier,
        sort=Sort(segments=lambda now: [with_tier([tier], now) for tier in TIERS], **_standing),
    ),
    Column(
        name="credits",
        label=_("Credits"),
        kind=Kind.MONEY,
        read=lambda now: F("account__balance"),
        sort=Sort(key="statistics__balance", field=CREDITS, **_statistics),
    ),
    Column(
        name="used",
        label=_("Used"),
        kind=Kind.MONEY,
        read=lambda now: F("account__used_total") + F("account__opening_used"),
        sort=Sort(key="statistics__used", field=CREDITS, **_statistics),
    ),
    Column(
        name="subscription",
        label=_("Subscription"),
        default=False,
        kind=Kind.STATE,
        read=_subscription,
        sort=Sort(
            segments=lambda now: [
                subscription_condition(state, now) for state in ("active", "ended", "none")
            ],
            **_standing,
        ),
    ),
    Column(
        name="months",
        label=_("Months"),
        default=False,
        kind=Kind.NUMBER,
        read=lambda now: MONTHS,
        sort=Sort(key=MONTHS, field=BigIntegerField(), **_standing),
    ),
    Column(
        name="expires",
        label=_("Expires"),
        kind=Kind.DATE,
        read=lambda now: F("standing__ends_at"),
        sort=Sort(
            key="standing__ends_at",
            field=DateTimeField(),
            segments=lambda now: [
                Segment(Q(standing__ends_at__isnull=False)),
                Segment(_ENDLESS, keyed=False),
            ],
            last=Q(standing__subscription__isnull=True),
            **_standing,
        ),
    ),
    Column(
        name="seen",
        label=_("Last seen"),
        kind=Kind.DATE,
        read=lambda now: F("last_seen_at"),
        sort=Sort(key=SEEN, field=DateTimeField()),
    ),
    Column(
        name="joined",
        label=_("Joined"),
        kind=Kind.DATE,
        read=lambda now: F("joined_at"),
        sort=Sort(key="joined_at", field=DateTimeField()),
    ),
    Column(
        name="country",
        label=_("Country"),
        default=False,
        read=lambda now: _text("country"),
        sort=Sort(key="country", field=TextField()),
    ),
    Column(
        name="role",
        label=_("Admin"),
        default=False,
        sight=staff_facts,
        read=lambda now: NullIf(F("role"), Value(roles.Role.NONE.value), output_field=TextField()),
        sort=Sort(
            segments=lambda now: [*(Q(role=role) for role in _STAFF), Q(role=roles.Role.NONE)]
        ),
    ),
    *FURTHER,
)
