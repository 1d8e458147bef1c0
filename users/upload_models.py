"""Uploaded files of users: the file until it is read, and its rows. Part of ``users.models``."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Upload(models.Model):
    """A file of users, from its upload until its rows are forgotten. Written only by
    ``users.uploads``.

    ``manner``, ``headings`` and ``sample`` are what was seen of it at once; ``columns`` says which
    of our fields each of its columns (by place) holds; ``options`` how people are matched and what
    is to be done (``users.uploads.mapping``). A worker reads it under ``token`` until
    ``lease_until``; ``attempts`` counts how often one began. ``run`` tries the rows, and then does
    what they say.
    """

    class State(models.TextChoices):
        UPLOADED = "uploaded", _("to be mapped")
        READING = "reading", _("being read")
        READ = "read", _("read")
        REFUSED = "refused", _("refused")

    owner = models.ForeignKey(
        "users.User", models.SET_NULL, null=True, related_name="+", db_index=False
    )
    owner_name = models.TextField()
    file_name = models.TextField()
    kind = models.TextField()
    size = models.PositiveIntegerField()
    sha256 = models.TextField()
    manner = models.JSONField(default=dict)
    headings = models.JSONField(default=list)
    sample = models.JSONField(default=list)
    columns = models.JSONField(default=dict)
    options = models.JSONField(default=dict)
    state = models.TextField(choices=State.choices, default=State.UPLOADED)
    why = models.TextField(blank=True, default="")
    rows = models.PositiveIntegerField(default=0)
    problems = models.PositiveIntegerField(default=0)
    run = models.ForeignKey("audit.Run", models.SET_NULL, null=True, related_name="+")
    token = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "users_upload"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=["uploaded", "reading", "read", "refused"]),
                name="upload_state_known",
            )
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                name="upload_due",
                condition=models.Q(state="reading"),
            )
        ]

    def __str__(self) -> str:
        return self.file_name


class UploadPart(models.Model):
    """A megabyte of an uploaded file, until it has been read."""

    upload = models.ForeignKey(Upload, models.CASCADE, related_name="parts", db_index=False)
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        db_table = "users_uploadpart"
        constraints = [
            models.UniqueConstraint(fields=["upload", "number"], name="uploadpart_unique")
        ]

    def __str__(self) -> str:
        return f"{self.upload_id}: {self.number}"


class UploadRow(models.Model):
    """A row of an uploaded file: whom it is about, and what it says of them.

    ``number`` is the row's in the file. ``target_id`` is the user's id; that of somebody who is yet
    to be made (``is_new``) is reserved. ``look`` is what the name is taken for at a glance, so that
    two rows cannot make people who would pass for each other. ``problem``: the sentence by which
    the row is refused whatever stands in the database, ``kind_of_problem`` what many share.
    """

    upload = models.ForeignKey(Upload, models.CASCADE, related_name="lines", db_index=False)
    number = models.PositiveIntegerField()
    target_id = models.BigIntegerField(null=True)
    is_new = models.BooleanField(default=False)
    name = models.TextField()
    look = models.TextField()
    values = models.JSONField()
    problem = models.TextField()
    kind_of_problem = models.TextField()

    class Meta:
        db_table = "users_uploadrow"
        constraints = [
            models.UniqueConstraint(fields=["upload", "number"], name="uploadrow_unique"),
        ]
        indexes = [
            models.Index(fields=["upload", "target_id"], name="uploadrow_target"),
            models.Index(
                fields=["upload", "number"],
                name="uploadrow_problems",
                condition=~models.Q(problem=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.upload_id}: {self.number}"
