"""A second factor from its set-up to an act that asks for it, over what was typed."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils.timezone import now as time_now
from playwright.sync_api import expect

from tests.browser.conftest import session_of
from tests.browser.table import menu_of
from tests.factories import PASSWORD, make_staff, make_user
from tests.users.codes import App
from users.models import Restriction
from users.restrictions.services import suspend
from users.roles import Role

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser-flows-0"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def boss():
    return make_staff(Role.SUPER_ADMIN, username="boss", password=PASSWORD)


@pytest.fixture
def ana(boss):
    """Somebody suspended, whose suspension only a confirmed admin lifts."""
    user = make_user("ana")
    until = time_now() + timedelta(days=3)
    suspend([user.pk], actor=boss, reason_code="spam", ends_at=until, reason="spam")
    return user


def is_suspended(user):
    return Restriction.objects.live(time_now()).filter(user=user).exists()


def give_password(page):
    page.get_by_label("Username or email").fill("boss")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_second_factor_is_set_up_asked_for_and_confirms_an_act(visit, boss, ana, settings):
    settings.REQUIRE_STAFF_MFA = True
    page = visit()
    page.goto("/admin/")
    give_password(page)
    expect(page).to_have_title(re.compile("Set up the second factor"))
    page.goto("/admin/users/")  # nothing else opens
    expect(page).to_have_title(re.compile("Set up the second factor"))
    app = App(page.locator(".copyable code").inner_text())
    page.get_by_label("Code that the app shows").fill(app.code())
    page.get_by_role("button", name="Finish").click()
    codes = page.locator("ol.codes li")
    expect(codes).to_have_count(10)
    recovery = codes.first.inner_text()
    page.get_by_role("link", name="I have kept them").click()
    expect(page).to_have_title("Home · CoAI Admin")

    other = visit(answers={403})
    other.goto("/admin/users/?q=ana")
    give_password(other)
    expect(other.get_by_label("Code")).to_be_focused()
    other.get_by_label("Code").fill("000000")
    other.keyboard.press("Enter")
    expect(other.get_by_text("This code is wrong, or was used before.")).to_be_visible()
    other.get_by_label("Code").fill(recovery)
    other.keyboard.press("Enter")
    expect(other).to_have_url(re.compile(r"/admin/users/\?q=ana$"))

    lift(other, ana, app)


def lift(page, ana, app):
    """In the row of the table; a recovery code signed in, which does not confirm."""
    menu_of(page, ana).get_by_role("link", name="Lift restriction").click()
    act = page.locator("tr.unfold")
    act.get_by_label("Your reason").fill("It was not spam")
    act.get_by_label("Ticket").fill("T-1")
    act.get_by_label("Ticket").blur()
    act.get_by_role("button", name=re.compile("^Lift the suspension")).click()
    dialog = page.get_by_role("dialog", name="Confirm that it is you")
    expect(dialog.get_by_label("Password")).to_be_focused()
    dialog.get_by_label("Password").fill("not the password")
    dialog.get_by_label("Code of your app").fill(app.code())
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog.get_by_role("alert")).to_contain_text("The password or the code is wrong")
    assert is_suspended(ana)
    expect(act.get_by_label("Your reason")).to_have_value("It was not spam")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_label("Code of your app").fill(app.code(steps=1))
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("Lifted the suspension of 1 user.")).to_be_visible()
    assert not is_suspended(ana)


@pytest.mark.parametrize("scripts", [True, False])
def test_form_on_its_page_is_confirmed_and_comes_back_as_typed(visit, boss, ana, scripts):
    page = visit(session_of(boss, confirmed=False), scripts=scripts)
    page.goto(reverse("operate:one", args=[ana.pk, "users.lift_restriction"]))
    page.get_by_label("Your reason").fill("It was not spam")
    page.get_by_label("Ticket").fill("T-1")
    if scripts:
        page.get_by_label("Ticket").blur()
    else:
        page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("You will be asked to confirm that it is you.")).to_be_visible()
    button = page.get_by_role("button", name=re.compile("^Lift the suspension"))
    button.click()
    expect(page).to_have_title("Confirm that it is you · CoAI Admin")
    page.locator("main").get_by_label("Password").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Confirm").click()
    expect(page.get_by_label("Your reason")).to_have_value("It was not spam")
    expect(page.get_by_label("Ticket")).to_have_value("T-1")
    assert is_suspended(ana)
    button.click()
    expect(page.get_by_text("Lifted the suspension of 1 user.")).to_be_visible()
    assert not is_suspended(ana)
