"""Monthly partitions: made ahead, made late, made by several at once."""

from datetime import UTC, datetime

import pytest
from django.db import OperationalError, connection, transaction

from audit.partitions import ensure_partitions
from billing.models import Transfer
from tests.billing.holders import PURCHASE, at_once, defects, holder, sql

MARCH = datetime(2031, 3, 15, 12, tzinfo=UTC)
MAY = datetime(2031, 5, 31, 23, 59, tzinfo=UTC)
TABLE = ["billing_transfer"]


@pytest.fixture
def bounds():
    """Partitions by name, with their bounds."""

    def read(table="billing_transfer"):
        return dict(
            sql(
                """SELECT c.relname, pg_get_expr(c.relpartbound, c.oid)
                     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                    WHERE i.inhparent = %s::regclass""",
                table,
            )
        )

    return read


def book(account, at):
    sql(
        "INSERT INTO billing_transfer (created_at, effective_at, account_id, code, delta)"
        " VALUES (%s, %s, %s, %s, 1)",
        at,
        at,
        account.pk,
        PURCHASE,
    )


@pytest.mark.django_db
def test_every_month_between_gets_a_partition_once(bounds):
    assert ensure_partitions(MARCH, MAY, tables=TABLE) == [
        "billing_transfer_2031_03",
        "billing_transfer_2031_04",
        "billing_transfer_2031_05",
    ]
    assert ensure_partitions(MARCH, MAY, tables=TABLE) == []
    assert bounds()["billing_transfer_2031_04"] == (
        "FOR VALUES FROM ('2031-04-01 00:00:00+00') TO ('2031-05-01 00:00:00+00')"
    )


@pytest.mark.django_db
def test_year_ends_in_december(bounds):
    made = ensure_partitions(
        datetime(2031, 12, 31, tzinfo=UTC), datetime(2032, 1, 1, tzinfo=UTC), tables=TABLE
    )
    assert made == ["billing_transfer_2031_12", "billing_transfer_2032_01"]


@pytest.mark.django_db
def test_all_partitioned_tables_are_served_by_default():
    made = ensure_partitions(MARCH, MARCH)
    assert set(made) == {
        "audit_entry_2031_03",
        "audit_personal_2031_03",
        "billing_transfer_2031_03",
    }


@pytest.mark.django_db
def test_rows_land_in_their_month_and_rules_hold_there():
    ensure_partitions(MARCH, MAY)
    account = holder()
    book(account, MARCH)
    assert sql("SELECT count(*) FROM billing_transfer_2031_03") == [(1,)]
    assert sql("SELECT count(*) FROM billing_transfer_default") == [(0,)]
    assert defects() == []


@pytest.mark.django_db
def test_default_with_rows_of_one_missing_month_becomes_that_month(bounds):
    account = holder()
    book(account, MARCH)
    book(account, MARCH.replace(day=31))

    assert ensure_partitions(MARCH, MAY, tables=TABLE) == [
        "billing_transfer_2031_03",
        "billing_transfer_2031_04",
        "billing_transfer_2031_05",
    ]

    assert sql("SELECT count(*) FROM billing_transfer_2031_03") == [(2,)]
    assert bounds()["billing_transfer_default"] == "DEFAULT"
    book(account, datetime(2050, 1, 1, tzinfo=UTC))
    assert sql("SELECT count(*) FROM billing_transfer_default") == [(1,)]
    assert Transfer.objects.filter(account=account).count() == 3
    assert defects() == []


@pytest.mark.django_db
def test_rows_of_several_months_stay_in_default_and_other_months_are_made():
    account = holder()
    book(account, MARCH)
    book(account, MAY)

    assert ensure_partitions(MARCH, MAY, tables=TABLE) == ["billing_transfer_2031_04"]

    assert sql("SELECT count(*) FROM billing_transfer_default") == [(2,)]
    assert Transfer.objects.filter(account=account).count() == 2
    assert defects() == []


@pytest.mark.django_db(transaction=True)
def test_several_at_once_make_each_partition_once(bounds):
    try:
        made = at_once(*[lambda: ensure_partitions(MARCH, MAY, tables=TABLE)] * 4)
        assert sorted(map(len, made)) == [0, 0, 0, 3]
        assert len(bounds()) == 4
    finally:
        for name in set(bounds()) - {"billing_transfer_default"}:
            sql(f"DROP TABLE {name}")


@pytest.mark.django_db(transaction=True)
def test_table_in_use_for_long_is_waited_for_only_so_long(monkeypatch, bounds):
    from audit import partitions

    monkeypatch.setattr(partitions, "LONGEST_WAIT", "200ms")
    account = holder()
    with transaction.atomic():
        book(account, MARCH)
        [result] = at_once(lambda: ensure_partitions(MARCH, MARCH, tables=TABLE))
    assert isinstance(result, OperationalError)
    assert set(bounds()) == {"billing_transfer_default"}
    assert connection.in_atomic_block is False
