"""manage.py reconcile finds each kind of defect, put in behind the ledger's back."""

import io
import json

import pytest
from django.core.management import call_command

from billing import ledger
from tests.billing.holders import (
    NOON,
    PURCHASE,
    REVERSAL,
    UP,
    defects,
    give,
    holder,
    sql,
    take,
)
from users.models import User

pytestmark = pytest.mark.django_db

TABLES = ("billing_transfer", "billing_transfer_default", "billing_account")


def behind_its_back(statement, *parameters):
    """Change something with the triggers off."""
    for table in TABLES:
        sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    sql(statement, *parameters)
    for table in TABLES:
        sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def found():
    return {(defect.rule, defect.subject) for defect in defects()}


@pytest.fixture
def account():
    """An account with a credit, a debit and a reversal."""
    account = holder(100)
    used = take(account, 30, ledger.USAGE)
    give(account, 10, REVERSAL, reverses=(used.id, used.created_at))
    ledger.debit(account.user_id, give(account, 1).balance_after - 80, "k", now=NOON)
    assert found() == set()
    return account


BROKEN_ACCOUNTS = {
    "balance = balance + 1, credited_total = credited_total + 1": {"balance", "credited_total"},
    "credited_total = credited_total + 1, debited_total = debited_total + 1": {
        "credited_total",
        "debited_total",
    },
    "used_total = used_total + 1": {"used_total"},
    "version = version + 1": {"version"},
    "held = 5": {"held"},
    "settle_slack = 0, overdraft_limit = 0, held = 500": {"held", "floor"},
}


@pytest.mark.parametrize("change", BROKEN_ACCOUNTS)
def test_broken_account_is_found(account, change):
    sql("ALTER TABLE billing_account DROP CONSTRAINT account_sum_and_floor")
    behind_its_back(f"UPDATE billing_account SET {change} WHERE id = %s", account.pk)
    expected = {(rule, "account") for rule in BROKEN_ACCOUNTS[change]}
    assert found() - {("statistics", "user")} == expected


BROKEN_TRANSFERS = {
    # the middle one, so that what follows no longer continues it
    "UPDATE billing_transfer SET balance_after = 1 WHERE account_version = 2 AND account_id = %s": {
        "chain"
    },
    "UPDATE billing_transfer SET delta = delta + 1 WHERE account_version = 1 AND account_id = %s": {
        "chain",
        "balance",
        "credited_total",
    },
    "DELETE FROM billing_transfer WHERE account_version = 4 AND account_id = %s": {
        "balance",
        "credited_total",
        "version",
        "chain",
    },
    "UPDATE billing_transfer SET code = 210 WHERE account_version = 1 AND account_id = %s": {
        "code",
        "used_total",
    },
    "UPDATE billing_transfer SET code = 999 WHERE account_version = 1 AND account_id = %s": {
        "code"
    },
    "UPDATE billing_transfer SET account_id = 10^9 WHERE account_version = 5 AND account_id = %s": {
        "orphan",
        "balance",
        "debited_total",
        "used_total",
        "version",
        "chain",
    },
    "UPDATE billing_transfer SET reverses_id = 9 WHERE account_version = 3 AND account_id = %s": {
        "reversal",
        "reversal_cap",
    },
    "UPDATE billing_transfer SET reverses_id = (SELECT min(id) FROM billing_transfer)"
    " WHERE account_version = 3 AND account_id = %s": {"reversal", "reversal_cap"},
}


@pytest.mark.parametrize("statement", BROKEN_TRANSFERS)
def test_broken_journal_is_found(account, statement):
    behind_its_back(statement, account.pk)
    assert {rule for rule, _subject in found()} == BROKEN_TRANSFERS[statement]


def test_used_credits_that_do_not_add_up_are_found(account):
    behind_its_back(
        "UPDATE billing_transfer SET code = 401 WHERE account_version = 2 AND account_id = %s",
        account.pk,
    )
    assert ("used_total", "account") in found()


@pytest.mark.parametrize("change", ["reversed = 9", "original = 31"])
def test_broken_reversal_cap_is_found(account, change):
    sql(f"UPDATE billing_reversal_cap SET {change}")
    assert found() == {("reversal_cap", "transfer")}


def test_missing_reversal_cap_is_found(account):
    sql("DELETE FROM billing_reversal_cap")
    assert found() == {("reversal_cap", "transfer")}


def test_reversal_of_more_than_was_moved_is_found(account):
    sql("ALTER TABLE billing_reversal_cap DROP CONSTRAINT reversal_capped")
    [(pk, at)] = sql(
        "SELECT reverses_id, reverses_at FROM billing_transfer WHERE reverses_id IS NOT NULL"
    )
    give(account, 25, UP, reverses=(pk, at))
    assert found() == {("reversal_cap", "transfer")}


def test_key_without_its_transfer_is_found(account):
    sql("UPDATE billing_idempotency SET transfer_id = 10^12")
    assert found() == {("idempotency", "transfer")}


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM billing_statistics",
        "UPDATE billing_statistics SET version = 99",
        "UPDATE billing_statistics s SET version = a.version, balance = 7, used = 0"
        " FROM billing_account a WHERE a.user_id = s.user_id",
    ],
)
def test_wrong_statistics_are_found(account, statement):
    sql(statement)
    assert found() == {("statistics", "user")}


def test_user_without_account_or_standing_is_found():
    user = User.objects.create(username="nobody", password="!")
    assert [(defect.rule, defect.subject_id) for defect in defects()] == [
        ("account", user.pk),
        ("standing", user.pk),
    ]


def test_account_of_the_wrong_kind_is_found():
    behind_its_back("UPDATE billing_account SET code = NULL WHERE id = 3")
    assert found() == {("kind", "account")}


@pytest.mark.parametrize(
    ("statement", "verdict"),
    [
        ("ALTER TABLE {} DISABLE TRIGGER {}", "disabled"),
        ("DROP TRIGGER {1} ON {0}", "missing"),
    ],
)
@pytest.mark.parametrize(
    ("table", "trigger"),
    [
        ("billing_account", "billing_account_figures"),
        ("billing_account", "billing_account_opens_empty"),
        ("billing_account", "billing_account_kind"),
        ("billing_account", "billing_account_stays"),
        ("billing_account", "billing_account_no_truncate"),
        ("billing_transfer", "billing_transfer_no_truncate"),
        ("billing_transfer_default", "billing_transfer_no_truncate"),
    ],
)
def test_guard_that_is_off_is_found(table, trigger, statement, verdict):
    sql(statement.format(table, trigger))
    [defect] = defects()
    assert defect == (
        "guard",
        f"table {table}",
        None,
        f"{trigger} enabled",
        verdict,
    )


@pytest.mark.parametrize("trigger", ["billing_transfer_post", "billing_transfer_append_only"])
def test_guard_that_is_off_in_one_partition_is_found(trigger):
    sql(f"ALTER TABLE billing_transfer_default DISABLE TRIGGER {trigger}")
    [defect] = defects()
    assert (defect.rule, defect.subject) == ("guard", "table billing_transfer_default")


def run(*arguments):
    out = io.StringIO()
    code = 0
    try:
        call_command("reconcile", *arguments, stdout=out)
    except SystemExit as error:
        code = error.code
    return code, out.getvalue()


def test_command_without_defects_ends_with_0(account):
    assert run() == (0, "Everything agrees.\n")
    code, text = run("--json")
    assert (code, json.loads(text)) == (0, {"defects": 0, "rows": []})


def test_command_with_defects_lists_them_and_ends_with_1(account):
    sql("UPDATE billing_idempotency SET transfer_id = 77")
    code, text = run()
    assert code == 1
    assert "idempotency  transfer 77  the transfer of key k  none" in text
    assert text.endswith("1 defect.\n")
    code, text = run("--json")
    assert code == 1
    assert json.loads(text.splitlines()[-1]) == {
        "defects": 1,
        "rows": [
            {
                "rule": "idempotency",
                "subject": "transfer",
                "subject_id": 77,
                "expected": "the transfer of key k",
                "found": "none",
            }
        ],
    }


def test_command_with_very_many_defects_shows_a_hundred():
    User.objects.bulk_create(User(username=f"n{n}", password="!") for n in range(120))
    _code, text = run()
    assert len(text.splitlines()) == 1 + 100 + 2
    assert text.endswith("240 defects.\n")


def test_ledger_of_a_purchase_is_clean():
    holder(PURCHASE)
    assert defects() == []
