"""Exports of users in the background: asking for one, and what its worker writes then. A file is
read as its maker may read at that moment, whatever they might when they asked."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from audit import export_files, record, selection
from audit.export_files import Contents, ExportRefused, Writer
from audit.models import ExportFile
from coai_admin.console.exports import FileType, fields, watermark
from coai_admin.console.filters import BadParameter
from coai_admin.console.listing import Reading
from users import exports, mail
from users.models import ExportSchedule, Restriction, User
from users.table import USERS
from users.table.rows import UserRow
from users.table.views import kept_of


@transaction.atomic
def ask(
    reading: Reading[UserRow],
    *,
    chosen: uuid.UUID | None = None,
    whole: bool,
    reason: str,
    file_type: FileType,
    shown: bool,
    schedule: ExportSchedule | None = None,
) -> ExportFile:
    """Have users exported in the background, as ``users.exports.begin`` would at once, and record
    it. Raises ExportRefused, and NoSelection where the selection is gone."""
    actor, now = exports.reader_of(reading), reading.now
    rows = exports.rows_of(reading, chosen)
    return _ask(
        rows,
        actor,
        now=now,
        ids=selection.members(chosen, owner=actor, now=now) if chosen else None,
        attended=schedule is None,
        title=schedule.name if schedule else _title(reading, chosen, actor),
        query="" if chosen else kept_of(reading.query),
        columns=[column.name for column, _sight in reading.shown] if shown else [],
        masked=not whole,
        reason=reason,
        file_type=file_type.extension,
        schedule_id=schedule.pk if schedule else None,
    )


@transaction.atomic
def ask_again(file: ExportFile, *, actor: User, now: datetime) -> ExportFile:
    """Have the same export made anew: the same question, asked today; of a selection the users that
    were selected then. Raises ExportRefused."""
    reading = _reading(file, actor, now)
    return _ask(
        _rows(file, reading),
        actor,
        now=now,
        ids=export_files.chosen_in(file),
        title=file.title,
        query=file.query,
        columns=file.columns,
        masked=file.masked,
        reason=file.reason,
        file_type=file.file_type,
    )


def _ask(
    rows: QuerySet[Any],
    actor: User,
    *,
    now: datetime,
    ids: QuerySet[Any] | None,
    attended: bool = True,
    **facts: Any,
) -> ExportFile:
    whole, reason = not facts["masked"], facts["reason"]
    booked = exports.admit(rows, actor, whole=whole, reason=reason, now=now, attended=attended)
    file = export_files.ask(exports.KIND, maker=actor, now=now, ids=ids, limit=booked, **facts)
    noted = {
        "file": file.file_type,
        "columns": " ".join(file.columns) or "all",
        "masked": file.masked,
        "limit": booked,
        "in_background": True,
    }
    if file.schedule_id:
        noted["schedule"] = file.schedule_id
    exports.note_begun(file.pk, noted, file.query, actor=actor, reason=reason, now=now)
    return file


@transaction.atomic
def note_failed(schedule: ExportSchedule, why: str, *, now: datetime) -> ExportFile:
    """An export that was due and could not begin: it stands among the files of its owner with the
    reason, and they are told by mail."""
    return export_files.ask_in_vain(
        exports.KIND,
        why,
        maker=schedule.owner,
        now=now,
        title=schedule.name,
        query=schedule.query,
        columns=schedule.columns,
        masked=schedule.masked,
        reason=schedule.reason,
        file_type=schedule.file_type,
        schedule_id=schedule.pk,
    )


def _title(reading: Reading[UserRow], chosen: uuid.UUID | None, actor: User) -> str:
    """What is in the file, in the words of the page."""
    if chosen is not None:
        number = selection.look(chosen, (), owner=actor, now=reading.now).count
        return _("%(n)s selected users") % {"n": f"{number:,}"}
    chips = [f"{chip.label}: {chip.value}" for chip, _link in reading.chips()]
    return ", ".join(chips) or _("All users")


# In the worker


def prepare(file: ExportFile, now: datetime) -> Contents:
    """What the file shall hold, as its maker may see it now. Raises ExportRefused."""
    maker = User.objects.get(pk=file.maker_id)
    suspended = User.objects.restricted(Restriction.Kind.SUSPENSION, now).filter(pk=maker.pk)
    if not maker.is_active or suspended.exists():
        raise ExportRefused(_("Your account was closed or suspended before the file was written."))
    if not maker.may(exports.MASKED if file.masked else exports.WHOLE):
        raise ExportRefused(_("Your role does not allow this export any more."))
    # Booked rows are within a limit of then; none were booked where there was no limit.
    if why := exports.why_over_cap(maker, file.limit, whole=not file.masked):
        raise ExportRefused(why)
    reading = _reading(file, maker, now)
    columns = fields(reading, masked=file.masked, shown=bool(file.columns))
    rows = _rows(file, reading)[: file.limit]
    return Contents(rows, [*columns, watermark(file.pk)], _("Users"))


def _reading(file: ExportFile, viewer: User, now: datetime) -> Reading[UserRow]:
    try:
        return USERS.read(QueryDict(file.query), viewer=viewer, now=now, columns=file.columns)
    except BadParameter as wrong:
        sentence = _("The list cannot be read as it was asked for: %(reason)s")
        raise ExportRefused(sentence % {"reason": wrong}) from None


def _rows(file: ExportFile, reading: Reading[UserRow]) -> QuerySet[Any]:
    members = export_files.chosen_in(file)
    if members is None:
        return reading.ordered()
    everybody = reading.listing.rows(reading.viewer, reading.now)
    return reading.order.apply(everybody.filter(pk__in=members))


def ended(file: ExportFile, now: datetime) -> None:
    """Record what became of it. Rows that were booked for what did not come about are given back,
    on the same day: their limit is over with it."""
    maker = User.objects.get(pk=file.maker_id)
    complete = file.state == ExportFile.State.READY
    facts: dict[str, Any] = {"export": file.pk, "rows": file.rows_done, "complete": complete}
    if complete:
        facts["sha256"] = file.sha256
    elif file.limit and file.created_at.date() == now.date():
        facts |= {"limit": -file.limit, "masked": file.masked}
    record.entry(exports.ACTION, actor=maker, now=now, changes=facts, reason=file.error)
    if file.schedule_id is not None and file.state != ExportFile.State.CANCELLED:
        letter = "export_ready" if complete else "export_failed"
        mail.send(letter, file.schedule_id, now=now)


USERS_WRITER = Writer(prepare, ended)
