"""What tests of people share: quick passwords, and a way to sign in as a browser does."""

import itertools

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import make_user
from tests.hashing import HASHERS, PASSWORD, CountedArgon2, hash_of
from users.models import User
from users.roles import Role

_addresses = itertools.count(1)


@pytest.fixture
def quick_hashes(settings):
    """Argon2 with little work, counted."""
    settings.PASSWORD_HASHERS = HASHERS
    CountedArgon2.computed = 0
    return CountedArgon2


class Visitor(Client):
    """A client with an address of its own that keeps CSRF as a browser does."""

    def __init__(self, **kwargs):
        number = next(_addresses)
        kwargs.setdefault("REMOTE_ADDR", f"203.0.{number // 250}.{number % 250 + 1}")
        super().__init__(enforce_csrf_checks=True, **kwargs)

    def token(self):
        if "csrftoken" not in self.cookies:
            self.get(reverse("account:sign_in"))
        return self.cookies["csrftoken"].value

    def send(self, url, data=None, **kwargs):
        """POST a form as a page would."""
        headers = {"X-CSRFToken": self.token(), **kwargs.pop("headers", {})}
        return self.post(url, data or {}, headers=headers, **kwargs)

    def sign_in(self, name, password=PASSWORD, **more):
        return self.send(reverse("account:sign_in"), {"login": name, "password": password, **more})

    def is_in(self):
        return self.get(reverse("account:ping")).json()["authenticated"]


def person(username="ana", *, password_hash=None, role=Role.NONE, **fields):
    """Somebody whose password is ``PASSWORD``, or has the hash given."""
    user = make_user(username, role=role, **fields)
    User.objects.filter(pk=user.pk).update(password=password_hash or hash_of())
    user.refresh_from_db()
    return user


@pytest.fixture
def visitor():
    return Visitor()
