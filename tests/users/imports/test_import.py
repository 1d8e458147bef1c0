import hashlib
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from audit.models import AuditEntry, OutboxMessage
from billing.models import Account, Transfer
from tests.factories import make_key, make_user
from tests.users.imports.deployments import NOW, SHANGHAI, Deployment, run, sha256
from users.import_models import ImportRun, LegacyRow
from users.imports.values import wall_clock
from users.models import ApiKey, Restriction, User

pytestmark = pytest.mark.django_db

SK = "sk-" + "0123456789abcdef" * 4


def as_of(truth):
    return wall_clock(truth["as_of"], SHANGHAI)


def agrees(report, truth):
    """Whether the report says what the sample's truth says, kind by kind."""
    assert {name: each["read"] for name, each in report["tables"].items()} == truth["rows"]
    assert report["sums"] == {"quota": truth["sum_quota"], "used": truth["sum_used"]}
    assert report["active_by_level"] == truth["active_by_level"]
    assert (report["admins"], report["banned"]) == (truth["admins"], truth["banned"])
    found = {kind: report["anomalies"][kind] for kind in truth["anomalies"]}
    assert found == truth["anomalies"]
    for counts in report["tables"].values():
        assert counts["read"] == counts["imported"] + counts["kept"] + counts["quarantined"]


def stands(truth):
    """Whether the database holds what the sample's truth says."""
    people = User.objects.filter(legacy_source="coai")
    assert people.count() == truth["rows"]["auth"]
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT sum(a.balance), sum(a.opening_used) FROM billing_account a
               JOIN users_user u ON u.id = a.user_id WHERE u.legacy_source = 'coai'"""
        )
        balance, used = cursor.fetchone()
    assert (str(balance), str(used)) == (truth["sum_quota"], truth["sum_used"])
    assert people.restricted("suspension", NOW + timedelta(days=999)).count() == truth["banned"]
    moment = as_of(truth)
    active = people.filter(standing__tier__gt=0, standing__ends_at__gt=moment)
    levels = {str(level): active.filter(standing__tier=level).count() for level in (1, 2, 3)}
    assert levels == truth["active_by_level"]
    assert people.filter(standing__isnull=False, account__isnull=False).count() == people.count()
    assert ApiKey.objects.filter(user__in=people).count() == truth["rows"]["apikey"]


def everything():
    """Every row of every table, but for the run's note of when it was last confirmed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
               AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname"""
        )
        tables = [name for (name,) in cursor.fetchall()]
        sums = {}
        for table in tables:
            row = "to_jsonb(t)" + (" - 'confirmed_at'" if table == "users_importrun" else "")
            cursor.execute(
                f'SELECT count(*), sum(hashtextextended(({row})::text, 0)) FROM "{table}" t'
            )
            sums[table] = cursor.fetchone()
    return sums


def test_sample_equals_its_truth_and_a_second_run_changes_nothing(sample, truth):
    report = run(sample / "chatnio.db", as_of=as_of(truth), configuration=sample / "config.yaml")
    agrees(report, truth)
    stands(truth)
    before = everything()
    again = run(sample / "chatnio.db", as_of=as_of(truth), configuration=sample / "config.yaml")
    assert again["people"] == {"new": 0, "changed": 0, "unchanged": truth["rows"]["auth"]}
    agrees(again, truth)
    assert everything() == before
    assert AuditEntry.objects.filter(action="imports.coai").count() == 1


def test_dry_run_writes_nothing_and_reports_the_same(sample, truth):
    before = everything()
    report = run(sample / "chatnio.db", as_of=as_of(truth), dry_run=True)
    assert everything() == before
    agrees(report, truth)
    real = run(sample / "chatnio.db", as_of=as_of(truth))
    assert {**report, "dry_run": False} == real


def test_person_arrives_with_everything(deployment):
    deployment.person(
        7, "Ana", password="pw1234", quota=12.345678, used=3.5, key=SK, is_admin=1, is_banned=0
    )
    deployment.subscribe(7, 2, "2027-01-01 08:00:00", months=6)
    run(deployment)
    user = User.objects.get(username="Ana")
    assert (user.legacy_source, user.legacy_id, user.email) == ("coai", 7, "u7@example.org")
    assert (user.role, user.import_flags) == ("none", ["was_admin"])
    assert user.joined_at == datetime(2024, 3, 1, tzinfo=UTC)
    account = user.account
    assert (account.balance, account.opening_used) == (Decimal("12.345678"), Decimal("3.5"))
    [transfer] = Transfer.objects.filter(account=account)
    assert (transfer.code_id, transfer.delta) == (150, Decimal("12.345678"))
    standing = user.standing
    assert (standing.tier, standing.months + standing.legacy_months) == (2, 6)
    assert standing.ends_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert standing.subscription.ended_at is None
    [period] = standing.subscription.periods.all()
    assert period.span.lower == datetime(2024, 12, 31, 16, tzinfo=UTC)
    assert period.span.upper == standing.ends_at
    [key] = ApiKey.objects.filter(user=user)
    assert (bytes(key.digest).hex(), key.revoked_at) == (sha256(SK), None)
    assert SK.startswith(key.prefix)


def test_subscription_that_is_over_is_imported_as_ended(deployment):
    deployment.person(1, "ana", quota=1)
    deployment.subscribe(1, 3, "2026-01-01 08:00:00")
    run(deployment)
    standing = User.objects.get(username="ana").standing
    assert standing.subscription.ended_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert standing.effective_tier(NOW) == 0


@pytest.mark.parametrize(
    ("level", "expired_at", "flag"),
    [
        (2, None, "tier_without_expiry"),
        (0, "2027-01-01 00:00:00", "expiry_without_tier"),
        (0, None, "neither_tier_nor_expiry"),
    ],
)
def test_half_a_subscription_is_none_but_its_months_count(deployment, level, expired_at, flag):
    deployment.person(1, "ana", quota=1)
    deployment.subscribe(1, level, expired_at, months=-4)
    run(deployment)
    user = User.objects.get(username="ana")
    assert (user.standing.tier, user.standing.subscription) == (0, None)
    assert user.standing.legacy_months == -4
    assert set(user.import_flags) == {flag, "negative_total_month"}


def test_negative_balance_gets_an_overdraft_limit_that_fits(deployment):
    deployment.person(1, "ana", quota=-2500.5)
    run(deployment)
    account = Account.objects.get(user__username="ana")
    assert (account.balance, account.overdraft_limit) == (Decimal("-2500.5"), Decimal("2500.5"))


def test_person_without_a_credit_row_has_nothing_and_joined_now(deployment):
    deployment.person(1, "ana")
    report = run(deployment)
    user = User.objects.get(username="ana")
    assert (user.account.balance, user.joined_at) == (0, NOW)
    assert user.import_flags == ["no_quota_row"]
    assert report["anomalies"]["no_quota_row"] == 1
    assert not Transfer.objects.filter(account=user.account).exists()


def test_banned_person_is_suspended_for_good_and_their_key_ends(deployment):
    deployment.person(1, "ana", key=SK, is_banned=1)
    run(deployment)
    [restriction] = Restriction.objects.filter(user__username="ana")
    assert (restriction.kind, restriction.reason_id) == ("suspension", "imported")
    assert restriction.ends_at is None
    assert restriction.public_text
    key = ApiKey.objects.get(user__username="ana")
    assert (key.revoked_at, key.revoked_by_act) == (NOW, restriction.act_id)


def test_admins_get_the_role_that_is_asked_for(deployment):
    deployment.person(1, "ana", is_admin=1)
    deployment.person(2, "ben")
    run(deployment, map_admins="support")
    assert dict(User.objects.values_list("username", "role")) == {"ana": "support", "ben": "none"}


def test_names_equal_but_for_case(deployment):
    deployment.person(5, "BOB")
    deployment.person(3, "bob")
    deployment.person(9, "Bob")
    report = run(deployment)
    people = dict(User.objects.values_list("legacy_id", "username"))
    assert people == {3: "bob", 5: "BOB~5", 9: "Bob~9"}
    assert User.objects.get(legacy_id=5).legacy_username == "BOB"
    assert User.objects.get(legacy_id=3).legacy_username is None
    assert report["anomalies"]["username_case_collision"] == 1
    assert report["anomalies"]["renamed"] == 2
    flagged = User.objects.filter(import_flags__contains=["username_case_collision"])
    assert flagged.count() == 3


def test_names_that_postgresql_lowers_alike_and_python_does_not(deployment):
    """İ has two characters in lower case by Unicode, one by the database's index."""
    deployment.person(1, "İda")
    deployment.person(2, "ida")
    report = run(deployment)
    assert User.objects.filter(legacy_source="coai").count() == 2
    assert report["anomalies"]["username_case_collision"] == 0


def test_name_that_a_renamed_one_would_get_is_taken(deployment):
    deployment.person(1, "bob")
    deployment.person(2, "Bob")
    deployment.person(3, "bob~2")
    run(deployment)
    people = dict(User.objects.values_list("legacy_id", "username"))
    assert people == {1: "bob", 2: "Bob~2~2", 3: "bob~2"}


def test_addresses_equal_but_for_case(deployment):
    deployment.person(1, "ana", email="Ana@Example.org")
    deployment.person(2, "ben", email="ana@example.org")
    report = run(deployment)
    assert dict(User.objects.values_list("username", "email")) == {
        "ana": "Ana@Example.org",
        "ben": None,
    }
    assert report["anomalies"]["email_case_collision"] == 1
    row = LegacyRow.objects.get(table_name="auth", key="2")
    assert row.row["email"] == "ana@example.org"
    assert "email_dropped" in User.objects.get(username="ben").import_flags


def test_people_who_are_here_already_keep_name_and_address(deployment):
    make_user("Admin", email="boss@example.org")
    deployment.person(1, "admin", email="BOSS@example.org", quota=5)
    report = run(deployment)
    user = User.objects.get(legacy_id=1)
    assert (user.username, user.legacy_username, user.email) == ("admin~1", "admin", None)
    assert {"username_taken", "email_taken"} <= set(user.import_flags)
    assert report["anomalies"]["username_taken"] == 1


def test_key_that_somebody_here_has_is_not_taken(deployment):
    other = make_user("other")
    key = make_key(other)
    ApiKey.objects.filter(pk=key.pk).update(digest=hashlib.sha256(SK.encode()).digest())
    deployment.person(1, "ana", key=SK)
    report = run(deployment)
    assert ApiKey.objects.get(digest=hashlib.sha256(SK.encode()).digest()).user == other
    assert report["anomalies"]["key_taken"] == 1


def test_name_that_is_another_ones_address_is_flagged(deployment):
    deployment.person(1, "ben@example.org")
    deployment.person(2, "ben", email="Ben@example.org")
    report = run(deployment)
    assert report["anomalies"]["username_is_email"] == 1
    assert "username_is_email" in User.objects.get(legacy_id=1).import_flags


def test_shared_passwords_are_flagged(deployment):
    deployment.person(1, "ana", password="same-1")
    deployment.person(2, "ben", password="same-1")
    deployment.person(3, "cat", password="other-1")
    report = run(deployment)
    assert report["anomalies"]["shared_password_hash"] == 2


def test_unknown_tables_and_columns_are_kept(tmp_path):
    deployment = Deployment(
        tmp_path / "x.db",
        auth="id INTEGER PRIMARY KEY, username TEXT, token TEXT, email TEXT, password TEXT, "
        "is_admin BOOLEAN, is_banned BOOLEAN, custom_group TEXT",
        order_log="id INTEGER PRIMARY KEY, user_id INT, amount_cents INT, state TEXT",
        no_key="a TEXT, b TEXT",
    )
    deployment.person(1, "ana", custom_group="vip")
    deployment.insert("order_log", user_id=1, amount_cents=100, state="paid")
    for _time in range(2):
        deployment.insert("no_key", a="x", b="y")
    report = run(deployment)
    assert report["tables"]["no_key"] == {"read": 2, "imported": 0, "kept": 2, "quarantined": 0}
    user = User.objects.get(username="ana")
    assert LegacyRow.objects.get(table_name="auth").row["custom_group"] == "vip"
    order = LegacyRow.objects.get(table_name="order_log")
    assert (order.row["amount_cents"], order.state, order.user) == (100, "kept", user)
    assert run(deployment)["people"]["unchanged"] == 1
    assert LegacyRow.objects.filter(table_name="no_key").count() == 2


def test_deployment_from_before_version_3_6(tmp_path):
    deployment = Deployment(
        tmp_path / "old.db",
        auth="id INTEGER PRIMARY KEY, bind_id INT, username TEXT, token TEXT, password TEXT, "
        "is_admin BOOLEAN",
        subscription="id INTEGER PRIMARY KEY, user_id INT, expired_at TEXT, created_at TEXT",
        apikey=None,
        redeem=None,
        conversation=None,
    )
    deployment.insert("auth", id=1, username="old", password=sha256("a"), token="t", is_admin=0)
    deployment.insert("subscription", user_id=1, expired_at="2027-01-01 00:00:00")
    report = run(deployment)
    assert report["active_by_level"] == {"3": 1}
    assert User.objects.get(username="old").standing.tier == 3
    assert set(report["tables"]) == {"auth", "quota", "subscription", "invitation", "package"}


def test_orphans_are_quarantined_with_their_reason(deployment):
    deployment.person(1, "ana")
    deployment.insert("quota", user_id=99, quota=5, used=1)
    deployment.insert("conversation", user_id=99, data="[]")
    deployment.insert("apikey", user_id=99, api_key=SK)
    report = run(deployment)
    assert report["anomalies"]["orphan_row"] == 1
    assert report["anomalies"]["orphan_quota"] == 1
    assert report["sums"]["quota"] == report["quarantined_sums"]["quota"] == "5.000000"
    quarantined = LegacyRow.objects.filter(state="quarantined")
    assert set(quarantined.values_list("table_name", "reason")) == {
        ("quota", "orphan"),
        ("conversation", "orphan"),
        ("apikey", "orphan"),
    }


def test_run_leaves_one_audit_entry_and_asks_for_wrapping(deployment):
    for number in range(1, 6):
        deployment.person(number, f"u{number}", quota=number)
    run(deployment)
    [entry] = AuditEntry.objects.filter(action="imports.coai")
    row = ImportRun.objects.get()
    assert (entry.target_type, entry.target_id, entry.actor_id) == ("import", row.pk, None)
    assert AuditEntry.objects.count() == 1
    assert (row.state, row.finished_at) == ("finished", NOW)
    assert OutboxMessage.objects.get().kind == "users.wrap_imported_passwords"


def test_second_deployment_is_another_source(tmp_path):
    first, second = Deployment(tmp_path / "a.db"), Deployment(tmp_path / "b.db")
    for number in range(1, 5):
        first.person(number, f"first{number}", quota=1, email=None)
        second.person(number, f"second{number}", quota=1, email=None)
    run(first)
    run(second)
    assert run(first)["people"]["unchanged"] == run(second)["people"]["unchanged"] == 4
    sources = User.objects.values_list("legacy_source", flat=True)
    assert sorted(sources) == ["coai"] * 4 + ["coai-2"] * 4


def test_moved_file_is_the_same_deployment(deployment, tmp_path):
    deployment.person(1, "ana", quota=1)
    run(deployment)
    deployment.path = deployment.path.rename(tmp_path / "elsewhere.db")
    assert run(deployment)["people"]["unchanged"] == 1


def test_configuration_is_kept_without_its_secrets(deployment, tmp_path):
    deployment.person(1, "ana")
    config = tmp_path / "config.yaml"
    config.write_text(
        "secret: hunter2hunter2\nmysql: {password: hunter3hunter3, db: chatnio}\n"
        "subscription: {plans: [{level: 1, price: 42}]}\nsystem: {site: {quota: 5}}\n"
    )
    report = run(deployment, configuration=config)
    assert report["configuration"] == {"sections": 4, "plans": 1, "prices": 0, "initial_credits": 5}
    rows = {row.key: row.row for row in LegacyRow.objects.filter(table_name="config.yaml")}
    assert rows["subscription"] == {"subscription": {"plans": [{"level": 1, "price": 42}]}}
    assert "hunter" not in json.dumps(rows)


def test_deployment_without_people(deployment):
    report = run(deployment)
    assert report["people"] == {"new": 0, "changed": 0, "unchanged": 0}
    assert report["tables"]["auth"] == {"read": 0, "imported": 0, "kept": 0, "quarantined": 0}
