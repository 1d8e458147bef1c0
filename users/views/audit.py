"""The audit log: entries as a list, and one entry whole."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audit import reports
from audit.listing import ENTRIES
from coai_admin.console.errors import answer
from coai_admin.console.listing import WrongFilter
from users.access import permission
from users.requests import StaffRequest


@permission(reports.INSPECT)
@require_safe
def entries(request: StaffRequest) -> HttpResponse:
    """What was done, newest first, as this role may read it. A filter that is not understood is
    asked for again, with the reason beside it."""
    only_own = request.user.sees_only_own(reports.INSPECT)
    try:
        reading = ENTRIES.read(request.GET, viewer=request.user, now=time_now())
    except WrongFilter as wrong:
        context = {"reading": wrong.reading, "wrong": str(wrong), "only_own": only_own}
        return render(request, "audit/entries.html", context, status=400)
    context = {"reading": reading, "page": reading.page(), "only_own": only_own}
    return render(request, "audit/entries.html", context)


@permission(reports.INSPECT)
@require_safe
def entry(request: StaffRequest, entry_id: int) -> HttpResponse:
    """One entry with everything it recorded. Of entries that one may not read, nothing is told."""
    line = reports.line(entry_id, request.user)
    if line is None:
        sentence = _("There is no entry %(id)s in the part of the log that you may read.")
        return answer(request, 404, message=sentence % {"id": entry_id})
    return render(request, "audit/entry.html", {"line": line})
