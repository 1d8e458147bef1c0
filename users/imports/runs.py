"""What is noted of a run: its row, the act that stands for it, its one entry in the audit log."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _

from audit import record
from audit.models import Act
from audit.people import SYSTEM
from audit.procedures import ActContext
from users.imports import passwords, planning, reports
from users.models import ImportRun, ReasonCode
from users.roles import Role

ACTION = "imports.coai"
_OPEN = (ImportRun.State.RUNNING, ImportRun.State.FAILED)


class Run:
    """The run of one deployment, ``source``. Nothing is stored before there is something to write;
    a run that was killed, or failed, goes on."""

    def __init__(
        self,
        source: str,
        *,
        location: str,
        now: datetime,
        as_of: datetime,
        zone: str,
        map_admins: str,
    ) -> None:
        self.source = source
        self.now = now
        self.map_admins = map_admins
        self._facts = {"location": location, "as_of": as_of, "source_tz": zone}
        self.row: ImportRun | None = None

    def resume(self) -> None:
        """Take up the run that did not come to its end, if there is one."""
        runs = ImportRun.objects.filter(source=self.source, state__in=_OPEN)
        self.row = runs.order_by("-started_at", "-pk").first()
        if self.row is not None:
            for name, value in {**self._facts, "state": ImportRun.State.RUNNING}.items():
                setattr(self.row, name, value)
            self.row.resumed += 1
            self.row.save()

    def begun(self) -> ImportRun:
        """The run's row; made, with its act, when it is first asked for."""
        if self.row is None:
            with transaction.atomic():
                act = Act.objects.create(
                    code=ACTION,
                    actor_name=SYSTEM.username,
                    params={"source": self.source, "location": self._facts["location"]},
                    created_at=self.now,
                )
                self.row = ImportRun.objects.create(
                    source=self.source,
                    started_at=self.now,
                    map_admins=self.map_admins,
                    act_id=act.pk,
                    **self._facts,
                )
        return self.row

    def act(self) -> ActContext:
        """The circumstances under which the run writes; bans become suspensions in its terms."""
        reason = ReasonCode.objects.get(pk="imported")
        return ActContext(
            code=ACTION,
            actor=SYSTEM,
            now=self.now,
            reason=_("Imported from CoAI"),
            params={"reason_code": reason.pk, "ends_at": None, "public_text": reason.public_text},
            id=self.begun().act_id,
        )

    def wrote(self, last: int, people: int) -> None:
        """Note a chunk of people, up to a legacy id, in the chunk's transaction."""
        row = self.begun()
        row.cursor = {"after": last, "people": row.cursor.get("people", 0) + people}
        row.save(update_fields=["cursor"])

    def finished_before(self) -> ImportRun | None:
        """The last run of this deployment that came to its end."""
        finished = ImportRun.objects.filter(source=self.source, state=ImportRun.State.FINISHED)
        return finished.order_by("-started_at", "-pk").first()

    def marks_before(self) -> list[str]:
        """The marks of passwords that the last finished run left."""
        last = self.finished_before()
        return last.password_marks if last is not None else []

    def grants(self) -> bool:
        """Whether admins get their role now: when one is named for the first time."""
        earlier = ImportRun.objects.filter(source=self.source, state=ImportRun.State.FINISHED)
        named = self.map_admins != Role.NONE.value
        return named and not earlier.exclude(map_admins=Role.NONE.value).exists()

    def finish(self, report: dict[str, Any], marks: list[str]) -> None:
        """Store the report and account for the run; one that wrote nothing only confirms the run
        before it."""
        with transaction.atomic():
            if self.row is None:
                last = self.finished_before()
                if last is not None:
                    last.confirmed_at = self.now
                    last.save(update_fields=["confirmed_at"])
                return
            row = self.row
            row.state, row.finished_at = ImportRun.State.FINISHED, self.now
            row.report, row.password_marks, row.map_admins = report, marks, self.map_admins
            row.save()
            Act.objects.filter(pk=row.act_id).update(
                changed=row.cursor.get("people", 0), unchanged=report["people"]["unchanged"]
            )
            record.entry(
                ACTION,
                actor=SYSTEM,
                now=self.now,
                target=("import", row.pk, str(row)),
                changes={
                    "source": self.source,
                    "people": row.cursor.get("people", 0),
                    **report["sums"],
                },
                act_id=row.act_id,
            )
            if report["passwords"]["stored"] > report["passwords"]["wrapped"]:
                passwords.send_for_wrapping(now=self.now)

    def fail(self, error: Exception) -> None:
        """Note the failure beside the run, unless the database is what failed."""
        if self.row is None:
            return
        self.row.state = ImportRun.State.FAILED
        self.row.report = {"error": str(error)}
        with suppress(DatabaseError), transaction.atomic():
            self.row.save(update_fields=["state", "report"])


def name_of_deployment() -> str:
    """What the staged deployment is called here: as before, or by a new name. A run that was killed
    before it wrote anybody left its name unused."""
    known = planning.known_source()
    if known is not None:
        return known
    for row in ImportRun.objects.filter(state__in=_OPEN).order_by("pk"):
        if not reports.legacy_rows(row.source):
            return row.source
    return planning.new_source()
