"""Take somebody's staff role from the server: the only way for a super admin's."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.people import SYSTEM
from audit.procedures import Receipts
from users.models import User
from users.staff.services import revoke_role


class Command(BaseCommand):
    help = "Make a customer of a member of staff; their sessions end."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="username or id")
        parser.add_argument("--reason", required=True, type=given, help="stands in the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        user = somebody(options["user"])
        receipts = revoke_role([user.pk], actor=SYSTEM, reason=options["reason"])
        self.stdout.write(report(receipts, f"{user.username} has no role any more."))


def given(text: str) -> str:
    """A reason that says something. Raises CommandError for blanks."""
    if not text.strip():
        raise CommandError("The reason is empty.")
    return text.strip()


def somebody(text: str) -> User:
    """The user of that name or id. Raises CommandError for nobody."""
    user = User.objects.meant_by(text)
    if user is None:
        raise CommandError(f"There is no user {text!r}.")
    return user


def report(receipts: Receipts, done: str) -> str:
    """What became of it. Raises CommandError with the sentence of a refusal."""
    for row in receipts.refused:
        assert row.refusal is not None
        raise CommandError(row.refusal.sentence)
    return done if receipts.changed else "Nothing to do: it is so already."
