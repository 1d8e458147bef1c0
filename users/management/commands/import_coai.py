"""manage.py import_coai: take over a CoAI deployment."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import now
from django.utils.translation import gettext as _

from users.imports.counters import Place
from users.imports.progress import Progress
from users.imports.reports import ImportUnproved
from users.imports.running import ImportBroken, ImportBusy, Request, import_deployment
from users.imports.sources import Address
from users.imports.tables import SourceUnreadable
from users.imports.values import wall_clock
from users.roles import Role

_FAILED, _UNUSABLE, _INTERRUPTED = 1, 2, 130


class Command(BaseCommand):
    help = "Import a CoAI deployment. Run it again to bring over what changed there since."

    def add_arguments(self, parser: ArgumentParser) -> None:
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument(
            "--sqlite", metavar="PATH", type=Path, help="CoAI's database file, chatnio.db"
        )
        where.add_argument(
            "--mysql", metavar="URL", help="mysql://user:password@host:3306/database"
        )
        parser.add_argument("--config", metavar="FILE", type=Path, help="CoAI's config.yaml")
        usage = parser.add_mutually_exclusive_group()
        usage.add_argument(
            "--redis", metavar="URL", help="redis://:password@host:6379/0: usage and statistics"
        )
        usage.add_argument(
            "--redis-commands", metavar="FILE", type=Path, help="the same as a file of commands"
        )
        parser.add_argument(
            "--source-tz",
            metavar="ZONE",
            default="Asia/Shanghai",
            help="the zone of CoAI's wall clock",
        )
        parser.add_argument(
            "--as-of", metavar="WALL-CLOCK", help="count active subscriptions then; default: now"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="write nothing, report all the same"
        )
        parser.add_argument(
            "--report", metavar="FILE", type=Path, help="write the report there, as JSON"
        )
        parser.add_argument(
            "--map-admins",
            metavar="ROLE",
            choices=[role for role in Role.values if role != Role.NONE],
            default=Role.NONE.value,
            help="the role that CoAI's admins get; default: none",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        request = _request(options)
        report_to: Path | None = options["report"]
        if report_to is not None and not report_to.parent.is_dir():
            raise CommandError(
                _("There is no folder %(path)s for the report.") % {"path": report_to.parent},
                returncode=_UNUSABLE,
            )
        try:
            report = import_deployment(request, now=now(), progress=Progress(sys.stderr))
        except (SourceUnreadable, ImportBusy) as error:
            raise CommandError(str(error), returncode=_UNUSABLE) from None
        except ImportUnproved as error:
            raise CommandError(str(error), returncode=_FAILED) from None
        except ImportBroken as error:
            again = _("What was written is whole; start the same command again and it goes on.")
            raise CommandError(f"{error} {again}", returncode=_FAILED) from None
        except KeyboardInterrupt:
            sentence = _("Interrupted. Start the same command again and it goes on.")
            raise CommandError(sentence, returncode=_INTERRUPTED) from None
        if report_to is not None:
            report_to.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
        self.stdout.write(_in_words(report))


def _request(options: dict[str, Any]) -> Request:
    try:
        zone = ZoneInfo(options["source_tz"])
    except (KeyError, ValueError, OSError):
        raise CommandError(
            _("There is no time zone %(name)s; write one like Asia/Shanghai.")
            % {"name": options["source_tz"]},
            returncode=_UNUSABLE,
        ) from None
    as_of = None
    if options["as_of"] is not None:
        as_of = wall_clock(options["as_of"], zone)
        if as_of is None:
            raise CommandError(
                _("--as-of takes a wall clock of the source, as 2026-11-20 12:00:00."),
                returncode=_UNUSABLE,
            )
    return Request(
        address=Address(options["sqlite"], options["mysql"] or ""),
        zone=zone,
        configuration=options["config"],
        counters=_counters(options),
        as_of=as_of,
        map_admins=options["map_admins"],
        dry_run=options["dry_run"],
    )


def _counters(options: dict[str, Any]) -> Place | None:
    if options["redis"] is None and options["redis_commands"] is None:
        return None
    return Place(options["redis"] or "", options["redis_commands"])


def _in_words(report: dict[str, Any]) -> str:
    """The report in a few lines, for the terminal."""
    people, sums = report["people"], report["sums"]
    lines = [
        _("Nothing was written; this is what would be.")
        if report["dry_run"]
        else _("Imported as %(name)s.") % {"name": report["source"]["name"]},
        _("People: %(new)d new, %(changed)d changed, %(unchanged)d as before.") % people,
        _("Credits: %(quota)s on balances, %(used)s used.") % sums,
        "",
        f"{_('table'):<24}{_('read'):>10}{_('imported'):>10}{_('kept'):>10}{_('quarantined'):>13}",
    ]
    lines += [
        f"{name:<24}{each['read']:>10}{each['imported']:>10}{each['kept']:>10}{each['quarantined']:>13}"
        for name, each in report["tables"].items()
    ]
    if not report["counters"]:
        lines += ["", _("Usage counters were not read: name CoAI's Redis by --redis.")]
    lines += ["", _("Anomalies:")]
    lines += [f"  {kind:<30}{number:>8}" for kind, number in report["anomalies"].items() if number]
    return "\n".join(lines)
