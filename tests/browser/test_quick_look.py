"""The quick look beside the list: by keyboard, by its button, after an act, and without scripts."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.conftest import session_of
from tests.browser.table import USERS, give, make_crew, row_of
from users.models import Preferences

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser-flows-2"),
    pytest.mark.django_db(transaction=True),
]


def panel_of(page):
    return page.get_by_role("complementary", name="Quick look")


def test_space_opens_it_rows_are_walked_and_it_follows_and_escape_closes_it(desk):
    first, _second, third = make_crew(3)
    desk.goto(f"{USERS}?q=crew")
    keys, panel = desk.keyboard, panel_of(desk)
    keys.press("j")
    keys.press("Space")
    expect(panel.get_by_role("heading", name="crew-02")).to_be_visible()
    expect(row_of(desk, third)).to_be_focused()
    keys.press("j")
    expect(panel.get_by_role("heading", name="crew-01")).to_be_visible()
    keys.press("j")
    keys.press("k")
    keys.press("j")
    expect(panel.get_by_role("heading", name="crew-00")).to_be_visible()
    expect(row_of(desk, first)).to_be_focused()
    keys.press("Escape")
    expect(panel).to_be_hidden()
    expect(row_of(desk, first)).to_be_focused()
    keys.press("Space")
    keys.press("Space")  # the same key closes it
    expect(panel).to_be_hidden()
    expect(desk).to_have_url(re.compile(r"\?q=crew$"))


def test_button_opens_it_and_takes_the_focus_there_and_back(desk):
    [only] = make_crew(1)
    desk.goto(f"{USERS}?q=crew")
    button = row_of(desk, only).get_by_role("link", name="Quick look at crew-00")
    button.focus()
    desk.keyboard.press("Enter")
    panel = panel_of(desk)
    expect(panel.locator("[data-look-title]")).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "true")
    panel.get_by_role("button", name="Close").press("Enter")
    expect(panel).to_be_hidden()
    expect(button).to_be_focused()


def test_act_of_the_panel_opens_in_the_row_and_the_panel_tells_what_came_of_it(desk):
    [only] = make_crew(1)
    give(only, "5")
    desk.goto(f"{USERS}?q=crew")
    desk.keyboard.press("j")
    desk.keyboard.press("Space")
    panel = panel_of(desk)
    expect(panel).to_contain_text("5.00")
    panel.locator(".btns").get_by_role("link", name="Adjust credits").click()
    form = desk.locator("tr.unfold")
    expect(form.get_by_label("Credits")).to_be_focused()
    desk.keyboard.press("Escape")  # closes what was opened last
    expect(form).to_have_count(0)
    expect(panel).to_be_visible()
    desk.evaluate(
        "id => document.dispatchEvent(new CustomEvent('user-changed', {detail: {id}}))", only.pk
    )
    give(only, "7")
    desk.evaluate(
        "id => document.dispatchEvent(new CustomEvent('user-changed', {detail: {id}}))", only.pk
    )
    expect(panel).to_contain_text("12.00")


def test_single_keys_are_none_for_who_switched_them_off(visit, admin):
    make_crew(1)
    Preferences.objects.create(user=admin, shortcuts=False)
    page = visit(session_of(admin))
    page.goto(f"{USERS}?q=crew")
    page.keyboard.press("j")
    expect(page.locator("tr[aria-current]")).to_have_count(0)
    page.keyboard.press("Control+k")  # no single key
    expect(page.get_by_role("dialog", name="Go to")).to_be_visible()


def test_without_scripts_it_is_a_page(visit, admin):
    [only] = make_crew(1)
    page = visit(session_of(admin), scripts=False)
    page.goto(f"{USERS}?q=crew")
    row_of(page, only).get_by_role("link", name="Quick look at crew-00").click()
    expect(page).to_have_url(re.compile(reverse("user_look", args=[only.pk])))
    page.get_by_role("link", name="Open the whole page").click()
    expect(page).to_have_url(re.compile(reverse("user", args=[only.pk])))
