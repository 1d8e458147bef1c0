"""Approve from the server what waits for a second person: the way where there is no other admin."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import now

from audit.execution import OperationRefused
from audit.models import Approval
from audit.people import SYSTEM
from users import approvals
from users.management.commands.revoke_role import given


class Command(BaseCommand):
    help = "Approve what waits for a second person; it starts. The audit log names who runs this."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=UUID, help="the id that the page of the request shows")
        parser.add_argument("--reason", required=True, type=given, help="stands in the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        operator = replace(SYSTEM, username=f"server operator {getpass.getuser()}")
        try:
            asked = approvals.request(options["run"], operator, now())
            approvals.decide(
                options["run"], approve=True, actor=operator, now=now(), note=options["reason"]
            )
        except Approval.DoesNotExist as error:
            raise CommandError("Nothing of this id waits for approval.") from error
        except OperationRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"Approved; workers begin at once: {asked.sentence}")
