"""The command palette by keyboard alone, by its button, and without scripts."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.conftest import session_of
from tests.browser.table import USERS, make_crew
from tests.factories import make_staff
from users.roles import Role

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser-flows-2"),
    pytest.mark.django_db(transaction=True),
]


def open_palette(page):
    page.keyboard.press("Control+k")
    dialog = page.get_by_role("dialog", name="Go to")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("combobox")).to_be_focused()
    return dialog


def test_keys_find_a_user_choose_and_open(desk):
    crew = make_crew(3)
    desk.goto("/admin/")
    dialog, keys = open_palette(desk), desk.keyboard
    expect(dialog.get_by_role("option", name="Users", exact=True)).to_be_visible()
    keys.type("crew")
    options = dialog.get_by_role("option")
    expect(options).to_have_count(3)
    expect(options.first).to_have_attribute("aria-selected", "true")
    box = dialog.get_by_role("combobox")
    keys.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", options.nth(1).get_attribute("id"))
    keys.press("ArrowUp")
    keys.press("ArrowUp")  # past the first comes the last
    expect(options.last).to_have_attribute("aria-selected", "true")
    expect(dialog.get_by_role("status")).to_have_text("3 results")
    keys.press("Enter")
    expect(desk).to_have_url(re.compile(reverse("user", args=[crew[2].pk])))


def test_name_and_act_open_the_act(desk):
    [ana] = make_crew(1, word="ana")
    desk.goto("/admin/")
    dialog = open_palette(desk)
    desk.keyboard.type("ana-00 susp")
    expect(dialog.get_by_role("option", name="Suspend: ana-00")).to_be_visible()
    desk.keyboard.press("Enter")
    expect(desk).to_have_url(re.compile(reverse("operate:one", args=[ana.pk, "users.suspend"])))


def test_page_of_a_user_offers_acts_on_them(desk):
    [ana] = make_crew(1, word="ana")
    desk.goto(reverse("user", args=[ana.pk]))
    dialog = open_palette(desk)
    desk.keyboard.type("adjust")
    expect(dialog.get_by_role("option", name="Adjust credits: ana-00")).to_be_visible()


def test_escape_and_the_same_keys_close_it_and_the_focus_comes_back(desk):
    desk.goto(USERS)
    desk.keyboard.press("/")
    field = desk.locator("main [name=q]")
    expect(field).to_be_focused()
    dialog = open_palette(desk)
    desk.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(field).to_be_focused()
    open_palette(desk)
    desk.keyboard.press("Control+k")
    expect(dialog).to_be_hidden()


def test_nothing_found_and_keys_are_said(desk):
    desk.goto("/admin/")
    dialog = open_palette(desk)
    desk.keyboard.type("nobody-is-called-this")
    expect(dialog.locator(".palette-none")).to_have_text(
        "Nothing is called “nobody-is-called-this”."
    )
    desk.keyboard.press("Enter")  # leads nowhere
    dialog.get_by_role("combobox").fill("sk-1234")
    expect(dialog.get_by_role("status")).to_contain_text("A whole API key")


def test_button_opens_it_and_without_scripts_leads_to_a_page(visit):
    session = session_of(make_staff(Role.SUPPORT))
    [ana] = make_crew(1, word="ana")
    page = visit(session)
    page.goto("/admin/")
    page.get_by_role("link", name="Go to").click()
    expect(page.get_by_role("dialog", name="Go to")).to_be_visible()
    plain = visit(session, scripts=False)
    plain.goto("/admin/")
    plain.get_by_role("link", name="Go to").click()
    plain.get_by_role("searchbox", name="A user, a page, a view, or an act").fill("ana-00")
    plain.get_by_role("button", name="Find").click()
    plain.get_by_role("link", name="ana-00").click()
    expect(plain).to_have_url(re.compile(reverse("user", args=[ana.pk])))
