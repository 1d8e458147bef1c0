"""The same work in a browser that runs no scripts."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from billing.models import Account
from tests.browser.conftest import session_of
from tests.browser.table import USERS, expect_selected, give, make_crew, names, row_of
from tests.browser.test_exporting import download
from tests.browser.test_signing_in import fill_in
from tests.factories import PASSWORD, make_staff, make_user
from users.models import Restriction, Session
from users.roles import Role

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser-flows-0"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def plain(visit, admin):
    return visit(session_of(admin), scripts=False)


def test_plain_sign_in_and_out(visit):
    make_staff(Role.USER_ADMIN, username="ann", password=PASSWORD)
    page = visit(scripts=False)
    page.goto(USERS)
    fill_in(page, "ann", "not the password")
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is wrong.")
    fill_in(page, "ann", PASSWORD)
    expect(page).to_have_title("Users · CoAI Admin")
    page.get_by_label("Your account, ann").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def test_plain_search_and_filters_lead_through_pages(plain):
    rich, _poor = make_crew(2)
    give(rich, "12.5")
    plain.goto(USERS)
    plain.locator("main [name=q]").fill("crew")
    plain.locator("main").get_by_role("button", name="Search").click()
    expect(names(plain)).to_have_text(["crew-01", "crew-00"])
    plain.get_by_role("columnheader", name="Credits").get_by_role("link").click()
    expect(names(plain)).to_have_text(["crew-00", "crew-01"])
    plain.get_by_role("link", name="Filters").click()
    plain.get_by_label("Credits from").fill("1")
    plain.get_by_role("button", name="Show users").click()
    expect(names(plain)).to_have_text(["crew-00"])
    plain.get_by_role("link", name="Remove Credits from 1").click()
    expect(names(plain)).to_have_count(2)
    expect(plain).to_have_url(re.compile("q=crew"))


def test_plain_wrong_filter_names_the_field(visit, admin):
    page = visit(session_of(admin), scripts=False, answers={400})
    page.goto(f"{USERS}filters/")
    page.get_by_label("Credits from").fill("many")
    page.get_by_role("button", name="Show users").click()
    expect(page.get_by_text("One thing needs correcting")).to_be_visible()
    expect(page.get_by_label("Credits from")).to_have_value("many")


def test_plain_act_is_previewed_confirmed_and_undone(plain):
    ana = make_user("ana")
    give(ana, "20")
    plain.goto(f"{USERS}?q=ana")
    row_of(plain, ana).locator("[data-menu-url]").click()
    plain.get_by_role("link", name="Adjust credits").click()
    plain.get_by_label("Credits").fill("50")
    plain.get_by_label("Your reason").fill("Goodwill")
    plain.get_by_role("button", name="Preview").click()
    expect(plain.get_by_role("region", name="Preview")).to_contain_text("70.00")
    assert Account.objects.get(user=ana).balance == 20
    plain.get_by_role("button", name="Add 50 credits to 1 user").click()
    expect(plain.get_by_text("Added 50 credits to 1 user.")).to_be_visible()
    expect(plain).to_have_url(re.compile(r"/admin/users/\?q=ana$"))
    assert Account.objects.get(user=ana).balance == 70
    plain.get_by_role("button", name="Undo").click()
    expect(plain.get_by_text("Undone for 1.")).to_be_visible()
    expect(plain).to_have_url(re.compile(r"/admin/users/\?q=ana$"))
    assert Account.objects.get(user=ana).balance == 20


def test_plain_change_after_the_preview_is_previewed_again(plain):
    ana = make_user("ana")
    plain.goto(reverse("operate:one", args=[ana.pk, "billing.adjust_credits"]))
    plain.get_by_label("Credits").fill("50")
    plain.get_by_label("Your reason").fill("Goodwill")
    plain.get_by_role("button", name="Preview").click()
    plain.get_by_label("Credits").fill("5000")
    plain.get_by_role("button", name="Add 50 credits to 1 user").click()
    expect(plain.get_by_role("button", name="Add 5,000 credits to 1 user")).to_be_visible()
    assert Account.objects.get(user=ana).balance == 0


def test_plain_selection_is_kept_by_buttons_and_acted_on(plain):
    first, second, third = make_crew(3)
    plain.goto(f"{USERS}?q=crew-01")
    row_of(plain, second).get_by_role("checkbox").check()
    plain.get_by_role("button", name="Keep these ticks").click()
    expect_selected(plain, 1)
    plain.locator("main [name=q]").fill("crew")
    plain.locator("main").get_by_role("button", name="Search").click()
    expect(row_of(plain, second).get_by_role("checkbox")).to_be_checked()
    plain.get_by_role("button", name="Select all 3 that match").click()
    expect_selected(plain, 3)
    row_of(plain, third).get_by_role("checkbox").uncheck()
    plain.get_by_role("button", name="Suspend…").click()
    plain.get_by_label("Suspended for").select_option("Spam")
    plain.get_by_role("combobox", name="Until").select_option("7 days")
    plain.get_by_label("Your reason").fill("Spammers")
    plain.get_by_role("button", name="Preview").click()
    plain.get_by_role("button", name=re.compile("^Suspend 2 users until ")).click()
    expect(plain).to_have_url(re.compile("/admin/acts/"))
    found = Restriction.objects.filter(lifted_at=None).values_list("user", flat=True)
    assert set(found) == {first.pk, second.pk}
    plain.get_by_role("button", name="Undo").click()
    expect(plain.get_by_text("Undone for 2.")).to_be_visible()
    assert not Restriction.objects.filter(lifted_at=None).exists()


def test_plain_export_downloads_the_list(plain):
    make_crew(2)
    plain.goto(f"{USERS}?q=crew")
    plain.get_by_role("link", name="Export", exact=True).click()
    assert [row["Username"] for row in download(plain)] == ["crew-01", "crew-00"]


def test_plain_form_is_shown_again_after_signing_in(visit):
    ann = make_staff(Role.USER_ADMIN, username="ann", password=PASSWORD)
    ana = make_user("ana")
    page = visit(session_of(ann), scripts=False)
    page.goto(reverse("operate:one", args=[ana.pk, "billing.adjust_credits"]))
    page.get_by_label("Credits").fill("50")
    page.get_by_label("Your reason").fill("Goodwill")
    Session.objects.all().delete()
    page.get_by_role("button", name="Preview").click()
    fill_in(page, "ann", PASSWORD)
    expect(page.get_by_label("Credits")).to_have_value("50")
    expect(page.get_by_label("Your reason")).to_have_value("Goodwill")
    assert Account.objects.get(user=ana).balance == 0
