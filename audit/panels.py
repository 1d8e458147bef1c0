"""The user page is made of panels: what each app has to say about one user, declared as data.

An app declares its own in ``<app>/panels.py``::

    PANELS = (
        Panel(
            name="credits",                      # ?tab=credits
            label=_("Credits"),
            permission="billing.inspect",        # who lacks it does not see the panel
            template="billing/_credits.html",    # reads {{ panel.… }}, what ``load`` returned
            load=load_credits,
        ),
    )

and adds ``"<app>.panels.PANELS"`` to USER_PANELS in settings; the order there is the order on the
page.
``place`` says where it stands: a tab of its own (only the open tab is loaded), or a card on the
overview.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit import reports
from audit.listing import ENTRIES
from audit.models import AuditEntry
from audit.people import Reader
from coai_admin.console.filters import BadParameter


class Place(Enum):
    """Where a panel stands on the user page."""

    TAB = "tab"
    MAIN = "main"
    SIDE = "side"


Load = Callable[[int, Reader, datetime, QueryDict], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel of the user page.

    ``load(user_id, viewer, now, parameters)``: what its template shows, in a constant number of
    queries, masked for this viewer; None leaves the panel out. ``parameters`` is the query string
    of its own tab (a listing reads it, and refuses words it does not know); it is empty for a card.
    """

    name: str
    label: str | Promise
    permission: str
    template: str
    load: Load
    place: Place = Place.TAB


def takes_no_parameters(parameters: QueryDict) -> None:
    """For panels without filters. Raises BadParameter, which names the unknown word."""
    unknown = next((name for name in parameters if name != "tab"), None)
    if unknown is not None:
        raise BadParameter(_("There is no filter named “%(name)s”.") % {"name": unknown[:40]})


# What audit itself shows of a user

_LATEST = 12


def _timeline(user_id: int, viewer: Reader, now: datetime, parameters: QueryDict) -> dict[str, Any]:
    return {
        "lines": reports.latest_about_user(user_id, viewer, limit=_LATEST),
        "only_own": viewer.sees_only_own(reports.INSPECT),
    }


def _entries(user_id: int, viewer: Reader, now: datetime, parameters: QueryDict) -> dict[str, Any]:
    def rows(reader: Any, now: datetime) -> QuerySet[AuditEntry]:
        return reports.about_user(user_id, reader)

    listing = replace(ENTRIES, rows=rows, extra=frozenset({"tab"}))
    reading = listing.read(parameters, viewer=viewer, now=now)
    return {
        "reading": reading,
        "page": reading.page(),
        "only_own": viewer.sees_only_own(reports.INSPECT),
    }


TIMELINE = Panel(
    name="timeline",
    label=gettext_lazy("Timeline"),
    permission=reports.INSPECT,
    template="audit/_timeline.html",
    load=_timeline,
    place=Place.MAIN,
)
RECORD = Panel(
    name="audit",
    label=gettext_lazy("Audit"),
    permission=reports.INSPECT,
    template="audit/_user.html",
    load=_entries,
)
OVERVIEW = (TIMELINE,)
PANELS = (RECORD,)
