"""What was done: acts with their receipts and entries, frozen selections, and effects waiting to
leave."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from audit.approval_models import Approval as Approval
from audit.file_models import ExportFile as ExportFile
from audit.run_models import Run as Run
from audit.run_models import RunChunk as RunChunk


class Act(models.Model):
    """One operation performed by one actor on a set of targets. Its id is the operation id that
    people and the API see. Written only by audit.record."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    code = models.TextField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor_name = models.TextField()
    params = models.JSONField(default=dict)
    reason = models.TextField(blank=True, default="")
    ticket = models.TextField(blank=True, default="")
    undoes = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="undone_by"
    )
    request_id = models.TextField(blank=True, default="")
    ip = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField(default=now)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "audit_act"
        indexes = [
            models.Index(fields=["created_at", "id"], name="act_created"),
            models.Index(fields=["actor", "created_at"], name="act_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.id}"


class Receipt(models.Model):
    """What an act did to one target. ``undo`` holds what its inverse needs (ids of what was
    written)."""

    class Outcome(models.IntegerChoices):
        CHANGED = 1, _("changed")
        UNCHANGED = 2, _("unchanged")
        REFUSED = 3, _("refused")
        FAILED = 4, _("failed")

    pk = models.CompositePrimaryKey("act_id", "target_id")
    act = models.ForeignKey(Act, models.CASCADE, related_name="receipts")
    target_id = models.BigIntegerField()
    outcome = models.SmallIntegerField(choices=Outcome.choices)
    refusal = models.TextField(blank=True, default="")
    undo = models.JSONField(null=True, blank=True)

    class Meta:
        db_table = "audit_receipt"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(outcome__in=[1, 2, 3, 4]), name="receipt_outcome_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} {self.target_id}"


class AuditEntry(models.Model):
    """One change to one target, or one read that must be accounted for. Append-only (a trigger
    refuses UPDATE and DELETE), partitioned by month of ``created_at``; the table is made by
    RunSQL."""

    id = models.BigIntegerField(primary_key=True)
    created_at = models.DateTimeField()
    act_id = models.UUIDField(null=True)
    action = models.TextField()
    actor_id = models.BigIntegerField(null=True)
    acting_for_id = models.BigIntegerField(null=True)
    target_type = models.TextField()
    target_id = models.BigIntegerField(null=True)
    changes = models.JSONField()
    reason = models.TextField()
    ticket = models.TextField()
    request_id = models.TextField()

    class Meta:
        db_table = "audit_entry"
        managed = False

    def __str__(self) -> str:
        return f"{self.action} on {self.target_type} {self.target_id}"


class AuditPersonal(models.Model):
    """The personal data of an entry (names as text, IP address, changes of personal fields),
    apart, so that erasing a person leaves the entries verifiable. Same partitions as the
    entries."""

    entry = models.OneToOneField(
        AuditEntry,
        models.DO_NOTHING,
        primary_key=True,
        db_constraint=False,
        related_name="personal",
    )
    created_at = models.DateTimeField()
    actor_name = models.TextField()
    target_name = models.TextField()
    ip = models.GenericIPAddressField(null=True)
    changes = models.JSONField(null=True)

    class Meta:
        db_table = "audit_personal"
        managed = False

    def __str__(self) -> str:
        return self.target_name


class Selection(models.Model):
    """Targets somebody picked, kept on the server by id: what is shown is what is acted on.
    ``version`` grows with each change, so that an act confirms exactly the set that was previewed.
    Lives 24 hours."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    target_type = models.TextField(default="user")
    ids = ArrayField(models.BigIntegerField(), default=list)
    query = models.TextField(blank=True, default="")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "audit_selection"
        indexes = [models.Index(fields=["expires_at"], name="selection_expiry")]

    def __str__(self) -> str:
        return f"{len(self.ids)} {self.target_type}"


class OutboxMessage(models.Model):
    """An effect outside the database (a task, a mail), written in the transaction it belongs to
    and delivered afterwards, at least once."""

    kind = models.TextField()
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=now)
    due_at = models.DateTimeField(default=now)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True, default="")
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "audit_outbox"
        indexes = [
            models.Index(
                fields=["due_at", "id"],
                name="outbox_waiting",
                condition=models.Q(delivered_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.kind
