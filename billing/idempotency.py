"""Doing a request once, however often it is sent: by the key its sender chose."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from billing.models import Idempotency


class IdempotencyConflict(Exception):
    """The key was used for another request; the text is the sentence its sender reads."""

    def __init__(self, key: str) -> None:
        super().__init__(
            _("The idempotency key “%(key)s” was used for another request.") % {"key": key}
        )
        self.key = key


def digest(*parts: object) -> bytes:
    """What tells requests apart: SHA-256 over their parts as text."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()


@transaction.atomic
def once(key: str, request_hash: bytes, run: Callable[[], Any], *, now: datetime) -> Any:
    """The result of ``run()`` (JSON-able), which is called the first time only: afterwards the
    same key and body get the first result. A second sender waits for the first to end.

    If ``run`` raises, nothing is kept. Raises IdempotencyConflict for another body.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO billing_idempotency (scope, key, request_hash, created_at)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT (scope, key) DO NOTHING",
            [Idempotency.Scope.REQUEST, key, request_hash, now],
        )
        first = cursor.rowcount == 1
    if first:
        response = run()
        Idempotency.objects.filter(scope=Idempotency.Scope.REQUEST, key=key).update(
            response=response
        )
        return response
    kept = Idempotency.objects.get(scope=Idempotency.Scope.REQUEST, key=key)
    if bytes(kept.request_hash) != request_hash:
        raise IdempotencyConflict(key)
    return kept.response
