"""What a takeover from CoAI leaves behind: its runs, and every source row as it stood. Part of
``users.models``."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class ImportRun(models.Model):
    """One import that wrote something. A run that finds nothing to change confirms the run before
    it instead.

    ``source`` names the deployment (people and legacy rows carry it), ``location`` where it was
    read. ``cursor`` is how far a run got, for people; a killed run goes on by comparing every row.
    ``password_marks`` let a later run see which passwords changed without keeping anything that a
    password could be tried against.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        FINISHED = "finished", _("finished")
        FAILED = "failed", _("failed")

    source = models.TextField()
    location = models.TextField()
    state = models.TextField(choices=State.choices, default=State.RUNNING)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    resumed = models.PositiveIntegerField(default=0)
    as_of = models.DateTimeField()
    source_tz = models.TextField()
    map_admins = models.TextField(blank=True, default="")
    act_id = models.UUIDField()
    cursor = models.JSONField(default=dict)
    report = models.JSONField(default=dict)
    password_marks = ArrayField(models.TextField(), default=list)

    class Meta:
        db_table = "users_importrun"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=["running", "finished", "failed"]),
                name="importrun_state_known",
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.started_at:%Y-%m-%d %H:%M}"


class LegacyRow(models.Model):
    """A row of the source database as it stood at the last import, secrets replaced by digests.

    ``facts``: on the row of a person, what the import took over of them, so that a later run can
    tell what the source changed from what was changed here.
    """

    class State(models.TextChoices):
        IMPORTED = "imported", _("imported")
        KEPT = "kept", _("kept")
        QUARANTINED = "quarantined", _("quarantined")

    # Bytewise: these are looked up, never shown in order.
    source = models.TextField(db_collation="C")
    table_name = models.TextField(db_collation="C")
    key = models.TextField(db_collation="C")
    row = models.JSONField()
    digest = models.BinaryField(max_length=16)
    state = models.TextField(choices=State.choices)
    reason = models.TextField(blank=True, default="")
    facts = models.JSONField(null=True, blank=True)
    user = models.ForeignKey(
        "users.User", models.CASCADE, null=True, blank=True, related_name="legacy_rows"
    )
    run = models.ForeignKey(ImportRun, models.PROTECT, related_name="+", db_index=False)

    class Meta:
        db_table = "users_legacyrow"
        constraints = [
            models.UniqueConstraint(
                fields=["source", "table_name", "key"], name="legacyrow_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["imported", "kept", "quarantined"]),
                name="legacyrow_state_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["source", "table_name", "id"],
                name="legacyrow_quarantined",
                condition=models.Q(state="quarantined"),
            )
        ]

    def __str__(self) -> str:
        return f"{self.table_name} {self.key}"
