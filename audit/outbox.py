"""The outbox: effects that must happen if, and only if, a transaction commits (mail, long work). A
message is a row written in that transaction; workers hand it to its handler afterwards, at least
once, whatever crashes. The state stands in PostgreSQL, so an emptied broker loses nothing."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from audit.models import OutboxMessage

Handler = Callable[..., None]
Surroundings = Callable[[], AbstractContextManager[None]]

_FIRST_DELAY = timedelta(seconds=10)
_LONGEST_DELAY = timedelta(hours=6)
_log = structlog.get_logger(__name__)


_together: dict[Handler, Surroundings] = {}


def together(surroundings: Surroundings) -> Callable[[Handler], Handler]:
    """Marks a handler: the messages that one worker delivers in a row are handled inside of these
    surroundings, which are opened once for all of them."""

    def mark(handler: Handler) -> Handler:
        _together[handler] = surroundings
        return handler

    return mark


@cache
def _handler(kind: str) -> Handler:
    handler: Handler = import_string(settings.OUTBOX_HANDLERS[kind])
    return handler


def send(kind: str, payload: Mapping[str, Any], *, now: datetime) -> None:
    """Put a message into the outbox, in the caller's transaction. ``kind`` is a key of
    settings.OUTBOX_HANDLERS, whose function is called with ``payload`` as keyword arguments and
    ``now``; it may be called twice and must bear that.

    Raises KeyError for an unknown kind, RuntimeError outside a transaction.
    """
    send_many(kind, [payload], now=now)


def send_many(kind: str, payloads: Iterable[Mapping[str, Any]], *, now: datetime) -> None:
    """As ``send``, a message for each payload, in one statement."""
    _handler(kind)
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("The outbox is written in the transaction whose effect it carries.")
    OutboxMessage.objects.bulk_create(
        OutboxMessage(kind=kind, payload=dict(payload), created_at=now, due_at=now)
        for payload in payloads
    )


def deliver(*, now: datetime, limit: int = 100) -> int:
    """Hand up to ``limit`` due messages to their handlers, oldest first; returns how many were
    delivered. Several workers may deliver at once; a message that fails is tried again later, less
    and less often."""
    delivered = 0
    with ExitStack() as around:
        for handler in map(_handler, settings.OUTBOX_HANDLERS):
            if handler in _together:
                around.enter_context(_together[handler]())
        for _attempt in range(limit):
            outcome = _deliver_next(now)
            if outcome is None:
                break
            delivered += outcome
    return delivered


def _deliver_next(now: datetime) -> bool | None:
    """Whether the next due message was delivered; None when none is due."""
    with transaction.atomic():
        message = (
            OutboxMessage.objects.select_for_update(skip_locked=True)
            .filter(delivered_at__isnull=True, due_at__lte=now)
            .order_by("due_at", "id")
            .first()
        )
        if message is None:
            return None
        try:
            with transaction.atomic():
                _handler(message.kind)(**message.payload, now=now)
        except Exception:  # noqa: BLE001 (any failure of a handler is kept with its message and tried again)
            _postpone(message, now, traceback.format_exc())
            return False
        message.delivered_at = now
        message.save(update_fields=["delivered_at"])
        return True


def _postpone(message: OutboxMessage, now: datetime, error: str) -> None:
    delay = min(_FIRST_DELAY * 2 ** min(message.attempts, 20), _LONGEST_DELAY)
    message.attempts += 1
    message.due_at = now + delay
    message.last_error = error[-2_000:]
    message.save(update_fields=["attempts", "due_at", "last_error"])
    _log.warning("outbox_message_failed", kind=message.kind, message=message.pk)
