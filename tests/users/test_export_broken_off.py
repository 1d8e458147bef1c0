"""A download that its reader breaks off: recorded as far as it got, and the connection is free
again."""

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry
from coai_admin.console import exports as files
from tests.factories import make_staff, make_users
from users.models import User
from users.roles import Role


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("size", [50, 20_000])
def test_export_broken_off_tells_how_far_it_got(size, monkeypatch):
    monkeypatch.setattr(files, "_BLOCK", 300)
    client = Client()
    client.force_login(make_staff(Role.SUPER_ADMIN))
    make_users(size)
    response = client.post(reverse("users:export"))
    stream = iter(response)
    next(stream), next(stream)
    response.close()
    begun, finished = AuditEntry.objects.filter(action="exports.users").order_by("id")
    assert finished.changes["export"] == begun.changes["export"]
    assert finished.changes["complete"] is False
    assert 0 < finished.changes["rows"] < size
    assert User.objects.count() == size + 1
