"""One member of staff for each role, with a password made here and stored only as a hash."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from users.models import User
from users.roles import ROLES, Role
from users.services import create_user

_NAMES = {
    Role.SUPER_ADMIN: "superadmin",
    Role.USER_ADMIN: "useradmin",
    Role.SUPPORT: "support",
    Role.READ_ONLY: "readonly",
}
_DOMAIN = "console.example"


@dataclass(frozen=True, slots=True)
class StaffAccount:
    """Somebody who can sign in; the password is to be shown once. Empty for one who was there."""

    user: User
    role: Role
    password: str


def hire(*, now: datetime) -> list[StaffAccount]:
    """An account for each role, the highest first. A super admin who is there already stays the
    only one."""
    joined = now - timedelta(days=740)
    hired = []
    for role in ROLES:
        present = User.objects.filter(role=role).order_by("pk").first()
        if present is not None:
            hired.append(StaffAccount(present, role, ""))
            continue
        name, password = _NAMES[role], secrets.token_urlsafe(18)
        user = create_user(
            name, email=f"{name}@{_DOMAIN}", password=password, role=role, now=joined
        )
        User.objects.filter(pk=user.pk).update(
            email_verified_at=joined, country="DE", locale="en", timezone="Europe/Berlin"
        )
        hired.append(StaffAccount(user, role, password))
    return hired
