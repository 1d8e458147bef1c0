"""Ending sessions."""

from __future__ import annotations

from collections.abc import Collection

from users.models import Session


def end_sessions(user_ids: Collection[int], *, keep: str | None = None) -> int:
    """End every session of these people, in one statement; each is out at the next request.
    ``keep``: the primary key of one that stays. Returns how many were ended."""
    sessions = Session.objects.filter(user__in=user_ids)
    if keep is not None:
        sessions = sessions.exclude(pk=keep)
    return sessions.delete()[0]
