"""A service key from the shell: for the gateway and scripts, when nobody is at a browser."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_date
from django.utils.timezone import now as time_now

from audit.people import SYSTEM
from subscriptions import service_keys
from users.service_actor import scopes

_DAYS = re.compile(r"([1-9][0-9]{0,3})d", re.ASCII)


class Command(BaseCommand):
    help = (
        "Make a service key, with which the gateway and scripts use /api/v1/. The token is printed "
        "once and kept nowhere."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="who will use it, as the audit log will name it")
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            metavar="CODE",
            help="what it may do; may be repeated. One of: " + ", ".join(scopes()),
        )
        parser.add_argument(
            "--expires",
            required=True,
            metavar="DAYS|DATE",
            help=f"90d or 2027-03-31 (its first moment, UTC); within {service_keys.MOST_DAYS} days",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = time_now()
        for code in options["scope"]:
            if code not in scopes():
                raise CommandError(
                    f"A key cannot hold {code!r}. It can hold: {', '.join(scopes())}."
                )
        try:
            issued = service_keys.create(
                options["name"],
                options["scope"],
                expires_at=_moment(options["expires"], now),
                actor=SYSTEM,
                now=now,
            )
        except service_keys.KeyRefused as refused:
            raise CommandError(str(refused)) from refused
        key = issued.key
        self.stdout.write(
            f"{key.name} (key #{key.pk}) may {', '.join(key.scopes)} until "
            f"{key.expires_at:%Y-%m-%d %H:%M} UTC."
        )
        self.stdout.write(f"Token, shown only this once: {issued.token}")


def _moment(text: str, now: datetime) -> datetime:
    if days := _DAYS.fullmatch(text):
        return now + timedelta(days=int(days[1]))
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise CommandError(f"{text!r} is neither a number of days (90d) nor a date (2027-03-31).")
    return datetime.combine(day, datetime.min.time(), tzinfo=UTC)
