"""The operations on credits: what the console offers, and who may."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audit.operations import Operation, always, whatever_is_asked
from billing import adjustments, services
from billing.forms import AdjustCreditsForm, SetCreditsForm
from billing.limits import within_credit_limits, within_credit_limits_of_setting
from coai_admin.console.templatetags.console import credits


def _amount(params: Mapping[str, Any]) -> str:
    amount = abs(Decimal(params["delta"]))
    words = _("%(n)s credit") if amount == 1 else _("%(n)s credits")
    return words % {"n": credits(amount).removesuffix(".00")}


def _users(number: int) -> str:
    return ngettext("%(n)s user", "%(n)s users", number) % {"n": f"{number:,}"}


def _sentence(params: Mapping[str, Any], number: int) -> str:
    adds = Decimal(params["delta"]) >= 0
    sentence = _("Add %(credits)s to %(users)s")
    if not adds:
        sentence = _("Take %(credits)s from %(users)s")
    return sentence % {"credits": _amount(params), "users": _users(number)}


def _done(params: Mapping[str, Any], number: int) -> str:
    adds = Decimal(params["delta"]) >= 0
    sentence = _("Added %(credits)s to %(users)s.")
    if not adds:
        sentence = _("Took %(credits)s from %(users)s.")
    return sentence % {"credits": _amount(params), "users": _users(number)}


def _set_sentence(params: Mapping[str, Any], number: int) -> str:
    return _("Set the credits of %(users)s to %(credits)s") % {
        "users": _users(number),
        "credits": credits(Decimal(params["balance"])),
    }


def _set_done(params: Mapping[str, Any], number: int) -> str:
    return _("Set the credits of %(users)s to %(credits)s.") % {
        "users": _users(number),
        "credits": credits(Decimal(params["balance"])),
    }


def _takes(params: Mapping[str, Any]) -> bool:
    return Decimal(params["delta"]) < 0


ADJUST_CREDITS = Operation(
    procedure=adjustments.ADJUST_CREDITS,
    service=services.adjust_credits,
    inverse=adjustments.UNDO_ADJUST_CREDITS,
    label=gettext_lazy("Adjust credits"),
    sentence=_sentence,
    done=_done,
    grave=_takes,
    form=AdjustCreditsForm,
    icon="credits",
    cap=within_credit_limits,
    obstacles=whatever_is_asked(adjustments.ADJUST_CREDITS, adjustments.why_never),
)
SET_CREDITS = Operation(
    procedure=adjustments.SET_CREDITS,
    service=services.set_credits,
    inverse=adjustments.UNDO_SET_CREDITS,
    label=gettext_lazy("Set credits"),
    sentence=_set_sentence,
    done=_set_done,
    grave=always,
    form=SetCreditsForm,
    icon="credits",
    needs_seen=True,
    cap=within_credit_limits_of_setting,
    obstacles=whatever_is_asked(adjustments.SET_CREDITS, adjustments.why_never),
)
OPERATIONS = (ADJUST_CREDITS, SET_CREDITS)
