"""Files that exports are written to. Part of ``audit.models``."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _


class ExportFile(models.Model):
    """An export that is written in the background: what it shall hold, how far it is, and the file
    (``audit.export_files`` says where). Only its maker may have it. Written only by
    audit.export_files.

    ``kind`` is a key of settings.EXPORT_WRITERS. ``query`` and ``columns`` are the list's own words
    (no columns: all); ``ids`` a selection as it was, in place of the query. ``limit``: rows booked
    under the maker's daily limit. ``lease_until`` and ``token`` say which worker writes it.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("being written")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        EXPIRED = "expired", _("expired")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    maker = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.TextField()
    title = models.TextField(blank=True, default="")
    query = models.TextField(blank=True, default="")
    ids = ArrayField(models.BigIntegerField(), null=True, blank=True)
    columns = ArrayField(models.TextField(), default=list, blank=True)
    masked = models.BooleanField(default=True)
    reason = models.TextField(blank=True, default="")
    file_type = models.TextField()
    limit = models.PositiveIntegerField(null=True, blank=True)
    schedule_id = models.BigIntegerField(null=True, blank=True)

    state = models.TextField(choices=State.choices, default=State.WAITING)
    rows_done = models.PositiveIntegerField(default=0)
    rows_total = models.PositiveIntegerField(null=True, blank=True)
    bytes = models.PositiveBigIntegerField(default=0)
    sha256 = models.TextField(blank=True, default="")
    error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)
    downloaded_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    token = models.UUIDField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        db_table = "audit_exportfile"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    state__in=["waiting", "running", "ready", "failed", "cancelled", "expired"]
                ),
                name="exportfile_state_known",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="ready") | models.Q(expires_at__isnull=False),
                name="exportfile_ready_expires",
            ),
        ]
        indexes = [
            models.Index(fields=["maker", "created_at"], name="exportfile_maker"),
            models.Index(
                fields=["created_at"],
                name="exportfile_to_write",
                condition=models.Q(state__in=["waiting", "running"]),
            ),
            models.Index(
                fields=["expires_at"],
                name="exportfile_ready",
                condition=models.Q(state="ready"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def is_open(self) -> bool:
        """Whether it waits or is being written."""
        return self.state in {self.State.WAITING, self.State.RUNNING}
