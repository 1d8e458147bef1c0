"""The user table against plain Python over a crowd of every kind: each order, each filter, every
page."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.http import QueryDict

from coai_admin.console import counts
from coai_admin.console.filters import BadParameter
from coai_admin.console.listing import WrongFilter
from tests.factories import make_staff, make_users
from tests.users.crowd import KEYS, NOW, in_order, make_crowd
from users.models import User
from users.roles import Role
from users.table import USERS

pytestmark = pytest.mark.django_db

SMALL = replace(USERS, page_size=11)
DAY = NOW.date()
START = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)


@pytest.fixture(scope="module")
def crowd(django_db_setup, django_db_blocker):
    """One crowd for all tests of this file: each of them is rolled back to it."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_crowd()
        transaction.set_rollback(True)


@pytest.fixture
def viewer():
    return make_staff(Role.SUPER_ADMIN, joined_at=datetime(2020, 1, 1, tzinfo=UTC))


def read(query, viewer, listing=SMALL):
    return listing.read(QueryDict(query), viewer=viewer, now=NOW)


def walk(query, viewer, *, forwards=True, between=lambda: None):
    """The ids of every page in turn, from the first to the last or back. (Going back one ends on a
    full first page, of which some were seen already.)"""
    page = read(query if forwards else f"{query}&before=end", viewer).page()
    ids = []
    while True:
        rows = [row.pk for row in page.rows]
        ids += rows if forwards else [pk for pk in rows[::-1] if pk not in ids]
        link = page.next if forwards else page.previous
        if not link:
            return ids
        between()
        page = read(link[1:], viewer).page()


def only(crowd):
    """A query that leaves out everybody who is not of the crowd."""
    return f"id={','.join(map(str, crowd))}"


@pytest.mark.parametrize("few", [True, False], ids=["few", "many"])
@pytest.mark.parametrize("sort", [f"{sign}{name}" for name in KEYS for sign in ("", "-")])
def test_sort_orders_as_python_does(sort, few, crowd, viewer, monkeypatch):
    if not few:
        monkeypatch.setattr(counts, "CAP", 20)
    expected = in_order(crowd.values(), sort)
    assert walk(f"sort={sort}&{only(crowd)}", viewer) == expected
    assert walk(f"sort={sort}&{only(crowd)}", viewer, forwards=False) == expected[::-1]
    reading = read(f"sort={sort}&{only(crowd)}", viewer)
    assert list(reading.ordered().values_list("pk", flat=True)) == expected


@pytest.mark.parametrize("sort", ["-joined", "credits", "-expires", "status", "email", "-id"])
def test_pages_lose_nobody_while_users_join(sort, crowd, viewer, monkeypatch):
    monkeypatch.setattr(counts, "CAP", 20)
    seen = walk(f"sort={sort}", viewer, between=lambda: make_users(3))
    assert len(seen) == len(set(seen))
    assert set(crowd) <= set(seen)


def test_page_before_the_second_is_the_first_even_when_it_has_grown(viewer):
    make_users(30)
    first = read("sort=-id", viewer).page()
    second = read(first.next[1:], viewer).page()
    make_users(3)
    back = read(second.previous[1:], viewer).page()
    assert [row.pk for row in back.rows] == [row.pk for row in first.rows]
    newest = read(back.previous[1:], viewer).page()
    assert len(newest.rows) == SMALL.page_size
    assert newest.previous == ""


def test_last_page_leads_nowhere_further(crowd, viewer):
    last = read(f"sort=credits&before=end&{only(crowd)}", viewer).page()
    assert [row.pk for row in last.rows] == in_order(crowd.values(), "credits")[-11:]
    assert last.next == ""
    assert last.previous


def within(value, low, high):
    return value is not None and (low is None or value >= low) and (high is None or value < high)


def day(offset):
    return (DAY + timedelta(days=offset)).isoformat()


def at(offset):
    return START + timedelta(days=offset)


FILTERS = {
    "status=banned": lambda one: one.status == "banned",
    "status=suspended": lambda one: one.status == "suspended",
    "status=limited": lambda one: one.status == "limited",
    "status=active": lambda one: one.status == "active",
    "status=closed": lambda one: one.status == "closed",
    "status=banned&status=suspended": lambda one: one.status in {"banned", "suspended"},
    "status=banned&status=limited": lambda one: one.status in {"banned", "limited"},
    "status=banned&status=suspended&status=limited": lambda one: (
        one.status in {"banned", "suspended", "limited"}
    ),
    "status=closed&status=limited": lambda one: one.status in {"closed", "limited"},
    "status=active&status=suspended": lambda one: one.status in {"active", "suspended"},
    "status=active&status=closed&status=banned": lambda one: (
        one.status in {"active", "closed", "banned"}
    ),
    "status=active&status=closed&status=banned&status=suspended&status=limited": lambda one: True,
    f"restricted_to={day(3)}": lambda one: (
        bool(one.kinds & {"warning"}) or one.status in {"banned", "suspended", "limited"}
    ),
    "restriction=warning": lambda one: "warning" in one.kinds,
    "restriction=limit&restriction=suspension": lambda one: bool(
        one.kinds & {"limit", "suspension"}
    ),
    "tier=0": lambda one: one.tier == 0,
    "tier=3": lambda one: one.tier == 3,
    "tier=0&tier=2": lambda one: one.tier in {0, 2},
    "tier=1&tier=3": lambda one: one.tier in {1, 3},
    "credits_min=50": lambda one: one.credits >= 50,
    "credits_max=-0.01": lambda one: one.credits < 0,
    "credits_min=0&credits_max=0": lambda one: one.credits == 0,
    "used_min=0.000001": lambda one: one.used > 0,
    "used_max=0": lambda one: one.used == 0,
    "subscription=active": lambda one: one.subscription == "active",
    "subscription=ended": lambda one: one.subscription == "ended",
    "subscription=none&subscription=ended": lambda one: one.subscription != "active",
    "months_min=1": lambda one: one.months >= 1,
    "months_max=-1": lambda one: one.months <= -1,
    f"expires_from={day(0)}": lambda one: within(one.ends_at, at(0), None),
    f"expires_to={day(0)}": lambda one: within(one.ends_at, None, at(1)),
    f"expires_from={day(1)}&expires_to={day(2)}": lambda one: within(one.ends_at, at(1), at(3)),
    f"seen_from={day(-1)}": lambda one: within(one.seen, at(-1), None),
    f"seen_to={day(-2)}": lambda one: within(one.seen, None, at(-1)),
    "expiring=2": lambda one: within(one.ends_at, NOW, NOW + timedelta(days=2)),
    "second_factor=off": lambda one: True,
    f"password_to={day(-1)}": lambda one: False,
    "tag=none": lambda one: True,
    "seen=never": lambda one: one.seen is None,
    f"joined_from={day(-1)}": lambda one: one.joined >= at(-1),
    f"joined_to={day(-1)}": lambda one: one.joined < at(0),
    "country=CN": lambda one: one.country == "CN",
    "country=cn,none": lambda one: one.country in {"CN", ""},
    "role=support": lambda one: one.role == "support",
    "role=none": lambda one: one.role == "none",
    "flag=no_quota": lambda one: "no_quota" in one.flags,
    "flag=was_admin, unheard_of": lambda one: "was_admin" in one.flags,
    "email_state=verified": lambda one: one.known_email == "verified",
    "email_state=pending&email_state=none": lambda one: one.known_email in {"pending", "none"},
    "email_state=bouncing": lambda one: one.known_email == "bouncing",
    "username=ANA": lambda one: "ana" in one.username.lower(),
    "username=小明": lambda one: one.username.startswith("小明"),
    "username=100%25": lambda one: one.username.startswith("100%"),
    "username=a%5Cb": lambda one: one.username.startswith("a\\b"),
    "username=zoe_": lambda one: one.username.startswith("zoe_"),
    "email=%40qq.com": lambda one: (one.email or "").lower().endswith("@qq.com"),
    "email=example": lambda one: "example" in (one.email or ""),
    "q=o'neil": lambda one: one.username.startswith("O'Neil"),
    "q=gmail": lambda one: "gmail" in (one.email or ""),
    "q=x": lambda one: (one.email or "").startswith("X"),
    "q=%40mail.example.org": lambda one: (one.email or "").endswith("@mail.example.org"),
}


@pytest.mark.parametrize("few", [True, False], ids=["few", "many"])
@pytest.mark.parametrize("query", FILTERS)
def test_filter_finds_as_python_does(query, few, crowd, viewer, monkeypatch):
    if not few:
        monkeypatch.setattr(counts, "CAP", 3)
    expected = [one for one in crowd.values() if FILTERS[query](one)]
    assert expected or query.startswith("password_to"), "the crowd has nobody for this filter"
    found = walk(f"{query}&sort=-seen&{only(crowd)}", viewer)
    assert found == in_order(expected, "-seen")


def test_filters_together_find_as_python_does(crowd, viewer):
    chance = random.Random(7)
    names = {}
    for query in FILTERS:
        names.setdefault(query.partition("=")[0], []).append(query)
    for _round in range(60):
        queries = [chance.choice(names[name]) for name in chance.sample(sorted(names), 3)]
        parameters = "&".join(queries)
        asked = [name for query in queries for name in {*QueryDict(query)}]
        if len(asked) > len({*asked}):
            continue
        sort = chance.choice("+-").replace("+", "") + chance.choice(sorted(KEYS))
        expected = [one for one in crowd.values() if all(FILTERS[query](one) for query in queries)]
        found = walk(f"{parameters}&sort={sort}&{only(crowd)}", viewer)
        assert found == in_order(expected, sort), (parameters, sort)


def test_search_finds_by_id_and_by_parts(crowd, viewer):
    one = next(iter(crowd.values()))
    assert one.pk in walk(f"q={one.pk}", viewer)
    assert walk(f"id={one.pk}", viewer) == [one.pk]


def test_count_is_exact_up_to_the_cap_and_on_demand(crowd, viewer, monkeypatch):
    assert read(only(crowd), viewer).count == counts.Count(len(crowd))
    monkeypatch.setattr(counts, "CAP", 50)
    capped = read(only(crowd), viewer)
    assert str(capped.count) == "50+"
    assert read(capped.exact_link()[1:], viewer).count == counts.Count(len(crowd))


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("foo=1", "foo"),
        ("Status=banned", "Status"),
        ("sort=password", "password"),
        ("sort=", None),
        ("sort=status_until", "status_until"),
        ("sort=--id", "-id"),
        ("sort=id&sort=credits", "sort"),
        ("q=a&q=b", "q"),
        ("credits_min=1&credits_min=2", "credits_min"),
        ("after=abc", "after"),
        ("before=abc", "before"),
        ("after=e30", "after"),
        ("after=W10", "after"),
        ("after=%00", "after"),
        ("before=end&after=abc", "after"),
        ("count=all", "count"),
        ("status=happy", "status"),
        ("tier=4", "tier"),
        ("tier=two", "tier"),
        ("credits_min=many", "credits_min"),
        ("credits_min=NaN", "credits_min"),
        ("credits_min=1e400", "credits_min"),
        ("months_min=1.5", "months_min"),
        ("expires_from=tomorrow", "expires_from"),
        ("expires_from=2026-02-30", "expires_from"),
        ("joined_to=0000-01-01", "joined_to"),
        ("id=5,x", "id"),
        ("id=99999999999999999999", "id"),
        ("country=CHN", "country"),
        ("username=" + "x" * 300, "username"),
        ("expiring=1.5", "expiring"),
        ("expiring=-1", "expiring"),
        ("expiring=99999", "expiring"),
        ("second_factor=maybe", "second_factor"),
        ("ip=1.2.3", "ip"),
        ("email_change=done", "email_change"),
        ("columns=credits,foo", "foo"),
        ("columns=status_until", "status_until"),
    ],
)
def test_wrong_parameter_is_refused_by_its_name(query, word, viewer):
    if word is None:
        read(query, viewer)
        return
    with pytest.raises(BadParameter) as refused:
        read(query, viewer)
    assert word in str(refused.value)


def test_cursor_of_another_order_is_refused(crowd, viewer):
    link = read("sort=credits", viewer).page().next[1:]
    for other in ("-credits", "used", "id"):
        with pytest.raises(BadParameter, match="after"):
            read(link.replace("sort=credits", f"sort={other}"), viewer)


def test_mangled_cursor_is_refused_or_is_a_place(crowd, viewer):
    chance = random.Random(3)
    for sort in ("credits", "-expires", "status", "username", "email", "id"):
        link = read(f"sort={sort}", viewer).page().next[1:]
        for _round in range(60):
            at_ = chance.randrange(link.index("after=") + 6, len(link))
            mangled = link[:at_] + chance.choice("AZaz09-_") + link[at_ + 1 :]
            try:
                page = read(mangled, viewer).page()
            except BadParameter:
                continue
            assert len(page.rows) <= SMALL.page_size


@pytest.mark.parametrize(
    "hostile",
    ["'; DROP TABLE users_user; --", "%%%", "___", "\\", '"', "\u202e", "{{7*7}}", "<script>"],
)
@pytest.mark.parametrize("name", ["q", "username", "email", "flag"])
def test_hostile_text_is_only_text(name, hostile, viewer):
    parameters = QueryDict(mutable=True)
    parameters[name] = hostile
    if (name, hostile) == ("q", '"'):
        with pytest.raises(WrongFilter, match="not closed"):
            SMALL.read(parameters, viewer=viewer, now=NOW)
        return
    rows = SMALL.read(parameters, viewer=viewer, now=NOW).page().rows
    assert all(hostile.lower() in f"{row.username} {row.email}".lower() for row in rows)
    assert User.objects.exists()


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.READ_ONLY])
class TestMasked:
    """Roles that see masked addresses cannot find them out."""

    def test_addresses_are_masked(self, role, crowd):
        rows = read(only(crowd), make_staff(role)).page().rows
        assert rows
        assert all(row.email is None or "•••@" in row.email for row in rows)

    def test_sorting_by_email_is_refused(self, role, crowd):
        with pytest.raises(BadParameter, match="email"):
            read("sort=email", make_staff(role))

    @pytest.mark.parametrize("part", ["gma", "gmail.com", "ana@", "@", "@gmail", "a@b", "%"])
    def test_parts_of_an_address_are_refused_as_filter(self, role, part, crowd):
        parameters = QueryDict(mutable=True)
        parameters["email"] = part
        with pytest.raises(WrongFilter, match="email"):
            SMALL.read(parameters, viewer=make_staff(role), now=NOW)

    @pytest.mark.parametrize(
        "part", ["gma", "gmail.com", "@gmail", "@g", "mail.example", "%@gmail.com", "a@%.com"]
    )
    def test_search_does_not_look_into_addresses(self, role, part, crowd):
        parameters = QueryDict(mutable=True)
        parameters["q"] = part
        assert SMALL.read(parameters, viewer=make_staff(role), now=NOW).count.number == 0

    def test_whole_address_and_domain_are_matched(self, role, crowd):
        viewer = make_staff(role)
        one = next(one for one in crowd.values() if one.email)
        assert [row.pk for row in read(f"q={one.email.upper()}", viewer).page().rows] == [one.pk]
        assert [row.pk for row in read(f"email={one.email}", viewer).page().rows] == [one.pk]
        domain = walk(f"q=%40gmail.com&sort=id&{only(crowd)}", viewer)
        assert domain == sorted(
            pk for pk, other in crowd.items() if (other.email or "").endswith("@gmail.com")
        )


def test_support_does_not_see_who_holds_a_role(crowd):
    viewer = make_staff(Role.SUPPORT)
    assert all(row.role is None for row in read(only(crowd), viewer).page().rows)
    assert "role" not in [column.name for column, _sight in read("", viewer).columns()]
    for query in ("role=support", "sort=role"):
        with pytest.raises(BadParameter, match="role"):
            read(query, viewer)


def test_row_shows_the_live_balance_not_the_copy(viewer, crowd):
    from billing.models import Statistics

    one = next(iter(crowd.values()))
    Statistics.objects.filter(user=one.pk).update(balance=Decimal(1), used=Decimal(1))
    [row] = read(f"id={one.pk}", viewer).page().rows
    assert (row.credits, row.used) == (one.credits, one.used)


def test_row_tells_the_facts(viewer, crowd):
    rows = {row.pk: row for row in read(only(crowd), viewer, USERS).page().rows}
    for pk, row in rows.items():
        one = crowd[pk]
        assert (row.username, row.email, row.status, row.tier) == (
            one.username,
            one.email,
            one.status,
            one.tier,
        )
        assert (row.subscription, row.ends_at, row.months) == (
            one.subscription,
            one.ends_at,
            one.months,
        )
        assert (row.country, row.last_seen_at, row.joined_at) == (one.country, one.seen, one.joined)
        assert row.warned == ("warning" in one.kinds)
        assert (row.role or "none") == one.role
