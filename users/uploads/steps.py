"""What people do with an upload: say what its columns hold, think better of it, discard it.
Only its owner goes on with it; stopping is for whoever may stop any run, too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _

from audit.execution import OperationRefused
from audit.models import Run
from audit.runs import steering
from users.models import Upload, UploadRow, User
from users.uploads.fields import needed

NOT_STARTED = (Run.State.PREVIEWING, Run.State.PREVIEWED, Run.State.WAITING)


def may_map(upload: Upload, actor: User) -> bool:
    """Whether its columns can be said, for the first time or anew."""
    if upload.owner_id != actor.pk or not upload.parts.exists():
        return False
    return upload.state == Upload.State.UPLOADED or may_begin_again(upload, actor)


def may_begin_again(upload: Upload, actor: User) -> bool:
    """Whether one can go back to its columns: nothing was imported yet."""
    if upload.owner_id != actor.pk or upload.state != Upload.State.READ:
        return False
    return upload.run is None or upload.run.started_at is None


def may_discard(upload: Upload, actor: User) -> bool:
    """Whether one can have it forgotten: nothing was imported yet."""
    return upload.owner_id == actor.pk and (upload.run is None or upload.run.started_at is None)


@transaction.atomic
def map_columns(
    upload: Upload, columns: Mapping[str, int], options: Mapping[str, str], *, actor: User
) -> None:
    """Have the file read as these columns. Raises OperationRefused, and PermissionDenied where a
    column needs more than the role holds."""
    upload = _locked(upload)
    if not may_map(upload, actor) or upload.state != Upload.State.UPLOADED:
        raise OperationRefused(_("This file is read already, or is a colleague's."))
    if not all(map(actor.may, needed(columns, options["mode"]))):
        raise PermissionDenied(_("Your role does not allow this."))
    upload.columns, upload.options = dict(columns), dict(options)
    upload.state, upload.why = Upload.State.READING, ""
    upload.lease_until, upload.attempts = None, 0
    upload.save()


@transaction.atomic
def begin_again(upload: Upload, *, actor: User, now: datetime) -> None:
    """Back to the columns: what was found of the rows is forgotten. Raises OperationRefused."""
    upload = _locked(upload)
    if not may_begin_again(upload, actor) or not may_map(upload, actor):
        raise OperationRefused(_("This import has begun, or is a colleague's."))
    _cancel_run(upload, actor, now)
    UploadRow.objects.filter(upload=upload).delete()
    upload.state, upload.run, upload.rows, upload.problems = Upload.State.UPLOADED, None, 0, 0
    upload.save()


@transaction.atomic
def discard(upload: Upload, *, actor: User, now: datetime) -> None:
    """Forget the file and its rows. Raises OperationRefused."""
    upload = _locked(upload)
    if not may_discard(upload, actor):
        raise OperationRefused(_("This import has begun, or is a colleague's."))
    _cancel_run(upload, actor, now)
    upload.delete()


def _cancel_run(upload: Upload, actor: User, now: datetime) -> None:
    if upload.run is not None and upload.run.state in NOT_STARTED:
        steering.discard(upload.run.pk, actor=actor, now=now)


def _locked(upload: Upload) -> Upload:
    return Upload.objects.select_for_update(no_key=True).get(pk=upload.pk)
