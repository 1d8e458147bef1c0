"""Home: what waits, what was done lately, and an empty console."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit import operations
from audit.models import Act, OutboxMessage, Run
from audit.people import SYSTEM
from audit.registry import operations as registered
from billing import ledger, statistics
from billing.models import Account
from subscriptions.models import Period, Standing, Subscription
from tests.audit.approvals import asked
from tests.audit.runs import prepared
from tests.factories import make_staff, make_user, make_users
from users import approvals
from users.models import Session, User
from users.restrictions import services
from users.roles import ROLES, Role
from users.table.views import STARTING
from users.waiting import QUEUES

pytestmark = pytest.mark.django_db

END = datetime(2030, 1, 1, tzinfo=UTC)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def home(client):
    response = client.get(reverse("home"))
    assert response.status_code == 200
    return response.content.decode()


def tiles(html):
    """What waits: the link and the figure of each tile by its label."""
    found = re.findall(
        r'<a href="([^"]+)" class="[^"]*"><span class="said">([^<]+)</span><b>([^<]+)</b>', html
    )
    return {label: (unescape(link), figure) for link, label, figure in found}


def suspend(*users, actor=SYSTEM, ends_at=END, **more):
    more.setdefault("reason", "because")
    ids = [user.pk for user in users]
    return services.suspend(ids, actor=actor, reason_code="spam", ends_at=ends_at, **more)


def subscribe(user, ends_at):
    start = time_now() - timedelta(days=60)
    subscription = Subscription.objects.create(user=user, tier_id=1)
    Period.objects.create(
        subscription=subscription, user=user, tier_id=1, span=(start, ends_at), months=2
    )
    Standing.objects.filter(user=user).update(
        subscription=subscription, tier=1, ends_at=ends_at, months=2
    )


def overdraw(user):
    Account.objects.filter(user=user).update(overdraft_limit=10)
    account = Account.objects.get(user=user)
    ledger.post([ledger.Posting(account.pk, 200, Decimal("-0.5"))], now=time_now(), actor_id=None)


@pytest.fixture
def crowd():
    """Somebody for each queue, and somebody who almost is."""
    now = time_now()
    soon, later = now + timedelta(days=3), now + timedelta(days=30)
    people = {
        name: make_user(name)
        for name in ("freed", "held", "banned", "expiring", "expired", "paid", "poor")
    }
    suspend(people["freed"], ends_at=soon)
    suspend(people["held"], ends_at=later)
    suspend(people["banned"], ends_at=None)
    subscribe(people["expiring"], soon)
    subscribe(people["expired"], now - timedelta(days=1))
    subscribe(people["paid"], later)
    overdraw(people["poor"])
    statistics.copy_statistics(now=now)
    odd = make_user(
        "odd", legacy_source="coai", legacy_id=1, import_flags=["was_admin", "null_email"]
    )
    make_user("known", legacy_source="coai", legacy_id=2, import_flags=["null_email"])
    return {**people, "odd": odd}


# What waits


def test_each_figure_is_the_count_of_the_list_it_leads_to(crowd):
    client = signed_in(make_staff(Role.SUPER_ADMIN))
    expected = {
        "suspensions end within 7 days": "freed",
        "subscriptions end within 7 days": "expiring",
        "balances below zero": "poor",
        "imported, to decide": "odd",
    }
    shown = tiles(home(client))
    assert set(expected) < set(shown)
    for label, name in expected.items():
        link, figure = shown[label]
        assert figure == "1"
        listed = client.get(link)
        assert listed.status_code == 200
        assert set(re.findall(r'id="row-(\d+)"', listed.content.decode())) == {str(crowd[name].pk)}


def test_figures_count_the_days_as_the_views_beside_the_table_do():
    for name, ends in {
        "inside": timedelta(days=7, hours=-1),
        "past": timedelta(days=7, hours=1),
    }.items():
        subscribe(make_user(name), time_now() + ends)
    link, figure = tiles(home(signed_in(make_staff(Role.SUPPORT))))[
        "subscriptions end within 7 days"
    ]
    assert figure == "1"
    view = next(view for view in STARTING if view.name == "expiring")
    assert QueryDict(view.query)["q"] == QueryDict(link.partition("?")[2])["q"]


def test_staff_are_counted_for_those_who_may_see_roles(crowd):
    for role in ROLES:
        shown = tiles(home(signed_in(make_staff(role))))
        assert ("hold a staff role" in shown) is (role != Role.SUPPORT)
    assert shown["hold a staff role"][1] == "4"


def test_nothing_waiting_is_a_quiet_zero():
    make_user()
    html = home(signed_in(make_staff(Role.SUPER_ADMIN)))
    assert tiles(html)["balances below zero"][1] == "0"
    assert "urgent" not in html


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.label)
def test_every_queue_is_a_list_that_opens(role, queue):
    user = make_staff(role)
    response = signed_in(user).get(f"{reverse('users:list')}?{queue.query}")
    assert response.status_code == (200 if user.may(queue.permission) else 400)


# What was done


def test_acts_are_listed_with_whom_they_changed_and_why():
    ann, bob = make_staff(Role.USER_ADMIN, username="ann"), make_user("bob")
    act = suspend(bob, actor=ann, reason="spam wave").act_id
    many = suspend(make_user(), make_user(), actor=ann, reason="the others").act_id
    html = home(signed_in(make_staff(Role.SUPER_ADMIN)))
    assert reverse("operate:act", args=[act]) in html
    assert reverse("operate:act", args=[many]) in html
    assert "spam wave" in html
    assert ">bob<" in html
    assert "2 users" in html


def test_ones_own_acts_offer_their_undo_until_they_are_undone():
    admin = make_staff(Role.SUPER_ADMIN)
    act = Act.objects.get(pk=suspend(make_user(), actor=admin).act_id)
    client, undo = signed_in(admin), reverse("operate:undo", args=[act.pk])
    assert undo in home(client)
    operations.undo(registered()[act.code], act, actor=admin, now=time_now(), reason="mistake")
    html = home(client)
    assert undo not in html
    assert "was undone" in html


def test_acts_of_others_are_not_for_support():
    suspend(make_user(), actor=make_staff(Role.USER_ADMIN), reason="not for support")
    support = make_staff(Role.SUPPORT)
    suspend(make_user(), actor=support, reason="by support itself")
    html = home(signed_in(support))
    assert "by support itself" in html
    assert "not for support" not in html


def test_undo_is_not_offered_for_what_one_may_not_do():
    reader = make_staff(Role.READ_ONLY)
    act = suspend(make_user(), actor=reader).act_id
    assert reverse("operate:undo", args=[act]) not in home(signed_in(reader))


# Runs


def runs_at_hand(client):
    return client.get(reverse("runs:now")).content.decode()


def test_runs_under_way_are_shown_to_who_sees_all_and_to_their_owner():
    admin, other = make_staff(Role.SUPER_ADMIN), make_staff(Role.USER_ADMIN)
    run = prepared.started(make_users(2), actor=admin)
    link = reverse("runs:detail", args=[run.pk])
    for viewer, sees in ((admin, True), (other, True), (make_staff(Role.SUPPORT), False)):
        client = signed_in(viewer)
        assert (link in home(client)) is sees
        assert (link in runs_at_hand(client)) is sees


def test_previews_are_shown_to_who_prepared_them_while_they_hold():
    admin = make_staff(Role.SUPER_ADMIN)
    run = prepared.previewed(make_users(2), actor=admin)
    assert "2 would change" in home(signed_in(admin))
    assert "2 would change" not in home(signed_in(make_staff(Role.SUPER_ADMIN)))
    Run.objects.filter(pk=run.pk).update(expires_at=time_now())
    assert "2 would change" not in home(signed_in(admin))


def test_home_without_runs_says_nothing_of_them_and_does_not_look_again():
    admin = make_staff(Role.SUPER_ADMIN)
    client = signed_in(admin)
    prepared.finished(make_users(2), actor=admin)
    assert "runs-now" not in home(client)
    prepared.previewed(make_users(2), actor=admin)
    assert 'id="runs-now"' in home(client)
    assert "every 2s" not in runs_at_hand(client)
    prepared.started(make_users(2), actor=admin)
    assert "every 2s" in runs_at_hand(client)


def test_looking_at_runs_does_not_prolong_the_session():
    client = signed_in(make_staff(Role.SUPER_ADMIN))
    long_ago = time_now() - timedelta(minutes=5)
    Session.objects.update(seen_at=long_ago)
    runs_at_hand(client)
    assert Session.objects.get().seen_at == long_ago


@pytest.mark.parametrize(("role", "told"), [(Role.SUPER_ADMIN, True), (Role.SUPPORT, False)])
def test_requests_are_told_to_who_may_decide_them(role, told):
    asked.large_gift(delta="150000")
    approvals.shelf.forget()
    assert ("waits for your approval" in home(signed_in(make_staff(role)))) is told


# Effects that could not leave


@pytest.mark.parametrize(("role", "told"), [(Role.SUPER_ADMIN, True), (Role.SUPPORT, False)])
def test_undelivered_messages_are_told_to_those_who_run_the_place(role, told):
    now = time_now()
    OutboxMessage.objects.create(kind="mail", due_at=now + timedelta(hours=1), attempts=2)
    OutboxMessage.objects.create(
        kind="mail", created_at=now - timedelta(days=1), due_at=now - timedelta(days=1)
    )
    OutboxMessage.objects.create(kind="mail", due_at=now)
    OutboxMessage.objects.create(
        kind="mail", due_at=now - timedelta(days=2), attempts=1, delivered_at=now
    )
    html = home(signed_in(make_staff(role)))
    assert ("<b>2 effects could not leave</b>" in html) is told


def test_waiting_for_a_moment_is_no_failure():
    OutboxMessage.objects.create(kind="mail", due_at=time_now())
    assert "could not leave" not in home(signed_in(make_staff(Role.SUPER_ADMIN)))


# An empty console


def test_an_empty_console_shows_the_ways_in():
    html = home(signed_in(make_staff(Role.SUPER_ADMIN)))
    assert "Nobody is here yet" in html
    assert "bin/manage import_coai --sqlite" in html
    assert "bin/manage demo" in html
    assert not tiles(html)


def test_a_console_with_customers_shows_no_ways_in():
    make_user()
    assert "Nobody is here yet" not in home(signed_in(make_staff(Role.SUPER_ADMIN)))


def test_home_is_not_for_people_without_a_role():
    response = signed_in(make_user()).get(reverse("home"))
    assert response.status_code == 403
    assert "What waits" not in response.content.decode()


def test_the_number_of_statements_is_known(crowd, django_assert_num_queries):
    admin = make_staff(Role.SUPER_ADMIN)
    client = signed_in(admin)
    suspend(make_user(), actor=admin)
    home(client)
    with django_assert_num_queries(13):
        home(client)
    suspend(make_user(), actor=admin)
    suspend(make_user(), make_user(), actor=admin)
    with django_assert_num_queries(13):
        home(client)
    assert User.objects.count() > 10


def test_import_has_its_name_and_grouped_figures():
    make_user()
    Act.objects.create(
        code="imports.coai", actor_name="system", params={}, changed=5_000, created_at=time_now()
    )
    html = home(signed_in(make_staff(Role.SUPER_ADMIN)))
    assert "Import a CoAI deployment" in html
    assert "5,000 users" in html
