"""What the database itself refuses, whoever asks."""

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F, ProtectedError, RestrictedError
from django.db.utils import InternalError, OperationalError

from billing.models import Account, Transfer, TransferCode
from tests.billing.holders import NOON, PURCHASE, give, holder, sql
from users.models import User

pytestmark = pytest.mark.django_db
APPEND_ONLY = pytest.raises((InternalError, OperationalError), match="append-only")


def refused(match):
    return pytest.raises(DatabaseError, match=match)


@pytest.mark.parametrize("table", ["billing_transfer", "billing_transfer_default"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET reason = 'x'", "DELETE FROM {}", "TRUNCATE {}"],
)
def test_transfer_can_neither_be_changed_nor_removed(table, statement):
    account = holder(5)
    with refused("append-only"), transaction.atomic():
        sql(statement.format(table))
    assert Transfer.objects.filter(account=account).count() == 1


def test_new_partition_refuses_to_be_emptied_too():
    from audit.partitions import ensure_partitions

    [name] = ensure_partitions(NOON, NOON, tables=["billing_transfer"])
    holder(5)
    assert sql(f"SELECT count(*) FROM {name}") == [(1,)]
    for statement in ("UPDATE {} SET reason = 'x'", "DELETE FROM {}", "TRUNCATE {}"):
        with refused("append-only"), transaction.atomic():
            sql(statement.format(name))


@pytest.mark.parametrize(
    "change",
    [
        {"balance": F("balance") + 1, "credited_total": F("credited_total") + 1},
        {"credited_total": F("credited_total") + 1, "debited_total": F("debited_total") + 1},
        {"used_total": 1},
        {"version": 7},
        {"id": 999_999},
    ],
)
def test_figures_of_an_account_move_only_by_transfers(change):
    account = holder(5)
    with refused("credits move only by transfers"), transaction.atomic():
        Account.objects.filter(pk=account.pk).update(**change)


def test_saving_an_account_does_not_write_its_figures():
    account = holder(5)
    with refused("credits move only by transfers"), transaction.atomic():
        account.save()


@pytest.mark.parametrize("columns", ["balance, credited_total", "used_total", "version", "held"])
def test_account_opens_empty(columns):
    [(pk,)] = sql(
        "INSERT INTO users_user (username, password, role, email_state, must_change_password,"
        " scope, country, locale, timezone, joined_at, legacy_source, import_flags)"
        " VALUES ('nobody', '!', 'none', 'ok', false, '{}', '', '', '', now(), '', '{}')"
        " RETURNING id"
    )
    values = ", ".join("5" for _column in columns.split(","))
    with refused("credits move only by transfers"), transaction.atomic():
        sql(
            f"INSERT INTO billing_account (user_id, updated_at, {columns})"
            f" VALUES ({pk}, now(), {values})"
        )


def test_account_with_transfers_stays():
    account = holder(5)
    with refused("credits move only by transfers"), transaction.atomic():
        sql("DELETE FROM billing_account WHERE id = %s", account.pk)
    with refused("credits move only by transfers"), transaction.atomic():
        sql("TRUNCATE billing_account CASCADE")


def test_account_of_the_platform_stays():
    with refused("credits move only by transfers"), transaction.atomic():
        sql("DELETE FROM billing_account WHERE id = 7")


def test_user_with_an_account_stays():
    account = holder()
    with pytest.raises((RestrictedError, ProtectedError)):
        User.objects.get(pk=account.user_id).delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        sql("DELETE FROM users_user WHERE id = %s", account.user_id)


@pytest.mark.parametrize(
    "change",
    [
        "status = 4",
        "held = -1",
        "overdraft_limit = -1",
        "settle_slack = -1",
        "user_id = NULL",
        "code = 'mine'",
    ],
)
def test_account_columns_stay_within_their_bounds(change):
    account = holder(5)
    with pytest.raises(DatabaseError), transaction.atomic():
        sql(f"UPDATE billing_account SET {change} WHERE id = %s", account.pk)


def test_limits_cannot_be_drawn_in_below_the_balance():
    account = holder(overdraft_limit=50, settle_slack=0)
    give(account, -40, 200)
    with pytest.raises(IntegrityError, match="account_sum_and_floor"), transaction.atomic():
        sql("UPDATE billing_account SET overdraft_limit = 39 WHERE id = %s", account.pk)


def test_more_than_the_balance_and_slack_cannot_be_held():
    account = holder(5, settle_slack=0)
    with pytest.raises(IntegrityError, match="account_sum_and_floor"), transaction.atomic():
        sql("UPDATE billing_account SET held = 6 WHERE id = %s", account.pk)


@pytest.mark.parametrize("columns", ["held = 1", "user_id = 1", "code = NULL"])
def test_account_of_the_platform_holds_nothing_and_belongs_to_nobody(columns):
    with pytest.raises(DatabaseError), transaction.atomic():
        sql(f"UPDATE billing_account SET {columns} WHERE id = 3")


def test_raw_insert_cannot_choose_what_the_ledger_works_out():
    account = holder(5)
    sql(
        "INSERT INTO billing_transfer (created_at, effective_at, account_id, code, delta,"
        " account_version, balance_after) VALUES (%s, %s, %s, %s, 3, 77, 1000)",
        NOON,
        NOON,
        account.pk,
        PURCHASE,
    )
    transfer = Transfer.objects.get(account=account, delta=3)
    assert (transfer.account_version, transfer.balance_after) == (2, 8)


def test_raw_insert_of_a_debit_beyond_the_floor_inserts_nothing():
    account = holder(5)
    count = sql(
        "INSERT INTO billing_transfer (created_at, effective_at, account_id, code, delta)"
        " VALUES (%s, %s, %s, 401, -6)",
        NOON,
        NOON,
        account.pk,
    )
    assert count == 0
    account.refresh_from_db()
    assert (account.balance, account.version) == (5, 1)


def test_every_code_has_a_direction_a_contra_account_and_a_name():
    assert TransferCode.objects.count() == 23
    assert not TransferCode.objects.exclude(contra__lt=1000).exists()
    assert not TransferCode.objects.filter(direction=1).exclude(floor=0).exists()


CODES = [
    *(100, 110, 120, 130, 140, 150, 151, 200, 210, 211, 250, 260, 300, 310, 311),
    *(400, 401, 410, 411, 500, 510, 600, 601),
]


def test_every_code_is_tried():
    assert set(CODES) == set(TransferCode.objects.values_list("pk", flat=True))


@pytest.mark.parametrize("code", CODES)
def test_code_moves_credits_as_the_table_of_codes_says(code):
    rule = TransferCode.objects.get(pk=code)
    account = holder(100, overdraft_limit=20, settle_slack=3)
    give(account, -50, 200)
    with pytest.raises(IntegrityError), transaction.atomic():
        give(account, -rule.direction, code)
    if rule.direction < 0:
        deepest = {
            TransferCode.Floor.ZERO: 50,
            TransferCode.Floor.OVERDRAFT: 70,
            TransferCode.Floor.SLACK: 73,
        }[TransferCode.Floor(rule.floor)]
        assert give(account, -deepest - 1, code) is None
        assert give(account, -deepest, code).balance_after == 50 - deepest
        moved = -deepest
    else:
        assert give(account, 7, code).balance_after == 57
        moved = 7
    account.refresh_from_db()
    assert account.used_total == 50 - (moved if rule.counts_as_used else 0)


@pytest.mark.parametrize("code", CODES)
def test_code_of_spending_is_what_a_frozen_account_refuses(code):
    rule = TransferCode.objects.get(pk=code)
    account = holder(100, status=Account.Status.FROZEN)
    if rule.code in (250, 260):  # nothing was used that could be given back
        return
    refused = give(account, rule.direction, code) is None
    assert refused == (rule.floor == TransferCode.Floor.OVERDRAFT)


def test_chart_of_accounts_is_complete():
    names = Account.objects.filter(pk__lt=1000).order_by("pk").values_list("pk", "code")
    assert list(names) == [
        (1, "usage_revenue"),
        (2, "purchases"),
        (3, "promotions"),
        (4, "breakage"),
        (5, "adjustments"),
        (6, "subscriptions"),
        (7, "writeoff"),
        (8, "refunds"),
        (9, "disputes"),
        (10, "merge_clearing"),
        (11, "import_opening"),
    ]
