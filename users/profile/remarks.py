"""What staff put beside a person for each other, for the user page: tags and notes."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from coai_admin.console.statements import statement
from users.models import Note, Tagging

_MOST = 200


def tags(user_id: int) -> list[str]:
    """The tags on the user, in alphabetical order; one statement."""
    return sorted(_tags(user_id), key=str.casefold)


@statement
def _tags(user_id: Any) -> QuerySet[Any, str]:
    return Tagging.objects.filter(user=user_id).values_list("tag__name", flat=True)


def notes(user_id: int) -> list[Note]:
    """What colleagues wrote about the user and did not withdraw, newest first; one statement."""
    return _notes(user_id)


@statement
def _notes(user_id: Any) -> QuerySet[Note]:
    standing = Note.objects.filter(user=user_id, withdrawn_at__isnull=True)
    return standing.select_related("author").order_by("-created_at", "-pk")[:_MOST]
