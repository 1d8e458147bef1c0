"""An act on more than are changed at once, from the selection to its undo, as it looks while
workers are at it."""

import pytest
from playwright.sync_api import expect

from audit.models import Run
from audit.runs import working
from billing.models import Account
from tests.audit.runs import prepared
from tests.browser.table import USERS, wait_until_kept
from tests.factories import make_users
from users import console_settings
from users.models import Setting

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser-flows-1"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def alone(transactional_db):
    """One person may act on as many as they like."""
    limits = {"users": 1_000_000, "credits": "1000000"}
    Setting.objects.create(name=console_settings.APPROVALS, value=limits)
    console_settings.shelf.forget()


def work(batches=None):
    """Workers deal with so many batches of the run that is due, or with all there is."""
    if batches is None:
        while working.work():
            pass
        return
    claim = working.take_up()
    for _batch in range(batches):
        working.step(claim)
    working.release(claim)


def balances():
    return set(Account.objects.filter(user__role="none").values_list("balance", flat=True))


def heading(page, name):
    return page.get_by_role("heading", name=name, exact=True)


def test_run_is_counted_confirmed_paused_resumed_and_undone(desk, alone):
    make_users(1001)
    desk.goto(f"{USERS}?q=many")
    desk.get_by_role("checkbox", name="Select this page").check()
    wait_until_kept(desk)
    desk.get_by_role("button", name="Select all 1,001 that match").click()
    desk.locator("#selection").get_by_role("button", name="Adjust credits…").click()
    desk.get_by_label("Credits").fill("5")
    desk.get_by_role("button", name="Count what would change for 1,001 users").click()
    expect(heading(desk, "Counting what would change")).to_be_visible()
    work()

    desk.get_by_label("Your reason").fill("The outage of 3 May")
    desk.get_by_role("button", name="Add 5 credits to 1,001 users").click()
    expect(heading(desk, "Running")).to_be_visible()
    Run.objects.update(batch=400)
    work(batches=1)
    expect(desk.get_by_text("400 of 1,001")).to_be_visible()
    desk.get_by_role("button", name="Pause").click()
    expect(heading(desk, "Paused")).to_be_visible()
    assert working.take_up() is None
    desk.get_by_role("button", name="Resume").click()
    expect(heading(desk, "Running")).to_be_visible()
    work()
    expect(desk.get_by_text("Done.")).to_be_visible()
    assert balances() == {5}

    desk.get_by_role("button", name="Undo for 1,001 users…").click()
    expect(heading(desk, "Counting what would change")).to_be_visible()
    work()
    desk.get_by_label("Your reason").fill("It was another week")
    desk.get_by_label("How many users?").fill("1001")
    desk.get_by_role("button", name="Undo “Adjust credits” for 1,001 users").click()
    expect(heading(desk, "Running")).to_be_visible()
    work()
    expect(desk.get_by_text("Done.")).to_be_visible()
    assert balances() == {0}


def test_home_follows_a_run_until_it_is_over(desk, admin):
    run = prepared.started(make_users(3), actor=admin)
    desk.goto("/admin/")
    runs = desk.get_by_role("region", name="Runs")
    expect(runs.get_by_role("link", name="Adjust credits: 3 users")).to_be_visible()
    expect(runs.get_by_text("0 of 3")).to_be_visible()
    Run.objects.filter(pk=run.pk).update(batch=1)
    work(batches=1)
    expect(runs.get_by_text("1 of 3")).to_be_visible()
    work()
    expect(runs.get_by_text("No run is under way any more.")).to_be_visible()


def test_home_leads_to_the_run_that_waits_for_a_word(desk, admin):
    prepared.previewed(make_users(3), actor=admin)
    desk.goto("/admin/")
    runs = desk.get_by_role("region", name="Runs")
    expect(runs).to_contain_text("3 would change, 0 are refused.")
    runs.get_by_role("link", name="Look and confirm").click()
    expect(desk.get_by_role("button", name="Add 5 credits to 3 users")).to_be_visible()
