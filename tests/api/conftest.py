"""Callers of the API: a service key, and colleagues in their sessions."""

import itertools
import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils.timezone import now

from audit.people import SYSTEM
from subscriptions import service_keys
from tests.factories import make_staff
from users.roles import Role
from users.service_actor import scopes

_names = itertools.count(1)


class Caller(Client):
    """A program: JSON goes in and out. ``token`` stands for a session where it is None."""

    def __init__(self, token=None, **options):
        options.setdefault("raise_request_exception", False)
        super().__init__(**options)
        self.token = token

    def request(self, **request):
        if self.token is not None:
            request.setdefault("HTTP_AUTHORIZATION", f"Bearer {self.token}")
        return super().request(**request)

    def send(self, address, body=None, *, key=None, **more):
        """POST a body as JSON, with an Idempotency-Key where one is given."""
        headers = {"Idempotency-Key": key} if key is not None else {}
        content = body if isinstance(body, bytes | str) else json.dumps(body or {})
        return self.post(address, content, content_type="application/json", headers=headers, **more)


def make_service_key(*codes, name=None, days=30):
    """A key and its token."""
    moment = now()
    return service_keys.create(
        name or f"script {next(_names)}",
        codes or tuple(scopes()),
        expires_at=moment + timedelta(days=days),
        actor=SYSTEM,
        now=moment,
    )


@pytest.fixture
def key(db):
    """A key that may all that a key may."""
    return Caller(make_service_key().token)


def keyed(*codes):
    """A caller with a key of these scopes."""
    return Caller(make_service_key(*codes).token)


def in_session(role=Role.SUPER_ADMIN, **fields):
    """A colleague of this role, who has stepped up just now (see ``tests.clients``)."""
    caller = Caller()
    caller.user = make_staff(role, **fields)
    caller.force_login(caller.user)
    return caller


@pytest.fixture
def admin(db):
    return in_session()
