"""What became of the rows of a file, or would: for its page, and as a file with the numbers of its
rows."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.utils.text import Truncator
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _

from audit import record
from audit.execution import OperationRefused
from audit.models import Receipt, Run, RunChunk
from audit.people import Actor, Reader
from audit.runs.deeds import deed
from audit.runs.targets import Batch
from coai_admin.console.exports import Sent, harmless_text
from coai_admin.console.masks import masked_email
from users.models import Upload, UploadRow
from users.uploads.operations import CODE
from users.uploads.staging import numbers_of

ACTION = "exports.import"
_SHOWN = 50
_FIRST = 6
_NOTE_SHOWN = 120
# The database keeps them in an order of its own.
_ORDER = (
    *("country", "locale", "timezone"),
    *("tags", "tier", "expires", "months", "credits", "note"),
)
_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


class Refused(NamedTuple):
    """A row that is not imported, and why."""

    number: int
    name: str
    why: str


class Foreseen(NamedTuple):
    """One of the first rows that change something."""

    number: int
    name: str
    is_new: bool
    target_id: int
    changes: list[tuple[str, Any, Any]]


def counts(upload: Upload) -> dict[str, int]:
    """How many rows make somebody, and how many are about somebody there is, as the file has it."""
    told = UploadRow.objects.filter(upload=upload, problem="").values_list("is_new")
    found = dict(told.annotate(number=Count("pk")).order_by())
    return {"new": found.get(True, 0), "known": found.get(False, 0)}


def made(upload: Upload) -> QuerySet[Receipt, int]:
    """The ids of the users that the import made."""
    new = UploadRow.objects.filter(upload=upload, problem="", is_new=True).values("target_id")
    changed = Receipt.objects.filter(act=upload.run_id, outcome=Receipt.Outcome.CHANGED)
    return changed.filter(target_id__in=new).values_list("target_id", flat=True)


def reasons(upload: Upload) -> list[tuple[str, int]]:
    """Why rows are refused, by kind, the commonest first: by the file and by the run."""
    of_file = UploadRow.objects.filter(upload=upload).exclude(problem="").order_by()
    found = dict(of_file.values_list("kind_of_problem").annotate(number=Count("pk")))
    if upload.run is not None:
        for reason, number in upload.run.refusals.items():
            found[reason] = found.get(reason, 0) + number
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))[:20]


def refused(upload: Upload) -> list[Refused]:
    """The first rows that are refused, in the order of the file."""
    of_file = UploadRow.objects.filter(upload=upload).exclude(problem="").order_by("number")
    found = [Refused(*row) for row in of_file.values_list("number", "name", "problem")[:_SHOWN]]
    found += _refused_by_run(upload)
    return sorted(found)[:_SHOWN]


def _refused_by_run(upload: Upload) -> list[Refused]:
    run = upload.run
    if run is None:
        return []
    if run.started_at is None:
        why = {each["id"]: each["why"] for each in (run.forecast or {}).get("refused", [])}
    else:
        receipts = Receipt.objects.filter(act=run.pk).order_by("target_id")
        undone = receipts.filter(outcome__in=_FAILURES)
        why = dict(undone.values_list("target_id", "refusal")[:_SHOWN])
    numbers = numbers_of(upload.pk, why)
    return [Refused(numbers[pk][0], numbers[pk][1], why[pk]) for pk in why if pk in numbers]


_FAILURES = (Receipt.Outcome.REFUSED, Receipt.Outcome.FAILED)


def first_changes(upload: Upload, viewer: Reader) -> list[Foreseen]:
    """The first rows that would change something, with the values before and after; addresses as
    ``viewer`` sees them."""
    first = ((upload.run and upload.run.forecast) or {}).get("first", [])[:_FIRST]
    ids = [each["id"] for each in first]
    numbers = numbers_of(upload.pk, ids)
    rows = UploadRow.objects.filter(upload=upload, problem="", target_id__in=ids)
    said = dict(rows.values_list("target_id", "values"))
    masked = viewer.sees_masked("users.inspect")
    return sorted(
        Foreseen(*numbers[pk], pk, _changes(each, said[pk], new=numbers[pk][2], masked=masked))
        for each in first
        if (pk := each["id"]) in numbers
    )


def _changes(
    each: Mapping[str, Any], said: Mapping[str, Any], *, new: bool, masked: bool
) -> list[tuple[str, Any, Any]]:
    """What a forecast leaves out as personal, or only counts, is taken from the row itself."""
    before, after = each["before"], dict(each["after"])
    if "note" in after:
        after["note"] = Truncator(said.get("note", "")).chars(_NOTE_SHOWN)
    changes = [(name, before.get(name), after[name]) for name in _ORDER if name in after]
    if new and (email := said.get("email")):
        changes.insert(0, ("email", None, masked_email(email) if masked else email))
    return changes


@dataclass(slots=True)
class Rows:
    """The rows of an import as its owner takes them home, on the record like every export, and how
    many of them were sent."""

    upload: Upload
    reader: Actor
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    sent: Sent = field(default_factory=Sent)

    def begin(self, now: datetime) -> None:
        """Record that they are taken."""
        self._record({"export": self.id}, now)

    def finished(self) -> None:
        """Record how many left the house."""
        facts = {"export": self.id, "rows": self.sent.rows, "complete": self.sent.complete}
        self._record(facts, time_now())

    def _record(self, changes: Mapping[str, Any], now: datetime) -> None:
        target = ("upload", None, CODE)
        run = self.upload.run_id
        record.entry(ACTION, actor=self.reader, now=now, target=target, changes=changes, act_id=run)

    def blocks(self, now: datetime) -> Iterator[bytes]:
        """The file, row by row."""
        for number, line in enumerate(_csv(self.upload, self.reader, now)):
            self.sent.rows = number  # the first are the headings
            yield line.encode()
        self.sent.complete = True


def _csv(upload: Upload, reader: Actor, now: datetime) -> Iterator[str]:
    """Every row of the file with its number and what became of it, or would: first those that the
    file itself rules out. In UTF-8 with a byte order mark, safe to open in a spreadsheet."""
    yield _MARK + _line([_("Row"), _("User"), _("ID"), _("Outcome"), _("Why")])
    of_file = UploadRow.objects.filter(upload=upload).exclude(problem="").order_by("number")
    for number, name, why in of_file.values_list("number", "name", "problem").iterator(2_000):
        yield _line([number, name, "", _("refused"), why])
    if upload.run is None:
        return
    for chunk in RunChunk.objects.filter(run=upload.run).order_by("number").iterator(4):
        numbers = numbers_of(upload.pk, chunk.ids)
        for pk, outcome, why in _outcomes(upload.run, chunk, reader, now):
            if pk in numbers:
                number, name, _is_new = numbers[pk]
                yield _line([number, name, pk, outcome, why])


def _outcomes(
    run: Run, chunk: RunChunk, reader: Actor, now: datetime
) -> Iterator[tuple[int, str, str]]:
    """What happened to the users of a chunk; before the run has started, what would."""
    if run.started_at is not None:
        receipts = Receipt.objects.filter(act=run.pk, target_id__in=chunk.ids).order_by("target_id")
        for pk, outcome, why in receipts.values_list("target_id", "outcome", "refusal"):
            yield pk, str(Receipt.Outcome(outcome).label), why
        return
    try:
        batch = Batch(chunk.number, 0, chunk.ids, None)
        foreseen = deed(run, actor=reader).foresee(batch, actor=reader, now=now)
    except (OperationRefused, PermissionDenied) as refusal:
        yield from ((pk, _("refused"), str(refusal)) for pk in chunk.ids)
        return
    for each in foreseen:
        why = each.refusal.sentence if each.refusal else ""
        yield each.target_id, str(each.outcome.label), why


def _line(cells: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(
        [harmless_text(cell) if isinstance(cell, str) else cell for cell in cells]
    )
    return line.getvalue()
