"""Give somebody a staff role from the server: the only way to a further super admin."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from audit.people import SYSTEM
from users.management.commands.revoke_role import given, report, somebody
from users.roles import Role
from users.staff.services import grant_role


class Command(BaseCommand):
    help = "Give a user a staff role instead of the one they have; their sessions end."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="username or id")
        parser.add_argument("role", choices=[role.value for role in Role if role != Role.NONE])
        parser.add_argument("--reason", required=True, type=given, help="stands in the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        user, role = somebody(options["user"]), Role(options["role"])
        receipts = grant_role([user.pk], actor=SYSTEM, role=role, reason=options["reason"])
        self.stdout.write(report(receipts, f"{user.username} is {role.label} now."))
