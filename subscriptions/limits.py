"""How far those may extend a subscription whose role holds it under caps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.utils.translation import gettext as _

from audit.procedures import ActContext, Over
from subscriptions import reports

MOST_DAYS = 7
ONCE_IN = timedelta(days=30)


def a_few_days_unless_allowed(act: ActContext, ids: Sequence[int]) -> Over | None:
    """Support extends by up to seven days, and nobody whom anyone extended by hand in the last
    thirty: counted over everybody, under the lock on the standing, so that two colleagues cannot
    both be the first."""
    if act.actor.may("subscriptions.extend_long"):
        return None
    if act.params["unit"] != "days" or not 0 <= act.params["amount"] <= MOST_DAYS:
        why = _("Your role extends by at most %(days)s days; ask a user admin for more.")
        return Over(why % {"days": MOST_DAYS})
    if ids and reports.extended_since(ids, act.now - ONCE_IN):
        return Over(_("It was extended by hand within the last 30 days; your role does so once."))
    return None
