"""What stands around every page: where one can go, and the clock of the session."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import get_script_prefix, reverse
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from users import approvals
from users.access import owes_second_factor
from users.models import User
from users.sessions.middleware import clock


class Place(NamedTuple):
    """A page in the navigation: the name of its URL, and the permission without which it is not
    offered (none: it is everybody's own). ``part_of``: the place that it stands in; the navigation
    then shows that one instead. ``waiting``: how much waits there for somebody."""

    label: str | Promise
    url_name: str
    icon: str
    permission: str = ""
    part_of: str = ""
    waiting: Callable[[User], int] | None = None


class Item(NamedTuple):
    """A place as it is offered; ``current``: the page that is open stands there; ``waiting``: how
    much waits there, if anything."""

    label: str
    url: str
    icon: str
    current: bool
    waiting: int = 0


class Section(NamedTuple):
    """Places that belong together."""

    label: str
    items: tuple[Item, ...]


_OWN = "account:own"
_PASSWORD = "account:password"  # noqa: S105 — the name of a URL
_WITHOUT_PAGES_BELOW = ("home", _OWN, "staff")  # other places stand under their addresses
NAVIGATION: tuple[tuple[str | Promise, tuple[Place, ...]], ...] = (
    (
        "",
        (
            Place(_("Home"), "home", "home", "users.browse"),
            Place(_("Users"), "users:list", "users", "users.browse"),
            Place(_("Runs"), "runs:list", "runs", "audit.inspect"),
            Place(_("Views"), "views:list", "bookmark", "users.browse", part_of="users:list"),
            Place(
                _("Import users"), "uploads:list", "import", "imports.users", part_of="users:list"
            ),
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
            Place(
                _("Approvals"),
                "approvals:list",
                "approvals",
                approvals.DECIDE,
                waiting=approvals.shelf.waiting,
            ),
            Place(_("Audit"), "audit", "audit", "audit.inspect"),
            Place(_("Imports"), "imports:list", "import", "imports.inspect"),
            Place(_("Exports"), "exports:list", "export", "exports.download"),
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
            Place(_("My account"), _OWN, "user"),
            Place(_("Password"), _PASSWORD, "lock", part_of=_OWN),
            Place(_("Second factor"), "account:second_factor", "key", part_of=_OWN),
            Place(_("Sessions"), "account:sessions", "device", part_of=_OWN),
        ),
    ),
)
_PLACES = {place.url_name: place for _label, some in NAVIGATION for place in some}


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


def sections(request: HttpRequest) -> tuple[Section, ...]:
    """Where this person can go: the places, without their parts."""
    offered, current = _asked(request)
    whole = frozenset(name for name in offered if _PLACES[name].part_of not in offered)
    here = frozenset(name if name in whole else _PLACES[name].part_of for name in current)
    counts = frozenset((name, number) for name in whole if (number := _count(name, request)))
    return _sections(whole, here, get_script_prefix(), get_language(), counts)


def _count(name: str, request: HttpRequest) -> int:
    waiting = _PLACES[name].waiting
    return waiting(request.user) if waiting else 0  # type: ignore[arg-type]


def pages(request: HttpRequest, *, within: str = "") -> list[Item]:
    """Every place that this person is offered; or only the place of that name, and its parts."""
    offered, current = _asked(request)
    found = _sections(offered, current, get_script_prefix(), get_language())
    wanted = {name for name in offered if within in ("", name, _PLACES[name].part_of)}
    urls = {_addresses(get_script_prefix())[name] for name in wanted}
    return [item for section in found for item in section.items if item.url in urls]


def _asked(request: HttpRequest) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the places that are offered, and of those where the open page stands."""
    addresses = _addresses(get_script_prefix())
    offered = frozenset(filter(_offer(request), addresses))
    here = (name for name in offered if _stands_at(name, addresses[name], request.path))
    return offered, frozenset(here)


def _offer(request: HttpRequest) -> Callable[[str], bool]:
    """Which places this person is offered, by the name of their URL."""
    user = request.user
    assert user.is_authenticated
    if user.must_change_password or owes_second_factor(request):
        return _PASSWORD.__eq__
    return lambda name: not _PLACES[name].permission or user.may(_PLACES[name].permission)


def _stands_at(name: str, address: str, path: str) -> bool:
    return path == address if name in _WITHOUT_PAGES_BELOW else path.startswith(address)


@lru_cache(maxsize=16)
def _addresses(_prefix: str) -> dict[str, str]:
    return {name: reverse(name) for name in _PLACES}


@lru_cache(maxsize=256)
def _sections(
    offered: frozenset[str],
    current: frozenset[str],
    prefix: str,
    _language: str | None,
    counts: frozenset[tuple[str, int]] = frozenset(),
) -> tuple[Section, ...]:
    """The navigation that offers these places: the same for all who are offered the same."""
    addresses, waiting = _addresses(prefix), dict(counts)
    found = (
        Section(
            str(label),
            tuple(
                Item(
                    str(each.label),
                    addresses[name],
                    each.icon,
                    name in current,
                    waiting.get(name, 0),
                )
                for each in places
                if (name := each.url_name) in offered
            ),
        )
        for label, places in NAVIGATION
    )
    return tuple(section for section in found if section.items)


def _clock(request: HttpRequest) -> dict[str, Any] | None:
    ends = clock(request)
    if ends is None:
        return None
    return {**ends._asdict(), "ping_url": reverse("account:ping")}
