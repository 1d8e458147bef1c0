"""Signing in and out, and what becomes of a page whose session ends."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.conftest import session_of
from tests.factories import PASSWORD, make_staff, make_user
from users.models import Session
from users.restrictions.services import suspend
from users.roles import Role

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser-flows-0"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def ann():
    return make_staff(Role.USER_ADMIN, username="ann", password=PASSWORD)


def fill_in(page, name, password):
    page.get_by_label("Username or email").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_sign_in_leads_on_to_the_page_that_was_asked_for(visit, ann):
    page = visit()
    page.goto("/admin/audit/?kind=change")
    expect(page).to_have_title("Sign in · CoAI Admin")
    fill_in(page, "ann", "not the password")
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is wrong.")
    expect(page.get_by_label("Username or email")).to_have_value("ann")
    expect(page.get_by_label("Password")).to_be_focused()
    fill_in(page, "ANN", PASSWORD)
    expect(page).to_have_url(re.compile(r"/admin/audit/\?kind=change$"))


def test_sign_out_closes_the_pages(visit, ann):
    page = visit(session_of(ann))
    page.goto("/admin/")
    page.get_by_label("Your account, ann").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.goto("/admin/")
    expect(page).to_have_title("Sign in · CoAI Admin")


def test_sign_in_of_somebody_suspended_says_until_when(visit):
    eve = make_user("eve", password=PASSWORD)
    suspend([eve.pk], actor=make_staff(), reason_code="spam", ends_at=None, reason="spam")
    page = visit()
    page.goto("/admin/")
    fill_in(page, "eve", PASSWORD)
    expect(page.get_by_role("alert")).to_contain_text("This account is suspended for good.")


def test_sign_in_without_a_role_leads_to_ones_own_sessions(visit):
    make_user("cleo", password=PASSWORD)
    page = visit(answers={403})
    page.goto("/admin/")
    fill_in(page, "cleo", PASSWORD)
    page.goto("/admin/users/")
    expect(page.get_by_text("Your account has no role here")).to_be_visible()
    page.get_by_role("link", name="Your sessions").click()
    expect(page.get_by_text("This one")).to_be_visible()


def test_session_that_will_end_is_warned_of_and_prolonged(visit, ann, settings):
    settings.SESSION_IDLE_SECONDS = 182  # the warning comes three minutes before the end
    page = visit(session_of(ann))
    page.goto("/admin/")
    warning = page.get_by_role("dialog", name="You will be signed out soon")
    expect(warning.get_by_role("timer")).to_have_text(re.compile(r"^(3:00|2:5\d)$"))
    settings.SESSION_IDLE_SECONDS = 30 * 60
    warning.get_by_role("button", name="Stay signed in").click()
    expect(warning).to_be_hidden()
    page.reload()
    expect(warning).to_be_hidden()


def test_form_survives_the_end_of_the_session(visit, ann):
    """Over the page, a dialog; in another tab, the sign-in; and on one goes."""
    ana = make_user("ana")
    page = visit(session_of(ann), answers={401})
    page.goto(reverse("operate:one", args=[ana.pk, "billing.adjust_credits"]))
    page.get_by_label("Credits").fill("50")
    Session.objects.all().delete()
    page.get_by_label("Your reason").fill("Goodwill")
    page.get_by_label("Ticket").focus()  # leaving a field asks for the preview
    over = page.get_by_role("dialog", name="You are signed out")
    with page.context.expect_page() as opened:
        over.get_by_role("link", name="Sign in in a new tab").click()
    fill_in(opened.value, "ann", PASSWORD)
    expect(opened.value).to_have_title("Home · CoAI Admin")
    opened.value.close()
    page.evaluate("dispatchEvent(new Event('focus'))")  # all tabs of a headless browser have it
    back = page.get_by_role("dialog", name="You are signed in again")
    back.get_by_role("button", name="Go on").click()
    expect(page.get_by_label("Your reason")).to_have_value("Goodwill")
    page.get_by_label("Ticket").fill("T-1")
    page.get_by_label("Ticket").blur()
    page.get_by_role("button", name="Add 50 credits to 1 user").click()
    expect(page.get_by_text("Added 50 credits to 1 user.")).to_be_visible()


def test_own_session_is_ended_from_another_browser(visit, ann):
    lost = visit(session_of(ann))
    lost.goto("/admin/")
    page = visit(session_of(ann))
    page.goto("/admin/account/sessions/")
    page.get_by_role("button", name="End all others").click()
    expect(page.get_by_text("1 session is ended.")).to_be_visible()
    lost.reload()
    expect(lost).to_have_title("Sign in · CoAI Admin")
