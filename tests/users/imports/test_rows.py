from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.users.imports.deployments import SHANGHAI, sha256
from users.imports.names import usable_email, usable_name
from users.imports.rows import DEFAULT_ROOT_HASH, Keys, Reader
from users.imports.secrecy import Keeper

AS_OF = datetime(2026, 11, 20, 4, tzinfo=UTC)
KEYS = Keys(("id",), unique=True)


@pytest.fixture
def reader():
    return Reader(
        zone=SHANGHAI,
        as_of=AS_OF,
        keeper=Keeper(b"key"),
        encode_password=lambda digest: f"mac:{digest}",
    )


def auth(reader, pk=1, **cells):
    row = {
        "id": pk,
        "username": f"u{pk}",
        "email": f"u{pk}@x.org",
        "password": sha256("a"),
        **cells,
    }
    return reader.stage("auth", {"is_admin": 0, "is_banned": 0, "token": "t", **row}, KEYS)


def test_auth_row_becomes_a_person(reader):
    staged = auth(reader, 7, username="Bob", is_admin=1)
    assert (staged.state, staged.user_ref, staged.key) == ("imported", 7, "7")
    assert staged.facts == {
        "username": "Bob",
        "email": "u7@x.org",
        "admin": True,
        "banned": False,
        "password": "hash",
    }
    assert staged.flags == ("was_admin",)
    assert staged.password == f"mac:{sha256('a')}"
    assert sha256("a") not in staged.row


@pytest.mark.parametrize("pk", [None, "abc", 1.5, b"\xff"])
def test_auth_row_without_an_id_is_quarantined(reader, pk):
    staged = auth(reader, pk)
    assert (staged.state, staged.reason) == ("quarantined", "no_id")
    assert reader.people == set()


def test_auth_row_with_an_id_given_before_is_quarantined(reader):
    auth(reader, 1)
    staged = auth(reader, "1", username="again")
    assert (staged.state, staged.reason) == ("quarantined", "duplicate_id")


def test_auth_row_of_root_on_the_default_password_gets_none(reader):
    staged = auth(reader, username="root", password=DEFAULT_ROOT_HASH)
    assert staged.password is None
    assert staged.flags == ("default_root_password",)


@pytest.mark.parametrize("password", ["", "plain", sha256("a")[:-1], None, b"\x00", 5])
def test_auth_row_without_a_hash_gets_no_password(reader, password):
    staged = auth(reader, password=password)
    assert staged.password is None
    assert "unusable_password" in staged.flags


def test_auth_row_of_a_version_without_email_and_ban(reader):
    row = {"id": 1, "username": "old", "password": sha256("a"), "token": "t", "is_admin": 0}
    staged = reader.stage("auth", row, KEYS)
    assert staged.state == "imported"
    assert staged.facts["banned"] is False
    assert staged.flags == ("null_email",)


@pytest.mark.parametrize(
    ("raw", "shown", "flags"),
    [
        ("Bob", "Bob", ()),
        ("小明", "小明", ()),
        (" Bob ", " Bob ", ()),
        (None, "user~5", ("no_username",)),
        ("", "user~5", ("no_username",)),
        ("  ", "user~5", ("no_username",)),
        ("a\nb", "a\ufffdb", ("odd_username",)),
        ("a\u202eb", "a\ufffdb", ("odd_username",)),
        ("a\x00b", "a\ufffdb", ("unreadable_username",)),
        ("a\udcffb", "a\ufffdb", ("unreadable_username",)),
        ("x" * 5_000, "x" * 150 + "~5", ("long_username",)),
        ("👩‍💻", "👩‍💻", ()),
    ],
)
def test_usable_name(raw, shown, flags):
    assert usable_name(raw, 5) == (shown, flags)


@pytest.mark.parametrize(
    ("raw", "address", "flags"),
    [
        ("a@b.org", "a@b.org", ()),
        (" a@b.org\n", "a@b.org", ()),
        (None, None, ("null_email",)),
        ("", None, ("empty_email",)),
        (" ", None, ("empty_email",)),
        ("nobody", None, ("invalid_email",)),
        ("a b@c.org", None, ("invalid_email",)),
        ("a@b@c", None, ("invalid_email",)),
        ("a\x00@b.org", None, ("invalid_email",)),
        ("\udcff@b.org", None, ("invalid_email",)),
        ("x" * 250 + "@b.org", None, ("invalid_email",)),
    ],
)
def test_usable_email(raw, address, flags):
    assert usable_email(raw) == (address, flags)


def quota(reader, user, **cells):
    return reader.stage("quota", {"id": user, "user_id": user, **cells}, KEYS)


def test_quota_row_is_exact(reader):
    auth(reader, 1)
    staged = quota(reader, 1, quota=0.1, used=123456.789, created_at="2024-03-01 08:00:00")
    assert staged.facts == {
        "quota": "0.100000",
        "used": "123456.789000",
        "joined_at": "2024-03-01T00:00:00+00:00",
    }
    assert (reader.tally.quota, reader.tally.used) == (Decimal("0.1"), Decimal("123456.789"))


def test_quota_row_whose_places_are_too_many_leaves_a_residual(reader):
    auth(reader, 1)
    quota(reader, 1, quota=0.12345678, used=0)
    assert reader.tally.residual == Decimal("2.2E-7")
    assert reader.tally.rounded == 1


@pytest.mark.parametrize("amount", ["abc", float("nan"), 1e300, b"\xff"])
def test_quota_row_without_an_amount_is_quarantined(reader, amount):
    auth(reader, 1)
    staged = quota(reader, 1, quota=amount, used=1)
    assert (staged.state, staged.reason) == ("quarantined", "bad_amount")
    assert reader.tally.quarantined_used == 1


def test_quota_row_of_nobody_is_quarantined_and_still_counted(reader):
    staged = quota(reader, 9, quota=-5, used=1)
    assert (staged.state, staged.reason) == ("quarantined", "orphan")
    assert set(staged.flags) == {"orphan_quota", "negative_balance", "no_join_date"}
    assert reader.tally.quota == -5


def test_second_quota_row_is_quarantined(reader):
    auth(reader, 1)
    quota(reader, 1, quota=5, used=0)
    staged = reader.stage("quota", {"id": 2, "user_id": 1, "quota": 7, "used": 0}, KEYS)
    assert (staged.state, staged.reason) == ("quarantined", "second_row")


def subscription(reader, **cells):
    auth(reader, 1)
    return reader.stage("subscription", {"id": 1, "user_id": 1, **cells}, KEYS)


def test_subscription_is_counted_as_active_by_wall_clock(reader):
    subscription(reader, level=2, expired_at="2026-11-20 12:00:01", total_month=3)
    assert reader.tally.active_by_level == {2: 1}


def test_subscription_that_ends_at_that_instant_is_not_active(reader):
    subscription(reader, level=2, expired_at="2026-11-20 12:00:00", total_month=3)
    assert reader.tally.active_by_level == {}


@pytest.mark.parametrize(
    ("level", "expired_at", "flag"),
    [
        (1, None, "tier_without_expiry"),
        (1, "0000-00-00 00:00:00", "tier_without_expiry"),
        (0, "2027-01-01 00:00:00", "expiry_without_tier"),
        (0, None, "neither_tier_nor_expiry"),
        (None, None, "neither_tier_nor_expiry"),
    ],
)
def test_subscription_that_contradicts_itself_is_flagged(reader, level, expired_at, flag):
    staged = subscription(reader, level=level, expired_at=expired_at, total_month=-2)
    assert staged.state == "imported"
    assert {flag, "negative_total_month"} <= set(staged.flags)


def test_subscription_before_there_were_levels_is_level_3(reader):
    staged = subscription(reader, expired_at="2027-01-01 00:00:00")
    assert staged.facts["level"] == 3


@pytest.mark.parametrize("level", [4, -1, 99])
def test_subscription_of_an_unknown_level_is_kept(reader, level):
    staged = subscription(reader, level=level, expired_at="2027-01-01 00:00:00")
    assert (staged.state, staged.reason, staged.facts) == ("kept", "unknown_level", None)


def test_api_key_becomes_digest_and_prefix(reader):
    auth(reader, 1)
    secret = "sk-" + "ab12" * 16
    staged = reader.stage("apikey", {"id": 1, "user_id": 1, "api_key": secret}, KEYS)
    assert staged.facts["key"] == sha256(secret)
    assert staged.facts["key_prefix"] == "sk-ab12ab12"
    assert secret not in staged.row


def test_api_key_that_is_short_shows_next_to_nothing(reader):
    auth(reader, 1)
    staged = reader.stage("apikey", {"id": 1, "user_id": 1, "api_key": "abcdefgh"}, KEYS)
    assert staged.facts["key_prefix"] == "ab"


@pytest.mark.parametrize(
    ("table", "owner", "cell", "state"),
    [
        ("conversation", "user_id", 1, "kept"),
        ("conversation", "user_id", 99, "quarantined"),
        ("conversation", "user_id", None, "quarantined"),
        ("conversation", "user_id", "abc", "quarantined"),
        ("invitation", "used_id", None, "kept"),
        ("invitation", "used_id", 99, "quarantined"),
        ("order_log", "user_id", 1, "kept"),
        ("order_log", "user_id", 0, "kept"),
        ("order_log", "user_id", -1, "kept"),
        ("order_log", "user_id", 99, "quarantined"),
    ],
)
def test_rows_of_other_tables_are_kept_unless_their_user_is_gone(reader, table, owner, cell, state):
    auth(reader, 1)
    staged = reader.keep(table, {"id": 1, owner: cell, "x": "y"}, KEYS, owner)
    assert staged.state == state
    orphans = {"conversation": "orphan_row"}.get(table, f"orphan_{table}")
    assert reader.tally.anomalies[orphans] == (1 if state == "quarantined" else 0)


def test_keys_name_rows_without_a_primary_key_by_content():
    keys = Keys((), unique=False)
    names = [keys.name({"a": value}, bytes([value] * 16)) for value in (1, 1, 2)]
    assert names == [f"row {'01' * 16}", f"row {'01' * 16}#2", f"row {'02' * 16}"]


def test_keys_are_short_and_no_secrets():
    keys = Keys(("a", "b"), unique=True)
    assert keys.name({"a": {"digest": "d1"}, "b": None}, b"") == "d1,NULL"
    assert len(keys.name({"a": "x" * 5_000, "b": 1}, b"")) < 100
