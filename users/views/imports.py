"""Imports: which there were, and what became of everything that was read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from coai_admin.console.templatetags.console import credits
from users.access import permission
from users.import_models import ImportRun, LegacyRow
from users.imports.anomalies import CONFLICTS, REASONS, Kind, kind
from users.imports.passwords import how_many
from users.requests import StaffRequest
from users.roles import Role

_QUARANTINED_SHOWN = 50
_MILLION = 1_000_000


class Oddity(NamedTuple):
    """One kind of oddity on the page, with the users it concerns, where it concerns users."""

    kind: Kind
    number: int
    url: str


@permission("imports.inspect")
@require_safe
def runs(request: StaffRequest) -> HttpResponse:
    """All imports, the newest first."""
    return render(
        request,
        "users/imports/list.html",
        {"runs": ImportRun.objects.defer("password_marks").order_by("-started_at", "-pk")},
    )


@permission("imports.inspect")
@require_safe
def report(request: StaffRequest, run_id: int) -> HttpResponse:
    """The report of one import: sums, tables, oddities, what could not be taken over."""
    run = get_object_or_404(ImportRun.objects.defer("password_marks"), pk=run_id)
    quarantined = LegacyRow.objects.filter(source=run.source, state=LegacyRow.State.QUARANTINED)
    context = {
        "run": run,
        "report": run.report,
        "figures": _figures(run),
        "tables": sorted(run.report.get("tables", {}).items()),
        "oddities": _oddities(run.report),
        "passwords": how_many(run.source),
        "admins_became": Role(run.map_admins or Role.NONE).label,
        "conflicts": _conflicts(run.report),
        "vanished": sorted(run.report.get("vanished", {}).items()),
        "warnings": run.report.get("source", {}).get("warnings", []),
        "totals": _totals(run.report),
        "reasons": [
            (table, REASONS.get(reason, reason), number)
            for table, reason, number in quarantined.values_list("table_name", "reason")
            .annotate(number=Count("pk"))
            .order_by("-number", "table_name", "reason")[:_QUARANTINED_SHOWN]
        ],
    }
    return render(request, "users/imports/report.html", context)


def _conflicts(report: dict[str, Any]) -> list[tuple[str | Promise, int]]:
    found = report.get("conflicts", {}).items()
    return [(CONFLICTS.get(name, name), number) for name, number in found]


def _totals(report: dict[str, Any]) -> dict[str, int]:
    """The tables added up; empty where there is but one."""
    tables = report.get("tables", {}).values()
    states = ("read", "imported", "kept", "quarantined")
    return {state: sum(counts[state] for counts in tables) for state in states} if tables else {}


def _figures(run: ImportRun) -> list[dict[str, Any]]:
    report = run.report
    tables = report.get("tables", {})
    sums = report.get("sums", {})
    return [
        {"label": _("accounts"), "value": f"{tables.get('auth', {}).get('imported', 0):,}"},
        {"label": _("credits held"), **_credits(sums, "quota")},
        {"label": _("credits used before"), **_credits(sums, "used")},
        {
            "label": _("live subscriptions"),
            "value": f"{sum(report.get('active_by_level', {}).values()):,}",
            "more": _by_tier(report.get("active_by_level", {})),
        },
        {"label": _("were admins"), "value": f"{report.get('admins', 0):,}"},
        {"label": _("were banned"), "value": f"{report.get('banned', 0):,}"},
    ]


def _credits(sums: dict[str, str], name: str) -> dict[str, str]:
    """In large to the cent, millions to the credit, so that it fits on a line; exact below."""
    if name not in sums:
        return {"value": ""}
    exact = Decimal(sums[name])
    shown = round(exact, 2) if abs(exact) < _MILLION else round(exact, 0)
    large = credits(shown) if abs(exact) < _MILLION else credits(shown).removesuffix(".00")
    return {"value": large, "more": credits(exact) if exact != shown else ""}


def _by_tier(active: dict[str, int]) -> str:
    return ", ".join(
        _("tier %(tier)s: %(number)s") % {"tier": tier, "number": f"{number:,}"}
        for tier, number in sorted(active.items())
    )


def _oddities(report: dict[str, Any]) -> list[Oddity]:
    """What was found, the commonest first; kinds of which there are none are left out."""
    found = sorted(report.get("anomalies", {}).items(), key=lambda item: (-item[1], item[0]))
    users = reverse("users:list")
    return [
        Oddity(kind(name), number, f"{users}?flag={name}" if kind(name).per_user else "")
        for name, number in found
        if number
    ]
