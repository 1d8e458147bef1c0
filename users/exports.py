"""Exporting users: who may, how many in a day, and what is recorded of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from django.db import transaction
from django.db.models import IntegerField, QuerySet, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _

from audit import record, selection
from audit.export_files import ExportRefused
from audit.models import AuditEntry
from coai_admin.console.exports import CSV, Field, FileType, Sent, csv, fields, watermark
from coai_admin.console.listing import Reading
from coai_admin.console.workbooks import workbook
from users.models import User
from users.roles import Role
from users.table.rows import UserRow

ACTION = "exports.users"
MASKED, WHOLE, DOWNLOAD = "exports.users_masked", "exports.users", "exports.download"
KIND = "users"

# The role matrix: Read-only exports so many rows between two midnights UTC, user admins so many
# with whole addresses. Every way of exporting counts: at once, in the background, by schedule.
ROWS_A_DAY = {Role.READ_ONLY.value: 10_000}
WHOLE_ROWS_A_DAY = {Role.USER_ADMIN.value: 50_000}
# A workbook is written before its first byte can be sent: so many rows take some seconds. More of
# them are written in the background.
ROWS_OF_A_WORKBOOK = 50_000
# More rows with whole addresses need a second approver.
WHOLE_ROWS_OF_ONE = 50_000


@dataclass(slots=True)
class Export:
    """An export that may begin, and how far it got."""

    id: uuid.UUID
    actor: User
    rows: QuerySet[Any]
    columns: Sequence[Field]
    file_type: FileType
    sent: Sent

    def blocks(self) -> Iterator[bytes]:
        """The file: CSV as it is read from the database, Excel once it is written."""
        if self.file_type is CSV:
            return csv(self.rows, self.columns, sent=self.sent)
        mark = str(self.id)
        return workbook(self.rows, self.columns, title=_("Users"), mark=mark, sent=self.sent)

    def finished(self) -> None:
        """Record how much left the house: all, or what was sent before the reader went away."""
        changes = {"export": self.id, "rows": self.sent.rows, "complete": self.sent.complete}
        record.entry(ACTION, actor=self.actor, now=time_now(), changes=changes)


def rows_of(reading: Reading[UserRow], chosen: uuid.UUID | None) -> QuerySet[Any]:
    """What an export holds: the list as filtered, or the selection; in the order of the page.
    Raises NoSelection."""
    if chosen is None:
        return reading.ordered()
    viewer = reader_of(reading)
    selection.look(chosen, (), owner=viewer, now=reading.now)
    members = selection.members(chosen, owner=viewer, now=reading.now)
    everybody = reading.listing.rows(reading.viewer, reading.now)
    return reading.order.apply(everybody.filter(pk__in=members))


def cap_of(actor: User, *, whole: bool) -> int | None:
    """How many rows this person may export in a day; None without a limit."""
    cap = ROWS_A_DAY.get(actor.role)
    return WHOLE_ROWS_A_DAY.get(actor.role) if cap is None and whole else cap


def why_over_cap(actor: User, rows: int | None, *, whole: bool) -> str:
    """Why this person, whose role may be another by now, may not have a file of so many rows
    (None: of any number); empty where they may."""
    cap = cap_of(actor, whole=whole)
    if cap is None or (rows is not None and rows <= cap):
        return ""
    sentence = _("Your role exports %(cap)s rows a day by now. Ask for fewer.")
    return sentence % {"cap": f"{cap:,}"}


def left_today(actor: User, now: datetime, *, whole: bool = False) -> int | None:
    """How many rows this person may still export today (UTC), of those with whole addresses where
    only these are limited; None without a limit."""
    cap = cap_of(actor, whole=whole)
    if cap is None:
        return None
    midnight = datetime.combine(now.date(), time.min, tzinfo=now.tzinfo)
    begun = AuditEntry.objects.filter(action=ACTION, actor_id=actor.pk, created_at__gte=midnight)
    if actor.role not in ROWS_A_DAY:
        begun = begun.filter(changes__masked=False)
    rows = Cast(KT("changes__limit"), IntegerField())
    taken: int | None = begun.aggregate(taken=Sum(rows))["taken"]
    return max(0, cap - (taken or 0))


def needs_approval(rows: QuerySet[Any], *, whole: bool) -> bool:
    """Whether the matrix asks for a second approver (``exports.users`` is 2 over 50,000 rows).

    What two people approve are runs (``audit.runs.approving``), and an export is none: until it can
    be approved, step-up stands in for that, which the page asks for every export with whole
    addresses. Where nobody is there to ask, such an export is refused.
    """
    return whole and more_than(WHOLE_ROWS_OF_ONE, rows)


def more_than(number: int, rows: QuerySet[Any]) -> bool:
    """Whether there are more rows than so many; counting stops there."""
    return rows.order_by()[: number + 1].count() > number


def admit(
    rows: QuerySet[Any],
    actor: User,
    *,
    whole: bool,
    reason: str,
    now: datetime,
    attended: bool = True,
) -> int | None:
    """Let an export begin, in the caller's transaction, which records it with the answer as its
    ``limit``: under a daily limit the number of its rows, which are booked before the first one
    leaves; one at a time, so that two exports at once cannot share what is left. ``attended``:
    somebody is there who confirmed that it is them. Raises ExportRefused."""
    if not actor.may(WHOLE if whole else MASKED):
        raise ExportRefused(_("Your role does not allow this export."))
    if whole and not reason:
        raise ExportRefused(_("Write why the addresses are needed."))
    if not attended and needs_approval(rows, whole=whole):
        sentence = _(
            "More than %(most)s whole addresses are exported by hand only: somebody has to confirm."
        )
        raise ExportRefused(sentence % {"most": f"{WHOLE_ROWS_OF_ONE:,}"})
    if cap_of(actor, whole=whole) is None:
        return None
    User.objects.select_for_update(no_key=True).get(pk=actor.pk)
    return _book(rows, actor, now, whole=whole)


@transaction.atomic
def begin(
    reading: Reading[UserRow],
    *,
    chosen: uuid.UUID | None = None,
    whole: bool,
    reason: str,
    file_type: FileType = CSV,
    shown: bool = False,
) -> Export:
    """Record that users are exported, and hand out the export. ``whole``: with personal data
    unmasked; ``shown``: only the columns of the page. Raises ExportRefused, and NoSelection where
    the selection is gone."""
    actor = reader_of(reading)
    rows = rows_of(reading, chosen)
    booked = admit(rows, actor, whole=whole, reason=reason, now=reading.now)
    if file_type is not CSV and more_than(ROWS_OF_A_WORKBOOK, rows):
        raise ExportRefused(_("So large an Excel file is made in the background."))
    mark = uuid.uuid4()
    columns = [*fields(reading, masked=not whole, shown=shown), watermark(mark)]
    export = Export(mark, actor, rows[:booked], columns, file_type, Sent())
    facts = {
        "file": file_type.extension,
        "columns": " ".join(column.name for column in columns[:-1]),
        "masked": not whole,
        "limit": booked,
    }
    query = f"selection={chosen}" if chosen else reading.query
    note_begun(mark, facts, query, actor=actor, reason=reason, now=reading.now)
    return export


def reader_of(reading: Reading[UserRow]) -> User:
    """Who exports: lists of users are read by users."""
    assert isinstance(reading.viewer, User)
    return reading.viewer


def note_begun(
    export: uuid.UUID,
    facts: Mapping[str, Any],
    query: str,
    *,
    actor: User,
    reason: str,
    now: datetime,
) -> None:
    """Record that an export was asked for. What was listed may name people, so it is kept apart as
    personal data are."""
    record.entry(
        ACTION,
        actor=actor,
        now=now,
        changes={"export": export, **facts},
        personal={"query": query} if query else None,
        reason=reason,
    )


def _book(rows: QuerySet[Any], actor: User, now: datetime, *, whole: bool) -> int:
    cap, left = cap_of(actor, whole=whole), left_today(actor, now, whole=whole)
    assert cap is not None
    assert left is not None
    count = rows.order_by()[: cap + 1].count()
    if count > left:
        sentence = _(
            "Your role exports %(cap)s rows a day. %(left)s are left today, and this list has "
            "%(count)s."
        )
        shown = f"{cap:,}+" if count > cap else f"{count:,}"
        raise ExportRefused(sentence % {"cap": f"{cap:,}", "left": f"{left:,}", "count": shown})
    return count
