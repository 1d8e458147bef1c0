"""The table by keyboard alone."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.table import (
    USERS,
    expect_selected,
    make_crew,
    names,
    row_of,
    wait_until_kept,
)
from tests.factories import make_users

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser-flows-0"),
    pytest.mark.django_db(transaction=True),
]


def test_keys_search_walk_select_and_open(desk):
    first, second, third = make_crew(3)
    desk.goto(USERS)
    keys = desk.keyboard
    keys.press("/")
    expect(desk.locator("main [name=q]")).to_be_focused()
    keys.type("crew")
    expect(names(desk)).to_have_count(3)
    keys.type("-j")  # a letter in a field is a letter
    expect(names(desk)).to_have_count(0)
    keys.press("Backspace")
    expect(names(desk)).to_have_count(3)
    desk.locator("main [name=q]").blur()
    keys.press("j")
    expect(row_of(desk, third)).to_be_focused()
    keys.press("j")
    keys.press("j")
    expect(row_of(desk, first)).to_be_focused()
    keys.press("k")
    expect(row_of(desk, second)).to_be_focused()
    keys.press("x")
    expect(row_of(desk, second).get_by_role("checkbox")).to_be_checked()
    expect_selected(desk, 1)
    expect(row_of(desk, second)).to_be_focused()
    keys.press("Enter")
    expect(desk).to_have_url(re.compile(reverse("user", args=[second.pk])))


def test_keys_open_the_acts_of_a_row_and_close_them(desk):
    [only] = make_crew(1)
    desk.goto(f"{USERS}?q=crew")
    keys, menu = desk.keyboard, desk.locator("#row-menu")
    keys.press("j")
    keys.press(".")
    expect(menu.get_by_role("link", name="Open")).to_be_focused()
    keys.press("ArrowDown")
    expect(menu.get_by_role("link", name="Adjust credits")).to_be_focused()
    keys.press("Escape")
    expect(menu).to_be_hidden()
    keys.press(".")
    expect(menu.get_by_role("link", name="Open")).to_be_focused()
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(desk.locator("tr.unfold").get_by_label("Credits")).to_be_focused()
    keys.press("Escape")
    expect(desk.locator("tr.unfold")).to_have_count(0)
    expect(row_of(desk, only).locator("[data-menu-url]")).to_be_focused()


def test_key_leads_to_what_is_done_with_those_selected(desk):
    make_users(60)
    desk.goto(f"{USERS}?q=many")
    keys, bar = desk.keyboard, desk.locator("#selection")
    keys.press("b")  # nobody is selected yet
    expect(desk.locator("body")).to_be_focused()
    keys.press("j")
    keys.press("x")
    wait_until_kept(desk)
    keys.press("b")
    expect(bar.get_by_role("button", name="Select all 60 that match")).to_be_focused()
    keys.press("Enter")
    expect_selected(desk, 60)
    expect(bar).to_be_focused()
    keys.press("Tab")
    expect(bar.get_by_role("button", name="Adjust credits…")).to_be_focused()
    more, last = bar.locator("summary"), bar.get_by_role("button", name="Close account…")
    more.focus()
    keys.press("Enter")
    expect(last).to_be_visible()
    keys.press("ArrowUp")
    keys.press("Escape")
    expect(last).to_be_hidden()
    expect(more).to_be_focused()


def test_keys_are_explained_and_can_be_switched_off(desk):
    make_crew(1)
    desk.goto(USERS)
    keys, sheet = desk.keyboard, desk.get_by_role("dialog", name="Keyboard shortcuts")
    keys.press("?")
    expect(sheet).to_be_visible()
    sheet.get_by_label("Shortcuts are on in this browser").uncheck()
    keys.press("Escape")
    expect(sheet).to_be_hidden()
    keys.press("j")
    keys.press("?")
    desk.reload()
    keys.press("/")
    expect(desk.locator("body")).to_be_focused()
    expect(desk.locator("tr[aria-current]")).to_have_count(0)
    desk.get_by_role("button", name="Keyboard shortcuts").click()
    expect(sheet.get_by_label("Shortcuts are on in this browser")).not_to_be_checked()
    sheet.get_by_label("Shortcuts are on in this browser").check()
    keys.press("Escape")
    keys.press("/")
    expect(desk.locator("main [name=q]")).to_be_focused()


def test_skip_link_is_the_first_stop_and_leads_to_the_content(desk):
    desk.goto(USERS)
    desk.keyboard.press("Tab")
    skip = desk.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    desk.keyboard.press("Enter")
    expect(desk.locator("main")).to_be_focused()
