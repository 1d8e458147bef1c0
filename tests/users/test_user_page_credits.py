"""The credits of one user: every transfer with the balance after it, and the statement."""

import csv
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit.models import AuditEntry
from billing import ledger
from billing.models import Account, Transfer
from billing.services import adjust_credits
from tests.factories import make_staff, make_user
from users.roles import ROLES, Role

pytestmark = pytest.mark.django_db

OPENING, PURCHASE, USAGE = 150, 100, 200
START = datetime(2026, 1, 1, tzinfo=UTC)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def as_role(role):
    return signed_in(make_staff(role))


def book(user, *movements, at=START):
    """Book (code, delta[, reason]) one after another, an hour apart."""
    account = Account.objects.get(user=user)
    for number, (code, delta, *reason) in enumerate(movements):
        posting = ledger.Posting(account.pk, code, Decimal(delta), *reason)
        [booked] = ledger.post([posting], now=at + timedelta(hours=number), actor_id=None)
        assert booked is not None


def rows(client, user, query=""):
    """What the page lists: (kind, change, balance after), from the top."""
    response = client.get(f"{reverse('user', args=[user.pk])}?tab=credits&{query}")
    assert response.status_code == 200, response.content.decode()
    html = response.content.decode()
    body = html[html.index("<tbody>") : html.index("</tbody>")] if "<tbody>" in html else ""
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", body, re.S)
    texts = [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in cells]
    return [tuple(texts[start + 1 : start + 4]) for start in range(0, len(texts), 6)], html


@pytest.fixture
def ana():
    user = make_user("ana")
    book(
        user,
        (OPENING, "100.5", "balance before the import"),
        (USAGE, "-0.25", "gpt-4o"),
        (PURCHASE, "300", "order 7"),
        (USAGE, "-7.031250", "gpt-4o"),
    )
    return user


def test_history_is_newest_first_with_the_balance_after_each(ana):
    found, html = rows(as_role(Role.SUPPORT), ana)
    assert found == [
        ("Usage", "−7.03125", "393.21875"),
        ("Purchase", "+300.00", "400.25"),
        ("Usage", "−0.25", "100.25"),
        ("Opening balance", "+100.50", "100.50"),
    ]
    assert "400.50 added − 7.28125 taken = 393.21875" in html


def test_whoever_books_and_why_cannot_write_html(ana):
    ann = make_staff(Role.SUPER_ADMIN, username="<b>ann")
    adjust_credits([ana.pk], actor=ann, delta=Decimal(5), reason="<i>sorry & thanks")
    _found, html = rows(as_role(Role.SUPPORT), ana)
    assert "&lt;b&gt;ann" in html
    assert "&lt;i&gt;sorry &amp; thanks" in html
    assert "<b>ann" not in html
    assert "<i>sorry" not in html


def test_points_stand_under_each_other(ana):
    _, html = rows(as_role(Role.SUPER_ADMIN), ana)
    amounts = re.findall(r'"amount[^"]*">([^<]+)<span class="pad"[^>]*>([^<]*)</span>', html)
    assert len(amounts) == 8
    assert {len(text.partition(".")[2]) + len(padding) for text, padding in amounts} == {5}


def test_a_filter_keeps_the_true_balance(ana):
    found, _ = rows(as_role(Role.SUPER_ADMIN), ana, "kind=usage")
    assert found == [("Usage", "−7.03125", "393.21875"), ("Usage", "−0.25", "100.25")]
    assert len(rows(as_role(Role.SUPER_ADMIN), ana, "kind=usage&kind=purchase")[0]) == 3


def test_days_are_utc_and_inclusive(ana):
    client = as_role(Role.SUPER_ADMIN)
    assert len(rows(client, ana, "since=2026-01-01&until=2026-01-01")[0]) == 4
    assert rows(client, ana, "since=2026-01-02")[0] == []
    assert rows(client, ana, "until=2025-12-31")[0] == []


def test_the_oldest_page_ends_with_the_opening_balance(ana):
    book(ana, *[(USAGE, "-0.01")] * 104, at=START + timedelta(days=2))
    client, query, seen = as_role(Role.SUPER_ADMIN), "", []
    while query is not None:
        found, html = rows(client, ana, query)
        seen += found
        following = re.search(r'rel="next" href="\?([^"]+)"', html)
        query = (
            following[1].replace("&amp;", "&").replace("tab=credits&", "") if following else None
        )
    assert len(seen) == 108
    assert seen[-1] == ("Opening balance", "+100.50", "100.50")
    amounts = [Decimal(change.replace("−", "-").replace("+", "")) for _, change, _ in seen]
    balances = [Decimal(after) for _, _, after in seen]
    assert all(balances[n] - amounts[n] == balances[n + 1] for n in range(107))


def test_an_adjustment_leads_to_its_act_and_its_actor(ana):
    ann = make_staff(Role.SUPER_ADMIN, username="ann")
    act = adjust_credits([ana.pk], actor=ann, delta=Decimal(5), reason="goodwill").act_id
    found, html = rows(as_role(Role.READ_ONLY), ana)
    assert found[0][0] == "Credits added"
    assert reverse("operate:act", args=[act]) in html
    assert ">ann<" in html
    assert "goodwill" in html


def test_no_history_says_so():
    _, html = rows(as_role(Role.SUPER_ADMIN), make_user())
    assert "No credits were ever booked" in html
    assert "Statement as CSV" not in html


def test_nothing_matching_says_so(ana):
    _, html = rows(as_role(Role.SUPER_ADMIN), ana, "kind=redeem")
    assert "No transfer matches" in html


def test_another_users_transfers_are_not_listed(ana):
    bob = make_user("bob")
    book(bob, (PURCHASE, "77", "order of bob"))
    assert "order of bob" not in rows(as_role(Role.SUPER_ADMIN), ana)[1]
    assert len(rows(as_role(Role.SUPER_ADMIN), bob)[0]) == 1


def test_a_frozen_account_is_told(ana):
    Account.objects.filter(user=ana).update(status=Account.Status.FROZEN)
    assert "Frozen." in rows(as_role(Role.SUPER_ADMIN), ana)[1]


# The statement


def statement(client, user, query=""):
    return client.post(f"{reverse('user_statement', args=[user.pk])}?{query}")


def test_statement_holds_what_the_page_lists_and_is_recorded(ana):
    admin = make_staff(Role.USER_ADMIN)
    response = statement(signed_in(admin), ana, "kind=usage")
    assert response.status_code == 200
    lines = list(csv.reader(b"".join(response).decode("utf-8-sig").splitlines()))
    assert lines[0] == ["When (UTC)", "What", "Change", "Balance after", "By", "Why"]
    assert [line[1:4] for line in lines[1:]] == [
        ["Usage", "-7.031250", "393.218750"],
        ["Usage", "-0.250000", "100.250000"],
    ]
    begun, ended = AuditEntry.objects.filter(action="exports.statement").order_by("id")
    assert (begun.actor_id, begun.target_id) == (admin.pk, ana.pk)
    assert begun.changes["filter"] == "kind=usage"
    assert (ended.changes["rows"], ended.changes["complete"]) == (2, True)
    assert begun.changes["export"] == ended.changes["export"]


def test_statement_defuses_formulas(ana):
    book(ana, (PURCHASE, "1", '=HYPERLINK("http://x")'), at=time_now())
    text = b"".join(statement(as_role(Role.USER_ADMIN), ana)).decode("utf-8-sig")
    assert "'=HYPERLINK" in text


@pytest.mark.parametrize("role", [*ROLES, Role.NONE])
def test_statement_is_for_those_who_may_export(ana, role):
    may = role in (Role.SUPER_ADMIN, Role.USER_ADMIN, Role.READ_ONLY)
    client = signed_in(make_user(role=role))
    assert statement(client, ana).status_code == (200 if may else 403)
    assert AuditEntry.objects.filter(action="exports.statement").exists() is may
    if role != Role.NONE:
        assert ("Statement as CSV" in rows(client, ana)[1]) is may


def test_statement_refuses_wrong_words_and_vanished_users(ana):
    client = as_role(Role.USER_ADMIN)
    assert statement(client, ana, "kind=gift").status_code == 400
    assert client.post("/admin/users/987654321/statement/").status_code == 404
    assert client.get(reverse("user_statement", args=[ana.pk])).status_code == 405
    assert not AuditEntry.objects.filter(action="exports.statement").exists()


def test_reading_books_nothing(ana):
    before = Transfer.objects.count()
    rows(as_role(Role.SUPER_ADMIN), ana)
    assert Transfer.objects.count() == before
