"""Fills an empty database with invented people, for looking around and trying things."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import now as time_now

from users.demo.loading import NotEmpty, load_demo


class Command(BaseCommand):
    help = (
        "Fill an empty database with demonstration data: invented customers with two years behind "
        "them, and one member of staff for each role, whose passwords are printed once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--users", type=int, default=2_000, metavar="N", help="customers (%(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["users"] < 1:
            raise CommandError("--users must be 1 or more; leave the command out for none.")
        try:
            loaded = load_demo(options["users"], now=time_now())
        except NotEmpty as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(
            f"Made {loaded.people:,} users with {loaded.transfers:,} movements of credits."
        )
        self.stdout.write("Sign in as one of these; the passwords are shown only this once:")
        for each in loaded.staff:
            password = each.password or "(was there before)"
            self.stdout.write(f"  {each.user.username:<12} {password:<24} {each.role.label}")
