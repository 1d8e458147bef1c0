"""manage.py reconcile: does what is stored twice agree with itself?"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit.registry import defect_finders
from billing.reports import Defect

MOST_SHOWN = 100


class Command(BaseCommand):
    help = "Check what is stored twice: every line is a defect. Ends with 1 if there is any."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help='end with {"defects": N, "rows": [...]}'
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit code 0: everything agrees. 1: it does not."""
        found = list(chain.from_iterable(find() for find in defect_finders()))
        if options["json"]:
            rows = [defect._asdict() for defect in found]
            self.stdout.write(json.dumps({"defects": len(found), "rows": rows}))
        else:
            self.stdout.write(_table(found))
        if found:
            sys.exit(1)


def _table(found: Sequence[Defect]) -> str:
    if not found:
        return _("Everything agrees.")
    head = (_("rule"), _("where"), _("expected"), _("found"))
    lines = [head, *map(_line, found[:MOST_SHOWN])]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    if len(found) > MOST_SHOWN:
        table.append(_("… --json says all of them."))
    count = ngettext("%(n)s defect.", "%(n)s defects.", len(found)) % {"n": f"{len(found):,}"}
    return "\n".join([*table, count])


def _line(defect: Defect) -> tuple[str, str, str, str]:
    number = "" if defect.subject_id is None else f" {defect.subject_id}"
    return (defect.rule, f"{defect.subject}{number}", defect.expected, defect.found)
