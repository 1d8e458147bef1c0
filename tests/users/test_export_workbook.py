"""The export of users as an Excel file, read back: typed, in order, and nothing in it a formula."""

import io
import zipfile
from decimal import Decimal

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now
from openpyxl import load_workbook

from audit.models import AuditEntry, ExportFile
from audit.people import SYSTEM
from billing.services import Opening, adjust_credits, post_opening_balances
from coai_admin.console import exports as files
from coai_admin.console.workbooks import workbook
from tests.factories import NOON, make_staff, make_user, make_users
from tests.users.test_export import HARMLESS, HOSTILE
from users import exports
from users.models import User
from users.roles import ROLES, Role
from users.table import USERS

pytestmark = pytest.mark.django_db

URL = reverse("users:export")
CONTROLS = ["a\x07b", "_x0041_", "\ufffe", "\U0001f600" * 20, "http://example.com/", "12", "1e5"]


def as_role(role=Role.SUPER_ADMIN):
    client = Client()
    client.force_login(make_staff(role))
    return client


def book_of(response):
    assert response.status_code == 200, response.content.decode()
    return load_workbook(io.BytesIO(b"".join(response.streaming_content)))


def lines(sheet):
    header, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def whole(client, query=""):
    asked = {"file": "xlsx", "whole": "on", "reason": "for a test"}
    return lines(book_of(client.post(f"{URL}?{query}", asked)).active)


def test_file_has_a_dated_name_and_one_sheet_with_a_frozen_header():
    make_user("ana")
    response = as_role().post(URL, {"file": "xlsx"})
    export = AuditEntry.objects.get(action="exports.users").changes["export"]
    name = f'attachment; filename="users-{time_now():%Y-%m-%d}-{export[:8]}.xlsx"'
    assert response.headers["Content-Disposition"] == name
    assert response.headers["Content-Type"] == files.XLSX.content_type
    assert response.headers["Cache-Control"] == "no-store"
    book = book_of(response)
    assert book.properties.description == export
    [sheet] = book.worksheets
    assert {line["Export"] for line in lines(sheet)} == {export}
    assert sheet.oddFooter.left.text == export
    assert (sheet.title, sheet.freeze_panes) == ("Users", "B2")
    assert sheet["A1"].font.bold
    assert sheet.column_dimensions["A"].width > 20


def test_numbers_and_moments_are_typed_and_what_is_empty_is_empty():
    user = make_user("ana", joined_at=NOON, last_seen_at=None, country="")
    adjust_credits([user.pk], actor=SYSTEM, delta=Decimal("12.345678"), reason="gift")
    [line] = whole(as_role(), f"id={user.pk}")
    assert (line["ID"], line["Credits"], line["Tier"]) == (user.pk, 12.345678, 0)
    assert line["Joined (UTC)"] == NOON.replace(tzinfo=None)
    assert line["Last seen (UTC)"] is None
    assert line["Country"] is None
    assert line["Username"] == "ana"


def test_figures_that_a_spreadsheet_would_round_stand_as_text():
    user = make_user("rich")
    opening = Opening(user.pk, Decimal("1234567890.123456"), Decimal(0))
    post_opening_balances([opening], actor=SYSTEM, now=NOON, reason="for a test")
    [line] = whole(as_role(), f"id={user.pk}")
    assert line["Credits"] == "1234567890.123456"


@pytest.mark.parametrize("text", [*HOSTILE, *HARMLESS, *CONTROLS])
def test_text_is_text_whatever_it_looks_like(text):
    user = make_user("placeholder")
    User.objects.filter(pk=user.pk).update(username=text)
    response = as_role().post(f"{URL}?id={user.pk}", {"file": "xlsx"})
    body = b"".join(response.streaming_content)
    cell = load_workbook(io.BytesIO(body)).active["A2"]
    assert cell.data_type in ("s", "inlineStr")
    assert cell.hyperlink is None
    drawn = zipfile.ZipFile(io.BytesIO(body)).read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in drawn
    if text not in ("\ufffe", "\rx"):  # XML has no word for the one and takes the other for a break
        assert cell.value.replace("_x005F_", "_").replace("_x0007_", "\x07") == text


def test_order_and_columns_are_those_of_the_list_and_of_csv():
    ids = make_users(5)
    User.objects.filter(pk__in=ids).update(country="PT")
    client, query = as_role(), "country=PT&sort=-id"
    found = whole(client, query)
    assert [line["ID"] for line in found] == ids[::-1]
    reading = USERS.read(QueryDict(query), viewer=make_staff(Role.SUPER_ADMIN), now=time_now())
    headers = [each.header for each in files.fields(reading, masked=False)]
    assert list(found[0]) == [*headers, "Export"]


@pytest.mark.parametrize("role", ROLES)
def test_roles_get_as_much_as_in_csv(role):
    user = make_user("ana", email="ana@example.com")
    client, asked = as_role(role), {"file": "xlsx"}
    response = client.post(f"{URL}?id={user.pk}", asked)
    if role == Role.SUPPORT:
        assert response.status_code == 403
        return
    [line] = lines(book_of(response).active)
    assert line["Email"] == "a•••@e•••.com"
    assert ("Admin" in line) is make_staff(role).may("users.inspect_staff")


def test_export_is_on_the_record_as_begun_and_as_finished():
    make_users(3)
    response = as_role().post(URL, {"file": "xlsx"})
    b"".join(response.streaming_content)
    begun, finished = AuditEntry.objects.filter(action="exports.users").order_by("id")
    assert begun.changes["file"] == "xlsx"
    assert finished.changes["rows"] == 4
    assert finished.changes["complete"] is True


def test_file_that_was_not_taken_whole_is_known_as_such():
    make_users(2)
    reading = USERS.read(QueryDict(), viewer=make_staff(Role.SUPER_ADMIN), now=time_now())
    sent, columns = files.Sent(), files.fields(reading, masked=True)
    blocks = workbook(reading.ordered(), columns, title="Users", sent=sent)
    next(blocks)
    blocks.close()
    assert (sent.rows, sent.complete) == (3, False)


def test_more_than_can_be_waited_for_is_made_in_the_background(monkeypatch):
    monkeypatch.setattr(exports, "ROWS_OF_A_WORKBOOK", 2)
    make_users(3)
    client = as_role()
    assert "Make Excel in the background" in client.get(URL).content.decode()
    response = client.post(URL, {"file": "xlsx"})
    file = ExportFile.objects.get()
    assert (response.status_code, response["Location"]) == (302, f"/admin/exports/{file.pk}/")
    assert (file.file_type, file.state) == ("xlsx", "waiting")
    begun = AuditEntry.objects.get(action="exports.users")
    assert begun.changes["in_background"] is True


def test_unknown_kind_of_file_is_named():
    response = as_role().post(URL, {"file": "pdf"})
    assert response.status_code == 400
    assert "“file”" in response.content.decode()


def test_rows_over_the_end_of_a_sheet_go_on_in_the_next():
    make_users(5)
    reading = USERS.read(QueryDict("sort=id"), viewer=make_staff(Role.SUPER_ADMIN), now=time_now())
    sent, columns = files.Sent(), files.fields(reading, masked=True)
    body = b"".join(workbook(reading.ordered(), columns, title="Users", sent=sent, most=4))
    book = load_workbook(io.BytesIO(body))
    assert book.sheetnames == ["Users", "Users 2"]
    assert [len(lines(sheet)) for sheet in book] == [4, 2]
    assert sent.rows == 6
    assert book["Users 2"].freeze_panes == "B2"


def test_empty_list_is_a_sheet_with_headers_only():
    response = as_role().post(f"{URL}?q=nobody-is-called-this", {"file": "xlsx"})
    assert lines(book_of(response).active) == []
