"""Exporting users: who may, how many in a day, and what is recorded of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
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
from audit.models import AuditEntry
from coai_admin.console import counts
from coai_admin.console.exports import CSV, Field, FileType, Sent, csv, fields
from coai_admin.console.listing import Reading
from coai_admin.console.workbooks import workbook
from users.models import User
from users.roles import Role
from users.table.rows import UserRow

ACTION = "exports.users"
MASKED, WHOLE = "exports.users_masked", "exports.users"

# The role matrix gives Read-only a masked list of so many rows between two midnights UTC.
ROWS_A_DAY = {Role.READ_ONLY.value: 10_000}
# A workbook is written before its first byte can be sent: so many rows take some seconds.
ROWS_OF_A_WORKBOOK = 50_000


class ExportRefused(Exception):
    """This export may not be made; the text says why."""


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
        return workbook(self.rows, self.columns, title=_("Users"), sent=self.sent)

    def finished(self) -> None:
        """Record how much left the house: all, or what was sent before the reader went away."""
        changes = {"export": self.id, "rows": self.sent.rows, "complete": self.sent.complete}
        record.entry(ACTION, actor=self.actor, now=time_now(), changes=changes)


def rows_of(reading: Reading[UserRow], chosen: uuid.UUID | None) -> QuerySet[Any]:
    """What an export holds: the list as filtered, or the selection; in the order of the page.
    Raises NoSelection."""
    if chosen is None:
        return reading.ordered()
    viewer: Any = reading.viewer  # a User, as ``begin`` says
    selection.look(chosen, (), owner=viewer, now=reading.now)
    members = selection.members(chosen, owner=viewer, now=reading.now)
    everybody = reading.listing.rows(reading.viewer, reading.now)
    return reading.order.apply(everybody.filter(pk__in=members))


def left_today(actor: User, now: datetime) -> int | None:
    """How many rows this person may still export today (UTC); None without a limit."""
    cap = ROWS_A_DAY.get(actor.role)
    if cap is None:
        return None
    midnight = datetime.combine(now.date(), time.min, tzinfo=now.tzinfo)
    begun = AuditEntry.objects.filter(action=ACTION, actor_id=actor.pk, created_at__gte=midnight)
    rows = Cast(KT("changes__limit"), IntegerField())
    taken: int | None = begun.aggregate(taken=Sum(rows))["taken"]
    return max(0, cap - (taken or 0))


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
    unmasked; ``shown``: only the columns of the page.

    Under a daily limit the rows are counted and booked before the first one leaves; one at a time,
    so that two downloads at once cannot share what is left. Raises ExportRefused, and NoSelection
    where the selection is gone.
    """
    actor, now = reading.viewer, reading.now
    assert isinstance(actor, User)
    if not actor.may(WHOLE if whole else MASKED):
        raise ExportRefused(_("Your role does not allow this export."))
    if whole and not reason:
        raise ExportRefused(_("Write why the addresses are needed."))
    rows = rows_of(reading, chosen)
    if file_type is not CSV:
        _refuse_more_than_a_workbook(rows)
    booked = None
    if actor.role in ROWS_A_DAY:
        User.objects.select_for_update(no_key=True).get(pk=actor.pk)
        booked = _book(rows, actor, now)
        rows = rows[:booked]
    columns = fields(reading, masked=not whole, shown=shown)
    export = Export(uuid.uuid4(), actor, rows, columns, file_type, Sent())
    facts = {
        "export": export.id,
        "file": file_type.extension,
        "columns": " ".join(column.name for column in columns),
        "masked": not whole,
        "limit": booked,
    }
    query = f"selection={chosen}" if chosen else reading.query
    record.entry(
        ACTION,
        actor=actor,
        now=now,
        changes=facts,
        personal={"query": query} if query else None,
        reason=reason,
    )
    return export


def _refuse_more_than_a_workbook(rows: QuerySet[Any]) -> None:
    if rows.order_by()[: ROWS_OF_A_WORKBOOK + 1].count() > ROWS_OF_A_WORKBOOK:
        sentence = _(
            "An Excel file takes up to %(most)s users, and this list has more. Take CSV, which has "
            "no limit; large Excel files come as background jobs later."
        )
        raise ExportRefused(sentence % {"most": f"{ROWS_OF_A_WORKBOOK:,}"})


def _book(rows: QuerySet[Any], actor: User, now: datetime) -> int:
    left = left_today(actor, now)
    assert left is not None
    count = counts.capped(rows)
    if count.more or count.number > left:
        sentence = _(
            "Your role exports %(cap)s rows a day. %(left)s are left today, and this list has "
            "%(count)s."
        )
        words = {"cap": f"{ROWS_A_DAY[actor.role]:,}", "left": f"{left:,}", "count": count}
        raise ExportRefused(sentence % words)
    return count.number
