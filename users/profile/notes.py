"""How staff notes are written and withdrawn: the procedures behind ``users.add_note``. The only
module that writes notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from audit.procedures import ActContext, Change, Procedure, Refusal, Verdict
from audit.targets import among
from users.models import Note, User


@dataclass(frozen=True, slots=True)
class Noted:
    """A user, and how many notes about them stand."""

    target_id: int
    notes: int


def _load(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Noted]:
    return [Noted(pk, number) for pk, number in _counted(ids).items()]


def _counted(ids: Sequence[int]) -> dict[int, int]:
    standing = Note.objects.filter(user=OuterRef("pk"), withdrawn_at__isnull=True).order_by()
    number = Subquery(standing.values("user").annotate(n=Count("pk")).values("n"))
    people = User.objects.filter(among("pk", ids)).order_by("pk")
    return dict(people.annotate(n=Coalesce(number, 0)).values_list("pk", "n"))


def _decide(row: Noted, params: Mapping[str, Any], now: datetime) -> Verdict:
    """The text stands in the note alone, where it can be withdrawn and erased."""
    return Change(before={"notes": row.notes}, after={"notes": row.notes + 1})


def _write(changes: Sequence[tuple[Noted, Change]], act: ActContext) -> dict[int, Any]:
    return write({row.target_id: act.params["text"] for row, _change in changes}, act)


def write(texts: Mapping[int, str], act: ActContext) -> dict[int, Any]:
    """Write a note of its own about each of these users, in one statement; per user what undo
    needs. For acts that bring more than a note."""
    written = Note.objects.bulk_create(
        Note(user_id=user_id, author_id=act.actor.pk, text=text, created_at=act.now, act_id=act.id)
        for user_id, text in texts.items()
    )
    return {note.user_id: {"note": note.pk} for note in written}


@dataclass(frozen=True, slots=True)
class Withdrawable:
    """A note that an act wrote, and how many stand about its user."""

    target_id: int
    notes: int
    note: Note | None


def _load_undo(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Withdrawable]:
    wanted = {params["receipts"][target]["note"]: target for target in ids}
    rows = Note.objects.filter(pk__in=wanted).order_by("pk")
    if lock:
        rows = rows.select_for_update(no_key=True)
    notes = {note.user_id: note for note in rows}
    return [Withdrawable(pk, number, notes.get(pk)) for pk, number in _counted(ids).items()]


def _decide_undo(row: Withdrawable, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.note is None or row.note.withdrawn_at is not None:
        return Refusal(_("The note was withdrawn already."))
    return Change(
        before={"notes": row.notes}, after={"notes": row.notes - 1}, data={"note": row.note.pk}
    )


def _write_undo(changes: Sequence[tuple[Withdrawable, Change]], act: ActContext) -> dict[int, Any]:
    withdrawn = [change.data["note"] for _row, change in changes]
    Note.objects.filter(pk__in=withdrawn).update(withdrawn_at=act.now)
    return {row.target_id: change.data for row, change in changes}


ADD_NOTE = Procedure(code="users.add_note", load=_load, decide=_decide, write=_write)
UNDO_ADD_NOTE = Procedure(
    code="users.add_note", load=_load_undo, decide=_decide_undo, write=_write_undo
)
