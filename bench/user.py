"""The user page: the whole response of each of its tabs for somebody with a history. Beside it the
quick look and the command palette."""

from __future__ import annotations

import argparse
import logging
from decimal import Decimal
from urllib.parse import urlencode

from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit.panels import Place
from audit.registry import user_panels
from bench.pages import Measured, measure, steadiness
from bench.report import Case, case
from billing.services import adjust_credits
from coai_admin.console.wsgi import settle
from users.models import User
from users.restrictions.services import lift_restriction, suspend
from users.roles import Role
from users.services import create_user

LIMIT, MOST_QUERIES = 60, 20
_ACTS = 40
TEXTS = ("", "an", "chen", "500", "zzzzzz", "chen suspend", "user@example.com", "o")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this measurement."""
    parser.add_argument("--samples", type=int, default=30, help="of each page (%(default)s)")


def run(options: argparse.Namespace) -> list[Case]:
    """Measure every tab, the quick look, and what the palette finds."""
    logging.disable(logging.INFO)
    viewer = User.objects.filter(username="bench").first() or create_user(
        "bench", role=Role.SUPER_ADMIN
    )
    client = Client()
    client.force_login(viewer)
    person = _with_a_past(viewer)
    page = reverse("user", args=[person])
    tabs = [f"tab={each.name}" for each in user_panels() if each.place is Place.TAB]
    pages = {"user page": page, **{f"user page {tab}": f"{page}?{tab}" for tab in tabs}}
    pages["quick look"] = reverse("user_look", args=[person])
    palette = reverse("palette")
    texts = {
        f"palette: {text or 'nothing typed'}": f"{palette}?{urlencode({'q': text})}"
        for text in TEXTS
    }
    settle()  # as the web process does
    measured = measure(client, {**pages, **texts}, options.samples)
    for name, each in measured.items():
        print(f"{each}  {name}")
    found = {name: measured[name] for name in texts}
    shown = {name: measured[name] for name in pages}
    return [*_cases(shown), _slowest("palette", found), _most(found), steadiness()]


def _cases(pages: dict[str, Measured]) -> list[Case]:
    return [
        *(case(name, each.milliseconds, "ms", limit=LIMIT) for name, each in pages.items()),
        _most(pages),
    ]


def _slowest(what: str, pages: dict[str, Measured]) -> Case:
    name, slowest = max(pages.items(), key=lambda pair: pair[1].milliseconds)
    return case(f"slowest of the {what} ({name})", slowest.milliseconds, "ms", limit=LIMIT)


def _most(pages: dict[str, Measured]) -> Case:
    name, most = max(pages.items(), key=lambda pair: pair[1].queries)
    return case(f"most queries ({name})", most.queries, "", limit=MOST_QUERIES)


def _with_a_past(actor: User) -> int:
    """Somebody of the middle, to whom much was done."""
    person = User.objects.filter(pk__gte=User.objects.count() // 2).order_by("pk").first()
    assert person is not None
    now = time_now()
    for number in range(_ACTS):  # each an act of its own, as staff do them
        adjust_credits(
            [person.pk], actor=actor, delta=Decimal(number + 1), reason=f"Payment {number}"
        )
    suspend([person.pk], actor=actor, reason_code="spam", ends_at=None, reason="Sent spam", now=now)
    lift_restriction([person.pk], actor=actor, reason="It was not spam", now=now)
    return person.pk
