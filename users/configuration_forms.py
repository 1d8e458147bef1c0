"""Forms of what is configured: tiers, reason codes, settings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from coai_admin.console.fields import StrictDecimalField, StrictIntegerField
from subscriptions.models import Tier
from users.models import ReasonCode


class EditForm(forms.Form):
    """Base: what is edited, then why."""

    reason = forms.CharField(
        label=_("Your reason"), max_length=500, help_text=_("Stands in the audit log.")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields([name for name in self.fields if name != "reason"])

    @property
    def values(self) -> dict[str, Any]:
        """The cleaned values, without the reason."""
        return {name: value for name, value in self.cleaned_data.items() if name != "reason"}


def _text(label: Any, *, rows: int = 0, most: int = 200, **options: Any) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows}) if rows else forms.TextInput()
    return forms.CharField(label=label, max_length=most, widget=widget, **options)


class TierForm(EditForm):
    """A tier. Tier 0 is what everybody has without a subscription: it is always offered."""

    name = _text(_("Name"), most=60)
    description = _text(_("What it grants"), rows=3, most=1_000, required=False)
    active = forms.BooleanField(
        label=_("Offered"),
        required=False,
        help_text=_("Who is in a tier that is not offered stays in it; nobody new gets in."),
    )

    def __init__(self, *args: Any, tier: Tier, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tier = tier
        if tier.level == 0:
            del self.fields["active"]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if Tier.objects.filter(name=name).exclude(pk=self.tier.pk).exists():
            raise forms.ValidationError(gettext("Another tier has this name."))
        return name


class ReasonCodeForm(EditForm):
    """A reason code: what colleagues choose, what the user reads, for how long as a rule."""

    label = _text(_("What colleagues choose"), most=100)
    public_text = _text(_("What the user reads"), rows=3, most=1_000)
    default_days = StrictIntegerField(
        label=_("Usual days"),
        required=False,
        min_value=1,
        max_value=3_650,
        help_text=_("Empty: for good."),
    )
    appealable = forms.BooleanField(label=_("May be appealed"), required=False)
    active = forms.BooleanField(
        label=_("Offered"),
        required=False,
        help_text=_("Restrictions that were imposed for it stay as they are."),
    )
    position = StrictIntegerField(
        label=_("Place in the list"), min_value=0, max_value=32_000, initial=0
    )


class NewReasonCodeForm(ReasonCodeForm):
    """A reason code that does not exist yet; its code stays what it is."""

    code = forms.SlugField(
        label=_("Code"),
        max_length=40,
        help_text=_("Small letters, digits and _; never changes. Programs and exports name it."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields(["code"])
        self.fields["active"].initial = self.fields["appealable"].initial = True

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        if not code.replace("_", "").isalnum() or code != code.lower() or not code.isascii():
            raise forms.ValidationError(gettext("Use small letters, digits and _ only."))
        if ReasonCode.objects.filter(pk=code).exists():
            raise forms.ValidationError(gettext("This code exists already."))
        return code


class CreditLimitsForm(EditForm):
    """How many credits a role moves by hand."""

    per_act = StrictDecimalField(
        label=_("Credits in one act"), min_value=Decimal(0), max_value=Decimal(1_000_000)
    )
    per_day = StrictDecimalField(
        label=_("Credits in 24 hours"), min_value=Decimal(0), max_value=Decimal(10_000_000)
    )
    acts_per_day = StrictIntegerField(
        label=_("Acts in 24 hours"),
        required=False,
        min_value=0,
        max_value=10_000,
        help_text=_("Empty: any number."),
    )
    per_user_a_month = StrictDecimalField(
        label=_("Credits given to one user in 30 days"),
        required=False,
        min_value=Decimal(0),
        max_value=Decimal(1_000_000),
        help_text=_("All gifts of all colleagues counted. Empty: any number."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if (cleaned.get("per_act") or 0) > (cleaned.get("per_day") or Decimal("Infinity")):
            self.add_error("per_day", gettext("Less than one act may move."))
        return cleaned


class ApprovalLimitsForm(EditForm):
    """What one person does without a second one's approval."""

    users = StrictIntegerField(
        label=_("Users in one act"),
        min_value=1,
        max_value=100_000_000,
        help_text=_("An act on more of them waits for a colleague."),
    )
    credits = StrictDecimalField(
        label=_("Credits in one act, all users together"),
        min_value=Decimal(0),
        max_value=Decimal(1_000_000_000),
    )


class SessionLimitsForm(EditForm):
    """When sessions end, within bounds that are safe for a console of this kind."""

    idle_minutes = StrictIntegerField(
        label=_("Minutes without use"), min_value=5, max_value=60, help_text=_("5 to 60.")
    )
    absolute_minutes = StrictIntegerField(
        label=_("Minutes at the latest"),
        min_value=60,
        max_value=24 * 60,
        help_text=_("60 to 1,440, counted from the sign-in."),
    )
