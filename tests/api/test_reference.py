"""The reference of the API in the console."""

import pytest
from django.urls import reverse

from audit.registry import operations
from tests.factories import make_staff
from users.api.document import document
from users.roles import Role

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", [Role.SUPER_ADMIN, Role.READ_ONLY])
def test_reference_shows_every_address_with_a_call(client, role):
    client.force_login(make_staff(role))
    page = client.get(reverse("api_reference"))
    assert page.status_code == 200
    text = page.content.decode()
    for path in document()["paths"]:
        assert path in text
    assert text.count("curl ") >= len(operations())


def test_reference_says_what_is_not_open_to_keys(client):
    client.force_login(make_staff(Role.SUPER_ADMIN))
    page = client.get(reverse("api_reference"))
    endpoints = {one.name: one for _label, found in page.context["subjects"] for one in found}
    assert not endpoints["perform_billing_adjust_credits"].keys
    assert endpoints["perform_users_suspend"].keys
    assert endpoints["list_users"].keys
    assert '"users": [42]' in endpoints["perform_users_suspend"].curl


def test_reference_takes_two_queries(client, django_assert_num_queries):
    client.force_login(make_staff(Role.SUPER_ADMIN))
    client.get(reverse("api_reference"))
    with django_assert_num_queries(2):  # session and person
        client.get(reverse("api_reference"))
