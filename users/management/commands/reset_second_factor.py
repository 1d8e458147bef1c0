"""Take somebody's second factor from the server, at once: the only way for a super admin's."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from users.management.commands.revoke_role import given, report, somebody
from users.second_factor.taking import take_at_once


class Command(BaseCommand):
    help = "Reset a lost second factor at once; the user's sessions end, and they are told by mail."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="username or id")
        parser.add_argument("--reason", required=True, type=given, help="stands in the audit log")
        parser.add_argument(
            "--proof", required=True, type=given, help="how they proved that it is them"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = somebody(options["user"])
        receipts = take_at_once(user.pk, identity_proof=options["proof"], reason=options["reason"])
        self.stdout.write(report(receipts, f"{user.username} has no second factor any more."))
