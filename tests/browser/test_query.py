"""Searching in the words of the query language, choosing columns, keeping views: in front of it."""

import re

import pytest
from django.utils.timezone import now as time_now
from playwright.sync_api import expect

from tests.browser.conftest import session_of
from tests.browser.table import USERS, give, make_crew, names
from tests.factories import make_staff, make_user
from users.models import Preferences, SavedView
from users.restrictions.services import suspend
from users.roles import Role
from users.saved_views import Picture, keep

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser-flows-0"),
    pytest.mark.django_db(transaction=True),
]


def box_of(page):
    return page.locator("main [name=q]")


def offers(page):
    return page.get_by_role("option")


def test_words_are_completed_and_taken_by_keys_alone(desk):
    banned, _free = make_crew(2)
    suspend([banned.pk], actor=make_staff(), reason_code="spam", ends_at=None, reason="spam")
    desk.goto(USERS)
    desk.keyboard.press("/")
    box = box_of(desk)
    expect(box).to_be_focused()
    box.press_sequentially("crew i")
    expect(offers(desk).first).to_have_text(re.compile("^is:"))
    expect(box).to_have_attribute("aria-expanded", "true")
    box.press("ArrowDown")
    expect(box).to_have_attribute("aria-activedescendant", "offer-0")
    box.press("Enter")
    expect(box).to_have_value("crew is:")
    expect(offers(desk).first).to_have_text(re.compile("^banned"))
    box.press("ArrowDown")
    box.press("Tab")
    expect(box).to_have_value("crew is:banned ")
    expect(box).to_be_focused()
    expect(names(desk)).to_have_text([banned.username])
    expect(desk).to_have_url(re.compile(r"\?q=crew\+is%3Abanned$"))
    box.press_sequentially("t")
    expect(offers(desk).first).to_be_visible()
    box.press("Escape")
    expect(offers(desk)).to_have_count(0)
    expect(box).to_have_value("crew is:banned t")


def test_wrong_word_is_marked_and_what_was_meant_is_one_press_away(visit, admin):
    page = visit(session_of(admin), answers={422})
    _one, two = make_crew(2)
    give(two, "12")
    page.goto(USERS)
    box = box_of(page)
    box.press_sequentially("crew credts:>10")
    box.press("Enter")
    error = page.get_by_role("alert")
    expect(error.locator("mark")).to_have_text("credts")
    expect(error).to_contain_text("There is no word “credts:”")
    expect(box).to_have_attribute("aria-invalid", "true")
    expect(box).to_have_value("crew credts:>10")
    marked = box.evaluate("box => box.value.slice(box.selectionStart, box.selectionEnd)")
    assert marked == "credts"
    page.get_by_role("link", name="Take “credits” instead").click()
    expect(names(page)).to_have_text([two.username])
    expect(box_of(page)).to_have_value("crew credits:>10")
    expect(page.get_by_role("alert")).to_have_count(0)
    chips = page.get_by_role("group", name="Filters that are on")
    chips.get_by_role("link", name="Remove Credits >10").click()
    expect(names(page)).to_have_count(2)
    expect(box_of(page)).to_have_value("crew")


def test_half_typed_word_disturbs_nobody(visit, admin):
    page = visit(session_of(admin))  # any 422 would be a complaint
    make_crew(2)
    page.goto(f"{USERS}?q=crew")
    box_of(page).press("End")
    with page.expect_response(lambda answer: answer.status == 204):
        box_of(page).press_sequentially(" tier:")
    expect(names(page)).to_have_count(2)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_columns_are_chosen_moved_and_kept(desk, admin):
    make_crew(1)
    desk.goto(f"{USERS}?q=crew")
    desk.get_by_role("link", name="Columns").click()
    dialog = desk.get_by_role("dialog", name="Columns")
    for name in ("Email", "Used", "Joined"):
        dialog.get_by_role("checkbox", name=name, exact=True).uncheck()
    dialog.get_by_role("checkbox", name="Tags").check()
    for _press in range(2):
        dialog.get_by_role("button", name="Status further to the front").press("Enter")
    dialog.get_by_label("Compact").check()
    dialog.get_by_role("button", name="Save for me").click()
    heads = desk.locator("table.list thead th")
    expect(heads.nth(1)).to_have_text("Username")
    expect(heads.nth(2)).to_have_text("Status")
    expect(desk.get_by_role("columnheader", name="Tags")).to_be_visible()
    expect(desk.get_by_role("columnheader", name="Used")).to_have_count(0)
    expect(desk.locator("table.list")).to_have_class(re.compile("compact"))
    expect(box_of(desk)).to_have_value("crew")
    assert Preferences.objects.get(user=admin).columns[:2] == ["username", "status"]


def test_view_is_kept_counted_changed_and_deleted(desk, admin):
    rich, _poor = make_crew(2)
    give(rich, "12")
    desk.goto(USERS)
    views = desk.get_by_role("navigation", name="Views")
    expect(views.get_by_role("link", name="Everyone")).to_contain_text("3")  # counted meanwhile
    box_of(desk).fill("crew credits:>10")
    expect(names(desk)).to_have_text([rich.username])
    desk.get_by_role("link", name="Save view").click()
    desk.get_by_label("Name").fill("Rich crew")
    desk.get_by_label("Support").check()
    desk.get_by_role("button", name="Save view").click()
    tab = views.get_by_role("link", name="Rich crew")
    expect(tab).to_have_attribute("aria-current", "page")
    expect(tab).to_contain_text("1")
    box_of(desk).fill("crew")
    desk.get_by_role("button", name="Update “Rich crew”").click()
    expect(desk.get_by_text("View “Rich crew” is kept.")).to_be_visible()
    assert SavedView.objects.get().query == "q=crew"
    desk.get_by_role("link", name="All views").click()
    desk.get_by_role("button", name="Delete Rich crew").click()
    desk.get_by_role("button", name="Undo").click()
    expect(desk.get_by_text("View “Rich crew” is back.")).to_be_visible()
    assert SavedView.objects.get().shared_with == ["support"]


def test_shared_view_that_a_role_may_not_use_says_so(visit, admin):
    keep(admin, "Gmail", Picture("q=email%3Agmail", []), shared_with=["support"], now=time_now())
    page = visit(session_of(make_staff(Role.SUPPORT)), answers={403})
    page.goto(USERS)
    page.get_by_role("link", name="Gmail").click()
    expect(page.get_by_role("heading", name="Your role cannot use this view")).to_be_visible()
    assert "email%3A" not in page.content()


def test_plain_search_marks_the_wrong_word_and_columns_move_by_buttons(visit, admin):
    page = visit(session_of(admin), scripts=False, answers={400})
    make_user("ana")
    page.goto(USERS)
    box_of(page).fill("ana is:baned")
    page.locator("main").get_by_role("button", name="Search").click()
    expect(page.locator("mark")).to_have_text("baned")
    expect(box_of(page)).to_have_value("ana is:baned")
    page.get_by_role("link", name="Take “banned” instead").click()
    expect(page.get_by_text("No user matches")).to_be_visible()
    page.get_by_role("link", name="Columns").click()
    page.get_by_role("button", name="Email further to the front").click()
    page.get_by_role("checkbox", name="Used", exact=True).uncheck()
    page.get_by_role("button", name="Show once").click()
    page.goto(f"{USERS}?{page.url.partition('?')[2].replace('q=ana+is%3Abanned', 'q=ana')}")
    heads = page.locator("table.list thead th a")
    expect(heads.nth(1)).to_have_text("Email")
    expect(page.get_by_role("columnheader", name="Used")).to_have_count(0)
