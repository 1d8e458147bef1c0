"""Columns of the user table that are shown only where somebody asked for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.postgres.aggregates import StringAgg
from django.db.models import Case, Count, Exists, F, OuterRef, Subquery, TextField, Value, When
from django.db.models.functions import NullIf
from django.utils.translation import gettext_lazy as _

from coai_admin.console.columns import Column, Kind, Sight, Viewer
from users.models import Session, Tagging


def logins(viewer: Viewer) -> Sight:
    """Facts about sign-ins and passwords are for whoever may look into them."""
    return Sight.FULL if viewer.may("users.inspect_logins") else Sight.NONE


def second_factors() -> Any:
    """What proves a second factor; recovery codes alone are none."""
    return Authenticator.objects.exclude(type=Authenticator.Type.RECOVERY_CODES)


def _tags(ids: Sequence[int]) -> Mapping[int, list[str]]:
    found: defaultdict[int, list[str]] = defaultdict(list)
    tags = Tagging.objects.filter(user__in=ids).order_by("tag__name")
    for user_id, name in tags.values_list("user_id", "tag__name"):
        found[user_id].append(name)
    return found


def _all_tags(now: datetime) -> Subquery:
    tags = Tagging.objects.filter(user=OuterRef("pk")).order_by().values("user")
    return Subquery(tags.values(_all=StringAgg("tag__name", ", ", order_by="tag__name")))


def _having_second_factor(ids: Sequence[int]) -> Mapping[int, bool]:
    people = second_factors().filter(user__in=ids).values_list("user_id", flat=True)
    return dict.fromkeys(people, True)


def _has_second_factor(now: datetime) -> Case:
    some = Exists(second_factors().filter(user=OuterRef("pk")))
    return Case(When(some, then=Value("on")), output_field=TextField())


def _session_counts(ids: Sequence[int]) -> Mapping[int, int]:
    sessions = Session.objects.filter(user__in=ids).order_by().values("user")
    return dict(sessions.values_list("user", Count("pk")))


def _sessions(now: datetime) -> Subquery:
    sessions = Session.objects.filter(user=OuterRef("pk")).order_by().values("user")
    return Subquery(sessions.values(_number=Count("pk")))


FURTHER = (
    Column(name="tags", label=_("Tags"), read=_all_tags, fetch=_tags, default=False),
    Column(
        name="second_factor",
        label=_("Second factor"),
        kind=Kind.STATE,
        sight=logins,
        read=_has_second_factor,
        fetch=_having_second_factor,
        default=False,
    ),
    Column(
        name="sessions",
        label=_("Sessions"),
        kind=Kind.NUMBER,
        sight=logins,
        read=_sessions,
        fetch=_session_counts,
        default=False,
    ),
    Column(
        name="password_changed",
        label=_("Password changed"),
        kind=Kind.DATE,
        sight=logins,
        read=lambda now: F("password_changed_at"),
        default=False,
    ),
    Column(
        name="locale",
        label=_("Language"),
        read=lambda now: NullIf(F("locale"), Value(""), output_field=TextField()),
        default=False,
    ),
    Column(
        name="legacy_id",
        label=_("CoAI ID"),
        kind=Kind.NUMBER,
        read=lambda now: F("legacy_id"),
        default=False,
    ),
)
