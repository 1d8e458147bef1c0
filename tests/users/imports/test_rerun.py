"""The source changed since: what is brought over, and what stays as it was made here."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.hashers import check_password, make_password

from audit.people import SYSTEM
from billing import ledger
from billing.models import Account, Transfer
from billing.services import adjust_credits
from tests.users.imports.deployments import NOW, run, sha256
from tests.users.imports.test_import import everything
from users.import_models import ImportRun, LegacyRow
from users.models import ApiKey, Restriction, User
from users.restrictions.services import lift_restriction

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=7)
OLD_KEY, NEW_KEY = "sk-" + "0123456789abcdef" * 4, "sk-" + "fedcba9876543210" * 4


def ana():
    return User.objects.get(legacy_id=1)


def again(deployment, **options):
    return run(deployment, now=LATER, **options)


def test_balance_changed_at_the_source_is_compensated(deployment):
    deployment.person(1, "ana", quota=100, used=5)
    deployment.person(2, "ben", quota=7)
    run(deployment)
    deployment.execute("UPDATE quota SET quota = 80.25, used = 24.75 WHERE user_id = 1")
    report = again(deployment)
    assert report["people"] == {"new": 0, "changed": 1, "unchanged": 1}
    account = ana().account
    assert (account.balance, account.opening_used) == (Decimal("80.25"), Decimal("24.75"))
    deltas = Transfer.objects.filter(account=account).order_by("id").values_list("delta", flat=True)
    assert list(deltas) == [Decimal(100), Decimal("-19.75")]
    before = everything()
    again(deployment)
    assert everything() == before


def test_balance_changed_there_and_here_takes_both_changes(deployment):
    deployment.person(1, "ana", quota=100)
    run(deployment)
    adjust_credits([ana().pk], actor=SYSTEM, delta=Decimal(50), reason="a gift", now=NOW)
    deployment.execute("UPDATE quota SET quota = 97 WHERE user_id = 1")
    again(deployment)
    assert ana().account.balance == 147


def test_balance_falling_below_zero_raises_the_overdraft_limit(deployment):
    deployment.person(1, "ana", quota=100)
    run(deployment)
    ledger.debit(ana().pk, Decimal(60), "spent here", now=NOW)
    deployment.execute("UPDATE quota SET quota = -5000 WHERE user_id = 1")
    again(deployment)
    account = ana().account
    assert account.balance == account.overdraft_limit * -1 == -5060


def test_credits_of_a_closed_account_stay_and_are_named(deployment):
    deployment.person(1, "ana", quota=100)
    run(deployment)
    Account.objects.filter(user=ana()).update(status=Account.Status.CLOSED)
    deployment.execute("UPDATE quota SET quota = 1")
    assert again(deployment)["conflicts"] == {"credits": 1}
    assert ana().account.balance == 100


def test_credit_row_that_appears_later(deployment):
    deployment.person(1, "ana")
    run(deployment)
    deployment.insert("quota", user_id=1, quota=5, used=1, created_at="2023-01-01 08:00:00")
    report = again(deployment)
    user = ana()
    assert (user.account.balance, user.import_flags) == (5, [])
    assert user.joined_at == datetime(2023, 1, 1, tzinfo=UTC)
    assert report["anomalies"]["no_quota_row"] == 0


def test_new_people_join_those_imported_before(deployment):
    deployment.person(2, "ana")
    run(deployment)
    deployment.person(1, "ANA")
    deployment.person(3, "cat")
    report = again(deployment)
    assert report["people"] == {"new": 2, "changed": 1, "unchanged": 0}
    people = dict(User.objects.values_list("legacy_id", "username"))
    assert people == {1: "ANA~1", 2: "ana", 3: "cat"}


def test_name_and_address_changed_at_the_source_are_taken(deployment):
    deployment.person(1, "ana")
    run(deployment)
    deployment.execute("UPDATE auth SET username = 'anna', email = 'anna@example.org'")
    again(deployment)
    assert (ana().username, ana().email) == ("anna", "anna@example.org")


def test_name_and_address_changed_here_stay(deployment):
    deployment.person(1, "ana")
    run(deployment)
    User.objects.filter(legacy_id=1).update(username="annie", email="annie@example.org")
    assert again(deployment)["people"]["unchanged"] == 1
    deployment.execute("UPDATE auth SET username = 'anna', email = 'anna@example.org'")
    assert again(deployment)["conflicts"] == {"username": 1, "email": 1}
    assert (ana().username, ana().email) == ("annie", "annie@example.org")
    assert again(deployment)["conflicts"] == {}


def test_swapped_names_stay_apart(deployment):
    deployment.person(1, "ana")
    deployment.person(2, "ben")
    run(deployment)
    deployment.execute("UPDATE auth SET username = CASE id WHEN 1 THEN 'ben' ELSE 'ana' END")
    again(deployment)
    people = dict(User.objects.values_list("legacy_id", "username"))
    assert people == {1: "ben~1", 2: "ana~2"}
    assert ana().legacy_username == "ben"


def test_ban_and_its_end_at_the_source(deployment):
    deployment.person(1, "ana", key=OLD_KEY)
    run(deployment)
    deployment.execute("UPDATE auth SET is_banned = 1")
    again(deployment)
    assert Restriction.objects.live(LATER).filter(user=ana()).count() == 1
    assert ApiKey.objects.get().revoked_at == LATER
    deployment.execute("UPDATE auth SET is_banned = 0")
    run(deployment, now=LATER + timedelta(days=1))
    assert not Restriction.objects.live(LATER + timedelta(days=2)).exists()
    assert ApiKey.objects.get().revoked_at is None


def test_ban_lifted_here_stays_lifted(deployment):
    deployment.person(1, "ana", is_banned=1)
    run(deployment)
    lift_restriction([ana().pk], actor=SYSTEM, reason="reinstated", now=NOW)
    deployment.execute("UPDATE auth SET email = 'new@example.org'")
    again(deployment)
    assert not Restriction.objects.live(LATER).exists()


def test_subscription_changed_at_the_source_is_told_anew(deployment):
    deployment.person(1, "ana")
    deployment.subscribe(1, 1, "2027-01-01 08:00:00", months=1)
    run(deployment)
    deployment.execute(
        "UPDATE subscription SET level = 3, expired_at = '2027-06-01 08:00:00', total_month = 6"
    )
    again(deployment)
    standing = ana().standing
    assert (standing.tier, standing.legacy_months) == (3, 6)
    assert standing.ends_at == datetime(2027, 6, 1, tzinfo=UTC)
    [period] = standing.subscription.periods.all()
    assert (period.tier_id, period.span.upper) == (3, standing.ends_at)


def test_subscription_taken_away_and_given_back_at_the_source(deployment):
    deployment.person(1, "ana")
    deployment.subscribe(1, 2, "2027-01-01 08:00:00")
    run(deployment)
    deployment.execute("UPDATE subscription SET level = 0")
    again(deployment)
    assert (ana().standing.tier, ana().standing.subscription) == (0, None)
    assert ana().subscriptions.get().ended_at == LATER
    deployment.execute("UPDATE subscription SET level = 2")
    run(deployment, now=LATER + timedelta(days=1))
    standing = ana().standing
    assert (standing.tier, standing.subscription.ended_at) == (2, None)
    assert standing.subscription.periods.get().span.upper == datetime(2027, 1, 1, tzinfo=UTC)


def test_subscription_begun_at_the_source_later(deployment):
    deployment.person(1, "ana")
    run(deployment)
    deployment.subscribe(1, 2, "2027-01-01 08:00:00")
    again(deployment)
    assert ana().standing.tier == 2


def test_subscription_changed_here_stays(deployment):
    deployment.person(1, "ana")
    deployment.subscribe(1, 1, "2027-01-01 08:00:00")
    run(deployment)
    standing = ana().standing
    standing.ends_at = datetime(2028, 1, 1, tzinfo=UTC)
    standing.save()
    deployment.execute("UPDATE subscription SET level = 3")
    assert again(deployment)["conflicts"] == {"subscription": 1}
    assert ana().standing.tier == 1


def test_key_reset_at_the_source(deployment):
    deployment.person(1, "ana", key=OLD_KEY)
    run(deployment)
    deployment.execute("UPDATE apikey SET api_key = ?", [NEW_KEY])
    again(deployment)
    keys = {bytes(key.digest).hex(): key.revoked_at for key in ApiKey.objects.all()}
    assert keys == {sha256(OLD_KEY): LATER, sha256(NEW_KEY): None}
    deployment.execute("UPDATE apikey SET api_key = ?", [OLD_KEY])
    run(deployment, now=LATER + timedelta(days=1))
    keys = {bytes(key.digest).hex(): key.revoked_at is None for key in ApiKey.objects.all()}
    assert keys == {sha256(OLD_KEY): True, sha256(NEW_KEY): False}


def test_key_revoked_here_stays_revoked(deployment):
    deployment.person(1, "ana", key=OLD_KEY, quota=1)
    run(deployment)
    ApiKey.objects.update(revoked_at=NOW)
    deployment.execute("UPDATE quota SET quota = 2")
    again(deployment)
    assert ApiKey.objects.get().revoked_at == NOW


def test_roles_are_granted_once_and_not_again(deployment):
    deployment.person(1, "ana", is_admin=1)
    run(deployment)
    again(deployment, map_admins="support")
    assert ana().role == "support"
    User.objects.filter(legacy_id=1).update(role="none")
    again(deployment, map_admins="support")
    assert ana().role == "none"


def test_password_changed_at_the_source_before_it_was_wrapped(deployment):
    deployment.person(1, "ana", password="first-1")
    run(deployment)
    deployment.execute("UPDATE auth SET password = ?", [sha256("second-2")])
    assert again(deployment)["people"]["changed"] == 1
    assert check_password("second-2", ana().password)
    assert not check_password("first-1", ana().password)


def test_password_chosen_here_stays(deployment):
    deployment.person(1, "ana", password="first-1")
    run(deployment)
    chosen = make_password("chosen here")
    User.objects.filter(legacy_id=1).update(password=chosen)
    deployment.execute("UPDATE auth SET password = ?", [sha256("second-2")])
    again(deployment)
    assert ana().password == chosen


def test_password_that_becomes_usable_at_the_source(deployment):
    deployment.person(1, "root", password="chatnio123456")
    run(deployment)
    assert not ana().has_usable_password()
    deployment.execute("UPDATE auth SET password = ?", [sha256("better-1")])
    again(deployment)
    assert check_password("better-1", ana().password)


def test_rows_that_vanish_at_the_source_stay_here(deployment):
    deployment.person(1, "ana", quota=5, key=OLD_KEY)
    deployment.person(2, "ben", quota=7)
    deployment.insert("conversation", user_id=1, data="[]")
    run(deployment)
    for statement in ("quota WHERE user_id = 1", "auth WHERE id = 2", "conversation", "apikey"):
        deployment.execute(f"DELETE FROM {statement}")
    report = again(deployment)
    assert report["vanished"] == {"apikey": 1, "auth": 1, "conversation": 1, "quota": 1}
    assert ana().account.balance == 5
    assert User.objects.filter(legacy_id=2).exists()
    assert LegacyRow.objects.filter(table_name="conversation").count() == 1


def test_unknown_column_changed_at_the_source_changes_only_the_legacy_row(deployment):
    deployment.person(1, "ana", quota=5)
    run(deployment)
    deployment.execute("UPDATE auth SET bind_id = 77")
    report = again(deployment)
    assert report["people"]["unchanged"] == 1
    assert LegacyRow.objects.get(table_name="auth").row["bind_id"] == 77
    assert ImportRun.objects.count() == 2


def test_orphan_whose_user_appears_later_is_imported(deployment):
    deployment.person(1, "ana")
    deployment.insert("quota", user_id=2, quota=9, used=1)
    run(deployment)
    deployment.person(2, "ben")
    again(deployment)
    assert User.objects.get(username="ben").account.balance == 9
    assert LegacyRow.objects.get(table_name="quota").state == "imported"


def test_flag_cleared_here_stays_cleared(deployment):
    deployment.person(1, "ana", quota=-5, email=None)
    run(deployment)
    User.objects.filter(legacy_id=1).update(import_flags=["null_email"])
    deployment.execute("UPDATE quota SET quota = -6")
    again(deployment)
    assert ana().import_flags == ["null_email"]
