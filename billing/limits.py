"""How much one person may move by hand: counted over everything they booked, under lock."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection
from django.db.models import F, Max, Min, Sum
from django.db.models.functions import Abs
from django.utils.translation import gettext as _

from audit.people import CreditLimits
from audit.procedures import ActContext, Over
from audit.targets import among
from billing.models import Account
from coai_admin.console.templatetags.console import credits

_DAY = timedelta(days=1)
_MONTH = timedelta(days=30)


def within_credit_limits(act: ActContext, ids: Sequence[int]) -> Over | None:
    """Why this act would go over the actor's limits; None when it does not. The executor asks under
    the lock on the actor's row, so that two acts at once cannot share one allowance."""
    delta = Decimal(act.params["delta"])
    return _within(act, ids, delta, delta, abs(delta) * len(ids))


def within_credit_limits_of_setting(act: ActContext, ids: Sequence[int]) -> Over | None:
    """The same for an act that brings balances to a figure: what counts is by how much each moves,
    which the executor's locks hold still."""
    if act.actor.credit_limits is None:
        return None
    delta = Decimal(act.params["balance"]) - F("balance")
    moves = Account.objects.filter(among("user", ids)).aggregate(
        least=Min(delta), most=Max(delta), amount=Sum(Abs(delta))
    )
    least, most, amount = (moves[name] or Decimal(0) for name in ("least", "most", "amount"))
    return _within(act, ids, least, most, amount)


def within_credit_limits_of_gifts(
    act: ActContext, ids: Sequence[int], *, least: Decimal, most: Decimal, total: Decimal
) -> Over | None:
    """The same for an act that gives each of these users an amount of their own: the ``least`` and
    the ``most`` that one gets, and the ``total``."""
    return _within(act, ids, least, most, total)


def _within(
    act: ActContext, ids: Sequence[int], least: Decimal, most: Decimal, amount: Decimal
) -> Over | None:
    """``least`` and ``most``: by how much one balance moves; ``amount``: how much moves in all."""
    limits = act.actor.credit_limits
    if limits is None:
        return None
    if least < 0 and not limits.may_take:
        return Over(_("Your role adds credits; it does not take any away."))
    if not ids:
        return None
    why = _over_one_act(limits, amount) or _over_time(limits, act, most, amount, ids)
    return Over(why, approvable=limits.approvable) if why else None


def _over_one_act(limits: CreditLimits, amount: Decimal) -> str | None:
    if amount <= limits.per_act:
        return None
    return _("This role moves at most %(most)s credits at once; this would be %(amount)s.") % {
        "most": credits(limits.per_act),
        "amount": credits(amount),
    }


def _over_one_day(limits: CreditLimits, moved: Decimal, amount: Decimal) -> str | None:
    if moved + amount <= limits.per_day:
        return None
    return _("This role moves at most %(most)s credits in 24 hours; %(left)s are left.") % {
        "most": credits(limits.per_day),
        "left": credits(max(limits.per_day - moved, Decimal(0))),
    }


def _over_time(
    limits: CreditLimits, act: ActContext, delta: Decimal, amount: Decimal, ids: Sequence[int]
) -> str | None:
    moved, _acts = _moved_since(act.actor.pk, act.now - _DAY)
    if why := _over_one_day(limits, moved, amount):
        return why
    if limits.acts_per_day is not None and limits.acts_per_day <= _acts_before(act):
        return _("This role does this at most %(most)s times in 24 hours.") % {
            "most": limits.acts_per_day
        }
    if limits.per_user_a_month is None:
        return None
    given = _most_given_since(ids, act.now - _MONTH)
    if given + delta > limits.per_user_a_month:
        return _(
            "This role gives a user at most %(most)s credits in 30 days, all gifts counted."
        ) % {"most": credits(limits.per_user_a_month)}
    return None


def _acts_before(act: ActContext) -> int:
    """In how many acts beside this one its actor moved credits within a day."""
    return _moved_since(act.actor.pk, act.now - _DAY, besides=act.id)[1]


def _moved_since(
    actor_id: int, since: datetime, *, besides: uuid.UUID | None = None
) -> tuple[Decimal, int]:
    """What this person booked by hand, both ways, and in how many acts."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(abs(delta)), 0), count(DISTINCT group_id) FROM billing_transfer
             WHERE actor_id = %s AND created_at > %s AND reverses_id IS NULL
               AND group_id IS DISTINCT FROM %s
            """,
            [actor_id, since, besides],
        )
        moved, acts = cursor.fetchone()
        return moved, acts


def _most_given_since(ids: Sequence[int], since: datetime) -> Decimal:
    """The most that any of these users was given by hand."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(max(given), 0) FROM (
                SELECT sum(t.delta) AS given
                  FROM billing_transfer t JOIN billing_account a ON a.id = t.account_id
                 WHERE a.user_id = ANY(%s) AND t.created_at > %s AND t.delta > 0
                   AND t.actor_id IS NOT NULL AND t.reverses_id IS NULL
                 GROUP BY a.user_id) per_user
            """,
            [list(ids), since],
        )
        [most] = cursor.fetchone()
        return Decimal(most)
