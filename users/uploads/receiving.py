"""Taking a file in: it is looked at in the confined process before anything of it is kept, then
stored by the megabyte, so that whichever worker reads it has it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Q

from coai_admin.console.characters import storable
from users.models import Upload, UploadPart, User
from users.uploads import reading
from users.uploads.reader.bounds import MOST_BYTES
from users.uploads.reader.cells import Cell
from users.uploads.reading import FileRefused
from users.uploads.steps import NOT_STARTED

MOST_UNFINISHED = 5  # files of one person that are kept at a time, each up to 20 MB
_PART = 1024 * 1024
_LONGEST_NAME = 200


def receive(file: UploadedFile[Any], *, owner: User, now: datetime) -> Upload:
    """Keep a file that can be read, unless its owner has many already that nothing came of yet.
    Raises FileRefused."""
    name = _shown(file.name or "")[-_LONGEST_NAME:]
    kind = reading.kind_of(name)
    if (file.size or 0) > MOST_BYTES:
        raise FileRefused("bytes")
    with reading.on_disk(file.chunks()) as content:
        sample = reading.look(content, kind)
        return _keep(
            content,
            Upload(
                owner=owner,
                owner_name=owner.username,
                file_name=name,
                kind=kind,
                size=file.size or 0,
                manner=dict(sample.manner),
                headings=[_shown(heading) for heading in sample.headings],
                sample=[[number, *map(_cell, cells)] for number, cells in sample.rows],
                created_at=now,
            ),
        )


@transaction.atomic
def _keep(content: IO[bytes], upload: Upload) -> Upload:
    assert upload.owner_id is not None
    _refuse_if_many(upload.owner_id)
    digest = hashlib.sha256()
    parts = []
    for number, block in enumerate(_blocks(content)):
        digest.update(block)
        parts.append(UploadPart(upload=upload, number=number, content=block))
    upload.sha256 = digest.hexdigest()
    upload.save(force_insert=True)
    UploadPart.objects.bulk_create(parts, batch_size=1)
    return upload


def _refuse_if_many(owner: int) -> None:
    """One upload at a time, so that two at once cannot share the last place."""
    User.objects.select_for_update(no_key=True).get(pk=owner)
    begun = Q(state__in=(Upload.State.UPLOADED, Upload.State.READING))
    tried = Q(state=Upload.State.READ, run__state__in=NOT_STARTED)
    if Upload.objects.filter(begun | tried, owner=owner).count() >= MOST_UNFINISHED:
        raise FileRefused("many", {"most": MOST_UNFINISHED})


def _blocks(content: IO[bytes]) -> Iterator[bytes]:
    content.seek(0)
    while block := content.read(_PART):
        yield block


def _shown(text: str) -> str:
    """A text as it can be kept, whatever it was."""
    return text if storable(text) else text.encode(errors="replace").decode().replace("\0", "?")


def _cell(cell: Cell) -> Cell:
    return _shown(cell) if isinstance(cell, str) else cell
