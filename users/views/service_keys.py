"""Service keys: which there are, making one (its token is shown once), ending one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.functional import lazy
from django.utils.text import capfirst
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from audit.registry import actions
from subscriptions import service_keys
from subscriptions.models import ServiceKey
from users.access import permission
from users.kept_forms import kept_form
from users.requests import StaffRequest
from users.service_actor import READS, acts, scopes

_SHOWN = 200


def _in_days(number: int) -> str:
    return ngettext("%(n)d day", "%(n)d days", number) % {"n": number}


_days = lazy(_in_days, str)


class KeyForm(forms.Form):
    """What a new key is called, what it opens, and until when."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        help_text=gettext_lazy("Who will use it. The audit log names it so."),
    )
    reads = forms.MultipleChoiceField(
        label=gettext_lazy("It may read"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Personal data stays masked."),
    )
    acts = forms.MultipleChoiceField(
        label=gettext_lazy("It may act"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy(
            "On one customer at a time, never on staff. Acts that need a second factor are not "
            "open to keys."
        ),
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("It ends after"),
        coerce=int,
        initial=90,
        choices=[(days, _days(days)) for days in (7, 30, 90, 180, 365)],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        labels = scopes()
        self.fields["reads"].choices = [(code, capfirst(labels[code])) for code in READS]  # type: ignore[attr-defined]
        named = [(code, actions()[code].label) for code in acts()]
        self.fields["acts"].choices = named  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        if not (self.cleaned_data.get("reads") or self.cleaned_data.get("acts")):
            self.add_error("reads", _("A key without any permission opens nothing."))
        return self.cleaned_data


@permission(service_keys.REVOKE)
@require_safe
def keys(request: StaffRequest) -> HttpResponse:
    """Every key, the usable ones first."""
    rows = ServiceKey.objects.defer("digest").select_related("created_by")
    found = list(rows.order_by("-created_at", "-pk")[:_SHOWN])
    now = time_now()
    found.sort(key=lambda key: key.revoked_at is not None or key.expires_at <= now)
    return render(request, "users/service_keys/list.html", {"keys": found, "now": now})


@permission(service_keys.CREATE)
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: StaffRequest) -> HttpResponse:
    """Make a key. Its token stands in the answer and is never shown again, so there is no redirect
    here."""
    sent = request.method == "POST"
    form = KeyForm(request.POST if sent else kept_form(request))
    if not (sent and form.is_valid()):
        status = 422 if sent else 200
        return render(request, "users/service_keys/new.html", {"form": form}, status=status)
    now, given = time_now(), form.cleaned_data
    try:
        issued = service_keys.create(
            given["name"],
            [*given["reads"], *given["acts"]],
            expires_at=now + timedelta(days=given["days"]),
            actor=request.user,
            now=now,
        )
    except service_keys.KeyRefused as refused:
        form.add_error(None, str(refused))
        return render(request, "users/service_keys/new.html", {"form": form}, status=422)
    return render(request, "users/service_keys/made.html", {"issued": issued})


@permission(service_keys.REVOKE)
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: StaffRequest, key_id: int) -> HttpResponse:
    """End a key, after a look at what would stop working."""
    key = get_object_or_404(ServiceKey.objects.defer("digest"), pk=key_id)
    if request.method != "POST":
        return render(request, "users/service_keys/revoke.html", {"key": key, "now": time_now()})
    service_keys.revoke(key.pk, actor=request.user, now=time_now())
    messages.success(request, _("Revoked %(name)s. It opens nothing any more.") % {"name": key})
    return redirect("service_keys:list")
