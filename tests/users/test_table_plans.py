"""How PostgreSQL reads the user table. Sequential scans and sorts are forbidden to the planner;
one that stands in a plan nevertheless is there because no index fits the statement's words."""

import json
import random
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Mod
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from billing.models import Statistics
from coai_admin.console import counts
from tests.factories import make_staff, make_users
from tests.users.crowd import NOW
from users.models import Restriction, User
from users.roles import Role
from users.table import USERS

pytestmark = pytest.mark.django_db

SIZE = 400
LARGE = {
    "users_user",
    "users_restriction",
    "subscriptions_standing",
    "subscriptions_subscription",
    "billing_statistics",
    "billing_account",
}

# By which index an order is walked; where rows are divided into segments, each has its own.
ORDERS = {
    "username": {"user_username_unique"},
    "id": {"users_user_pkey"},
    "email": {"user_email_unique", "user_no_email"},
    "status": {"users_user_pkey", "user_closed"},
    "tier": {"standing_by_tier"},
    "credits": {"statistics_balance"},
    "used": {"statistics_used"},
    "subscription": {"standing_subscribed", "subscriptions_standing_pkey"},
    "months": {"standing_by_months"},
    "expires": {"standing_by_end", "standing_endless"},
    "seen": {"user_seen"},
    "joined": {"user_joined_seen"},
    "country": {"user_country"},
    "role": {"user_staff", "users_user_pkey"},
}
# Which index finds the few whom a filter asks for. What most users are is read until enough are
# found.
FILTERS = {
    "id=5,500,5000": {"users_user_pkey"},
    "username=chen": {"user_username_trgm"},
    "username=chén": {"user_plain_name_trgm"},
    "username=o": {"user_username_trgm"},
    "email=%40example.com": {"user_email_trgm"},
    "email=ana%40example.com": {"user_email_trgm"},
    "email_state=bouncing": {"user_email_state"},
    "email_state=none": {"user_no_email"},
    "status=banned": {"restriction_unlifted"},
    "status=suspended": {"restriction_unlifted"},
    "status=limited": {"restriction_unlifted"},
    "status=closed": {"user_closed"},
    "restriction=warning": {"restriction_unlifted"},
    "reason=spam": {"restriction_unlifted", "users_restriction_reason_id_ca71d8a7"},
    "restricted_to=2026-12-31": {"restriction_unlifted", "users_restriction_user_id_1cee4b94"},
    "tier=3": {"standing_by_tier"},
    "credits_min=1000": {"statistics_balance"},
    "credits_max=0": {"statistics_balance"},
    "used_min=1000": {"statistics_used"},
    "used_max=0": {"statistics_used"},
    "subscription=active": {"standing_subscribed", "standing_by_end"},
    "subscription=ended": {"standing_subscribed", "standing_by_end"},
    "months_min=12": {"standing_by_months"},
    "expires_from=2026-01-01&expires_to=2026-12-31": {"standing_by_end"},
    "seen_from=2026-11-01": {"user_seen"},
    "seen_to=2025-12-31": {"user_seen"},
    "seen=never": {"user_seen", "user_joined_seen"},  # whoever it is true of is found in both
    "joined_from=2026-06-01": {"user_joined_seen"},
    "joined_to=2025-06-01": {"user_joined_seen"},
    "country=CN": {"user_country"},
    "country=none": {"user_country"},
    "role=super_admin": {"user_staff"},
    "flag=no_quota": {"user_import_flags"},
    "q=chen": {"user_username_trgm", "user_email_trgm"},
    "q=500": {"user_username_trgm", "user_email_trgm", "users_user_pkey"},
}


@pytest.fixture(scope="module")
def crowd(django_db_setup, django_db_blocker):
    """Some hundred users with facts of every kind, known to the planner; and who looks."""
    with django_db_blocker.unblock(), transaction.atomic():
        viewer = make_staff(Role.SUPER_ADMIN, joined_at=NOW)
        _make_people(make_users(SIZE))
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {', '.join(sorted(LARGE))}")
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
        yield viewer
        transaction.set_rollback(True)


def _make_people(ids):
    chance = random.Random(7)
    for pk in ids:
        User.objects.filter(pk=pk).update(
            joined_at=NOW - timedelta(hours=chance.randrange(9_000)),
            last_seen_at=chance.choice([None, NOW - timedelta(hours=chance.randrange(9_000))]),
            country=chance.choice(["CN", "DE", "US", "FR", ""]),
            email=chance.choice([None, *[f"p{pk}@example.com"] * 9]),
            closed_at=chance.choice([NOW, *[None] * 20]),
        )
    Statistics.objects.filter(user__in=ids).update(
        balance=Mod(F("user_id"), 97), used=Mod(F("user_id"), 89)
    )
    Restriction.objects.bulk_create(
        Restriction(
            user_id=pk,
            kind=chance.choice(["limit", "suspension", "warning"]),
            reason_id="spam",
            starts_at=NOW - timedelta(days=3),
            ends_at=chance.choice([None, NOW + timedelta(days=3)]),
            lifted_at=None if number % 9 == 0 else NOW,  # most are over, as they are in life
        )
        for number, pk in enumerate(ids * 3)
    )


def plans(query, viewer):
    """The plans of every statement that a page of the table needs, and the page."""
    with CaptureQueriesContext(connection) as asked:
        page = USERS.read(QueryDict(query), viewer=viewer, now=NOW).page()
    found = []
    for each in asked.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {each['sql']}")
            [[plan]] = cursor.fetchall()
        plan = json.loads(plan) if isinstance(plan, str) else plan
        found.append(plan[0]["Plan"])
    return found, page


def nodes(plan):
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def scanned(found):
    """The large tables that are read from end to end."""
    return [
        node["Relation Name"]
        for plan in found
        for node in nodes(plan)
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE
    ]


def relations(plan):
    return {node["Relation Name"] for node in nodes(plan) if "Relation Name" in node}


def indexes(found):
    return {node["Index Name"] for plan in found for node in nodes(plan) if "Index Name" in node}


def sorted_within(plan):
    """Sorts of all that a segment holds. (The few rows of all segments together are sorted on top,
    and names that are equal but for their case by id, incrementally.)"""
    parts = [node for node in nodes(plan) if node["Node Type"] == "Append"]
    roots = [part for append in parts for part in append["Plans"]] or [plan]
    return [node for root in roots for node in nodes(root) if node["Node Type"] == "Sort"]


def test_every_order_and_every_filter_is_looked_at():
    assert set(ORDERS) == {column.name for column in USERS.columns if column.sort}


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("name", sorted(ORDERS))
def test_order_is_walked_along_its_index(name, sign, crowd):
    order = f"sort={sign}{name}"
    pages = [order, f"{order}&before=end"]
    for _step in range(6):  # through every segment
        _found, page = plans(pages[-1] if len(pages) > 2 else order, crowd)
        if not page.next:
            break
        pages.append(page.next.removeprefix("?"))
    used = set()
    for query in pages:
        found, _page = plans(query, crowd)
        assert scanned(found) == [], query
        positions = [plan for plan in found if "_key" in json.dumps(plan) or _is_position(plan)]
        assert [node for plan in positions for node in sorted_within(plan)] == [], query
        used |= indexes(found)
    assert used & ORDERS[name], used


@pytest.mark.parametrize("query", ["sort=status", "sort=-status&before=end", "status=suspended"])
def test_few_of_a_status_are_found_in_indexes_alone(query, crowd):
    found, _page = plans(query, crowd)
    finding = next(plan for plan in found if relations(plan) == {"users_user", "users_restriction"})
    people = [node for node in nodes(finding) if node.get("Relation Name") == "users_user"]
    assert {node["Node Type"] for node in people} == {"Index Only Scan"}


def test_newest_of_many_seen_long_ago_are_found_without_reading_the_others(crowd, monkeypatch):
    monkeypatch.setattr(counts, "CAP", 10)  # as if these were many
    found, page = plans("seen_to=2025-12-31", crowd)
    [walk] = [plan for plan in found if _is_position(plan)]
    assert page.rows
    assert [(node["Node Type"], node["Index Name"]) for node in nodes(walk) if node != walk] == [
        ("Index Only Scan", "user_joined_seen")
    ]


def _is_position(plan):
    return plan["Node Type"] == "Limit" and not any(
        node["Node Type"] == "Aggregate" for node in nodes(plan)
    )


@pytest.mark.parametrize("query", FILTERS)
def test_filter_finds_its_rows_through_its_index(query, crowd):
    found, _page = plans(query, crowd)
    assert scanned(found) == []
    counting = next(plan for plan in found if "users_user" in json.dumps(plan))
    assert indexes([counting]) & FILTERS[query], indexes([counting])


def test_plan_without_a_fitting_index_is_noticed(crowd):
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT before")
        cursor.execute("DROP INDEX user_seen")
    try:
        found, _page = plans("sort=seen", crowd)
        assert [node for plan in found for node in sorted_within(plan)]
        found, _page = plans("seen=never", crowd)
        assert "user_seen" not in indexes(found)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK TO before")
