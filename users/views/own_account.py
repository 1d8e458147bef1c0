"""One's own account at a glance, and whether keys are shortcuts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audit.models import AuditEntry
from users.access import own_account
from users.models import Preferences, Session
from users.requests import StaffRequest
from users.second_factor import authenticators
from users.sign_in import step_up

_SIGN_INS = 10


@own_account
@require_safe
def own(request: StaffRequest) -> HttpResponse:
    """Password, second factor, sessions, shortcuts and the last sign-ins."""
    user, now = request.user, time_now()
    chosen = Preferences.objects.filter(user=user).first()
    context = {
        "enrolment": authenticators.enrolment(user),
        "required": settings.REQUIRE_STAFF_MFA and user.is_staff,
        "sessions": Session.objects.filter(user=user, expire_date__gt=now).count(),
        "confirmed_until": step_up.ends_at(request, now=now),
        "shortcuts": chosen.shortcuts if chosen else True,
        "sign_ins": list(_sign_ins(user.pk)),
    }
    return render(request, "account/own.html", context)


def _sign_ins(user_id: int) -> Iterable[dict[str, Any]]:
    entries = AuditEntry.objects.filter(
        action="account.sign_in", target_type="user", target_id=user_id, actor_id=user_id
    ).select_related("personal")
    for entry in entries.order_by("-created_at", "-pk")[:_SIGN_INS]:
        yield {
            "at": entry.created_at,
            "ip": entry.personal.ip,
            "second_factor": entry.changes.get("second_factor", ""),
        }


@own_account
@require_POST
def shortcuts(request: StaffRequest) -> HttpResponse:
    """Whether keys are shortcuts for this person, in every browser."""
    on = request.POST.get("shortcuts") == "on"
    Preferences.objects.update_or_create(user=request.user, defaults={"shortcuts": on})
    messages.success(request, _("Shortcuts are on.") if on else _("Shortcuts are off."))
    return redirect("account:own")
