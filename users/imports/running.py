"""An import from beginning to end: read, plan, write, prove, account for it."""

from __future__ import annotations

import time
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

from users.imports import counters, passwords, planning, reports, staging
from users.imports.configuration import TABLE as CONFIGURATION
from users.imports.configuration import (
    plan_items,
    read_configuration,
    staged_configuration,
    summary,
)
from users.imports.counters import Counters
from users.imports.keeping import Keeping
from users.imports.loading import Loader, foreseen_conflicts
from users.imports.merging import Settings
from users.imports.progress import Progress
from users.imports.rows import Keys, Reader, Staged
from users.imports.runs import Run, name_of_deployment
from users.imports.secrecy import Keeper
from users.imports.sources import Address, Source, open_source, require_coai
from users.imports.tables import SourceUnreadable, Table
from users.passwords.hashers import from_coai
from users.roles import Role

PEOPLE_TABLES = ("auth", "quota", "subscription", "apikey")
_LOCK = 0x436F4149  # "CoAI"
_LOCK_PATIENCE = 20.0
_ATTEMPTS = 3


class ImportBusy(Exception):
    """Another import is running."""


class ImportBroken(Exception):
    """The source failed after something was written. The same command again goes on."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. ``as_of``: the instant whose active subscriptions are counted; None:
    now."""

    address: Address
    zone: ZoneInfo
    configuration: Path | None = None
    counters: counters.Place | None = None
    as_of: datetime | None = None
    map_admins: str = Role.NONE.value
    dry_run: bool = False


def import_deployment(request: Request, *, now: datetime, progress: Progress) -> dict[str, Any]:
    """Import a CoAI deployment, or (``dry_run``) find out what that would do; returns the report.

    May be called again: what did not change at the source is not written again, and a run that was
    killed goes on. Raises SourceUnreadable and ImportBusy (nothing was written), ImportBroken and
    ImportUnproved (the run counts as failed; what was written is whole).
    """
    configuration = read_configuration(request.configuration) if request.configuration else {}
    counted = counters.read_counters(request.counters) if request.counters else None
    with one_at_a_time(), open_source(request.address) as source, staging.staging_area():
        return _Import(request, source, configuration, counted, now, progress).run()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the only place for an import. Waits for the place of one that was just killed."""
    deadline = time.monotonic() + _LOCK_PATIENCE
    # So that a server process whose client was killed gives up its work, and this lock, at once;
    # not every platform can.
    with suppress(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('client_connection_check_interval', '500ms', false)")
    with connection.cursor() as cursor:
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
        counted: Counters | None,
        now: datetime,
        progress: Progress,
    ) -> None:
        self.request, self.source, self.configuration = request, source, configuration
        self.counted = counted
        self.now, self.progress = now, progress
        self.as_of = request.as_of or now
        self.keeper = Keeper(site.SECRET_KEY.encode())
        self.reader = Reader(
            zone=request.zone, as_of=self.as_of, keeper=self.keeper, encode_password=from_coai
        )
        self.tables: dict[str, Table] = {}
        self.conflicts: Counter[str] = Counter()
        self.new_rows: Counter[str] = Counter()

    def run(self) -> dict[str, Any]:
        self.tables = self.source.tables()
        require_coai(self.tables, self.source.location)
        self._stage_people()
        self.noted = self._noted(name_of_deployment())
        before = reports.legacy_rows(self.noted.source)
        found = self._plan()
        people = planning.to_do()
        try:
            self._load()
            self._keep()
            report = self._report(found, people, before)
            if self.noted.row is not None:
                reports.refresh_planner()
                reports.check_ledger(self.noted.source)
        except Exception as error:
            self.noted.fail(error)
            if isinstance(error, SourceUnreadable) and self.noted.row is not None:
                raise ImportBroken(str(error)) from error
            raise
        if not self.request.dry_run:
            self.noted.finish(report, self._marks())
        return report

    def _noted(self, name: str) -> Run:
        noted = Run(
            name,
            location=self.source.location,
            now=self.now,
            as_of=self.as_of,
            zone=self.request.zone.key,
            map_admins=self.request.map_admins,
        )
        if not self.request.dry_run:
            noted.resume()
        return noted

    def _stage_people(self) -> None:
        number = 0
        for name in PEOPLE_TABLES:
            table = self.tables.get(name)
            if table is not None:
                self.progress.begin(_("Reading %(table)s") % {"table": name}, table.rows)
                keys = Keys(table.key, unique=table.key_is_number)
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
        found = planning.find_people(self.noted.source)
        passwords.find_changed(self.reader.fingerprints, self.noted.marks_before())
        planning.give_names()
        planning.give_addresses()
        self.new_rows.clear()
        self.new_rows.update(planning.find_changes(self.noted.source, grant=self.noted.grants()))
        return {**found, **planning.given_flags()}

    def _marks(self) -> list[str]:
        people = self.reader.fingerprints
        buckets = len(self.noted.marks_before()) or passwords.number_of_buckets(len(people))
        return passwords.marks(people, buckets)

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
        settings = Settings(
            now=self.now,
            as_of=self.as_of,
            map_admins=self.request.map_admins,
            grant=self.noted.grants(),
        )
        if self.request.dry_run:
            self.conflicts += foreseen_conflicts(settings)
            return
        loader = Loader(
            source=self.noted.source,
            run_id=self.noted.begun().pk,
            act=self.noted.act(),
            settings=settings,
        )
        self.progress.begin(_("Importing people"), work)
        done = 0

        def wrote(last: int, people: int) -> None:
            nonlocal done
            done += people
            self.noted.wrote(last, people)
            self.progress.reach(done)

        loader.load(wrote)
        self.conflicts += loader.conflicts

    def _keep(self) -> None:
        dry = self.request.dry_run
        keeping = Keeping(self.noted.source, None if dry else lambda: self.noted.begun().pk)
        for name, table in self.tables.items():
            if name in PEOPLE_TABLES:
                continue
            self.progress.begin(_("Keeping %(table)s") % {"table": name}, table.rows)
            keys = Keys(table.key, unique=table.key_is_number)
            self.reader.tally.tables.setdefault(name, Counter())
            rows = (
                self.reader.keep(name, cells, keys, table.owner)
                for cells in self.source.rows(table)
            )
            keeping.table(name, rows, self.progress.reach)
        if self.configuration:
            staged = staged_configuration(self.configuration, self.keeper)
            keeping.table(CONFIGURATION, staged, self.progress.reach)
        if self.counted is not None:
            self._keep_counters(self.counted, keeping)
        keeping.rest()
        self.new_rows += keeping.new
        self.progress.end()

    def _keep_counters(self, counted: Counters, keeping: Keeping) -> None:
        self.progress.begin(_("Keeping the counters"), len(counted.usage) + len(counted.statistics))
        for name in counters.TABLES:
            self.reader.tally.tables.setdefault(name, Counter())
        usage = counters.staged_usage(
            counted, self.reader, self.request.zone, items=plan_items(self.configuration)
        )
        keeping.table(counters.USAGE, usage, self.progress.reach)
        statistics = counters.staged_statistics(counted, self.reader)
        keeping.table(counters.STATISTICS, statistics, self.progress.reach)

    def _report(
        self, found: Mapping[str, int], people: Mapping[str, int], before: Mapping[str, int]
    ) -> dict[str, Any]:
        tally = self.reader.tally
        for name in PEOPLE_TABLES:
            if name in self.tables:
                tally.tables.setdefault(name, Counter())
        reports.check_rows(tally, self.tables, snapshot=not self.source.warnings)
        beside = {CONFIGURATION, *(() if self.counted else counters.TABLES)}
        there = {name: rows for name, rows in before.items() if name not in beside}
        return {
            **reports.counted(tally, found),
            "people": dict(people),
            "passwords": self._passwords(),
            "conflicts": dict(sorted(self.conflicts.items())),
            "vanished": reports.vanished(there, tally, self.new_rows),
            "configuration": summary(self.configuration) if self.configuration else None,
            "counters": self.counted.summary() if self.counted else None,
            "source": {
                "name": self.noted.source,
                "location": self.source.location,
                "timezone": self.request.zone.key,
                "as_of": self.as_of.astimezone(self.request.zone).strftime("%Y-%m-%d %H:%M:%S"),
                "warnings": list(self.source.warnings),
            },
            "dry_run": self.request.dry_run,
        }

    def _passwords(self) -> dict[str, int]:
        there = passwords.how_many(self.noted.source)
        if self.request.dry_run:
            there["stored"] += planning.new_passwords()
        return there
