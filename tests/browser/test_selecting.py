"""Selections: ticking, keeping, taking all that match, and acting on them."""

import re

import pytest
from playwright.sync_api import expect

from billing.models import Account
from tests.browser.table import (
    USERS,
    expect_selected,
    give,
    make_crew,
    names,
    row_of,
    search,
    tick,
    wait_until_kept,
)
from tests.factories import make_user, make_users
from users.models import Restriction

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser-flows-1"),
    pytest.mark.django_db(transaction=True),
]


def test_ticks_are_counted_and_cleared(desk):
    first, second, _third = make_crew(3)
    desk.goto(f"{USERS}?q=crew")
    expect(desk.locator("#selection")).to_be_hidden()
    tick(desk, first, second)
    expect_selected(desk, 2)
    row_of(desk, second).get_by_role("checkbox").uncheck()
    expect_selected(desk, 1)
    page_box = desk.get_by_role("checkbox", name="Select this page")
    page_box.check()
    expect_selected(desk, 3)
    wait_until_kept(desk)
    desk.get_by_role("link", name="Clear", exact=True).click()
    expect(desk.locator("#selection")).to_be_hidden()
    expect(page_box).not_to_be_checked()


def test_tick_during_the_answer_to_the_one_before_is_kept(desk):
    first, second, _third = make_crew(3)
    held = []
    desk.route(re.compile("/select/"), lambda route: held.append(route), times=1)
    desk.goto(f"{USERS}?q=crew")
    with desk.expect_request(re.compile("/select/")):
        tick(desk, first)
    tick(desk, second)
    held[0].continue_()
    wait_until_kept(desk)
    expect_selected(desk, 2)
    desk.reload()
    expect_selected(desk, 2)


def test_selection_survives_a_new_search_and_a_reload(desk):
    ana, ben = make_user("ana"), make_user("ben")
    desk.goto(f"{USERS}?q=ana")
    tick(desk, ana)
    wait_until_kept(desk)
    search(desk, "ben")
    expect(names(desk)).to_have_text(["ben"])
    expect_selected(desk, 1)
    tick(desk, ben)
    expect_selected(desk, 2)
    search(desk, "ana")
    expect(row_of(desk, ana).get_by_role("checkbox")).to_be_checked()
    expect_selected(desk, 2)
    desk.reload()
    expect(row_of(desk, ana).get_by_role("checkbox")).to_be_checked()
    expect_selected(desk, 2)


def test_all_that_match_are_selected_beyond_the_page(desk):
    make_users(60)
    make_user("somebody.else")
    desk.goto(f"{USERS}?q=many")
    desk.get_by_role("checkbox", name="Select this page").check()
    expect_selected(desk, 50)
    wait_until_kept(desk)
    desk.get_by_role("button", name="Select all 60 that match").click()
    expect_selected(desk, 60)
    desk.get_by_role("navigation", name="Pages").get_by_role("link", name="Next").click()
    expect(names(desk)).to_have_count(10)
    expect(desk.get_by_role("checkbox", name="Select this page")).to_be_checked()
    expect_selected(desk, 60)


def test_more_than_are_changed_at_once_become_a_run(desk):
    make_users(1001)
    desk.goto(f"{USERS}?q=many")
    desk.get_by_role("checkbox", name="Select this page").check()
    wait_until_kept(desk)
    desk.get_by_role("button", name="Select all 1,001 that match").click()
    expect_selected(desk, "1,001")
    desk.locator("#selection").get_by_role("button", name="Adjust credits…").click()
    expect(desk.get_by_role("link", name="1,001 selected users")).to_be_visible()
    desk.get_by_label("Credits").fill("5")
    desk.get_by_role("button", name="Count what would change for 1,001 users").click()
    expect(desk.get_by_role("heading", name="Counting what would change")).to_be_visible()


def test_bulk_adjustment_says_who_is_refused_and_why_and_is_undone(desk):
    rich, richer, poor = make_crew(3)
    give(rich, "30")
    give(richer, "40")
    desk.goto(f"{USERS}?q=crew")
    tick(desk, rich, richer, poor)
    wait_until_kept(desk)
    desk.get_by_role("button", name="Adjust credits…").click()
    expect(desk.get_by_role("link", name="3 selected users")).to_be_visible()
    desk.get_by_label("Credits").fill("-25")
    desk.get_by_label("Credits").press("Tab")
    preview = desk.get_by_role("region", name="Preview")
    expect(preview).to_contain_text("The balance is too small.")
    expect(figure(preview, "will change")).to_have_text("2")
    expect(figure(preview, "refused")).to_have_text("1")
    desk.get_by_label("Your reason").fill("Charged twice")
    desk.get_by_role("button", name="Take 25 credits from 2 users").click()
    expect(desk).to_have_url(re.compile(r"/admin/acts/"))
    expect(figure(desk, "changed")).to_have_text("2")
    expect(desk.get_by_role("row", name="crew-02")).to_contain_text("refused")
    assert balances(rich, richer, poor) == [5, 15, 0]
    desk.get_by_role("link", name="1", exact=True).click()
    expect(desk.locator("tbody tr")).to_have_count(1)
    desk.get_by_role("button", name="Undo").click()
    expect(desk.get_by_text("Undone for 2.")).to_be_visible()
    assert balances(rich, richer, poor) == [30, 40, 0]
    desk.get_by_role("link", name="The act", exact=True).click()
    expect(desk.get_by_text("This was undone.")).to_be_visible()
    expect(desk.get_by_role("button", name="Undo")).to_have_count(0)


def test_bulk_suspension_keeps_the_selection_it_was_previewed_with(desk):
    crew = make_crew(2)
    desk.goto(f"{USERS}?q=crew")
    desk.get_by_role("checkbox", name="Select this page").check()
    wait_until_kept(desk)
    make_user("crew-99")  # comes too late
    desk.get_by_role("button", name="Suspend…").click()
    desk.get_by_label("Suspended for").select_option("Spam")
    desk.get_by_role("combobox", name="Until").select_option("for good")
    desk.get_by_label("Your reason").fill("They are one spammer")
    desk.get_by_role("button", name="Suspend 2 users for good").click()
    expect(figure(desk, "changed")).to_have_text("2")
    assert set(Restriction.objects.values_list("user", flat=True)) == {user.pk for user in crew}


def figure(place, name):
    """The number over a word."""
    return place.locator("dl.figs div").filter(has_text=re.compile(rf"^\s*{name}")).locator("dd")


def balances(*users):
    found = dict(Account.objects.filter(user__in=users).values_list("user", "balance"))
    return [found[user.pk] for user in users]
