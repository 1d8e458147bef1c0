"""The export of users: the list as it is filtered and ordered, harmless in a spreadsheet, on the
record."""

import csv
import io
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit import selection
from audit.models import AuditEntry, AuditPersonal
from coai_admin.console import exports as files
from tests import checksum
from tests.factories import make_staff, make_user, make_users
from tests.users.crowd import NOW, in_order, make_crowd
from users import exports
from users.models import User
from users.roles import Role
from users.table import USERS

pytestmark = pytest.mark.django_db

URL = reverse("users:export")
HOSTILE = ["=1+1", "+1", "-1", "@SUM(1)", "\tx", "\rx", "\nx", "＝1", "＋1", "－1", "＠1"]
HARMLESS = ["a=1", "1-2", "'quoted", '"', "a,b", "a\nb", "小明", "𝕬", " =1", "x" * 150]


@pytest.fixture(scope="module")
def crowd(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_crowd(60, seed=5)
        transaction.set_rollback(True)


def as_role(role=Role.SUPER_ADMIN):
    client = Client()
    client.force_login(make_staff(role))
    return client


def lines(response):
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def whole(client, query=""):
    return lines(client.post(f"{URL}?{query}", {"whole": "on", "reason": "for a test"}))


def entries():
    return list(AuditEntry.objects.filter(action="exports.users").order_by("id"))


def test_file_has_a_dated_name_and_a_byte_order_mark():
    client = as_role()
    response = client.post(URL)
    body = b"".join(response.streaming_content)
    assert body.startswith(b"\xef\xbb\xbfUsername,ID,Email,")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    [line] = csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""))
    export = entries()[-1].changes["export"]
    assert line["Export"] == export
    name = f'attachment; filename="users-{time_now():%Y-%m-%d}-{export[:8]}.csv"'
    assert response.headers["Content-Disposition"] == name
    assert response.headers["Cache-Control"] == "no-store"


def test_file_tells_what_python_knows(crowd):
    found = {int(line["ID"]): line for line in whole(as_role(), only(crowd))}
    assert found.keys() == crowd.keys()
    now = time_now()
    for pk, line in found.items():
        one = crowd[pk]
        assert line["Username"].lstrip("'") == one.username.lstrip("'")
        assert line["Email"] == (one.email or "")
        assert line["Email state"] == ("" if one.known_email == "none" else one.known_email)
        assert (Decimal(line["Credits"]), Decimal(line["Used"])) == (one.credits, one.used)
        assert int(line["Months"]) == one.months
        assert moment(line["Expires (UTC)"]) == one.ends_at
        assert moment(line["Last seen (UTC)"]) == one.seen
        assert moment(line["Joined (UTC)"]) == one.joined
        assert line["Country"] == one.country
        assert line["Admin"] == ("" if one.role == "none" else one.role)
        if one.ends_at is None or one.ends_at > now:
            assert int(line["Tier"]) == one.tier


def moment(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def only(crowd):
    return f"id={','.join(map(str, crowd))}"


@pytest.mark.parametrize("sort", ["-credits", "status", "expires", "-email", "username"])
def test_file_is_in_the_order_of_the_list(sort, crowd):
    viewer = make_staff(Role.SUPER_ADMIN)
    reading = USERS.read(QueryDict(f"{only(crowd)}&sort={sort}"), viewer=viewer, now=NOW)
    columns = files.fields(reading, masked=False)
    text = b"".join(files.csv(reading.ordered(), columns, sent=files.Sent())).decode("utf-8-sig")
    found = [int(line["ID"]) for line in csv.DictReader(io.StringIO(text))]
    assert found == in_order(crowd.values(), sort)


def test_status_and_its_end_are_those_of_the_page(crowd):
    viewer = make_staff(Role.SUPER_ADMIN)
    reading = USERS.read(QueryDict(only(crowd)), viewer=viewer, now=NOW)
    columns = files.fields(reading, masked=False)
    text = b"".join(files.csv(reading.ordered(), columns, sent=files.Sent())).decode("utf-8-sig")
    found = {int(line["ID"]): line for line in csv.DictReader(io.StringIO(text))}
    for row in USERS.facts(list(crowd), viewer, NOW):
        line = found[row.pk]
        assert line["Status"] == row.status
        assert moment(line["Status until (UTC)"]) == row.until
        assert int(line["Tier"]) == row.tier
        assert line["Subscription"] == ("" if row.subscription == "none" else row.subscription)


def test_filters_and_unknown_parameters_hold_for_the_file(crowd):
    client = as_role()
    found = whole(client, f"{only(crowd)}&country=CN")
    assert {int(line["ID"]) for line in found} == {
        pk for pk, one in crowd.items() if one.country == "CN"
    }
    before = len(entries())
    for query in ("foo=1", "tier=7", "sort=password"):
        assert client.post(f"{URL}?{query}").status_code == 400
    assert len(entries()) == before


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("column", ["username", "email", "country"])
def test_formula_is_defused(column, text):
    if column == "country":
        text = text[:2]
    user = make_user()
    User.objects.filter(pk=user.pk).update(**{column: text})
    [line] = whole(as_role(), f"id={user.pk}")
    assert line[column.capitalize()] == f"'{text}"


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_is_left_as_it_is(text):
    user = make_user()
    User.objects.filter(pk=user.pk).update(username=text)
    [line] = whole(as_role(), f"id={user.pk}")
    assert line["Username"] == text


def test_negative_number_stays_a_number(crowd):
    found = whole(as_role(), f"{only(crowd)}&credits_max=-0.01")
    assert found
    assert all(Decimal(line["Credits"]) < 0 for line in found)


@pytest.mark.parametrize(
    ("role", "seen"),
    [(Role.SUPER_ADMIN, True), (Role.USER_ADMIN, True), (Role.READ_ONLY, False)],
)
def test_whole_addresses_are_for_those_who_may(role, seen):
    user = make_user(email="ana@mail.example.com")
    client = as_role(role)
    [line] = lines(client.post(f"{URL}?id={user.pk}"))
    assert line["Email"] == "a•••@m•••.com"
    response = client.post(f"{URL}?id={user.pk}", {"whole": "on", "reason": "asked by the bank"})
    [line] = lines(response)
    assert (line["Email"] == "ana@mail.example.com") is seen


def test_whole_addresses_need_a_reason():
    client = as_role()
    make_user(email="ana@mail.example.com")
    response = client.post(URL, {"whole": "on", "reason": " "})
    assert response.status_code == 422
    assert "Write why the addresses are needed." in response.content.decode()
    assert entries() == []


def test_masked_address_is_the_same_in_sql_as_in_python():
    from coai_admin.console.masks import masked_email

    viewer = make_staff(Role.READ_ONLY)
    strange = [
        "a@b",
        "@x.y",
        "ana@mail.example.com",
        "x@@y.z",
        "no-at",
        "小@例.中国",
        "a@b.",
        "a@.b",
        "a b@c.d",
    ]
    for number, email in enumerate(strange):
        User.objects.filter(pk=make_user(f"strange{number}").pk).update(email=email)
    reading = USERS.read(QueryDict("username=strange&sort=id"), viewer=viewer, now=NOW)
    columns = files.fields(reading, masked=False)
    text = b"".join(files.csv(reading.ordered(), columns, sent=files.Sent())).decode("utf-8-sig")
    found = [line["Email"].lstrip("'") for line in csv.DictReader(io.StringIO(text))]
    assert found == [masked_email(email).lstrip("'") for email in strange]


def test_support_exports_nobody():
    client = as_role(Role.SUPPORT)
    assert client.get(URL).status_code == 403
    assert client.post(URL).status_code == 403
    assert entries() == []


def test_role_of_others_is_no_column_for_those_who_may_not_know():
    viewer = make_staff(Role.SUPPORT)
    reading = USERS.read(QueryDict(""), viewer=viewer, now=NOW)
    assert "role" not in [column.name for column in files.fields(reading, masked=False)]


def test_export_is_on_the_record_before_and_after():
    client = as_role()
    user = make_user(email="ana@mail.example.com")
    whole(client, "email=ana%40mail.example.com&sort=-used")
    begun, finished = entries()
    assert begun.changes["masked"] is False
    assert begun.changes["columns"].startswith("username id email ")
    assert begun.reason == "for a test"
    assert finished.changes["rows"] == 1
    assert finished.changes["complete"] is True
    assert begun.changes["export"] == finished.changes["export"]
    personal = AuditPersonal.objects.get(entry=begun.pk)
    assert personal.changes == {"query": "email=ana%40mail.example.com&sort=-used"}
    assert user.email not in str(begun.changes)


def test_selection_is_exported_alone():
    client = as_role()
    ids = make_users(4)
    chosen = client.post(
        reverse("users:select"),
        {"shown": " ".join(map(str, ids)), "pick": ids[1:3], "act": "export"},
    ).url
    assert "Export 2 users" in client.get(chosen).content.decode()
    assert {int(line["ID"]) for line in lines(client.post(chosen))} == set(ids[1:3])


@pytest.mark.parametrize("file", ["csv", "xlsx"])
@pytest.mark.parametrize("whose", ["another's", "expired", "unknown"])
def test_selection_that_is_gone_is_said_as_the_table_says_it_and_exports_nothing(whose, file):
    owner, other = make_staff(Role.SUPER_ADMIN), make_staff(Role.SUPER_ADMIN)
    chosen = uuid.uuid4()
    if whose != "unknown":
        selection.pick(
            chosen,
            shown=(ids := make_users(2)),
            picked=ids,
            owner=other if whose == "another's" else owner,
            now=time_now() - (selection.LIFE if whose == "expired" else timedelta()),
        )
    client = Client()
    client.force_login(owner)
    before = checksum.database()
    for ask in (client.get, client.post):
        answer = ask(
            f"{URL}?selection={chosen}", data={"file": file} if ask == client.post else None
        )
        assert (answer.status_code, answer["Location"]) == (302, f"{reverse('users:list')}?")
        told = client.get(answer["Location"]).content.decode()
        assert "This selection has expired or is not yours. Select again." in told
    assert entries() == []
    assert checksum.database() == before


class TestDailyLimit:
    """Read-only exports so many rows a day, over all exports."""

    @pytest.fixture(autouse=True)
    def _ten(self, monkeypatch):
        monkeypatch.setitem(exports.ROWS_A_DAY, Role.READ_ONLY.value, 10)

    def test_rows_are_counted_over_the_day(self):
        client = as_role(Role.READ_ONLY)
        ids = make_users(12)
        six, five, four = (f"id={','.join(map(str, ids[:n]))}" for n in (6, 5, 4))
        assert len(lines(client.post(f"{URL}?{six}"))) == 6
        refused = client.post(f"{URL}?{five}")
        assert refused.status_code == 422
        assert "4 are left today, and this list has 5" in refused.content.decode()
        assert len(lines(client.post(f"{URL}?{four}"))) == 4
        assert client.post(f"{URL}?id={ids[0]}").status_code == 422

    def test_begun_download_counts_in_full(self):
        client = as_role(Role.READ_ONLY)
        ids = make_users(10)
        client.post(f"{URL}?id={','.join(map(str, ids))}")
        assert client.post(f"{URL}?id={ids[0]}").status_code == 422

    def test_limit_ends_at_midnight_and_is_one_persons_own(self):
        reader, other = make_staff(Role.READ_ONLY), make_staff(Role.READ_ONLY)
        make_users(5)
        evening = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)
        reading = USERS.read(QueryDict("username=many"), viewer=reader, now=evening)
        exports.begin(reading, whole=False, reason="")
        assert exports.left_today(reader, evening) == 5
        assert exports.left_today(reader, evening + timedelta(minutes=1)) == 10
        assert exports.left_today(other, evening) == 10

    def test_others_have_no_limit(self):
        ids = make_users(12)
        client = as_role(Role.USER_ADMIN)
        assert len(lines(client.post(f"{URL}?id={','.join(map(str, ids))}"))) == 12


def test_memory_does_not_grow_with_the_rows():
    import tracemalloc

    def peak(size):
        make_users(size)
        reading = USERS.read(QueryDict(""), viewer=make_staff(), now=NOW)
        columns = files.fields(reading, masked=False)
        tracemalloc.start()
        for _block in files.csv(reading.ordered(), columns, sent=files.Sent()):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few = peak(1_000)
    assert peak(6_000) < few + 300_000
