"""From an invitation to being in, and from a forgotten password to a new one, by what arrives in
the mail; with and without scripts."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import session_of
from tests.factories import make_staff, make_user
from users.models import User
from users.passwords.sending import send_password_link
from users.roles import Role

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser-flows-1"),
    pytest.mark.django_db(transaction=True),
]

SECRET = "a wholly different battery"


@pytest.fixture
def boss():
    return make_staff(Role.SUPER_ADMIN, username="boss")


def choose(page, button):
    page.get_by_label("New password", exact=True).fill(SECRET)
    page.get_by_label("New password again").fill(SECRET)
    page.get_by_role("button", name=button).click()


def sign_in(page, name):
    page.get_by_label("Username or email").fill(name)
    page.get_by_label("Password").fill(SECRET)
    page.get_by_role("button", name="Sign in").click()


def test_colleague_is_invited_and_comes_in(visit, boss, post):
    page = visit(session_of(boss))
    page.goto("/admin/staff/invitations/")
    page.get_by_label("Email").fill("eva@example.org")
    page.get_by_label("Role").select_option("support")
    page.get_by_label("Your reason").fill("Joins the desk.")
    page.get_by_role("button", name="Send invitation").click()
    expect(page.get_by_text("An invitation goes out to eva@example.org.")).to_be_visible()

    [letter] = post.fetch()
    invited = visit()
    invited.goto(letter.path)
    invited.get_by_label("Username").fill("eva")
    choose(invited, "Make my account")
    expect(invited.get_by_text("Your account is made.")).to_be_visible()
    sign_in(invited, "eva")
    expect(invited).to_have_title(re.compile("Home"))

    page.reload()
    expect(page.get_by_role("row", name=re.compile("eva@example.org"))).to_contain_text("accepted")
    assert User.objects.get(username="eva").role == Role.SUPPORT


@pytest.mark.parametrize("scripts", [True, False])
def test_password_is_chosen_by_a_link_from_the_mail(visit, boss, post, scripts):
    user = make_user("ivan", role=Role.SUPPORT)
    send_password_link([user.pk], actor=boss, reason="forgot it")
    [letter] = post.fetch()
    page = visit.browser(scripts=scripts, answers={410}).new_page()
    referers = []
    page.on("request", lambda request: referers.append(request.headers.get("referer", "")))
    page.goto(letter.path)
    choose(page, "Set this password")
    expect(page.get_by_text("Your password is set.")).to_be_visible()
    assert not any("choose-password" in referer for referer in referers)
    sign_in(page, "ivan")
    expect(page).to_have_title(re.compile("Home"))

    page.goto(letter.path)
    expect(page.get_by_text("This link was used already.")).to_be_visible()
