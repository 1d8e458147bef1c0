"""What the user page shows of a person: the account, where it came from, and access."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from audit.panels import Panel, Place, takes_no_parameters
from audit.people import Reader
from users import reports
from users.imports import anomalies
from users.profile import remarks


def _account(user_id: int, viewer: Reader, now: datetime, parameters: QueryDict) -> dict[str, Any]:
    """Little of its own: the page knows the person already."""
    return {"sees_logins": viewer.may("users.inspect_logins")}


_NOTES_SHOWN = 3


def _notes(user_id: int, viewer: Reader, now: datetime, parameters: QueryDict) -> dict[str, Any]:
    found = remarks.notes(user_id)
    return {"notes": found[:_NOTES_SHOWN], "older": found[_NOTES_SHOWN:]}


def _origin(
    user_id: int, viewer: Reader, now: datetime, parameters: QueryDict
) -> dict[str, Any] | None:
    """Only for those who came by an import."""
    origin = reports.origin(user_id)
    if origin is None:
        return None
    return {"origin": origin, "flags": [anomalies.kind(flag) for flag in origin.import_flags]}


def _access(user_id: int, viewer: Reader, now: datetime, parameters: QueryDict) -> dict[str, Any]:
    takes_no_parameters(parameters)
    sees_logins = viewer.may("users.inspect_logins")
    return {
        "now": now,
        "restrictions": reports.restrictions(user_id),
        "password_links": reports.password_links(user_id, viewer, now),
        "sees_logins": sees_logins,
        "sessions": reports.sessions(user_id, viewer, now) if sees_logins else [],
        "api_keys": reports.api_keys(user_id),
    }


ACCOUNT = Panel(
    name="account",
    label=_("Account"),
    permission="users.inspect",
    template="users/_user_account.html",
    load=_account,
    place=Place.SIDE,
)
ORIGIN = Panel(
    name="origin",
    label=_("Import"),
    permission="users.inspect",
    template="users/_user_origin.html",
    load=_origin,
    place=Place.SIDE,
)
ACCESS = Panel(
    name="access",
    label=_("Access"),
    permission="users.inspect",
    template="users/_user_access.html",
    load=_access,
)
NOTES = Panel(
    name="notes",
    label=_("Notes"),
    permission="users.inspect",
    template="users/_user_notes.html",
    load=_notes,
    place=Place.SIDE,
)
OVERVIEW = (NOTES, ACCOUNT)
PANELS = (ACCESS, ORIGIN)
