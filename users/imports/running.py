"""An import from beginning to end: read, plan, write, prove, account for it."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from django.conf import settings as site
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from audit import record
from audit.people import SYSTEM
from audit.procedures import ActContext
from users.hashers import from_coai
from users.imports import passwords, planning, reports, staging
from users.imports.configuration import TABLE as CONFIGURATION
from users.imports.configuration import read_configuration, staged_configuration, summary
from users.imports.keeping import Keeping
from users.imports.loading import Loader
from users.imports.merging import Settings
from users.imports.progress import Progress
from users.imports.rows import Keys, Reader, Staged
from users.imports.secrecy import Keeper
from users.imports.sources import Address, Source, open_source, require_coai
from users.imports.tables import Table
from users.models import ImportRun, ReasonCode
from users.roles import Role

PEOPLE_TABLES = ("auth", "quota", "subscription", "apikey")
ACTION = "imports.coai"
_LOCK = 0x436F4149  # "CoAI"
_LOCK_PATIENCE = 20.0
_ATTEMPTS = 3
_OPEN = (ImportRun.State.RUNNING, ImportRun.State.FAILED)


class ImportBusy(Exception):
    """Another import is running."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. ``as_of``: the instant whose active subscriptions are counted; None:
    now."""

    address: Address
    zone: ZoneInfo
    configuration: Path | None = None
    as_of: datetime | None = None
    map_admins: str = Role.NONE.value
    dry_run: bool = False


def import_deployment(request: Request, *, now: datetime, progress: Progress) -> dict[str, Any]:
    """Import a CoAI deployment, or (``dry_run``) find out what that would do; returns the report.

    May be called again: what did not change at the source is not written again, and a run that was
    killed goes on. Raises SourceUnreadable, ImportBusy (nothing was written), ImportUnproved (the
    run counts as failed).
    """
    configuration = read_configuration(request.configuration) if request.configuration else {}
    with one_at_a_time(), open_source(request.address) as source, staging.staging_area():
        return _Import(request, source, configuration, now, progress).run()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the only place for an import. Waits for the place of one that was just killed."""
    deadline = time.monotonic() + _LOCK_PATIENCE
    with connection.cursor() as cursor:
        # So that a server process whose client was killed gives up its work, and this lock, at
        # once.
        cursor.execute("SELECT set_config('client_connection_check_interval', '500ms', false)")
        while not _locked(cursor):
            if time.monotonic() > deadline:
                raise ImportBusy(_("Another import is running; wait for it to end."))
            time.sleep(0.2)
    try:
        yield
    finally:
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _locked(cursor: Any) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
    return bool(cursor.fetchone()[0])


class _Import:
    """The state of one run."""

    def __init__(
        self,
        request: Request,
        source: Source,
        configuration: Mapping[str, Any],
        now: datetime,
        progress: Progress,
    ) -> None:
        self.request, self.source, self.configuration = request, source, configuration
        self.now, self.progress = now, progress
        self.as_of = request.as_of or now
        self.keeper = Keeper(site.SECRET_KEY.encode())
        self.reader = Reader(
            zone=request.zone, as_of=self.as_of, keeper=self.keeper, encode_password=from_coai
        )
        self.tables: dict[str, Table] = {}
        self.name = ""
        self.row: ImportRun | None = None
        self.conflicts: Counter[str] = Counter()
        self.new_rows: Counter[str] = Counter()

    def run(self) -> dict[str, Any]:
        self.tables = self.source.tables()
        require_coai(self.tables, self.source.location)
        self._stage_people()
        self.name = planning.known_source() or _unused_name()
        before = reports.legacy_rows(self.name)
        self._find_open_run()
        found = self._plan()
        people = planning.to_do()
        marks = self._marks()
        try:
            if not self.request.dry_run:
                self._load()
            self._keep()
            report = self._report(found, people, before)
            if self.row is not None:
                reports.refresh_planner()
                reports.check_ledger(self.name)
        except Exception as error:
            self._fail(error)
            raise
        if not self.request.dry_run:
            self._finish(report, marks)
        return report

    def _stage_people(self) -> None:
        number = 0
        for name in PEOPLE_TABLES:
            table = self.tables.get(name)
            if table is not None:
                self.progress.begin(_("Reading %(table)s") % {"table": name}, table.rows)
                keys = Keys(table.key, unique=_unique(table))
                rows = (self.reader.stage(name, cells, keys) for cells in self.source.rows(table))
                number += staging.copy_rows(staging.PEOPLE, self._telling(rows), first=number)
        self.progress.begin(_("Comparing"))
        staging.finish_people()

    def _telling(self, rows: Iterator[Staged]) -> Iterator[Staged]:
        done = 0
        for done, row in enumerate(rows, 1):
            if done % 500 == 0:
                self.progress.reach(done)
            yield row
        self.progress.reach(done)

    def _plan(self) -> dict[str, int]:
        planning.forget()
        found = planning.find_people(self.name)
        passwords.find_changed(self.reader.fingerprints, self._last_marks())
        planning.give_names()
        planning.give_addresses()
        self.new_rows.clear()
        self.new_rows.update(planning.find_changes(self.name, grant=self._grants()))
        return {**found, **planning.given_flags()}

    def _finished(self) -> ImportRun | None:
        finished = ImportRun.objects.filter(source=self.name, state=ImportRun.State.FINISHED)
        return finished.order_by("-started_at", "-pk").first()

    def _last_marks(self) -> list[str]:
        last = self._finished()
        return last.password_marks if last is not None else []

    def _marks(self) -> list[str]:
        people = self.reader.fingerprints
        buckets = len(self._last_marks()) or passwords.number_of_buckets(len(people))
        return passwords.marks(people, buckets)

    def _find_open_run(self) -> None:
        """A run of this deployment that was killed, or failed, goes on."""
        if self.request.dry_run:
            return
        runs = ImportRun.objects.filter(source=self.name, state__in=_OPEN)
        self.row = runs.order_by("-started_at", "-pk").first()
        if self.row is not None:
            self.row.resumed += 1
            self.row.state = ImportRun.State.RUNNING
            self.row.location = self.source.location
            self.row.as_of, self.row.source_tz = self.as_of, self.request.zone.key
            self.row.save()

    def _run(self) -> ImportRun:
        """The run's row, made when there is first something to write."""
        if self.row is None:
            self.row = ImportRun.objects.create(
                source=self.name,
                location=self.source.location,
                started_at=self.now,
                as_of=self.as_of,
                source_tz=self.request.zone.key,
                map_admins=self.request.map_admins,
                act_id=uuid.uuid4(),
            )
        return self.row

    def _load(self) -> None:
        """Write the people. A name that somebody took meanwhile makes the chunk fail; then we plan
        again."""
        for attempt in range(1, _ATTEMPTS + 1):
            work = planning.to_write()
            if not work:
                return
            try:
                self._load_once(work)
            except (IntegrityError, psycopg.IntegrityError):  # COPY raises the driver's own
                if attempt == _ATTEMPTS:
                    raise
                self._plan()
            else:
                return

    def _load_once(self, work: int) -> None:
        run = self._run()
        loader = Loader(
            source=self.name, run_id=run.pk, act=self._act(run), settings=self._settings()
        )
        self.progress.begin(_("Importing people"), work)
        done = 0

        def record_chunk(last: int, number: int) -> None:
            nonlocal done
            done += number
            run.cursor = {"after": last, "people": done}
            run.save(update_fields=["cursor"])
            self.progress.reach(done)

        loader.load(record_chunk)
        self.conflicts += loader.conflicts

    def _settings(self) -> Settings:
        return Settings(
            now=self.now,
            as_of=self.as_of,
            map_admins=self.request.map_admins,
            grant=self._grants(),
        )

    def _grants(self) -> bool:
        """Whether admins get their role now: when one is named for the first time."""
        earlier = ImportRun.objects.filter(source=self.name, state=ImportRun.State.FINISHED)
        named = self.request.map_admins != Role.NONE.value
        return named and not earlier.exclude(map_admins=Role.NONE.value).exists()

    def _act(self, run: ImportRun) -> ActContext:
        reason = ReasonCode.objects.get(pk="imported")
        return ActContext(
            code=ACTION,
            actor=SYSTEM,
            now=self.now,
            reason=_("Imported from CoAI"),
            params={"reason_code": reason.pk, "ends_at": None, "public_text": reason.public_text},
            id=run.act_id,
        )

    def _keep(self) -> None:
        keeping = Keeping(self.name, None if self.request.dry_run else lambda: self._run().pk)
        for name, table in self.tables.items():
            if name in PEOPLE_TABLES:
                continue
            self.progress.begin(_("Keeping %(table)s") % {"table": name}, table.rows)
            keys = Keys(table.key, unique=_unique(table))
            self.reader.tally.tables.setdefault(name, Counter())
            rows = (
                self.reader.keep(name, cells, keys, table.owner)
                for cells in self.source.rows(table)
            )
            keeping.table(name, rows, self.progress.reach)
        if self.configuration:
            staged = staged_configuration(self.configuration, self.keeper)
            keeping.table(CONFIGURATION, staged, self.progress.reach)
        keeping.rest()
        self.new_rows += keeping.new
        self.progress.end()

    def _report(
        self, found: Mapping[str, int], people: Mapping[str, int], before: Mapping[str, int]
    ) -> dict[str, Any]:
        tally = self.reader.tally
        for name in PEOPLE_TABLES:
            if name in self.tables:
                tally.tables.setdefault(name, Counter())
        reports.check_rows(tally, self.tables, snapshot=not self.source.warnings)
        configuration = summary(self.configuration) if self.configuration else None
        return {
            **reports.counted(tally, found),
            "people": dict(people),
            "passwords": self._passwords(),
            "conflicts": dict(sorted(self.conflicts.items())),
            "vanished": reports.vanished(
                {name: there for name, there in before.items() if name != CONFIGURATION},
                tally,
                self.new_rows,
            ),
            "configuration": configuration,
            "source": {
                "name": self.name,
                "location": self.source.location,
                "timezone": self.request.zone.key,
                "as_of": self.as_of.astimezone(self.request.zone).strftime("%Y-%m-%d %H:%M:%S"),
                "warnings": list(self.source.warnings),
            },
            "dry_run": self.request.dry_run,
        }

    def _passwords(self) -> dict[str, int]:
        there = passwords.how_many(self.name)
        if self.request.dry_run:
            there["stored"] += planning.new_passwords()
        return there

    def _finish(self, report: dict[str, Any], marks: list[str]) -> None:
        with transaction.atomic():
            if self.row is None:
                last = self._finished()
                if last is not None:
                    last.confirmed_at = self.now
                    last.save(update_fields=["confirmed_at"])
                return
            run = self.row
            run.state, run.finished_at = ImportRun.State.FINISHED, self.now
            run.report, run.password_marks = report, marks
            run.map_admins = self.request.map_admins
            run.save()
            if report["passwords"]["stored"] > report["passwords"]["wrapped"]:
                passwords.send_for_wrapping(now=self.now)
            record.entry(
                ACTION,
                actor=SYSTEM,
                now=self.now,
                target=("import", run.pk, str(run)),
                changes={"people": report["people"], "sums": report["sums"], "source": self.name},
            )

    def _fail(self, error: Exception) -> None:
        """Note the failure beside the run, unless the database is what failed."""
        if self.row is None:
            return
        self.row.state = ImportRun.State.FAILED
        self.row.report = {"error": str(error)}
        with suppress(DatabaseError), transaction.atomic():
            self.row.save(update_fields=["state", "report"])


def _unique(table: Table) -> bool:
    """Whether the primary key can name each row: declared, and (SQLite) never empty."""
    return bool(table.key)


def _unused_name() -> str:
    """A name for a deployment that is new here. A run that was killed before it wrote anybody left
    its own unused."""
    empty = ImportRun.objects.filter(state__in=_OPEN).order_by("pk")
    for run in empty:
        if not reports.legacy_rows(run.source):
            return run.source
    return planning.new_source()
