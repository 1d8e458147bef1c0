"""The user table as somebody in front of it finds things."""

import re
from decimal import Decimal

from django.utils.timezone import now as time_now
from playwright.sync_api import expect

from audit.people import SYSTEM
from billing.services import adjust_credits, copy_statistics
from tests.factories import make_user

USERS = "/admin/users/"


def give(user, amount):
    """Credits, known to the list at once."""
    adjust_credits([user.pk], actor=SYSTEM, delta=Decimal(amount), reason="gift")
    copy_statistics(now=time_now(), full=True)


def make_crew(number, word="crew"):
    """So many people whom a search for ``word`` finds, the last one on top of the list."""
    return [make_user(f"{word}-{n:02}") for n in range(number)]


def names(page):
    return page.locator("tr[data-row] a.name")


def row_of(page, user):
    return page.locator(f"#row-{user.pk}")


def tick(page, *users):
    for user in users:
        row_of(page, user).get_by_role("checkbox").check()


def expect_selected(page, number):
    expect(page.locator("#selection [data-count]")).to_have_text(f"{number} selected")


def wait_until_kept(page):
    """The server knows of the ticks: the address names the selection."""
    expect(page).to_have_url(re.compile("selection="))


def search(page, text):
    page.locator("main [name=q]").fill(text)


def menu_of(page, user):
    """The acts of a row, opened."""
    row_of(page, user).locator("[data-menu-url]").click()
    return page.locator("#row-menu")
