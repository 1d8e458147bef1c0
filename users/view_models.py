"""How staff arrange the console for themselves and each other, and what is set for all. Part of
``users.models``."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _


class Density(models.TextChoices):
    COMFORTABLE = "comfortable", _("comfortable")
    COMPACT = "compact", _("compact")


class SavedView(models.Model):
    """A question to the user table that is kept: filters and order (``query``, as in the address
    of the table), columns and density. ``shared_with``: the roles that see it beside its owner."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_views")
    name = models.TextField()
    query = models.TextField(blank=True, default="")
    columns = ArrayField(models.TextField(), default=list, blank=True)
    density = models.TextField(choices=Density.choices, default=Density.COMFORTABLE)
    shared_with = ArrayField(models.TextField(), default=list, blank=True)
    position = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=now)
    changed_at = models.DateTimeField(default=now)

    class Meta:
        db_table = "users_savedview"
        constraints = [
            models.UniqueConstraint("owner", Lower("name"), name="savedview_name_unique"),
            models.CheckConstraint(condition=~models.Q(name=""), name="savedview_name_not_empty"),
        ]

    def __str__(self) -> str:
        return self.name


class Preferences(models.Model):
    """How one person likes the user table, and whether keys are shortcuts for them."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="preferences"
    )
    columns = ArrayField(models.TextField(), default=list, blank=True)
    density = models.TextField(choices=Density.choices, default=Density.COMFORTABLE)
    shortcuts = models.BooleanField(default=True)

    class Meta:
        db_table = "users_preferences"

    def __str__(self) -> str:
        return f"preferences of {self.user_id}"


class Setting(models.Model):
    """One setting of the console that differs from its default (``users.console_settings``)."""

    name = models.TextField(primary_key=True)
    value = models.JSONField()
    version = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField(default=now)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        db_table = "users_setting"

    def __str__(self) -> str:
        return self.name
