"""Take somebody's second factor from the server: the only way for a super admin's."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from audit.people import SYSTEM
from users.management.commands.revoke_role import given, report, somebody
from users.second_factor.resets import reset_second_factor


class Command(BaseCommand):
    help = "Reset a lost second factor; the user's sessions end, and they are told by mail."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="username or id")
        parser.add_argument("--reason", required=True, type=given, help="stands in the audit log")
        parser.add_argument(
            "--proof", required=True, type=given, help="how they proved that it is them"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = somebody(options["user"])
        receipts = reset_second_factor(
            [user.pk], actor=SYSTEM, identity_proof=options["proof"], reason=options["reason"]
        )
        self.stdout.write(report(receipts, f"{user.username} has no second factor any more."))
