"""Taking the table along as a file, at once or in the background."""

import csv
import io

import pytest
from django.utils.timezone import now as time_now
from playwright.sync_api import expect

from audit.models import AuditEntry
from audit.tasks import write_exports
from tests.browser.conftest import session_of
from tests.browser.table import USERS, give, make_crew, tick, wait_until_kept
from tests.factories import make_user
from users.exporting import schedules
from users.exporting.schedules import Plan
from users.models import ExportSchedule

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
    desk.get_by_role("link", name="Export", exact=True).click()
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
    desk.get_by_role("link", name="Export", exact=True).click()
    desk.get_by_label("With whole email addresses").check()
    desk.get_by_label("Reason").fill("Asked for by the auditors")
    [row] = download(desk)
    assert row["Email"] == "ana@mailbox.example"
    assert row["Username"] == "'=cmd"


def test_export_in_the_background_tells_on_whichever_page_it_is_ready(desk, settings, tmp_path):
    settings.EXPORTS = tmp_path
    make_crew(3)
    desk.goto(f"{USERS}export/?q=crew")
    desk.get_by_role("button", name="Make CSV in the background").click()
    expect(desk.get_by_role("heading", name="Waiting for its turn")).to_be_visible()
    desk.goto("/admin/roles/")
    write_exports()
    banner = desk.locator("#messages .note.good")
    expect(banner).to_contain_text("Your export is ready", timeout=15_000)
    banner.get_by_role("link", name="Open it").click()
    with desk.expect_download() as coming:
        desk.get_by_role("link", name="Download CSV").click()
    text = coming.value.path().read_text(encoding="utf-8-sig")
    assert {row["Username"] for row in csv.DictReader(io.StringIO(text))} == {
        "crew-00",
        "crew-01",
        "crew-02",
    }
    assert coming.value.suggested_filename.startswith("users-")


def test_page_of_an_export_follows_it(desk, settings, tmp_path):
    settings.EXPORTS = tmp_path
    make_crew(3)
    desk.goto(f"{USERS}export/?q=crew")
    desk.get_by_role("button", name="Make Excel in the background").click()
    expect(desk.get_by_role("heading", name="Waiting for its turn")).to_be_visible()
    write_exports()
    expect(desk.get_by_role("heading", name="The file is ready")).to_be_visible(timeout=15_000)
    expect(desk.get_by_role("link", name="Download Excel")).to_be_visible()


def test_export_of_a_selection_holds_the_selected(desk):
    first, _second, third = make_crew(3)
    desk.goto(f"{USERS}?q=crew")
    tick(desk, first, third)
    wait_until_kept(desk)
    desk.locator("#selection").get_by_role("button", name="Export").click()
    expect(desk.get_by_role("heading", name="Export 2 users")).to_be_visible()
    assert {row["Username"] for row in download(desk)} == {"crew-00", "crew-02"}


def schedule_of(owner):
    plan = {"name": "Weekly", "every": "day", "weekday": None, "hour": 6, "view_id": None}
    more = {"query": "", "columns": [], "masked": True, "reason": "", "file_type": "csv"}
    return schedules.keep(owner, Plan(**plan, **more), now=time_now())


def test_deleting_a_schedule_asks_first(desk, admin):
    schedule_of(admin)
    desk.goto("/admin/exports/")
    question = desk.get_by_role("dialog", name="Delete “Weekly”?")
    desk.get_by_role("button", name="Delete Weekly").click()
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_be_hidden()
    assert ExportSchedule.objects.exists()
    desk.get_by_role("button", name="Delete Weekly").click()
    question.get_by_role("button", name="Delete schedule").click()
    expect(desk.get_by_text("“Weekly” is deleted")).to_be_visible()
    assert not ExportSchedule.objects.exists()


def test_deleting_a_schedule_needs_no_scripts(visit, admin):
    schedule_of(admin)
    plain = visit.browser(session_of(admin), scripts=False).new_page()
    plain.goto("/admin/exports/")
    plain.get_by_role("button", name="Delete Weekly").click()
    expect(plain.get_by_text("“Weekly” is deleted")).to_be_visible()
    assert not ExportSchedule.objects.exists()
