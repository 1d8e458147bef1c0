"""Acting on one user: in the row of the table, and on pages of its own."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from billing.models import Account
from tests.browser.conftest import session_of
from tests.browser.table import USERS, give, menu_of, row_of
from tests.factories import make_session, make_staff, make_user
from users.models import Session, Tag
from users.roles import Role

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser-flows-1"),
    pytest.mark.django_db(transaction=True),
]


def balance(user):
    return Account.objects.get(user=user).balance


def test_credits_are_adjusted_in_the_row_and_undone_in_the_banner(desk):
    ana = make_user("ana")
    give(ana, "20")
    desk.goto(f"{USERS}?q=ana")
    menu_of(desk, ana).get_by_role("link", name="Adjust credits").click()
    act = desk.locator("tr.unfold")
    expect(act.get_by_role("heading", name="Adjust credits: ana")).to_be_visible()
    amount = act.get_by_label("Credits")
    expect(amount).to_be_focused()
    amount.fill("-5")
    amount.press("Tab")
    preview = act.get_by_role("region", name="Preview")
    expect(preview).to_contain_text("15.00")
    amount.fill("50")
    amount.press("Tab")
    expect(preview).to_contain_text("70.00")
    act.get_by_label("Your reason").fill("Goodwill")
    assert balance(ana) == 20
    act.get_by_role("button", name="Add 50 credits to 1 user").click()
    expect(act).to_contain_text("Added 50 credits to 1 user.")
    expect(row_of(desk, ana)).to_contain_text("70.00")
    assert balance(ana) == 70
    act.get_by_role("button", name="Undo").click()
    expect(act).to_contain_text("Undone for 1.")
    expect(act.get_by_role("button", name="Undo")).to_have_count(0)
    expect(row_of(desk, ana)).to_contain_text("20.00")
    expect(desk).to_have_url(re.compile(r"/admin/users/\?q=ana$"))
    assert balance(ana) == 20
    act.get_by_role("link", name="Close").click()
    expect(act).to_have_count(0)


def test_act_in_the_row_says_what_is_wrong_and_closes_without_acting(desk):
    ana = make_user("ana")
    desk.goto(f"{USERS}?q=ana")
    key = row_of(desk, ana).locator("[data-menu-url]")
    menu_of(desk, ana).get_by_role("link", name="Adjust credits").click()
    act = desk.locator("tr.unfold")
    act.get_by_label("Credits").fill("a few")
    act.get_by_role("button", name="Preview").click()
    expect(act.locator("#id_delta_error")).to_contain_text("Write a plain number")
    expect(act.get_by_label("Credits")).to_have_value("a few")
    act.get_by_label("Credits").press("Escape")
    expect(act).to_have_count(0)
    expect(key).to_be_focused()
    assert balance(ana) == 0


def test_menu_says_why_an_act_is_not_possible(desk):
    ana = make_user("ana")
    desk.goto(f"{USERS}?q=ana")
    menu = menu_of(desk, ana)
    expect(menu.get_by_text("Not restricted.")).to_be_visible()
    expect(menu.get_by_role("link", name="Lift restriction")).to_have_count(0)
    desk.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    desk.goto(USERS)
    boss = desk.get_by_role("row", name="boss")
    expect(boss.get_by_role("checkbox")).to_be_disabled()


def test_suspension_from_the_page_of_a_user_ends_what_is_open(desk):
    ana = make_user("ana")
    make_session(ana)
    desk.goto(reverse("user", args=[ana.pk]))
    desk.get_by_role("link", name="Suspend").click()
    desk.get_by_label("Suspended for").select_option("Spam")
    desk.get_by_role("combobox", name="Until").select_option("until a date")
    desk.get_by_label("Date and time (UTC)").fill("2099-01-01T12:00")
    desk.get_by_label("Date and time (UTC)").blur()
    button = desk.get_by_role("button", name="Suspend 1 user until 1 Jan 2099, 12:00 UTC")
    expect(button).to_be_visible()
    assert Session.objects.filter(user=ana).exists()
    desk.get_by_label("Your reason").fill("Sends spam")
    button.click()
    expect(desk.get_by_text("Suspended 1 user.")).to_be_visible()
    expect(desk.get_by_text("until 1 Jan 2099, 12:00 UTC").first).to_be_visible()
    assert not Session.objects.filter(user=ana).exists()
    desk.get_by_role("link", name="What was done").click()
    expect(desk.get_by_role("row", name="ana")).to_contain_text("changed")
    desk.get_by_role("button", name="Undo").click()
    expect(desk.get_by_text("Undone for 1.")).to_be_visible()
    expect(desk.get_by_text("Active", exact=True)).to_be_visible()


def test_what_was_typed_is_not_left_behind_unasked(desk):
    ana = make_user("ana")
    desk.goto(reverse("operate:one", args=[ana.pk, "billing.adjust_credits"]))
    desk.get_by_label("Your reason").press_sequentially("half a sen")
    asked = []
    desk.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    desk.get_by_role("link", name="Back").click()
    expect(desk).to_have_url(re.compile(r"/admin/users/\d+/$"))
    assert asked == ["beforeunload"]


def test_masked_address_is_revealed_for_a_reason(visit):
    ana = make_user("ana", email="ana.silva@mailbox.example")
    page = visit(session_of(make_staff(Role.SUPPORT)), answers={422})
    page.goto(reverse("user", args=[ana.pk]))
    page.get_by_role("link", name="Reveal").click()
    page.get_by_role("button", name="Reveal once").click()
    expect(page.get_by_text("This field is required.")).to_be_visible()
    page.get_by_label("Why do you need it?").fill("She wrote from it")
    page.get_by_role("button", name="Reveal once").click()
    expect(page.get_by_text("ana.silva@mailbox.example")).to_be_visible()
    page.goto("/admin/audit/")
    expect(page.get_by_role("row", name=re.compile("She wrote from it"))).to_be_visible()


def test_tags_that_exist_are_offered_behind_those_already_written(desk):
    Tag.objects.bulk_create(Tag(name=name) for name in ("vip", "needs a call", "needy"))
    ana = make_user("ana")
    desk.goto(f"/admin/users/{ana.pk}/users.tag/")
    field = desk.get_by_label("Put on")
    field.press_sequentially("vip, nee")
    options = desk.locator("#id_add_field datalist option")
    expect(options).to_have_count(2)
    values = [option.get_attribute("value") for option in options.all()]
    assert values == ["vip, needs a call", "vip, needy"]
