"""Forms of the operations on subscriptions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.utils.functional import lazy
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from audit.forms import OperationForm
from coai_admin.console.ends import ON_DATE, EndWidget, moment_of
from coai_admin.console.fields import StrictIntegerField
from subscriptions.models import Tier
from subscriptions.months import add_months

NO_END = "no_end"
MONTHS, DAYS = "months", "days"
MOST_MONTHS, MOST_DAYS = 36, 90
_SPANS = {f"{months}m": months for months in (1, 3, 6, 12)}


def _in_months(number: int) -> str:
    return ngettext("%(n)d month from now", "%(n)d months from now", number) % {"n": number}


_months_from_now = lazy(_in_months, str)  # in the language of whoever reads the page
_PRESETS = tuple((key, _months_from_now(months)) for key, months in _SPANS.items())


class EndOfSubscription(forms.Field):
    """When a subscription ends: months from now, a moment, or (``NO_END``) never. Cleans to a
    moment, a number of months, or None for never or nothing said; the form resolves it."""

    def __init__(self, *, choices: tuple[tuple[str, Any], ...], **kwargs: Any) -> None:
        super().__init__(widget=EndWidget(choices), **kwargs)

    def clean(self, value: Any) -> datetime | int | None:
        value = super().clean(value)
        if value in (None, "", NO_END):
            return None
        if isinstance(value, str) and value in _SPANS:
            return _SPANS[value]
        text = str(value).removeprefix(f"{ON_DATE} ").strip()
        if not text:
            raise forms.ValidationError(gettext("Say on which date."))
        return moment_of(text)


def _end(form: OperationForm, value: Any) -> datetime | None:
    """The moment of a cleaned ``EndOfSubscription``; one that has passed is an error of the
    form."""
    end: datetime | None = add_months(form.now, value) if isinstance(value, int) else value
    if end is not None and end <= form.now:
        form.add_error(
            "ends_at",
            gettext(
                "The end must lie in the future. To end the subscription now, set its tier to 0."
            ),
        )
    return end


def _tiers() -> list[tuple[str, str]]:
    """The tiers that are offered; 0 always is: it ends a subscription."""
    rows = Tier.objects.filter(active=True, level__gt=0).order_by("level")
    free = Tier.objects.get(level=0)
    return [
        *((str(tier.level), f"{tier.level} · {tier.name}") for tier in rows),
        ("0", gettext("0 · %(name)s: end it now") % {"name": free.name}),
    ]


class SetTierForm(OperationForm):
    """Parameters of ``subscriptions.set_tier``."""

    tier = forms.TypedChoiceField(
        label=_("Tier"),
        choices=_tiers,
        coerce=int,
        help_text=_("A running subscription keeps its end. No money moves."),
    )
    ends_at = EndOfSubscription(
        label=_("A new subscription ends"),
        required=False,
        choices=(("", _("(nobody gets a new one)")), *_PRESETS, (ON_DATE, _("on a date"))),
        help_text=_("Only for those without a running subscription."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "ends_at" in cleaned:
            cleaned["ends_at"] = _end(self, cleaned["ends_at"])
        return cleaned


class SetExpiryForm(OperationForm):
    """Parameters of ``subscriptions.set_expiry``."""

    ends_at = EndOfSubscription(
        label=_("Ends"),
        choices=((ON_DATE, _("on a date")), *_PRESETS, (NO_END, _("never: no end"))),
        help_text=_("Times are UTC. No money moves."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "ends_at" in cleaned:
            cleaned["ends_at"] = _end(self, cleaned["ends_at"])
        return cleaned


class ExtendForm(OperationForm):
    """Parameters of ``subscriptions.extend``."""

    amount = StrictIntegerField(
        label=_("Extend by"),
        min_value=-MOST_MONTHS,
        max_value=MOST_DAYS,
        help_text=_("With a minus, to shorten. No money moves."),
    )
    unit = forms.ChoiceField(
        label=_("Unit"),
        choices=((MONTHS, _("calendar months")), (DAYS, _("days"))),
        initial=MONTHS,
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("unit") == MONTHS and abs(cleaned.get("amount") or 0) > MOST_MONTHS:
            self.add_error("amount", gettext("At most %(n)s months.") % {"n": MOST_MONTHS})
        return cleaned
