"""Forms of the operations on people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.functional import lazy
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from audit.forms import OperationForm
from coai_admin.console.ends import ON_DATE, EndWidget, moment_of
from users.models import ReasonCode, Restriction

USUAL, FOR_GOOD = "usual", "for_good"
_PRESETS: dict[str, timedelta] = {
    f"{days}d": timedelta(days=days) for days in (1, 3, 7, 14, 30, 90)
}


def _in_days(number: int) -> str:
    return ngettext("%(n)d day", "%(n)d days", number) % {"n": number}


_days = lazy(_in_days, str)  # in the language of whoever reads the page


class EndField(forms.Field):
    """When something ends: a span from now, a moment, or never. Cleans to a datetime, None for
    never, or ``USUAL``, which the form resolves."""

    def __init__(self, **kwargs: Any) -> None:
        choices = (
            (USUAL, _("as usual for the reason")),
            *((key, _days(span.days)) for key, span in _PRESETS.items()),
            (ON_DATE, _("until a date")),
            (FOR_GOOD, _("for good")),
        )
        super().__init__(widget=EndWidget(choices), required=False, initial=USUAL, **kwargs)

    def clean(self, value: Any) -> datetime | timedelta | str | None:
        if value in (None, "", USUAL):
            return USUAL
        if value == FOR_GOOD:
            return None
        if value in _PRESETS:
            return _PRESETS[value]
        return moment_of(str(value).removeprefix(f"{ON_DATE} "))


class SuspendForm(OperationForm):
    """Parameters of ``users.suspend``."""

    after_reason = ("public_text", "internal_note")
    reason_code = forms.ModelChoiceField(
        ReasonCode.objects.none(),
        label=_("Suspended for"),
        empty_label=_("Choose what for"),
        help_text=_(
            "Decides the duration and the text that users read, where you leave them as they are."
        ),
    )
    ends_at = EndField(
        label=_("Until"),
        help_text=_("Times are UTC. The account works again from that moment on."),
    )
    public_text = forms.CharField(
        label=_("What the user reads"),
        required=False,
        max_length=1_000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Empty: the usual text of the reason."),
    )
    internal_note = forms.CharField(
        label=_("Note for colleagues"),
        required=False,
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        codes = ReasonCode.objects.filter(active=True).order_by("position", "code")
        self.fields["reason_code"].queryset = codes  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        code: ReasonCode | None = cleaned.get("reason_code")
        if code is None:
            return cleaned
        cleaned["reason_code"] = code.pk
        cleaned["public_text"] = cleaned.get("public_text") or code.public_text
        if "ends_at" in cleaned:
            cleaned["ends_at"] = self._end(cleaned["ends_at"], code)
        return cleaned

    def _end(self, value: Any, code: ReasonCode) -> datetime | None:
        if value == USUAL:
            value = timedelta(days=code.default_days) if code.default_days else None
        end: datetime | None = self.now + value if isinstance(value, timedelta) else value
        if end is not None and end <= self.now:
            self.add_error("ends_at", gettext("The end must lie in the future."))
        return end


class LiftForm(OperationForm):
    """Parameters of ``users.lift_restriction``."""

    kind = forms.ChoiceField(
        label=_("Lift"), choices=Restriction.Kind.choices, initial=Restriction.Kind.SUSPENSION
    )
    reason_code = forms.ModelChoiceField(
        ReasonCode.objects.none(),
        label=_("Imposed for"),
        required=False,
        empty_label=_("any reason"),
        help_text=_("Restrictions imposed for other reasons stay."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason_code"].queryset = ReasonCode.objects.order_by("position", "code")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        code: ReasonCode | None = cleaned.get("reason_code")
        cleaned["reason_code"] = code.pk if code else ""
        return cleaned
