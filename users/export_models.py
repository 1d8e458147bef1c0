"""Exports that are made again and again. Part of ``users.models``."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from users.view_models import SavedView


class ExportSchedule(models.Model):
    """An export of users that is made every day or week at an hour of the console's time zone, as
    its owner, with the rights that they have then. Written only by users.exporting.schedules.

    What it holds: a saved view as it is then (``follows_view``; ``view`` is empty when it was
    deleted), or ``query``, in the words of the list. ``columns``: by name; none: all. ``stopped``:
    why it does not go on by itself; empty while it does.
    """

    class Every(models.TextChoices):
        DAY = "day", _("every day")
        WEEK = "week", _("every week")

    class Weekday(models.IntegerChoices):
        MONDAY = 0, _("Monday")
        TUESDAY = 1, _("Tuesday")
        WEDNESDAY = 2, _("Wednesday")
        THURSDAY = 3, _("Thursday")
        FRIDAY = 4, _("Friday")
        SATURDAY = 5, _("Saturday")
        SUNDAY = 6, _("Sunday")

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.TextField()
    follows_view = models.BooleanField(default=False)
    view = models.ForeignKey(
        SavedView, models.SET_NULL, null=True, blank=True, related_name="schedules"
    )
    query = models.TextField(blank=True, default="")
    columns = ArrayField(models.TextField(), default=list, blank=True)
    masked = models.BooleanField(default=True)
    reason = models.TextField(blank=True, default="")
    file_type = models.TextField()
    every = models.TextField(choices=Every.choices)
    weekday = models.PositiveSmallIntegerField(choices=Weekday.choices, null=True, blank=True)
    hour = models.PositiveSmallIntegerField()
    next_at = models.DateTimeField()
    last_at = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    stopped = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=now)

    class Meta:
        db_table = "users_exportschedule"
        constraints = [
            models.UniqueConstraint("owner", Lower("name"), name="exportschedule_name_unique"),
            models.CheckConstraint(condition=~models.Q(name=""), name="exportschedule_named"),
            models.CheckConstraint(
                condition=models.Q(hour__lt=24), name="exportschedule_hour_of_a_day"
            ),
            models.CheckConstraint(
                condition=models.Q(every="day", weekday__isnull=True)
                | models.Q(every="week", weekday__lt=7),
                name="exportschedule_weekday_of_a_week",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at"],
                name="exportschedule_due",
                condition=models.Q(paused_at__isnull=True, stopped=""),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def goes_on(self) -> bool:
        """Whether it is made by itself."""
        return self.paused_at is None and not self.stopped
