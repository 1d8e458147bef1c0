"""An uploaded file of users, half of them new: reading and trying it, importing it, and taking it
back."""

from __future__ import annotations

import argparse
import logging
import resource
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.timezone import now as time_now

from audit.models import Act, Run
from audit.runs import approving, drafting, steering
from audit.runs import working as runs
from bench.report import Case, case
from bench.runs import actor
from users.models import Upload, User
from users.uploads import fields, receiving, working

DATABASE = "copy"
_MOST = 100_000
_TRIED_WITHIN = (120, 100_000)  # seconds for so many rows
_MEGABYTE = 1024  # of ru_maxrss, which is in kB


class Shape(NamedTuple):
    """What the rows say: the headings after username and email, and the same cells in each."""

    name: str
    headings: str
    cells: str


SHAPES = (
    Shape("who they are", "country,language,time zone", "AT,de-AT,Europe/Vienna"),
    Shape(
        "every column",
        "country,language,time zone,tags,tier,expires,credits to add,note",
        f"LU,lb,Europe/Luxembourg,bench,2,{time_now() + timedelta(days=300):%Y-%m-%d},12.5,a note",
    ),
)


def run(options: argparse.Namespace) -> list[Case]:
    """Half of the rows are about users there are, half make users."""
    logging.disable(logging.INFO)
    number = min(options.users * 2, _MOST)
    cases = [each for shape in SHAPES for each in _measured(shape, number)]
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MEGABYTE
    return [*cases, case("memory of the process", megabytes, "MB", limit=250)]


def _measured(shape: Shape, number: int) -> list[Case]:
    upload = _uploaded(shape, number)
    read = _seconds(working.work)
    upload.refresh_from_db()
    assert upload.run is not None, upload.why
    tried = _seconds(runs.work)
    _confirm(upload.run.pk)
    imported = _seconds(runs.work)
    act = Act.objects.get(pk=_changed(upload.run.pk, number).pk)
    undo = drafting.draft_undo(act, actor=actor(), now=time_now())
    _seconds(runs.work)
    _confirm(undo.pk)
    back = _seconds(runs.work)
    _changed(undo.pk, number)
    seconds, rows = _TRIED_WITHIN
    limit = max(30, seconds * number / rows)
    return [
        case(f"{shape.name}: reading {number:,} rows", read, "s"),
        case(f"{shape.name}: reading and trying them", read + tried, "s", limit=limit),
        case(f"{shape.name}: rows imported a second", number / imported, "/s", better="higher"),
        case(f"{shape.name}: rows taken back a second", number / back, "/s", better="higher"),
    ]


def _confirm(run_id: uuid.UUID) -> None:
    """Have it begin; a second person approves what is so large."""
    run = steering.confirm(run_id, actor=actor(), now=time_now(), reason="measured")
    if run.state == Run.State.WAITING:
        approving.approve(run.pk, actor=actor("bench.second"), now=time_now())


def _uploaded(shape: Shape, number: int) -> Upload:
    people = User.objects.filter(role="none", closed_at=None).order_by("pk")
    known = list(people.values_list("username", flat=True)[: number // 2])
    names = [f'"{name}",' for name in known]
    mark = shape.name.partition(" ")[0]
    names += [f"{mark}.new{n},{mark}.new{n}@example.org" for n in range(number - len(known))]
    rows = "".join(f"{name},{shape.cells}\n" for name in names)
    text = f"username,email,{shape.headings}\n{rows}"
    file = SimpleUploadedFile("users.csv", text.encode())
    upload = receiving.receive(file, owner=actor(), now=time_now())
    upload.columns = fields.guessed(upload.headings, actor())
    upload.options = {"match": "username", "mode": "both", "decimal": "point"}
    upload.state = Upload.State.READING
    upload.save()
    return upload


def _seconds(work: Callable[[], bool]) -> float:
    began = time.perf_counter()
    while work():
        pass
    return time.perf_counter() - began


def _changed(run_id: object, number: int) -> Run:
    made = Run.objects.get(pk=run_id)
    assert made.state == Run.State.DONE, made.why
    assert made.changed >= number * 0.9, (made.changed, made.refusals)
    return made
