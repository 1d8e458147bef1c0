"""Exports that are made every day or week: kept, paused, deleted, and begun when they are due. The
only writer of ``ExportSchedule``.

Each is made as its owner, with the rights that they have then. When they have none any more, or
what it asks is gone, it stops and says why; a limit that was reached stops it only for that time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from audit import record
from audit.export_files import ExportRefused
from audit.models import ExportFile
from coai_admin.console import exports as files
from coai_admin.console.filters import BadParameter
from coai_admin.console.listing import Reading
from users import exports
from users.exporting import writing
from users.exporting.times import next_time
from users.models import ExportSchedule, Restriction, User
from users.table import USERS
from users.table.rows import UserRow

ACTION = "exports.schedule"
MOST = 20
LONGEST_NAME = 60
FILE_TYPES = {each.extension: each for each in (files.CSV, files.XLSX)}
_NOTED = ("name", "every", "weekday", "hour", "file_type", "masked", "follows_view", "columns")


class ScheduleRefused(Exception):
    """It cannot be kept so; the text says why."""


class _Stopped(Exception):
    """It cannot go on until somebody changes something; the text says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is made, and when; as ``ExportSchedule`` has it."""

    name: str
    every: str
    weekday: int | None
    hour: int
    view_id: int | None
    query: str
    columns: list[str]
    masked: bool
    reason: str
    file_type: str


# For their owners


def of(owner: User) -> QuerySet[ExportSchedule]:
    """One's own, by name."""
    return ExportSchedule.objects.filter(owner=owner).select_related("view").order_by("name", "pk")


@transaction.atomic
def keep(owner: User, plan: Plan, *, now: datetime) -> ExportSchedule:
    """Have an export made by schedule from now on. Raises ScheduleRefused."""
    if not owner.may(exports.MASKED if plan.masked else exports.WHOLE):
        raise ScheduleRefused(_("Your role does not allow this export."))
    User.objects.select_for_update(no_key=True).get(pk=owner.pk)  # who keeps two at once is counted
    if ExportSchedule.objects.filter(owner=owner).count() >= MOST:
        raise ScheduleRefused(_("You have %(most)s schedules. Delete one first.") % {"most": MOST})
    schedule = ExportSchedule(
        owner=owner,
        name=plan.name,
        follows_view=plan.view_id is not None,
        view_id=plan.view_id,
        query=plan.query,
        columns=plan.columns,
        masked=plan.masked,
        reason=plan.reason,
        file_type=plan.file_type,
        every=plan.every,
        weekday=plan.weekday,
        hour=plan.hour,
        next_at=next_time(hour=plan.hour, weekday=plan.weekday, after=now),
        created_at=now,
    )
    try:
        with transaction.atomic():
            schedule.save()
    except IntegrityError as error:
        if "exportschedule_name_unique" not in str(error):
            raise
        sentence = _("You have a schedule called “%(name)s” already.")
        raise ScheduleRefused(sentence % {"name": plan.name}) from None
    _account(schedule, {name: [None, getattr(schedule, name)] for name in _NOTED}, now=now)
    return schedule


@transaction.atomic
def pause(schedule: ExportSchedule, *, now: datetime) -> None:
    """Make it no more until it goes on."""
    if _change(schedule, paused_at=now):
        _account(schedule, {"paused": [False, True]}, now=now)


@transaction.atomic
def go_on(schedule: ExportSchedule, *, now: datetime) -> None:
    """Make it again by itself, from its next hour on: also one that stopped."""
    due = next_time(hour=schedule.hour, weekday=schedule.weekday, after=now)
    if _change(schedule, paused_at=None, stopped="", next_at=due):
        _account(schedule, {"paused": [True, False]}, now=now)


@transaction.atomic
def delete(schedule: ExportSchedule, *, now: datetime) -> None:
    """Delete it. Files that it made stay until their time is over."""
    if ExportSchedule.objects.filter(pk=schedule.pk).delete()[0]:
        _account(schedule, {name: [getattr(schedule, name), None] for name in _NOTED}, now=now)


@transaction.atomic
def make_now(schedule: ExportSchedule, *, now: datetime) -> ExportFile:
    """Make it once more, beside its hours. Raises ExportRefused."""
    try:
        file = _ask(schedule, now)
    except _Stopped as stopped:
        raise ExportRefused(str(stopped)) from None
    _change(schedule, last_at=now)
    return file


# When they are due


def take_due(*, now: datetime) -> int:
    """Begin what is due; returns how many were. Run late, each is made once, whatever was missed;
    run twice, or by two at once, once as well."""
    due = ExportSchedule.objects.filter(paused_at__isnull=True, stopped="", next_at__lte=now)
    return sum(_take(pk, now) for pk in due.order_by("next_at", "pk").values_list("pk", flat=True))


@transaction.atomic
def _take(schedule_id: int, now: datetime) -> bool:
    rows = ExportSchedule.objects.select_for_update(of=("self",), skip_locked=True)
    schedule = rows.select_related("owner", "view").filter(pk=schedule_id, next_at__lte=now).first()
    if schedule is None or not schedule.goes_on:
        return False
    due = next_time(hour=schedule.hour, weekday=schedule.weekday, after=now)
    _change(schedule, last_at=now, next_at=due)
    try:
        with transaction.atomic():
            _ask(schedule, now)
    except _Stopped as stopped:
        _fail(schedule, str(stopped), now, stops=True)
    except ExportRefused as refused:
        _fail(schedule, str(refused), now, stops=False)
    return True


def _ask(schedule: ExportSchedule, now: datetime) -> ExportFile:
    owner = schedule.owner
    _stop_without_rights(owner, now, whole=not schedule.masked)
    return writing.ask(
        _reading(schedule, owner, now),
        whole=not schedule.masked,
        reason=schedule.reason,
        file_type=FILE_TYPES[schedule.file_type],
        shown=bool(schedule.columns),
        schedule=schedule,
    )


def _stop_without_rights(owner: User, now: datetime, *, whole: bool) -> None:
    suspended = User.objects.restricted(Restriction.Kind.SUSPENSION, now).filter(pk=owner.pk)
    if not owner.is_active or suspended.exists():
        raise _Stopped(_("The account of its owner is closed or suspended."))
    if not owner.may(exports.WHOLE if whole else exports.MASKED):
        raise _Stopped(_("The role of its owner does not allow this export any more."))


def _reading(schedule: ExportSchedule, owner: User, now: datetime) -> Reading[UserRow]:
    query = schedule.query
    if schedule.follows_view:
        view = schedule.view
        if view is None:
            raise _Stopped(_("The view that it exports was deleted."))
        if view.owner_id != owner.pk and owner.role not in view.shared_with:
            raise _Stopped(_("The view that it exports is not shared with its owner any more."))
        query = view.query
    try:
        return USERS.read(QueryDict(query), viewer=owner, now=now, columns=schedule.columns)
    except BadParameter as wrong:
        sentence = _("The list cannot be read as it was asked for: %(reason)s")
        raise _Stopped(sentence % {"reason": wrong}) from None


def _fail(schedule: ExportSchedule, why: str, now: datetime, *, stops: bool) -> None:
    """Tell the owner by mail, and on the page, that it was not made."""
    file = writing.note_failed(schedule, why, now=now)
    if stops:
        _change(schedule, stopped=why)
        _account(schedule, {"stopped": ["", why], "export": file.pk}, now=now)


def _change(schedule: ExportSchedule, **facts: Any) -> bool:
    """Whether it is still there."""
    for name, value in facts.items():
        setattr(schedule, name, value)
    return ExportSchedule.objects.filter(pk=schedule.pk).update(**facts) == 1


def _account(schedule: ExportSchedule, changes: Mapping[str, Any], *, now: datetime) -> None:
    """An entry in the audit log. The query may name people, so it is kept apart."""
    record.entry(
        ACTION,
        actor=schedule.owner,
        now=now,
        target=("schedule", schedule.pk, schedule.name),
        changes=changes,
        personal={"query": schedule.query} if schedule.query else None,
        reason=schedule.reason,
    )
