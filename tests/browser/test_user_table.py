"""The user table: searching, filtering, ordering, paging, and what a masked role sees of it."""

import hashlib
import re
from datetime import timedelta

import pytest
from django.utils.timezone import now as time_now
from playwright.sync_api import expect

from tests.browser.conftest import session_of
from tests.browser.table import USERS, give, make_crew, names, row_of, search
from tests.factories import make_staff, make_user, make_users
from users.models import ApiKey
from users.restrictions.services import suspend
from users.roles import Role

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser-flows-0"),
    pytest.mark.django_db(transaction=True),
]


def test_search_finds_while_one_types(desk):
    make_crew(3)
    make_user("somebody.else")
    desk.goto(USERS)
    box = desk.locator("main [name=q]")
    box.press_sequentially("CREW-")
    expect(names(desk)).to_have_text(["crew-02", "crew-01", "crew-00"])
    expect(desk).to_have_url(re.compile(r"\?q=CREW-$"))
    box.press_sequentially("01")
    expect(names(desk)).to_have_text(["crew-01"])
    expect(box).to_be_focused()
    box.fill("nobody-at-all")
    desk.get_by_role("link", name="Show all users").click()
    expect(names(desk)).to_have_count(5)
    expect(box).to_have_value("")


def test_search_for_a_whole_key_leads_to_its_owner(desk):
    owner, key = make_user("owner"), "sk-0123456789abcdef0123456789abcdef"
    digest = hashlib.sha256(key.encode()).digest()
    ApiKey.objects.create(user=owner, digest=digest, prefix="sk-0123")
    desk.goto(USERS)
    search(desk, key)
    expect(desk.get_by_role("heading", level=1)).to_have_text("owner")
    assert key not in desk.url


def test_filters_open_over_the_list_and_become_chips(desk):
    rich, _poor, gone = make_crew(3)
    give(rich, "12.5")
    give(gone, "100")
    suspend([gone.pk], actor=make_staff(), reason_code="spam", ends_at=None, reason="spam")
    desk.goto(f"{USERS}?q=crew")
    desk.get_by_role("link", name="Filters").click()
    panel = desk.get_by_role("form", name="Filters")
    panel.get_by_label("Credits from").fill("10")
    panel.get_by_role("group", name="Status").get_by_label("Active").check()
    panel.get_by_role("button", name="Show users").click()
    expect(names(desk)).to_have_text([rich.username])
    expect(panel).to_be_hidden()
    chips = desk.get_by_role("group", name="Filters that are on")
    expect(chips).to_contain_text("Credits from10")
    chips.get_by_role("link", name="Remove Status Active").click()
    expect(names(desk)).to_have_text([gone.username, rich.username])
    desk.go_back()
    expect(names(desk)).to_have_text([rich.username])
    chips.get_by_role("link", name="Clear all").click()
    expect(names(desk)).to_have_count(5)


def test_wrong_filter_keeps_what_was_typed(visit, admin):
    page = visit(session_of(admin), answers={422})
    page.goto(USERS)
    page.get_by_role("link", name="Filters").click()
    page.get_by_label("Credits from").fill("many")
    page.get_by_role("button", name="Show users").click()
    expect(page.get_by_text("One thing needs correcting")).to_be_visible()
    expect(page.get_by_label("Credits from")).to_have_value("many")
    expect(page.get_by_label("Credits from")).to_be_focused()


def test_headings_sort_and_sort_back(desk):
    for user, amount in zip(make_crew(3), ("5", "700", "30"), strict=True):
        give(user, amount)
    desk.goto(f"{USERS}?q=crew")
    heading = desk.get_by_role("columnheader", name="Credits")
    heading.get_by_role("link").click()
    expect(names(desk)).to_have_text(["crew-01", "crew-02", "crew-00"])
    expect(heading).to_have_attribute("aria-sort", "descending")
    expect(heading.get_by_role("link")).to_be_focused()
    heading.get_by_role("link").click()
    expect(names(desk)).to_have_text(["crew-00", "crew-02", "crew-01"])
    expect(heading).to_have_attribute("aria-sort", "ascending")


def test_pages_lead_there_and_back(desk):
    make_users(120)
    desk.goto(f"{USERS}?q=many&sort=id")
    first = names(desk).first.text_content()
    pages = desk.get_by_role("navigation", name="Pages")
    pages.get_by_role("link", name="Next").click()
    expect(names(desk).first).not_to_have_text(first)
    expect(names(desk)).to_have_count(50)
    pages.get_by_role("link", name="Last").click()
    expect(pages.get_by_role("link", name="Next")).to_have_count(0)
    expect(names(desk).last).to_have_text(re.compile("-119$"))
    pages.get_by_role("link", name="First").click()
    expect(names(desk).first).to_have_text(first)
    expect(desk.locator("#count")).to_have_text("120 users")


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.READ_ONLY])
def test_masked_roles_see_masked_addresses_and_cannot_sort_by_them(visit, role):
    ana = make_user("ana", email="ana.silva@mailbox.example")
    page = visit(session_of(make_staff(role)))
    page.goto(f"{USERS}?q=ana")
    expect(row_of(page, ana)).to_contain_text("a•••@m•••.example")
    expect(page.get_by_role("columnheader", name="Email").get_by_role("link")).to_have_count(0)
    expect(page.get_by_role("columnheader", name="Username").get_by_role("link")).to_have_count(1)
    expect(page.get_by_role("checkbox", name="Select ana")).to_have_count(0)
    page.get_by_role("link", name="Columns").click()
    staff = page.get_by_role("checkbox", name="Admin", exact=True)
    expect(page.get_by_role("checkbox", name="Months", exact=True)).to_have_count(1)
    expect(staff).to_have_count(0 if role == Role.SUPPORT else 1)
    page.keyboard.press("Escape")
    assert "silva" not in page.content()
    search(page, "ana.silva@mailbox.example")
    expect(names(page)).to_have_text(["ana"])
    search(page, "silva")
    expect(page.get_by_text("No user matches")).to_be_visible()


def test_usual_columns_need_no_sideways_scrolling_at_1440_pixels(desk, admin):
    mei = make_user("W" * 24, email=f"{'w' * 40}@mailbox.example")
    give(mei, "123456.78")
    until = time_now() + timedelta(days=400)
    suspend([mei.pk], actor=admin, reason="x", reason_code="spam", ends_at=until, now=time_now())
    desk.set_viewport_size({"width": 1440, "height": 900})
    desk.goto(f"{USERS}?sort=status")
    expect(row_of(desk, mei)).to_contain_text("Suspended to")
    beside = "sheet => sheet.scrollWidth - sheet.clientWidth"
    assert desk.locator(".sheet.grow").evaluate(beside) == 0


def test_id_is_copied(desk):
    ana = make_user("ana")
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    desk.goto(f"{USERS}?q=ana")
    row_of(desk, ana).hover()
    row_of(desk, ana).get_by_role("button", name="Copy ID").click()
    expect(row_of(desk, ana).get_by_role("button", name="Copied")).to_be_visible()
    assert desk.evaluate("navigator.clipboard.readText()") == str(ana.pk)


def test_theme_is_chosen_and_stays(desk):
    desk.goto(USERS)
    light = background(desk)
    desk.get_by_label("Your account, boss").click()
    desk.get_by_role("button", name="Dark").click()
    expect(desk.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    dark = background(desk)
    assert dark != light
    desk.goto("/admin/audit/")
    assert background(desk) == dark
    expect(desk.locator("html")).to_have_attribute("data-theme", "dark")


def background(page):
    return page.evaluate("getComputedStyle(document.querySelector('main')).backgroundColor")
