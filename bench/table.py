"""The user table: the whole response of its page, for every order and filter, beside Django's own
changelist of the same rows (bench/changelist.py, in a process of its own)."""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
from collections.abc import Iterable, Iterator

from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from bench.pages import Measured, measure, steadiness
from bench.report import Case, case
from coai_admin.console.wsgi import settle
from users.models import User
from users.roles import Role
from users.services import create_user
from users.table import USERS

FAST, ONE, ANY = 40, 120, 500  # ms; budgets of docs/architecture
MOST_QUERIES = 12
SLOWER = 12

FILTERS = (
    "id=5,500,5000",
    "username=chen",
    "email=%40example.com",
    "email_state=bouncing",
    "email_state=verified",
    "status=active",
    "status=banned",
    "status=suspended",
    "status=limited",
    "status=closed",
    "status=banned&status=suspended&status=limited",
    "restriction=warning",
    "restriction=limit&restriction=suspension",
    "tier=0",
    "tier=3",
    "tier=1&tier=2",
    "credits_min=1000",
    "credits_max=0",
    "used_min=1000",
    "used_max=0",
    "subscription=active",
    "subscription=ended",
    "subscription=none",
    "months_min=12",
    "expires_from=2026-01-01&expires_to=2026-12-31",
    "seen_from=2026-01-01",
    "seen_to=2025-12-31",
    "seen=never",
    "joined_from=2026-06-01",
    "joined_to=2025-06-01",
    "country=CN",
    "country=none",
    "role=none",
    "role=super_admin",
    "flag=no_quota",
)
SEARCHES = ("an", "chen", "%E5%B0%8F", "example", "500", "zzzzzz", "o", "user%40example.com")
TOGETHER = (
    "q=an&tier=2&tier=3&sort=-credits",
    "status=suspended&credits_min=100&sort=expires",
    "country=CN&subscription=active&seen_from=2026-01-01&sort=-used",
    "tier=0&used_min=1000&sort=status",
    "joined_to=2025-06-01&sort=-id",
    "seen=never&status=active&sort=tier",
    "tier=3&credits_max=1&sort=-used",
    "email_state=bouncing&months_min=3&sort=-months",
    "q=example&status=limited&status=banned&sort=username",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this measurement."""
    parser.add_argument("--samples", type=int, default=30, help="of each page (%(default)s)")


def run(options: argparse.Namespace) -> list[Case]:
    """Measure the first and the last page, each order and filter, searches, and several at once."""
    logging.disable(logging.INFO)
    person = _viewer()
    client = Client()
    client.force_login(person)
    settle()  # as the web process does
    table = reverse("users:list")
    pages = {query: f"{table}?{query}" if query else table for query in _queries(person)}
    measured = measure(client, pages, options.samples)
    slowest = max(measured.values(), key=lambda each: each.milliseconds)
    peer = _peer(options.samples)
    first = measured[""].milliseconds
    cases = [
        case("first page", first, "ms", limit=FAST),
        case("last page", measured["before=end"].milliseconds, "ms", limit=FAST),
        case("first page beside ModelAdmin", first, "ms", peer=peer["first"], limit=1 / SLOWER),
        case(
            "last page beside ModelAdmin",
            measured["before=end"].milliseconds,
            "ms",
            peer=peer["last"],
            limit=1 / SLOWER,
        ),
        case(
            "search beside ModelAdmin", measured["q=chen"].milliseconds, "ms", peer=peer["search"]
        ),
        _worst("orders, first pages", measured, _orders(), FAST),
        _worst("orders, last pages", measured, (f"{each}&before=end" for each in _orders()), FAST),
        _worst(
            "orders, deep pages", measured, (query for query in measured if "after=" in query), FAST
        ),
        _worst("filters", measured, FILTERS, ONE),
        _worst("searches", measured, (f"q={each}" for each in SEARCHES), ONE),
        _worst("several at once", measured, TOGETHER, ANY),
        case(
            "most queries", max(each.queries for each in measured.values()), "", limit=MOST_QUERIES
        ),
        steadiness(),
    ]
    for query, each in sorted(measured.items(), key=lambda pair: -pair[1].milliseconds)[:12]:
        print(f"{each}  {query[:90]}")
    print(f"slowest {slowest.milliseconds:.1f} ms")
    return cases


def _viewer() -> User:
    person = User.objects.filter(username="bench").first()
    return person or create_user("bench", role=Role.SUPER_ADMIN)


def _orders() -> list[str]:
    return [
        f"sort={sign}{column.name}" for column in USERS.columns if column.sort for sign in ("", "-")
    ]


def _queries(person: User) -> Iterator[str]:
    """Every page that is measured, the page behind the third one of each order included."""
    yield ""
    yield "before=end"
    for order in _orders():
        yield order
        yield f"{order}&before=end"
        deep = order
        for _step in range(3):
            reading = USERS.read(QueryDict(deep), viewer=person, now=time_now())
            deep = reading.page().next.removeprefix("?") or deep
        yield deep
    yield from FILTERS
    yield from (f"q={word}" for word in SEARCHES)
    yield from TOGETHER


def _worst(name: str, measured: dict[str, Measured], queries: Iterable[str], limit: float) -> Case:
    query, worst = max(
        ((each, measured[each]) for each in queries), key=lambda pair: pair[1].milliseconds
    )
    return case(f"slowest of {name}: {query[:40]}", worst.milliseconds, "ms", limit=limit)


def _peer(samples: int) -> dict[str, float]:
    """Django's changelist of these rows, measured in the same way."""
    command = [sys.executable, "-m", "bench.changelist", str(max(5, samples // 3))]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found
