"""The command palette: a fragment for the dialog that scripts open, and a page for who has none."""

from __future__ import annotations

import re

from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from coai_admin.console.filters import BadParameter
from users import palette as palettes
from users.access import permission
from users.navigation import pages
from users.requests import StaffRequest
from users.table.meanings import BIGGEST_ID
from users.views.users import BROWSE, KEY

_PARAMETERS = {"q", "user"}
_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)  # Python reads no number of thousands of digits


@permission(BROWSE)
@require_safe
def palette(request: StaffRequest) -> HttpResponse:
    """What ``q`` finds; ``user`` is the id of the user whose page is open."""
    unknown = next((name for name in request.GET if name not in _PARAMETERS), None)
    if unknown is not None:
        raise BadParameter(_("There is no parameter named “%(name)s”.") % {"name": unknown[:40]})
    text = request.GET.get("q", "").strip()
    if text.startswith(KEY):
        raise BadRequest(
            _("A whole API key must not stand in an address. Put it into the search box.")
        )
    groups = palettes.find(
        text,
        viewer=request.user,
        now=time_now(),
        pages=[item._asdict() for item in pages(request)],
        about=_about(request),
    )
    template = "users/_palette.html" if request.htmx else "users/palette.html"
    number = sum(len(group.found) for group in groups)
    context = {"groups": groups, "text": text, "number": number, "in_dialog": bool(request.htmx)}
    return render(request, template, context)


def _about(request: StaffRequest) -> int | None:
    text = request.GET.get("user", "")
    if not text:
        return None
    if not (_NUMBER.fullmatch(text) and int(text) <= BIGGEST_ID):
        raise BadParameter(_("“user” is not the ID of a user."))
    return int(text)
