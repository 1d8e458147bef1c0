"""What stands around every page: where one can go, and the clock of the session."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from users.access import owes_second_factor
from users.sessions.middleware import clock


class Place(NamedTuple):
    """A page in the navigation: the name of its URL, and the permission without which it is not
    offered (none: it is everybody's own)."""

    label: str | Promise
    url_name: str
    icon: str
    permission: str = ""


_WITHOUT_PAGES_BELOW = ("home", "account:own", "staff")  # other places stand under their addresses
NAVIGATION: tuple[tuple[str | Promise, tuple[Place, ...]], ...] = (
    (
        "",
        (
            Place(_("Home"), "home", "home", "users.browse"),
            Place(_("Users"), "users:list", "users", "users.browse"),
        ),
    ),
    (
        _("Access"),
        (
            Place(_("Staff"), "staff", "user", "users.inspect_staff"),
            Place(_("Invitations"), "invitations:list", "mail", "users.create"),
            Place(_("Roles"), "roles", "roles", "users.browse"),
        ),
    ),
    (
        _("Records"),
        (
            Place(_("Audit"), "audit", "audit", "audit.inspect"),
            Place(_("Imports"), "imports:list", "import", "imports.inspect"),
        ),
    ),
    (
        _("Configuration"),
        (
            Place(_("Tiers"), "tiers:list", "tiers", "subscriptions.inspect_tiers"),
            Place(_("Reason codes"), "reason_codes:list", "suspend", "users.inspect"),
            Place(_("Settings"), "settings:overview", "settings", "settings.inspect"),
        ),
    ),
    (
        _("Programs"),
        (
            Place(
                _("Service keys"),
                "service_keys:list",
                "integrations",
                "subscriptions.revoke_service_key",
            ),
            Place(_("API"), "api_reference", "link", "users.browse"),
        ),
    ),
    (
        _("You"),
        (
            Place(_("My account"), "account:own", "user"),
            Place(_("Password"), "account:password", "lock"),
            Place(_("Second factor"), "account:second_factor", "key"),
            Place(_("Sessions"), "account:sessions", "device"),
        ),
    ),
)


def context(request: HttpRequest) -> dict[str, Any]:
    """``navigation``, ``session_clock``, ``site_mode``, ``may_search`` (users, from the top of the
    page), ``shortcuts`` (whether single keys are any for this person) and
    ``asks_no_second_factor`` (of staff: development only) for every template."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"site_mode": settings.MODE}
    return {
        "site_mode": settings.MODE,
        "navigation": sections(request),
        "session_clock": _clock(request),
        "may_search": user.may("users.browse") and not owes_second_factor(request),
        "shortcuts": user.uses_shortcuts,
        "asks_no_second_factor": user.is_staff and not settings.REQUIRE_STAFF_MFA,
    }


def sections(request: HttpRequest) -> list[dict[str, Any]]:
    """Where this person can go, by section: ``label`` and ``items`` (label, url, icon, current)."""
    found = []
    for label, places in NAVIGATION:
        items = [_item(request, place) for place in places if _offered(request, place)]
        if items:
            found.append({"label": label, "items": items})
    return found


def _offered(request: HttpRequest, place: Place) -> bool:
    user = request.user
    assert user.is_authenticated
    if user.must_change_password or owes_second_factor(request):
        return place.url_name == "account:password"
    return not place.permission or user.may(place.permission)


def _item(request: HttpRequest, place: Place) -> dict[str, Any]:
    url = reverse(place.url_name)
    is_whole = place.url_name in _WITHOUT_PAGES_BELOW
    current = request.path == url if is_whole else request.path.startswith(url)
    return {"label": place.label, "url": url, "icon": place.icon, "current": current, "count": None}


def _clock(request: HttpRequest) -> dict[str, Any] | None:
    ends = clock(request)
    if ends is None:
        return None
    return {**ends._asdict(), "ping_url": reverse("account:ping")}
