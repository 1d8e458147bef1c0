"""Uploads at every stage, as people and workers bring them there."""

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.timezone import now

from audit.runs import steering
from audit.runs import working as runs
from tests.factories import make_staff
from users.models import Upload, UploadRow
from users.roles import Role
from users.uploads import fields, receiving, working

REASON = "the list of the shop"


def uploaded(text, *, owner=None, name="users.csv"):
    """A file that was taken in, and that nobody mapped yet."""
    content = text if isinstance(text, bytes) else text.encode()
    owner = owner or make_staff(Role.SUPER_ADMIN)
    return receiving.receive(SimpleUploadedFile(name, content), owner=owner, now=now())


def mapped(text, *, match="username", mode="both", decimal="point", columns=None, **more):
    """A file that is waiting to be read, its columns as their headings tell."""
    upload = uploaded(text, **more)
    upload.columns = columns or fields.guessed(upload.headings, upload.owner)
    upload.options = {"match": match, "mode": mode, "decimal": decimal}
    upload.state = Upload.State.READING
    upload.save()
    return upload


def tried(text, **more):
    """A file whose rows were all tried."""
    upload = mapped(text, **more)
    while working.work() or runs.work():
        pass
    upload.refresh_from_db()
    return upload


def imported(text, **more):
    """A file whose rows were imported; its run."""
    upload = tried(text, **more)
    steering.confirm(upload.run_id, actor=upload.owner, now=now(), reason=REASON)
    while runs.work():
        pass
    upload.run.refresh_from_db()
    return upload.run


def problems(upload):
    """The rows that are refused whatever stands in the database, by number."""
    rows = UploadRow.objects.filter(upload=upload).exclude(problem="")
    return dict(rows.order_by("number").values_list("number", "problem"))


def refused(upload):
    """What trying the rows refused, by name."""
    ids = {each["id"]: each["why"] for each in upload.run.forecast["refused"]}
    rows = UploadRow.objects.filter(upload=upload, target_id__in=ids)
    return {row.name: ids[row.target_id] for row in rows}
