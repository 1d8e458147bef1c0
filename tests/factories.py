"""Rows for tests, made by the same services that the product uses."""

import itertools
from datetime import UTC, datetime

from users import services
from users.models import ApiKey, Session
from users.roles import Role

_numbers = itertools.count(1)
PASSWORD = "correct horse battery staple"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def make_user(username=None, *, role=Role.NONE, email=None, password=None, **fields):
    """An open account; ``fields`` set columns that no service writes yet."""
    number = next(_numbers)
    user = services.create_user(
        username or f"user{number}",
        email=email or f"user{number}@example.org",
        password=password,
        role=role,
    )
    if fields:
        type(user).objects.filter(pk=user.pk).update(**fields)
        user.refresh_from_db()
    return user


def make_users(count):
    """Many accounts at once, cheaply; their ids in order."""
    from billing.services import open_accounts
    from subscriptions.services import open_standings
    from users.models import User

    first = next(_numbers)
    people = User.objects.bulk_create(
        User(username=f"many{first}-{n}", email=f"many{first}-{n}@example.org", password="!")
        for n in range(count)
    )
    ids = [person.pk for person in people]
    open_accounts(ids, now=NOON)
    open_standings(ids)
    return ids


def make_staff(role=Role.USER_ADMIN, **fields):
    return make_user(role=role, **fields)


def make_key(user, secret=None):
    number = next(_numbers)
    return ApiKey.objects.create(user=user, digest=number.to_bytes(32), prefix=f"sk-{number}")


def make_session(user):
    number = next(_numbers)
    return Session.objects.create(
        session_key=f"{number:032}",
        user=user,
        session_data="",
        expire_date=datetime(2100, 1, 1, tzinfo=UTC),
    )
