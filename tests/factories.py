"""Rows for tests, made by the same services that the product uses."""

import itertools
from datetime import UTC, datetime

from django.db import connection

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

    plain, named = User(password="!"), {"id", "username", "email"}
    columns = {
        field.column: field.get_db_prep_save(getattr(plain, field.attname), connection)
        for field in User._meta.concrete_fields
        if field.name not in named
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO users_user (username, email, {", ".join(columns)})
                SELECT name, name || '@example.org', {", ".join(["%s"] * len(columns))}
                FROM generate_series(0, %s) AS n, concat('many', %s::bigint, '-', n) AS name
                ORDER BY n RETURNING id""",
            [*columns.values(), count - 1, next(_numbers)],
        )
        ids = [pk for (pk,) in cursor.fetchall()]
    open_accounts(ids, now=NOON)
    open_standings(ids)
    return ids


def make_staff(role=Role.USER_ADMIN, **fields):
    return make_user(role=role, **fields)


def make_key(user):
    key = _key(user.pk)
    key.save()
    return key


def make_session(user):
    session = _session(user.pk)
    session.save()
    return session


def make_keys(user_ids):
    """A key for each, at once."""
    ApiKey.objects.bulk_create(_key(pk) for pk in user_ids)


def make_sessions(user_ids):
    """A session for each, at once."""
    Session.objects.bulk_create(_session(pk) for pk in user_ids)


def _key(user_id):
    number = next(_numbers)
    return ApiKey(user_id=user_id, digest=number.to_bytes(32), prefix=f"sk-{number}")


def _session(user_id):
    return Session(
        session_key=f"{next(_numbers):032}",
        user_id=user_id,
        session_data="",
        expire_date=datetime(2100, 1, 1, tzinfo=UTC),
    )
