"""Demonstration data hold what real data hold: invariants of the ledger and of subscriptions,
every state there is, and no password that anybody could know."""

import random
import unicodedata
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.contrib.auth.hashers import check_password, is_password_usable
from django.db import connection, transaction
from django.db.models import Count, F
from django.test import override_settings

import subscriptions.reports
from audit import operations
from audit.models import Act, AuditEntry, Receipt
from audit.registry import operations as known_operations
from billing import reports
from billing.models import Account, Statistics, Transfer
from subscriptions.models import Period, Standing, Subscription
from tests.hashing import HASHERS
from users.demo.cultures import CULTURES
from users.demo.loading import load_demo
from users.demo.names import Names
from users.demo.people import make_people
from users.demo.spending import movements_of
from users.demo.subscribing import subscriptions_of
from users.models import ApiKey, Note, Restriction, Tag, User
from users.roles import ROLES, Role

NOW = datetime(2026, 7, 15, 12, tzinfo=UTC)
NUMBER = 500
pytestmark = pytest.mark.xdist_group("demo")
SCRIPTS = {
    "CJK": "Han",
    "CYRILLIC": "Cyrillic",
    "ARABIC": "Arabic",
    "DEVANAGARI": "Devanagari",
    "HIRAGANA": "Kana",
    "KATAKANA": "Kana",
    "HANGUL": "Hangul",
    "LATIN": "Latin",
}


@pytest.fixture(scope="module")
def demo(django_db_setup, django_db_blocker):
    """A database with demonstration data, as ``NOW`` finds it."""
    quick = override_settings(PASSWORD_HASHERS=HASHERS)
    with quick, django_db_blocker.unblock(), transaction.atomic():
        loaded = load_demo(NUMBER, now=NOW)
        yield loaded
        transaction.set_rollback(True)


def scripts_of(name):
    first_words = {unicodedata.name(letter).split()[0] for letter in name if letter.isalpha()}
    return {SCRIPTS[word] for word in first_words}


def test_names_are_in_every_script_and_unique():
    drawn = Names(random.Random(3))
    names = [drawn.draw() for _ in range(2_000)]
    found = set().union(*(scripts_of(name.username) for name in names))
    assert found == {culture.script for culture in CULTURES} == set(SCRIPTS.values())
    assert len({name.username.lower() for name in names}) == len(names)
    assert len({name.mailbox for name in names}) == len(names)


def test_names_are_no_real_mailboxes_and_hold_no_pictures():
    drawn = Names(random.Random(4))
    for name in (drawn.draw() for _ in range(2_000)):
        assert name.mailbox.isascii()
        assert name.mailbox.endswith(".example")
        kinds = {unicodedata.category(letter)[0] for letter in name.username}
        assert kinds <= {"L", "N", "P", "M"}, name.username
        assert len(name.username) <= 40


def test_people_are_the_same_from_the_same_seed():
    def history(seed):
        rng = random.Random(seed)
        people = make_people(rng, 60, now=NOW)
        rows = [subscriptions_of(rng, person, 1, now=NOW) for person in people]
        paid = [bought for _subscriptions, bought in rows]
        return [
            (person, row, movements_of(rng, person, bought, now=NOW))
            for person, row, bought in zip(people, rows, paid, strict=True)
        ]

    assert history(5) == history(5)
    assert history(5) != history(6)


@pytest.mark.django_db
def test_demo_ledger_has_no_defect(demo):
    assert list(reports.defects()) == []
    assert list(subscriptions.reports.defects()) == []
    assert Transfer.objects.count() == demo.transfers > 10 * NUMBER


@pytest.mark.django_db
def test_demo_credits_go_back_two_years_in_order(demo):
    first, last = (
        Transfer.objects.order_by(order).values_list("created_at", flat=True)[0]
        for order in ("created_at", "-created_at")
    )
    assert timedelta(days=600) < NOW - first < timedelta(days=731)
    assert last <= NOW
    account = Account.objects.order_by("-version").first()
    moments = Transfer.objects.filter(account=account).order_by("account_version")
    assert all(a < b for a, b in pairwise(moments.values_list("created_at", flat=True)))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM billing_transfer_default")
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db
def test_demo_credits_move_in_every_common_way(demo):
    codes = set(Transfer.objects.values_list("code", flat=True))
    assert {100, 110, 120, 140, 200, 210, 250, 300, 310, 400, 401, 500} <= codes
    assert Account.objects.filter(balance__lt=0).exists()
    assert Account.objects.filter(version=0, user__role=Role.NONE).count() == 0


@pytest.mark.django_db
def test_demo_statistics_equal_the_accounts(demo):
    accounts = Account.objects.filter(user__isnull=False).order_by("user")
    copied = Statistics.objects.order_by("user")
    assert list(accounts.values_list("user", "balance", "used_total")) == list(
        copied.values_list("user", "balance", "used")
    )


@pytest.mark.django_db
def test_demo_subscriptions_agree_with_standings(demo):
    assert Standing.objects.count() == User.objects.count()
    live = {row.user_id: row for row in Subscription.objects.filter(ended_at__isnull=True)}
    for standing in Standing.objects.filter(subscription__isnull=False):
        periods = Period.objects.filter(user=standing.user_id)
        assert standing.months == sum(period.months for period in periods)
        if standing.user_id in live:
            assert standing.subscription_id == live[standing.user_id].pk
            assert standing.tier == live[standing.user_id].tier_id
            last = max(periods, key=lambda period: period.span.lower)
            assert standing.ends_at == last.span.upper
        else:
            assert standing.effective_tier(NOW) == 0


@pytest.mark.django_db
def test_demo_subscriptions_are_of_every_tier_expired_expiring_and_without_end(demo):
    standings = list(Standing.objects.all())
    assert {standing.effective_tier(NOW) for standing in standings} == {0, 1, 2, 3}
    ends = [standing.ends_at for standing in standings if standing.tier]
    assert any(end is None for end in ends)
    assert any(end and end < NOW for end in ends)
    assert any(end and NOW < end < NOW + timedelta(days=7) for end in ends)


@pytest.mark.django_db
def test_demo_restrictions_are_in_every_state(demo):
    rows = list(Restriction.objects.all())
    assert {row.kind for row in rows} == set(Restriction.Kind.values)
    suspensions = [row for row in rows if row.kind == "suspension"]
    live = [row for row in suspensions if row.is_live(NOW)]
    assert any(row.ends_at is None for row in live)
    assert any(row.ends_at for row in live)
    assert any(row.lifted_at for row in suspensions)
    assert any(row.ends_at and row.ends_at < NOW and not row.lifted_at for row in suspensions)
    assert any(row.starts_at > NOW for row in rows)
    users = [row.user_id for row in live]
    assert len(set(users)) < len(users), "overlapping"


@pytest.mark.django_db
def test_demo_suspensions_left_acts_entries_and_no_key(demo):
    for row in Restriction.objects.filter(kind="suspension"):
        assert Receipt.objects.filter(act=row.act_id, target_id=row.user_id, outcome=1).exists()
        assert AuditEntry.objects.filter(act_id=row.act_id, target_id=row.user_id).exists()
    suspended = User.objects.restricted("suspension", NOW)
    assert not ApiKey.objects.filter(user__in=suspended, revoked_at__isnull=True).exists()
    for user in suspended.filter(last_seen_at__isnull=False):
        live = Restriction.objects.live(NOW).filter(user=user, kind="suspension")
        assert user.last_seen_at <= min(row.starts_at for row in live)


@pytest.mark.django_db
def test_demo_adjustments_are_recorded_as_if_performed(demo):
    acts = Act.objects.filter(code="billing.adjust_credits")
    assert acts.filter(changed__gt=1).exists()
    for act in acts:
        transfers = Transfer.objects.filter(group_id=act.pk)
        assert transfers.count() == act.changed == act.receipts.count()
        assert set(transfers.values_list("actor_id", flat=True)) == {act.actor_id}
        entries = AuditEntry.objects.filter(act_id=act.pk)
        assert entries.count() == act.changed


@pytest.mark.django_db
def test_demo_acts_can_be_undone(demo):
    actor = User.objects.get(role=Role.SUPER_ADMIN)
    for code in ("billing.adjust_credits", "users.suspend"):
        recent = Act.objects.filter(code=code, created_at__gt=NOW - timedelta(days=30))
        act = recent.filter(undone_by=None).order_by("-created_at").first()
        assert act is not None, code
        done = operations.undo(known_operations()[code], act, actor=actor, now=NOW, reason="A test")
        assert len(done.rows) == act.changed


@pytest.mark.django_db
def test_demo_staff_are_one_for_each_role_and_can_sign_in(demo):
    staff = User.objects.exclude(role=Role.NONE).order_by("pk")
    assert [user.role for user in staff] == list(ROLES)
    assert len({each.password for each in demo.staff}) == len(ROLES)
    for each in demo.staff:
        assert len(each.password) >= 16
        assert check_password(each.password, User.objects.get(role=each.role).password)


@pytest.mark.django_db
def test_demo_customers_cannot_sign_in(demo):
    customers = User.objects.filter(role=Role.NONE)
    assert customers.count() == NUMBER
    assert not any(map(is_password_usable, customers.values_list("password", flat=True)))
    assert not customers.filter(sessions__isnull=False).exists()


@pytest.mark.django_db
def test_demo_passwords_stand_nowhere_in_the_database(demo):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
        for (table,) in cursor.fetchall():
            for each in demo.staff:
                cursor.execute(
                    f'SELECT count(*) FROM "{table}" t WHERE position(%s IN t::text) > 0',
                    [each.password],
                )
                assert cursor.fetchone() == (0,), table


@pytest.mark.django_db
def test_demo_entries_use_words_the_audit_log_knows(demo):
    assert AuditEntry.objects.filter(created_at__gt=NOW).count() == 0
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {
        "users.load_demo",
        "users.suspend",
        "users.lift_restriction",
        "billing.adjust_credits",
        "account.sign_in",
    }


@pytest.mark.django_db
def test_demo_people_joined_were_seen_and_left_in_order(demo):
    assert not User.objects.filter(joined_at__gt=NOW).exists()
    assert not User.objects.filter(last_seen_at__gt=NOW).exists()
    assert not User.objects.filter(last_seen_at__lt=F("joined_at")).exists()
    assert not User.objects.filter(email_verified_at__gt=NOW).exists()
    assert User.objects.filter(closed_at__isnull=False).exists()
    assert User.objects.filter(email__isnull=True).exists()
    assert set(User.objects.values_list("email_state", flat=True)) == set(User.EmailState.values)


@pytest.mark.django_db
def test_demo_people_carry_tags_and_notes(demo):
    assert Tag.objects.annotate(n=Count("taggings")).filter(n__gt=0).count() == 4
    assert set(Note.objects.values_list("author__role", flat=True)) == {Role.SUPPORT}
