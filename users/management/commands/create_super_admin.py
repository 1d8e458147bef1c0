"""The only way to the first super admin, and back in when nobody knows a password any more."""

from __future__ import annotations

import getpass
import secrets
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import connection, transaction
from django.utils.timezone import now as time_now

from audit import record
from audit.people import SYSTEM
from users.models import User
from users.passwords.checking import set_password
from users.profile.closing import reopen
from users.roles import Role
from users.services import create_user
from users.sessions.ending import end_sessions
from users.staff.staffing import set_role


class Command(BaseCommand):
    help = (
        "Create the first super admin. The password comes from COAI_ADMIN_PASSWORD, or is asked "
        "for, or (without a terminal, or when nothing is typed) is made and printed once. There "
        "is no default password."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", default="admin", help="default: admin")
        parser.add_argument("--email", default="", help="only for a new account")
        parser.add_argument(
            "--reset",
            action="store_true",
            help="give this account the role and a new password, and end its sessions, although "
            "there is a super admin",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        username, reset = options["username"].strip(), options["reset"]
        if not username:
            raise CommandError("The username is empty.")
        if _super_admins() and not reset:
            raise CommandError(_taken_care_of())
        user = User.objects.named(username).first()
        if user is not None and not reset:
            raise CommandError(
                f"{user.username} is an account already (id {user.pk}). Choose another "
                "--username, or give that account the role and a new password with --reset."
            )
        email = None if user else _email(options["email"])
        password, generated = self._password(user or User(username=username, email=email))
        user = _store(user, username, email, password, reset=reset)
        self.stdout.write(f"{user.username} is super admin.")
        if generated:
            self.stdout.write(f"Password, shown only this once: {password}")

    def _password(self, user: User) -> tuple[str, bool]:
        """The password, and whether it was made here."""
        given = settings.ADMIN_PASSWORD
        if given:
            return _valid(given, user, "COAI_ADMIN_PASSWORD"), False
        if sys.stdin.isatty():
            typed = getpass.getpass("Password (empty: one is made): ")
            if typed:
                if typed != getpass.getpass("Again: "):
                    raise CommandError("The two do not match.")
                return _valid(typed, user, "This password"), False
        return secrets.token_urlsafe(18), True


def _super_admins() -> list[str]:
    people = User.objects.filter(role=Role.SUPER_ADMIN, closed_at__isnull=True)
    return list(people.order_by("pk").values_list("username", flat=True)[:3])


def _taken_care_of() -> str:
    names = ", ".join(_super_admins())
    return f"There is a super admin already: {names}. A lost password: --reset with --username."


def _email(text: str) -> str | None:
    if not text:
        return None
    try:
        validate_email(text)
    except ValidationError as error:
        raise CommandError(f"{text!r} is not an email address.") from error
    if User.objects.with_email(text).exists():
        raise CommandError(f"{text} is the address of another account.")
    return text


def _valid(password: str, user: User, what: str) -> str:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise CommandError(f"{what} is not accepted: {' '.join(error.messages)}") from error
    return password


@transaction.atomic
def _store(
    existing: User | None, username: str, email: str | None, password: str, *, reset: bool
) -> User:
    with connection.cursor() as cursor:  # two of these commands at once make one super admin
        cursor.execute("LOCK TABLE users_user IN SHARE ROW EXCLUSIVE MODE")
    if _super_admins() and not reset:
        raise CommandError(_taken_care_of())
    now = time_now()
    role_before = existing.role if existing else None
    user = existing or create_user(username, email=email, now=now)
    set_role([user.pk], Role.SUPER_ADMIN)
    reopen([user.pk])
    user.refresh_from_db()
    set_password(user, password, now=now)
    ended = end_sessions([user.pk])
    record.entry(
        "users.create_super_admin",
        actor=SYSTEM,
        now=now,
        target=("user", user.pk, user.username),
        changes={"role": [role_before, Role.SUPER_ADMIN.value], "sessions_ended": ended},
        reason="create_super_admin --reset" if reset else "create_super_admin",
    )
    return user
