"""The quick look at a user beside the list: the essentials, masked for its reader."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit.people import SYSTEM
from billing.services import adjust_credits
from tests.factories import make_staff, make_user
from users.models import Preferences
from users.restrictions.services import suspend
from users.roles import ROLES, Role

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


def as_role(role=Role.SUPER_ADMIN):
    client = Client()
    client.force_login(make_staff(role))
    return client


def look(client, user):
    response = client.get(reverse("user_look", args=[user.pk]), headers=HTMX)
    assert response.status_code == 200
    return response.content.decode()


def test_essentials_of_a_suspended_user_and_what_was_done_lately():
    user, now = make_user("ana", email="ana@example.com", country="PT"), time_now()
    adjust_credits([user.pk], actor=SYSTEM, delta=Decimal("12.5"), reason="A gift")
    ends = now + timedelta(days=3)
    suspend([user.pk], actor=SYSTEM, reason_code="spam", ends_at=ends, reason="Sent spam", now=now)
    body = look(as_role(), user)
    for text in ("ana@example.com", "12.50", "Suspended", "A gift", "Sent spam", "PT"):
        assert text in body
    assert "<!doctype" not in body
    lift = reverse("operate:one", args=[user.pk, "users.lift_restriction"])
    assert f'hx-get="{lift}" hx-target="#row-{user.pk}"' in body
    assert reverse("operate:one", args=[user.pk, "users.suspend"]) in body


@pytest.mark.parametrize("role", ROLES)
def test_roles_see_what_they_see_on_the_page(role):
    user = make_user("ana", email="silvana@example.com")
    body = look(as_role(role), user)
    whole = role in {Role.SUPER_ADMIN, Role.USER_ADMIN}
    assert ("silvana@example.com" in body) is whole
    acts = reverse("operate:one", args=[user.pk, "billing.adjust_credits"])
    assert (acts in body) is (role != Role.READ_ONLY)


def test_acts_on_those_of_equal_rank_are_not_offered():
    body = look(as_role(Role.USER_ADMIN), make_staff(Role.USER_ADMIN))
    assert "billing.adjust_credits" not in body


def test_without_scripts_it_is_a_page():
    user = make_user("ana")
    body = as_role().get(reverse("user_look", args=[user.pk])).content.decode()
    assert "<!doctype html>" in body
    assert "hx-target" not in body.split("<main", 1)[1].split("</main>")[0]


def test_user_who_is_gone_is_a_404():
    response = as_role().get(reverse("user_look", args=[10**9]), headers=HTMX)
    assert response.status_code == 404


def test_nobody_without_a_role_looks():
    user = make_user("ana")
    client = Client()
    client.force_login(make_user())
    assert client.get(reverse("user_look", args=[user.pk])).status_code == 403


def test_row_of_the_table_leads_to_it():
    user = make_user("ana")
    body = as_role().get(reverse("users:list")).content.decode()
    assert f'href="{reverse("user_look", args=[user.pk])}" data-look' in body


@pytest.mark.parametrize("on", [True, False])
def test_page_says_whether_single_keys_are_shortcuts(on, django_assert_num_queries):
    staff = make_staff(Role.SUPER_ADMIN)
    client = Client()
    client.force_login(staff)
    with django_assert_num_queries(3):  # session, person with preferences, second factor
        body = client.get(reverse("account:password")).content.decode()
    assert 'data-shortcuts="off"' not in body
    Preferences.objects.create(user=staff, shortcuts=on)
    body = client.get(reverse("account:password")).content.decode()
    assert ('data-shortcuts="off"' in body) is not on
