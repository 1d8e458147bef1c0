"""Files that exports are written to in the background: asked for, written by whichever worker takes
them, kept seven days, deleted. The only module that writes their rows.

State stands in PostgreSQL. A worker holds a file by a lease, which it prolongs while it writes; one
that was killed or stalled loses it, and any worker begins the file anew. What is written has a name
of its own until it is whole, so that nobody is offered half a file.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import IO, Any

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, Func, Q, QuerySet, When
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from audit.models import ExportFile
from audit.people import Actor
from coai_admin.console.exports import Field

State = ExportFile.State

LIFE = timedelta(days=7)
REMEMBERED = timedelta(days=30)  # rows whose file is gone
LEASE = timedelta(seconds=30)
ATTEMPTS = 5  # a file that was broken off as often is not begun again
MOST_WAITING = 20  # of one person
_STRAY = timedelta(hours=1)
_OPEN = (State.WAITING, State.RUNNING)
_LOCK = "audit.export_files"

log = structlog.get_logger(__name__)


class ExportRefused(Exception):
    """This export may not be made; the text says why."""


class FileGone(Exception):
    """There is no file to download; the text says why."""

    def __init__(self) -> None:
        super().__init__(_("This file is not there any more. Make it again."))


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds: its rows in order, its columns, and what its sheets are called."""

    rows: QuerySet[Any]
    columns: Sequence[Field]
    sheet: str


@dataclass(frozen=True, slots=True)
class Writer:
    """What an app says of one kind of export. ``prepare`` reads what the file shall hold, with the
    rights that its maker has now; it raises ExportRefused. ``ended`` is called in the transaction
    in which the file becomes ready, failed or cancelled."""

    prepare: Callable[[ExportFile, datetime], Contents]
    ended: Callable[[ExportFile, datetime], None]


@cache
def writer_of(kind: str) -> Writer:
    """Who knows this kind of export. KeyError for an unknown one."""
    found: Writer = import_string(settings.EXPORT_WRITERS[kind])
    return found


# Where they are


def folder() -> Path:
    """The folder of all files, for the console's own account alone."""
    path: Path = settings.EXPORTS
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def path_of(file: ExportFile) -> Path:
    """Where the file is once it is whole."""
    return settings.EXPORTS / f"{file.pk}.{file.file_type}"


def part_of(file: ExportFile) -> Path:
    """Where its holder writes it until then."""
    return settings.EXPORTS / f"{file.pk}.{file.token}.part"


# For their makers


@transaction.atomic
def ask(
    kind: str, *, maker: Actor, now: datetime, ids: QuerySet[Any] | None = None, **facts: Any
) -> ExportFile:
    """Have a file written. ``ids``: a subquery of one column; these are kept as they are now and
    are in the file, in place of what the query says. ``facts`` are those of the row. Raises
    ExportRefused, and KeyError for an unknown kind."""
    writer_of(kind)
    if files_of(maker).filter(state__in=_OPEN).count() >= MOST_WAITING:
        sentence = _("%(most)s of your exports are waiting already. Cancel one, or wait.")
        raise ExportRefused(sentence % {"most": MOST_WAITING})
    file = ExportFile.objects.create(kind=kind, maker_id=maker.pk, created_at=now, **facts)
    if ids is not None:
        kept = Func(ids, template="ARRAY%(expressions)s")
        ExportFile.objects.filter(pk=file.pk).update(ids=kept)
    return file


@transaction.atomic
def ask_in_vain(
    kind: str, sentence: str, *, maker: Actor, now: datetime, **facts: Any
) -> ExportFile:
    """A file that nobody can write, beside the others, with the reason."""
    file = ExportFile(kind=kind, maker_id=maker.pk, created_at=now, error=sentence, **facts)
    file.save(force_insert=True)
    _end(file, State.FAILED, now=now)
    return file


def files_of(maker: Actor) -> QuerySet[ExportFile]:
    """One's own files, the newest first. Ids of a selection, of which there may be a million, are
    not read."""
    own = ExportFile.objects.filter(maker=maker.pk).defer("ids")
    return own.order_by("-created_at", "-pk")


def chosen_in(file: ExportFile) -> QuerySet[Any] | None:
    """The ids that were selected, as a subquery; None where the query says what is in the file."""
    kept = ExportFile.objects.filter(pk=file.pk)
    if not kept.filter(ids__isnull=False).exists():
        return None
    return kept.values(member=Func("ids", function="unnest"))


@transaction.atomic
def cancel(file: ExportFile, *, now: datetime) -> bool:
    """Stop a file that waits or is being written; whether there was anything to stop. Its worker
    notices within seconds."""
    held = _locked(file)
    if held is None or not held.is_open:
        return False
    _end(held, State.CANCELLED, now=now)
    return True


@transaction.atomic
def delete(file: ExportFile) -> bool:
    """Delete a file and its row before its time; whether it was there. One that is being written
    must be cancelled first."""
    held = _locked(file)
    if held is None or held.is_open:
        return False
    ExportFile.objects.filter(pk=file.pk).delete()
    _unlink(path_of(file))
    return True


def open_ready(file: ExportFile, *, now: datetime) -> IO[bytes]:
    """The file, to be sent to its maker. Raises FileGone."""
    if file.state != State.READY or file.expires_at is None or now >= file.expires_at:
        raise FileGone
    try:
        return path_of(file).open("rb")
    except OSError as error:
        log.error("export_file_lost", export=str(file.pk), error=str(error))
        raise FileGone from None


def note_download(file: ExportFile, *, now: datetime) -> None:
    """Its maker took it."""
    ExportFile.objects.filter(pk=file.pk).update(downloaded_at=now, told_at=now)


def note_seen(file: ExportFile, *, now: datetime) -> None:
    """Its maker looks at it: what became of it needs no telling any more."""
    if not file.is_open and file.told_at is None:
        ExportFile.objects.filter(pk=file.pk, told_at__isnull=True).update(told_at=now)


def tell(maker: Actor, *, now: datetime) -> list[ExportFile]:
    """What became ready or failed since its maker was told last; they are told now."""
    news = files_of(maker).filter(state__in=(State.READY, State.FAILED), told_at__isnull=True)
    found = list(news)
    if found:
        ExportFile.objects.filter(pk__in=[each.pk for each in found]).update(told_at=now)
    return found


# For workers


@transaction.atomic
def claim(*, now: datetime) -> ExportFile | None:
    """Take the next file to be written: those that people wait for before scheduled ones. None when
    there is none, or when as many are written already as may be at once
    (settings.EXPORTS_AT_ONCE): files must not keep every worker from all else."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", [_LOCK])
        [alone] = cursor.fetchone()
    writing = ExportFile.objects.filter(state=State.RUNNING, lease_until__gt=now)
    if not alone or writing.count() >= settings.EXPORTS_AT_ONCE:
        return None
    for file in _to_write(now):
        if file.attempts < ATTEMPTS:
            return _begin(file, now)
        file.error = _("It was broken off each time it was begun. Tell whoever runs the server.")
        _end(file, State.FAILED, now=now)
    return None


def _to_write(now: datetime) -> Iterator[ExportFile]:
    due = Q(state=State.WAITING) | Q(state=State.RUNNING, lease_until__lte=now)
    rows = ExportFile.objects.select_for_update(no_key=True, skip_locked=True).defer("ids")
    scheduled = Case(When(schedule_id__isnull=True, then=0), default=1)
    yield from rows.filter(due).order_by(scheduled, "created_at", "pk")[:MOST_WAITING]


def _begin(file: ExportFile, now: datetime) -> ExportFile:
    file.state, file.token, file.lease_until = State.RUNNING, uuid.uuid4(), now + LEASE
    file.rows_done, file.started_at = 0, now
    file.attempts += 1
    file.save(
        update_fields=["state", "token", "lease_until", "rows_done", "started_at", "attempts"]
    )
    return file


def keep(file: ExportFile, *, rows: int, total: int | None = None, now: datetime) -> bool:
    """Prolong the lease and tell how far it is; whether the file is still this worker's."""
    facts: dict[str, Any] = {"rows_done": rows, "lease_until": now + LEASE}
    if total is not None:
        facts["rows_total"] = total
    return _held(file).update(**facts) == 1


@transaction.atomic
def finish(file: ExportFile, *, rows: int, sha256: str, now: datetime) -> bool:
    """The whole file stands at ``part_of``: offer it to its maker. False where another worker has
    it by now, or its maker cancelled it. Raises OSError."""
    held = _held(file).select_for_update(no_key=True).defer("ids").first()
    if held is None:
        return False
    size = part_of(file).stat().st_size
    part_of(file).replace(path_of(file))
    held.rows_done = held.rows_total = rows
    held.bytes, held.sha256, held.expires_at = size, sha256, now + LIFE
    _end(held, State.READY, now=now)
    return True


@transaction.atomic
def fail(file: ExportFile, sentence: str, *, now: datetime) -> bool:
    """It cannot be written; the sentence tells its maker why."""
    held = _held(file).select_for_update(no_key=True).defer("ids").first()
    if held is None:
        return False
    held.error = sentence
    _end(held, State.FAILED, now=now)
    return True


def _held(file: ExportFile) -> QuerySet[ExportFile]:
    """The row, while it is in the hands of this worker."""
    return ExportFile.objects.filter(pk=file.pk, token=file.token, state=State.RUNNING)


def _locked(file: ExportFile) -> ExportFile | None:
    rows = ExportFile.objects.select_for_update(no_key=True).defer("ids")
    return rows.filter(pk=file.pk).first()


def _end(file: ExportFile, state: State, *, now: datetime) -> None:
    file.state, file.finished_at = state, now
    file.lease_until = file.token = None
    file.save(update_fields=_WRITTEN_AT_THE_END)
    writer_of(file.kind).ended(file, now)


_WRITTEN_AT_THE_END = (
    "state",
    "finished_at",
    "lease_until",
    "token",
    "error",
    "rows_done",
    "rows_total",
    "bytes",
    "sha256",
    "expires_at",
)


# When their time is over


def expire(now: datetime) -> int:
    """Delete the files whose days are over, forget rows whose file is long gone, and clear away
    what killed workers left. Returns how many files expired."""
    over = ExportFile.objects.filter(state=State.READY, expires_at__lte=now)
    found = list(over.defer("ids"))
    over.filter(pk__in=[file.pk for file in found]).update(state=State.EXPIRED)
    for file in found:
        _unlink(path_of(file))
    gone = ExportFile.objects.exclude(state__in=(*_OPEN, State.READY))
    gone.filter(finished_at__lt=now - REMEMBERED).delete()
    _clear_away(now)
    return len(found)


def _clear_away(now: datetime) -> None:
    """Remove what no row knows and nobody is writing."""
    rows = ExportFile.objects.filter(state__in=(State.READY, State.RUNNING)).defer("ids")
    known, running = set(), False
    for file in rows:
        known |= {path_of(file), part_of(file)}
        running = running or file.state == State.RUNNING
    for path in settings.EXPORTS.glob("*"):
        if path in known or path.lstat().st_mtime > (now - _STRAY).timestamp():
            continue
        if not path.is_dir():
            _unlink(path)
        elif not running:  # what a workbook is put together from
            shutil.rmtree(path, ignore_errors=True)


def _unlink(path: Path) -> None:
    """A file that cannot be deleted now is tried again by ``expire``: no row knows it then."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.error("export_file_not_deleted", path=path.name, error=str(error))
