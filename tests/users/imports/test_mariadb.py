"""The same through MySQL's protocol, from a real MariaDB."""

from decimal import Decimal

import pytest

from tests.users.imports.deployments import run, sha256
from tests.users.imports.test_import import agrees, as_of, everything, stands
from users.import_models import LegacyRow
from users.imports.mysql import MySQL
from users.imports.sources import open_source
from users.imports.tables import SourceUnreadable
from users.models import ApiKey, User

pytestmark = [pytest.mark.mariadb, pytest.mark.django_db, pytest.mark.xdist_group("mariadb")]

AUTH = """CREATE TABLE auth (id INT PRIMARY KEY AUTO_INCREMENT, bind_id INT UNIQUE,
    username VARCHAR(24) UNIQUE, token VARCHAR(255) NOT NULL, email VARCHAR(255) UNIQUE,
    password VARCHAR(64) NOT NULL, is_admin BOOLEAN DEFAULT FALSE, is_banned BIT(1) DEFAULT 0);"""
QUOTA = """CREATE TABLE quota (id INT PRIMARY KEY AUTO_INCREMENT, user_id INT, quota {}, used {},
    created_at {} NULL);"""


@pytest.fixture
def database(mariadb_server, request):
    """A database of its own for each test; call it with the SQL that fills it."""
    name = f"t{abs(hash(request.node.nodeid)) % 10**9}"

    def fill(*statements):
        mariadb_server.create(name, "\n".join(statements))
        return mariadb_server.url(name)

    fill.name = name
    yield fill
    with mariadb_server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")


def test_sample_equals_its_truth_and_a_second_run_changes_nothing(mariadb_server, sample, truth):
    mariadb_server.create("chatnio", sample / "chatnio.mysql.sql.gz")
    url = mariadb_server.url("chatnio")
    agrees(run(url, as_of=as_of(truth)), truth)
    stands(truth)
    before = everything()
    again = run(url, as_of=as_of(truth))
    agrees(again, truth)
    assert again["people"]["unchanged"] == truth["rows"]["auth"]
    assert everything() == before


def test_sample_from_sqlite_then_from_mariadb_is_the_same_deployment(mariadb_server, sample, truth):
    mariadb_server.create("moved", sample / "chatnio.mysql.sql.gz")
    run(sample / "chatnio.db", as_of=as_of(truth))
    report = run(mariadb_server.url("moved"), as_of=as_of(truth))
    assert report["people"] == {"new": 0, "changed": 0, "unchanged": truth["rows"]["auth"]}
    stands(truth)


@pytest.mark.parametrize(
    ("kind", "told", "balance"),
    [
        ("DECIMAL(24,6)", "12.345678", "12.345678"),
        ("DECIMAL(16,4)", "12.3456", "12.345600"),
        ("DECIMAL(40,12)", "0.123456789", "0.123457"),
        ("DOUBLE", "0.1", "0.100000"),
        ("FLOAT", "123456.789", "123456.789062"),
        ("VARCHAR(20)", "'7.5'", "7.500000"),
        ("BIGINT", "7", "7.000000"),
    ],
)
def test_amounts_in_any_type(database, kind, told, balance):
    url = database(
        AUTH,
        QUOTA.format(kind, kind, "DATETIME"),
        f"INSERT INTO auth (id, username, token, password) VALUES (1, 'a', 't', '{sha256('a')}');",
        f"INSERT INTO quota (user_id, quota, used) VALUES (1, {told}, 0);",
    )
    run(url)
    assert str(User.objects.get(username="a").account.balance) == balance


@pytest.mark.parametrize(
    ("kind", "told", "joined"),
    [
        ("DATETIME", "2024-03-01 08:00:00", "2024-03-01 00:00:00+00:00"),
        ("DATETIME(6)", "2024-03-01 08:00:00.5", "2024-03-01 00:00:00.500000+00:00"),
        ("DATE", "2024-03-01", "2024-02-29 16:00:00+00:00"),
        ("TIMESTAMP", "2024-03-01 08:00:00", "2024-03-01 08:00:00+00:00"),
        ("VARCHAR(30)", "2024-03-01 08:00:00", "2024-03-01 00:00:00+00:00"),
    ],
)
def test_dates_in_any_type(database, kind, told, joined):
    url = database(
        "SET time_zone = '+00:00';",
        AUTH,
        QUOTA.format("DECIMAL(24,6)", "DECIMAL(24,6)", kind),
        f"INSERT INTO auth (id, username, token, password) VALUES (1, 'a', 't', '{sha256('a')}');",
        f"INSERT INTO quota (user_id, quota, used, created_at) VALUES (1, 1, 0, '{told}');",
    )
    run(url)
    assert str(User.objects.get(username="a").joined_at) == joined


def test_zero_dates_bits_blobs_and_broken_text(database):
    url = database(
        AUTH,
        QUOTA.format("DECIMAL(24,6)", "DECIMAL(24,6)", "DATETIME"),
        "CREATE TABLE odd (a BIT(9), b BLOB, c JSON, d TIME, e ENUM('x', 'y'), f YEAR, g POINT,"
        " h VARCHAR(10) CHARACTER SET latin1, i TIMESTAMP NULL, j DECIMAL(65,30),"
        " k BIGINT UNSIGNED);",
        "INSERT INTO auth (id, username, token, password, is_banned)"
        f" VALUES (1, 'a', 't', '{sha256('a')}', b'1');",
        "INSERT INTO quota (user_id, quota, used, created_at) VALUES (1, 1, 0, '0000-00-00');",
        "INSERT INTO odd VALUES (b'100000001', x'00ff', '{\"a\": 1}', '-12:00:00', 'y', 2024,"
        " POINT(1, 2), 'é', '2024-01-01', 1.5, 18446744073709551615),"
        " (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);",
    )
    report = run(url)
    assert report["banned"] == 1
    assert report["anomalies"]["zero_date"] == 1
    row = LegacyRow.objects.filter(table_name="odd").order_by("id").first().row
    assert (row["a"], row["e"], row["f"], row["h"]) == (257, "y", 2024, "é")
    assert row["b"] == {"base64": "AP8="}
    assert row["k"] == 18446744073709551615
    assert run(url)["people"]["unchanged"] == 1


def test_names_that_differ_only_in_case_with_a_collation_that_says_so(database):
    url = database(
        AUTH.replace(";", " COLLATE=utf8mb4_bin;"),
        QUOTA.format("DECIMAL(24,6)", "DECIMAL(24,6)", "DATETIME"),
        "INSERT INTO auth (id, username, token, password) VALUES"
        f" (2, 'Ольга', 't', '{sha256('a')}'), (1, 'ОЛЬГА', 't', '{sha256('b')}');",
    )
    report = run(url)
    assert report["anomalies"]["username_case_collision"] == 1
    people = dict(User.objects.values_list("legacy_id", "username"))
    assert people == {1: "ОЛЬГА", 2: "Ольга~2"}


def test_snapshot_does_not_see_what_is_written_meanwhile(database, mariadb_server):
    url = database(
        AUTH,
        QUOTA.format("DECIMAL(24,6)", "DECIMAL(24,6)", "DATETIME"),
        f"INSERT INTO auth (id, username, token, password) VALUES (1, 'a', 't', '{sha256('a')}');",
        "INSERT INTO quota (user_id, quota, used) VALUES (1, 5, 0);",
    )
    with MySQL(url) as source:
        with mariadb_server.connect(database.name) as other, other.cursor() as cursor:
            cursor.execute("UPDATE quota SET quota = 99")
        tables = source.tables()
        assert [row["quota"] for row in source.rows(tables["quota"])] == ["5.000000"]


def test_tables_of_another_engine_are_named(database):
    url = database(
        AUTH,
        QUOTA.format("DECIMAL(24,6)", "DECIMAL(24,6)", "DATETIME").replace(";", " ENGINE=MyISAM;"),
        f"INSERT INTO auth (id, username, token, password) VALUES (1, 'a', 't', '{sha256('a')}');",
    )
    assert "quota" in run(url)["source"]["warnings"][0]


def test_server_that_cannot_be_used_is_named_without_its_password(mariadb_server):
    good = mariadb_server.url("nothing_here")
    for url, words in [
        (good, "Unknown database 'nothing_here'"),
        (good.replace("s3cr3t", "wrong"), "Access denied"),
        ("mysql://coai:s3cr3t@127.0.0.1:1/x", "Can't connect"),
        ("mysql://coai:s3cr3t@no-such-host.invalid/x", "Can't connect"),
    ]:
        with pytest.raises(SourceUnreadable, match=words) as refused, MySQL(url):
            pass
        assert "s3cr3t" not in str(refused.value)
        assert "wrong@" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["mysql://host", "http://a/b", "mysql://a/b/c", "mysql://a:xx/b", "chatnio", ""]
)
def test_url_that_is_none(url):
    from users.imports.sources import Address

    with pytest.raises(SourceUnreadable, match="--mysql takes"), open_source(Address(mysql=url)):
        pass


def test_key_of_a_person_works_after_the_import(database):
    secret = "sk-" + "ab12" * 16
    url = database(
        AUTH,
        QUOTA.format("DECIMAL(24,6)", "DECIMAL(24,6)", "DATETIME"),
        "CREATE TABLE apikey (id INT PRIMARY KEY, user_id INT, api_key VARCHAR(255));",
        f"INSERT INTO auth (id, username, token, password) VALUES (1, 'a', 't', '{sha256('a')}');",
        f"INSERT INTO apikey VALUES (1, 1, '{secret}');",
    )
    run(url)
    assert bytes(ApiKey.objects.get().digest).hex() == sha256(secret)
    assert User.objects.get().account.balance == Decimal(0)
