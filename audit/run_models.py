"""Runs: large acts on their way, with the targets that were frozen for them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Func, Value
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

CHUNK = 2_000


class Run(models.Model):
    """A large act: its frozen targets, how far it is, and who works on it. ``id`` is the id of the
    act, which exists from the moment it starts. Written only by audit.runs.

    ``params`` are those of the act, as ``audit.frozen`` keeps them; ``undoes`` and ``retries`` name
    the act that this one reverses, or whose refused targets it takes up again.
    ``stopped_by``: who paused or cancelled it; only they, and whoever may cancel any, let it go on.
    ``cursor``: how many targets are dealt with, first in the preview, then in the act.
    ``token`` grows with each worker that takes the run up: one that lost its lease cannot write.
    ``moved``: by how much the amounts of those who were changed moved, as in a forecast.
    ``batch``: how many targets the next step takes; less after one that failed.
    ``stalls``: how often in a row a worker took the run up and got nowhere.
    ``number``: what people call it by, and what breaks ties in lists.
    """

    class State(models.TextChoices):
        PREVIEWING = "previewing", _("counting")
        PREVIEWED = "previewed", _("to be confirmed")
        WAITING = "waiting", _("waiting for approval")
        RUNNING = "running", _("running")
        PAUSED = "paused", _("paused")
        DONE = "done", _("done")
        CANCELLED = "cancelled", _("cancelled")
        HALTED = "halted", _("halted")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    number = models.BigIntegerField(
        unique=True,
        editable=False,
        db_default=Func(Value("audit_run_number_seq"), function="nextval"),
    )
    code = models.TextField()
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    owner_name = models.TextField()
    stopped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    params = models.JSONField(default=dict)
    reason = models.TextField(blank=True, default="")
    ticket = models.TextField(blank=True, default="")
    query = models.TextField(blank=True, default="")
    undoes = models.ForeignKey("audit.Act", models.PROTECT, null=True, related_name="+")
    retries = models.ForeignKey("audit.Act", models.PROTECT, null=True, related_name="+")
    request_id = models.TextField(blank=True, default="")
    ip = models.GenericIPAddressField(null=True, blank=True)

    state = models.TextField(choices=State.choices, default=State.PREVIEWING)
    why = models.TextField(blank=True, default="")
    total = models.PositiveBigIntegerField(default=0)
    cursor = models.PositiveBigIntegerField(default=0)
    changed = models.PositiveBigIntegerField(default=0)
    unchanged = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    refusals = models.JSONField(default=dict)
    forecast = models.JSONField(null=True)
    moved = models.JSONField(default=dict)
    pace = models.FloatField(null=True)

    token = models.PositiveBigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    batch = models.PositiveIntegerField(default=CHUNK)
    stalls = models.PositiveSmallIntegerField(default=0)

    created_at = models.DateTimeField(default=now)
    previewed_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "audit_run"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    state__in=[
                        "previewing",
                        "previewed",
                        "waiting",
                        "running",
                        "paused",
                        "done",
                        "cancelled",
                        "halted",
                    ]
                ),
                name="run_state_known",
            ),
            models.CheckConstraint(
                condition=models.Q(cursor__lte=models.F("total")), name="run_cursor_in_total"
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                name="run_due",
                condition=models.Q(state__in=["previewing", "running"]),
            ),
            models.Index(fields=["created_at", "number"], name="run_created"),
            models.Index(fields=["owner", "created_at"], name="run_owner"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.id}"


class RunChunk(models.Model):
    """Up to 2,000 targets of a run in id order, as they were frozen. ``versions``: what they were
    when the preview looked at them, where the operation asks for it. ``left_out``: those of them
    whom the preview would not change."""

    pk = models.CompositePrimaryKey("run_id", "number")
    run = models.ForeignKey(Run, models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    ids = ArrayField(models.BigIntegerField())
    versions = ArrayField(models.BigIntegerField(null=True), null=True)
    left_out = ArrayField(models.BigIntegerField(), default=list, db_default=[])

    class Meta:
        db_table = "audit_runchunk"

    def __str__(self) -> str:
        return f"{len(self.ids)} targets"
