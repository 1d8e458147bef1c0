"""Tiers: what each is called and grants, who is in it, and changing that."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from audit import edits
from subscriptions.models import Tier
from subscriptions.reports import in_tiers
from users.access import permission
from users.configuration_forms import TierForm
from users.requests import StaffRequest
from users.views.configuration import Affected, edit_row

EDIT = "subscriptions.edit_tiers"


@permission("subscriptions.inspect_tiers")
@require_safe
def tiers(request: StaffRequest) -> HttpResponse:
    """All tiers side by side, with how many people are in each."""
    counts = in_tiers(time_now())
    rows = [
        (tier, counts.get(tier.level, 0), _listed(tier.level))
        for tier in Tier.objects.order_by("level")
    ]
    return render(
        request,
        "users/configuration/tiers.html",
        {"rows": rows, "may_edit": request.user.may(EDIT)},
    )


def _listed(level: int) -> str:
    return f"{reverse('users:list')}?tier={level}"


@permission(EDIT, asks="to act")
@require_http_methods(["GET", "HEAD", "POST"])
def tier(request: StaffRequest, level: int) -> HttpResponse:
    """Change a tier's name, what it grants, and whether it is offered."""
    row = get_object_or_404(Tier, pk=level)
    return edit_row(
        request,
        row,
        ["name", "description", *(["active"] if level else [])],
        partial(TierForm, tier=row),
        action=EDIT,
        title=_("Tier %(level)s: %(name)s") % {"level": level, "name": row.name},
        section=_("Tiers"),
        back=reverse("tiers:list"),
        affects=partial(_affected, level),
        note=_("Prices and quotas are not kept here yet."),
    )


def _affected(level: int, changes: edits.Changes, now: datetime) -> list[Affected]:
    number = in_tiers(now).get(level, 0)
    people = ngettext("%(n)s user is in this tier.", "%(n)s users are in this tier.", number)
    affected = [Affected(people % {"n": f"{number:,}"}, _listed(level))]
    if "name" in changes or "description" in changes:
        affected.append(Affected(_("They, and colleagues, read the new words at once.")))
    if changes.get("active") == [True, False]:
        affected.append(Affected(_("They stay in it. Nobody else can be put into it.")))
    return affected
