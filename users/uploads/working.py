"""What workers do with uploaded files: read the next one that is due, keep its rows, and draft the
run that tries them. A worker holds a file by a lease, which it renews every second, rows or none;
one that was killed lets it run out, and whoever comes next begins again, a few times. One file is
read at a time (UPLOADS_AT_ONCE), so that the other workers are for all else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.db.models import Q
from django.utils.timezone import now as time_now

from audit import people
from audit.execution import OperationRefused
from audit.runs import drafting
from subscriptions.models import Tier
from users.models import Upload, UploadPart, UploadRow
from users.uploads import reading, staging
from users.uploads.operations import IMPORT
from users.uploads.reading import FileRefused
from users.uploads.rows import Parsed, parse
from users.uploads.steps import NOT_STARTED
from users.uploads.values import Manner

_BATCH = 2_000
ATTEMPTS = 5
_LOCK = "users.uploads.working"
_FILE_KEPT, _ROWS_KEPT = timedelta(days=1), timedelta(days=30)
_CLAIM = """
UPDATE users_upload SET token = token + 1, attempts = attempts + 1, rows = 0,
       lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
 WHERE id = (SELECT id FROM users_upload
              WHERE state = 'reading'
                AND (lease_until IS NULL OR lease_until < clock_timestamp())
                AND (SELECT count(*) FROM users_upload
                      WHERE state = 'reading' AND lease_until >= clock_timestamp()) < %(most)s
              ORDER BY created_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id, token, attempts
"""
_RENEW = """
UPDATE users_upload SET rows = rows + %(rows)s,
       lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
 WHERE id = %(upload)s AND token = %(token)s AND state = 'reading'
"""


class Lost(Exception):
    """Somebody else reads the file by now, or it was taken away."""


class Claim(NamedTuple):
    """That this worker reads a file, until another takes it up; and how often it was begun."""

    upload: int
    token: int
    attempts: int


def work() -> bool:
    """Read the file that is due longest. Whether there was one."""
    claim = take_up()
    if claim is None:
        return False
    with suppress(Lost):
        _read(claim)
    return True


@transaction.atomic
def take_up() -> Claim | None:
    """The next file that nobody reads, now held by this worker; None when there is none, or when as
    many are read already as may be at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", [_LOCK])
        [alone] = cursor.fetchone()
        if not alone:
            return None
        most = {"lease": settings.RUN_LEASE, "most": settings.UPLOADS_AT_ONCE}
        cursor.execute(_CLAIM, most)
        row = cursor.fetchone()
    return Claim(*row) if row else None


def _read(claim: Claim) -> None:
    """All of a file, batch by batch; then the run that tries its rows."""
    with transaction.atomic():
        upload = _held(claim)
        UploadRow.objects.filter(upload=upload).delete()
    try:
        if claim.attempts > ATTEMPTS:
            raise FileRefused("broken_off")
        with reading.on_disk(_parts(upload)) as file:
            told = reading.read(file, _kind(upload), waiting=lambda: _renew(claim))
            rows = _parsed(upload, told)
            while batch := list(islice(rows, _BATCH)):
                _stage(claim, batch, upload.options)
        _finish(claim)
    except FileRefused as refusal:
        _refuse(claim, str(refusal))


def _kind(upload: Upload) -> reading.Kind:
    return "xlsx" if upload.kind == "xlsx" else "csv"


def _parts(upload: Upload) -> Iterator[bytes]:
    parts = UploadPart.objects.filter(upload=upload).order_by("number")
    return (bytes(content) for content in parts.values_list("content", flat=True).iterator(2))


def _parsed(upload: Upload, rows: Iterator[reading.Row]) -> Iterator[Parsed]:
    tiers = {
        key: tier.level
        for tier in Tier.objects.all()
        for key in (str(tier.level), tier.name.casefold())
    }
    how = Manner(upload.options["decimal"], tiers)
    width = len(upload.headings)
    return (parse(number, cells, upload.columns, width, how) for number, cells in rows)


def _held(claim: Claim) -> Upload:
    """The upload, locked. Raises Lost."""
    held = Upload.objects.select_for_update(no_key=True).filter(
        pk=claim.upload, token=claim.token, state=Upload.State.READING
    )
    upload = held.first()
    if upload is None:
        raise Lost
    return upload


def _renew(claim: Claim, *, rows: int = 0) -> None:
    """Hold the file for longer, which so many more rows are kept of. Raises Lost."""
    with connection.cursor() as cursor:
        values = {**claim._asdict(), "rows": rows, "lease": settings.RUN_LEASE}
        cursor.execute(_RENEW, values)
        if not cursor.rowcount:
            raise Lost


@transaction.atomic
def _stage(claim: Claim, batch: list[Parsed], options: dict[str, str]) -> None:
    _renew(claim, rows=len(batch))
    staging.stage(claim.upload, batch, options)


@transaction.atomic
def _finish(claim: Claim) -> None:
    """The rows are complete: count them, and draft the run, whose first act is to try them all."""
    upload, now = _held(claim), time_now()
    upload.rows, upload.problems, ids = staging.finish(upload.pk)
    upload.state, upload.read_at, upload.lease_until = Upload.State.READ, now, None
    upload.save()
    actor = people.acting(upload.owner_id, now=now) if upload.owner_id is not None else None
    if actor is None:
        raise FileRefused("owner")
    if not ids:
        return
    try:
        upload.run = drafting.draft_for(
            IMPORT, ids, {"upload": [str(upload.pk)]}, actor=actor, now=now
        )
    except (PermissionDenied, OperationRefused) as refusal:
        upload.state, upload.why = Upload.State.REFUSED, str(refusal)
    upload.save(update_fields=["run", "state", "why"])


@transaction.atomic
def _refuse(claim: Claim, why: str) -> None:
    """Nothing is kept of a file that is refused."""
    upload = _held(claim)
    UploadRow.objects.filter(upload=upload).delete()
    UploadPart.objects.filter(upload=upload).delete()
    upload.state, upload.why, upload.lease_until = Upload.State.REFUSED, why, None
    upload.save(update_fields=["state", "why", "lease_until"])


def forget(now: datetime) -> int:
    """Delete what is not needed any more: files once their rows were imported, or after a day;
    uploads nobody goes on with, after a day or when their run can begin no more; others after
    thirty. Returns how many uploads went."""
    old = Q(created_at__lte=now - _FILE_KEPT)
    UploadPart.objects.filter(
        Q(upload__created_at__lte=now - _FILE_KEPT) | Q(upload__run__started_at__isnull=False)
    ).delete()
    idle = Q(run__isnull=True) | Q(run__started_at__isnull=True)
    # It may wait for a second person, whose day begins when they are asked.
    awaited = Q(run__state__in=NOT_STARTED, run__expires_at__gt=now)
    gone = Upload.objects.filter((old & idle & ~awaited) | Q(created_at__lte=now - _ROWS_KEPT))
    return len([upload.delete() for upload in gone])
