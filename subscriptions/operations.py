"""The operations on subscriptions: what the console offers, and who may."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audit.operations import Operation, always, whatever_is_asked
from subscriptions import lifecycle, services
from subscriptions.forms import DAYS, ExtendForm, SetExpiryForm, SetTierForm
from subscriptions.limits import a_few_days_unless_allowed


def _users(number: int) -> str:
    return ngettext("%(n)s user", "%(n)s users", number) % {"n": f"{number:,}"}


def _end(ends_at: datetime) -> str:
    return date_format(ends_at, "j M Y, H:i")


def _set_tier_sentence(params: Mapping[str, Any], number: int) -> str:
    sentence = _("Put %(users)s into tier %(tier)s")
    if params["tier"] == 0:
        sentence = _("End the subscription of %(users)s now")
    return sentence % {"users": _users(number), "tier": params["tier"]}


def _set_tier_done(params: Mapping[str, Any], number: int) -> str:
    sentence = _("Put %(users)s into tier %(tier)s.")
    if params["tier"] == 0:
        sentence = _("Ended the subscription of %(users)s.")
    return sentence % {"users": _users(number), "tier": params["tier"]}


def _set_expiry_sentence(params: Mapping[str, Any], number: int) -> str:
    if params["ends_at"] is None:
        return _("Let the subscription of %(users)s run without end") % {"users": _users(number)}
    return _("Let the subscription of %(users)s end on %(end)s UTC") % {
        "users": _users(number),
        "end": _end(params["ends_at"]),
    }


def _set_expiry_done(params: Mapping[str, Any], number: int) -> str:
    if params["ends_at"] is None:
        return _("The subscription of %(users)s runs without end.") % {"users": _users(number)}
    return _("The subscription of %(users)s ends on %(end)s UTC.") % {
        "users": _users(number),
        "end": _end(params["ends_at"]),
    }


def _span(params: Mapping[str, Any]) -> str:
    number = abs(params["amount"])
    if params["unit"] == DAYS:
        return ngettext("%(n)d day", "%(n)d days", number) % {"n": number}
    return ngettext("%(n)d month", "%(n)d months", number) % {"n": number}


def _extend_sentence(params: Mapping[str, Any], number: int) -> str:
    sentence = _("Extend the subscription of %(users)s by %(span)s")
    if params["amount"] < 0:
        sentence = _("Shorten the subscription of %(users)s by %(span)s")
    return sentence % {"users": _users(number), "span": _span(params)}


def _extend_done(params: Mapping[str, Any], number: int) -> str:
    sentence = _("Extended the subscription of %(users)s by %(span)s.")
    if params["amount"] < 0:
        sentence = _("Shortened the subscription of %(users)s by %(span)s.")
    return sentence % {"users": _users(number), "span": _span(params)}


def _ends(params: Mapping[str, Any]) -> bool:
    return bool(params["tier"] == 0)


def _shortens(params: Mapping[str, Any]) -> bool:
    return bool(params["amount"] < 0)


SET_TIER = Operation(
    procedure=lifecycle.SET_TIER,
    service=services.set_tier,
    inverse=lifecycle.UNDO_SET_TIER,
    label=gettext_lazy("Set tier"),
    sentence=_set_tier_sentence,
    done=_set_tier_done,
    grave=_ends,
    form=SetTierForm,
    icon="tiers",
    obstacles=whatever_is_asked(lifecycle.SET_TIER, lifecycle.why_no_other_tier),
)
EXTEND = Operation(
    procedure=lifecycle.EXTEND,
    service=services.extend,
    inverse=lifecycle.UNDO_EXTEND,
    label=gettext_lazy("Extend subscription"),
    sentence=_extend_sentence,
    done=_extend_done,
    grave=_shortens,
    form=ExtendForm,
    icon="calendar",
    cap=a_few_days_unless_allowed,
    obstacles=whatever_is_asked(lifecycle.EXTEND, lifecycle.why_not_extended),
)
SET_EXPIRY = Operation(
    procedure=lifecycle.SET_EXPIRY,
    service=services.set_expiry,
    inverse=lifecycle.UNDO_SET_EXPIRY,
    label=gettext_lazy("Set end of subscription"),
    sentence=_set_expiry_sentence,
    done=_set_expiry_done,
    grave=always,
    form=SetExpiryForm,
    icon="clock",
    obstacles=whatever_is_asked(lifecycle.SET_EXPIRY, lifecycle.why_no_other_end),
)
OPERATIONS = (SET_TIER, EXTEND, SET_EXPIRY)
