from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from users.imports import values

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("cell", "amount", "residual"),
    [
        (123456.789, "123456.789000", "0"),
        (0.1, "0.100000", "0"),
        (1e-7, "0.000000", "1E-7"),
        ("-0", "0.000000", "0"),
        (-0.0, "0.000000", "0"),
        ("12.3456789", "12.345679", "-1E-7"),
        (b"7.5", "7.500000", "0"),
        (17, "17.000000", "0"),
        ("1e3", "1000.000000", "0"),
        (123456.7890625, "123456.789062", "5E-7"),
        ("999999999999999999.999999", "999999999999999999.999999", "0"),
    ],
)
def test_money_is_exact(cell, amount, residual):
    found = values.money(cell)
    assert str(found.amount) == amount
    assert found.residual == Decimal(residual)


@pytest.mark.parametrize(
    "cell",
    [
        float("nan"),
        float("inf"),
        "abc",
        "",
        "1_000",
        "１２",
        "1e400",
        1e30,
        "0x10",
        "12,5",
        b"\xff",
        "9" * 400,
        "999999999999999999.9999999",
        None,
    ],
)
def test_money_that_is_no_amount(cell):
    assert values.money(cell) is None


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        (5, 5),
        ("5", 5),
        (" 5 ", 5),
        (5.0, 5),
        ("5.0", 5),
        (b"5", 5),
        (-3, -3),
        ("+4", 4),
        (None, None),
        ("", None),
        ("five", None),
        (5.5, None),
        (2**70, None),
        ("٥", None),
        (float("nan"), None),
        (float("inf"), None),
        ("9" * 40, None),
    ],
)
def test_whole(cell, number):
    assert values.whole(cell) == number


@pytest.mark.parametrize(
    ("cell", "answer"),
    [
        (1, True),
        (0, False),
        (None, False),
        ("1", True),
        ("true", True),
        ("FALSE", False),
        (b"\x01", True),
        (b"\x00", False),
        (1.0, True),
        ("", False),
        (2, None),
        ("maybe", None),
        (b"\xff\xfe", None),
        (-1, None),
    ],
)
def test_truth(cell, answer):
    assert values.truth(cell) is answer


def test_moment_is_wall_clock_of_the_source():
    found = values.moment("2026-11-20 12:00:00", SHANGHAI)
    assert found == values.Moment(datetime(2026, 11, 20, 4, tzinfo=UTC))


@pytest.mark.parametrize(
    ("cell", "hour"),
    [
        ("2024-03-01 08:00:00", 0),
        ("2024-03-01T08:00:00.5", 0),
        ("2024-03-01 08:00:00.123456789 +0800 CST", 0),
        ("2024-03-01 08:00:00+00:00", 8),
        ("2024-03-01T08:00:00Z", 8),
        (b"2024-03-01 08:00:00", 0),
        (1_709_251_200, 0),
        (1_709_251_200_000, 0),
    ],
)
def test_moment_in_the_spellings_of_sqlite_go_and_mysql(cell, hour):
    at = values.moment(cell, SHANGHAI).at
    assert at.replace(minute=0, second=0, microsecond=0) == datetime(2024, 3, 1, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cell", "oddity"),
    [
        ("0000-00-00 00:00:00", "zero_date"),
        ("0000-00-00", "zero_date"),
        ("2024-02-30 00:00:00", "bad_date"),
        ("yesterday", "bad_date"),
        ("20240301", "bad_date"),
        ("0001-01-01 00:00:00", "bad_date"),
        ("2024-01-01 00:00:00\x00", "bad_date"),
        ("２０２４-01-01", "bad_date"),
        (12, "bad_date"),
        (float("nan"), "bad_date"),
        (None, ""),
        ("", ""),
    ],
)
def test_moment_that_is_no_date(cell, oddity):
    assert values.moment(cell, SHANGHAI) == values.Moment(None, oddity)


def test_moment_in_an_hour_that_was_skipped_lies_after_it():
    found = values.moment("2026-03-29 02:30:00", BERLIN)
    assert found == values.Moment(datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "clock_gap")


def test_moment_in_an_hour_that_came_twice_is_the_first_for_beginnings_the_second_for_ends():
    begins = values.moment("2026-10-25 02:30:00", BERLIN)
    ends = values.moment("2026-10-25 02:30:00", BERLIN, later=True)
    assert begins == values.Moment(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "clock_fold")
    assert ends == values.Moment(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "clock_fold")
