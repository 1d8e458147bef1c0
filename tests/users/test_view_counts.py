"""Counts of views that take too long: said, and no connection held by them."""

import re
from contextlib import contextmanager

import pytest
from django.db import connection
from django.urls import reverse

from tests.users.test_saved_views import make_view, signed_in
from users.table import views
from users.table.views import STARTING

pytestmark = pytest.mark.django_db


@contextmanager
def locked(table):
    """Whoever reads the table waits, as for a count that takes too long."""
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        other.rollback()
        other.close()


def test_view_that_takes_too_long_to_count_says_so_and_stays_so_for_a_minute(monkeypatch):
    monkeypatch.setattr(views, "PATIENCE", 0.2)
    user, client = signed_in()
    make_view(user, "Tagged", "q=has%3Atag")
    with locked("users_tagging"):
        counted = client.get(reverse("views:counts")).content.decode()
    slow = r'Tagged</span><span class="count" title="Counting takes too long">\?<'
    assert re.search(slow, counted)
    assert re.search(r'Everyone</span><span class="count">1<', counted)
    with connection.cursor() as cursor:  # what comes after has the usual time
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)
    assert re.search(slow, client.get(reverse("views:counts")).content.decode())


def test_views_are_not_counted_once_all_together_took_too_long(monkeypatch):
    monkeypatch.setattr(views, "PATIENCE_IN_ALL", 0.0)
    _user, client = signed_in()
    counted = client.get(reverse("views:counts")).content.decode()
    assert counted.count("Counting takes too long") == len(STARTING)
