"""Taking the table along as CSV."""

import csv
import io

import pytest
from playwright.sync_api import expect

from audit.models import AuditEntry
from tests.browser.table import USERS, give, make_crew, tick, wait_until_kept
from tests.factories import make_user

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser-flows-1"),
    pytest.mark.django_db(transaction=True),
]


def download(page):
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download CSV").click()
    text = coming.value.path().read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_export_holds_what_is_shown_in_its_order(desk):
    for user, amount in zip(make_crew(3), ("5", "700.25", "30"), strict=True):
        give(user, amount)
    make_user("somebody.else")
    desk.goto(f"{USERS}?q=crew&sort=-credits")
    desk.get_by_role("link", name="Export").click()
    expect(desk.get_by_role("heading", name="Export 3 users")).to_be_visible()
    rows = download(desk)
    assert [row["Username"] for row in rows] == ["crew-01", "crew-02", "crew-00"]
    assert [row["Credits"] for row in rows] == ["700.250000", "30.000000", "5.000000"]
    assert all("•" in row["Email"] for row in rows)
    expect(desk.get_by_role("button", name="Download CSV")).to_be_enabled()
    assert AuditEntry.objects.filter(action="exports.users").exists()


def test_export_with_whole_addresses_asks_for_a_reason(visit, desk):
    make_user("=cmd", email="ana@mailbox.example")
    desk.goto(f"{USERS}?q=cmd")
    desk.get_by_role("link", name="Export").click()
    desk.get_by_label("With whole email addresses").check()
    desk.get_by_label("Reason").fill("Asked for by the auditors")
    [row] = download(desk)
    assert row["Email"] == "ana@mailbox.example"
    assert row["Username"] == "'=cmd"


def test_export_of_a_selection_holds_the_selected(desk):
    first, _second, third = make_crew(3)
    desk.goto(f"{USERS}?q=crew")
    tick(desk, first, third)
    wait_until_kept(desk)
    desk.locator("#selection").get_by_role("button", name="Export").click()
    expect(desk.get_by_role("heading", name="Export 2 users")).to_be_visible()
    assert {row["Username"] for row in download(desk)} == {"crew-00", "crew-02"}
