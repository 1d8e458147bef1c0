"""Two people in two browsers: one asks, the other approves."""

import pytest
from playwright.sync_api import expect

from audit.runs import working
from tests.browser.conftest import session_of
from tests.factories import PASSWORD, make_staff, make_user
from users import approvals
from users.roles import Role

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser-flows-1"),
    pytest.mark.django_db(transaction=True),
]


def test_role_is_asked_for_by_one_and_approved_by_another_who_confirms_first(visit):
    boss, other = (make_staff(Role.SUPER_ADMIN, password=PASSWORD) for _ in range(2))
    ana = make_user("ana")
    first, second = visit(session_of(boss)), visit(session_of(other, confirmed=False))
    first.goto(f"/admin/users/{ana.pk}/users.grant_role/")
    first.get_by_label("Role").select_option("support")
    first.get_by_label("Your reason").fill("Joins the desk")
    first.get_by_role("button", name="Ask for approval: Make 1 user Support").click()
    expect(first.get_by_text("Waiting for approval by a second person.")).to_be_visible()

    approvals.shelf.forget()
    second.goto("/admin/approvals/")
    second.get_by_role("link", name="Make 1 user Support").click()
    expect(second.get_by_text("Joins the desk")).to_be_visible()
    second.get_by_label("Your note").fill("Known to me")
    second.get_by_role("button", name="Approve: Make 1 user Support").click()
    second.get_by_label("Password").fill(PASSWORD)
    second.get_by_role("button", name="Confirm").click()
    expect(second.get_by_label("Your note")).to_have_value("Known to me")
    second.get_by_role("button", name="Approve: Make 1 user Support").click()
    expect(second.get_by_text("Approved; it starts now.")).to_be_visible()

    while working.work():
        pass
    ana.refresh_from_db()
    assert ana.role == Role.SUPPORT
