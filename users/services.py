"""Making accounts, for jobs, commands and other services."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.timezone import now as time_now

from billing.services import open_accounts
from subscriptions.services import open_standings
from users.models import User
from users.roles import Role


@transaction.atomic
def create_user(
    username: str,
    *,
    email: str | None = None,
    password: str | None = None,
    role: Role = Role.NONE,
    now: datetime | None = None,
) -> User:
    """Create an account with its credit account and its standing. Without ``password`` nobody can
    sign in to it.

    Raises IntegrityError when the name or the address is taken.
    """
    moment = now or time_now()
    user = User(username=username, email=email, role=role, joined_at=moment)
    if password is None:
        user.set_unusable_password()
    else:
        user.set_password(password)
        user.password_changed_at = moment
    user.save(force_insert=True)
    open_accounts([user.pk], now=moment)
    open_standings([user.pk])
    return user
