"""The operations on credits: what the console offers, and who may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audit.execution import ActContext
from audit.operations import Operation
from billing import adjustments, reports, services
from billing.forms import AdjustCreditsForm
from coai_admin.console.templatetags.console import credits

# What those who may not set balances give as goodwill: credits to one user in 30 days, and users
# in a day. Counted over all of one person's acts.
GOODWILL = Decimal(100)
GOODWILL_SPAN = timedelta(days=30)
GOODWILL_USERS = 20


def goodwill_only(act: ActContext, ids: Sequence[int]) -> str | None:
    """Support adds small amounts, to few, and takes none."""
    if act.actor.may("billing.set_credits"):
        return None
    delta = Decimal(act.params["delta"])
    if delta < 0:
        return _("Your role adds credits; ask a user admin to take some.")
    given = reports.given_by(act.actor.pk, ids, since=act.now - GOODWILL_SPAN)
    if any(delta + given.get(pk, Decimal(0)) > GOODWILL for pk in ids):
        return _(
            "Your role gives one user at most %(most)s credits in 30 days; ask a user admin."
        ) % {"most": f"{GOODWILL:,f}"}
    today = reports.adjusted_by(act.actor.pk, since=act.now - timedelta(days=1))
    if today + len(ids) > GOODWILL_USERS:
        return _("Your role gives credits to at most %(most)s users a day.") % {
            "most": GOODWILL_USERS
        }
    return None


def _amount(params: Mapping[str, Any]) -> str:
    return credits(abs(Decimal(params["delta"]))).removesuffix(".00")


def _users(number: int) -> str:
    return ngettext("%(n)s user", "%(n)s users", number) % {"n": f"{number:,}"}


def _sentence(params: Mapping[str, Any], number: int) -> str:
    adds = Decimal(params["delta"]) >= 0
    sentence = _("Add %(credits)s credits to %(users)s")
    if not adds:
        sentence = _("Take %(credits)s credits from %(users)s")
    return sentence % {"credits": _amount(params), "users": _users(number)}


def _done(params: Mapping[str, Any], number: int) -> str:
    adds = Decimal(params["delta"]) >= 0
    sentence = _("Added %(credits)s credits to %(users)s.")
    if not adds:
        sentence = _("Took %(credits)s credits from %(users)s.")
    return sentence % {"credits": _amount(params), "users": _users(number)}


ADJUST_CREDITS = Operation(
    procedure=adjustments.ADJUST_CREDITS,
    service=services.adjust_credits,
    inverse=adjustments.UNDO_ADJUST_CREDITS,
    label=gettext_lazy("Adjust credits"),
    sentence=_sentence,
    done=_done,
    form=AdjustCreditsForm,
    icon="credits",
    cap=goodwill_only,
)
OPERATIONS = (ADJUST_CREDITS,)
