"""Approvals: large or dangerous acts that a second person must approve."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class Approval(models.Model):
    """That a run waits, or waited, for a second person. Written only by audit.runs.approving.

    ``digest``: SHA-256 over all that the run would do, as it was asked for; ``codes``: the
    permissions under which it is done, all of which an approver holds; ``reasons``: why one
    person is not enough, as sentences. ``decided_by`` is None for the system and for the server's
    operator.
    """

    class Decision(models.TextChoices):
        OPEN = "", _("waiting")
        APPROVED = "approved", _("approved")
        REFUSED = "refused", _("refused")
        WITHDRAWN = "withdrawn", _("withdrawn")
        EXPIRED = "expired", _("expired")
        VOID = "void", _("void")

    run = models.OneToOneField("audit.Run", models.CASCADE, related_name="approval")
    digest = models.TextField()
    codes = ArrayField(models.TextField())
    reasons = ArrayField(models.TextField())
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decision = models.TextField(choices=Decision.choices, blank=True, default=Decision.OPEN)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    decided_by_name = models.TextField(blank=True, default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True, default="")

    class Meta:
        db_table = "audit_approval"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    decision__in=["", "approved", "refused", "withdrawn", "expired", "void"]
                ),
                name="approval_decision_known",
            ),
            models.CheckConstraint(
                condition=models.Q(decision="", decided_at__isnull=True)
                | (~models.Q(decision="") & models.Q(decided_at__isnull=False)),
                name="approval_decided_with_moment",
            ),
        ]
        indexes = [
            models.Index(
                fields=["asked_at"], name="approval_open", condition=models.Q(decision="")
            ),
            models.Index(fields=["decided_at", "id"], name="approval_decided"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.decision or 'waiting'}"
