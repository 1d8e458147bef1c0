"""What staff put beside a person for each other, for the user page: tags and notes."""

from __future__ import annotations

from users.models import Note, Tagging

_MOST = 200


def tags(user_id: int) -> list[str]:
    """The tags on the user, in alphabetical order; one statement."""
    names = Tagging.objects.filter(user=user_id).values_list("tag__name", flat=True)
    return sorted(names, key=str.casefold)


def notes(user_id: int) -> list[Note]:
    """What colleagues wrote about the user and did not withdraw, newest first; one statement."""
    standing = Note.objects.filter(user=user_id, withdrawn_at__isnull=True)
    return list(standing.select_related("author").order_by("-created_at", "-pk")[:_MOST])
