"""Sessions in PostgreSQL (``users.models.Session``), where ending a thousand of them is one
DELETE.

The cookie holds the key; the table holds its SHA-256, so that neither a copy of the database nor a
list of sessions on a page lets anybody in. A session ends when it was not used for
a while or is too old (``users.console_settings.session_limits``); ``expire_date`` is the
earlier of both.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.timezone import now as time_now

from coai_admin.console.statements import statement
from users.console_settings import session_limits
from users.models import Session

_LONGEST_AGENT = 400


def digest(session_key: str) -> str:
    """Under what a session stands in the table: 160 bits of the key's SHA-256."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:40]


def ends(*, created_at: datetime, seen_at: datetime) -> datetime:
    """When a session ends that is used no more."""
    limits = session_limits()
    return min(seen_at + limits.idle, created_at + limits.absolute)


@statement
def _session(key: Any) -> QuerySet[Session]:
    return Session.objects.filter(pk=key)


class SessionStore(SessionBase):
    """Django's session engine over our table. ``ip`` and ``agent`` are those of the request that
    may create one.

    ``row`` is the row that was loaded; ``ended_user_id`` whose session it was, when what the
    cookie named was over.
    """

    def __init__(
        self, session_key: str | None = None, *, ip: str | None = None, agent: str = ""
    ) -> None:
        super().__init__(session_key)
        self.ip, self.agent = ip, agent[:_LONGEST_AGENT].replace("\x00", "")
        self.row: Session | None = None
        self.ended_user_id: int | None = None

    def load(self) -> dict[str, Any]:
        assert self.session_key is not None
        row = next(iter(_session(digest(self.session_key))), None)
        if row is not None and row.expire_date <= time_now():
            self.ended_user_id = row.user_id
            row.delete()
            row = None
        if row is None:
            self._session_key = None  # never adopt a key that we did not make: fixation
            return {}
        self.row = row
        data: dict[str, Any] = self.decode(row.session_data)
        return data

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(pk=digest(session_key)).exists()

    def create(self) -> None:
        while True:
            self._session_key = self._get_new_session_key()  # type: ignore[attr-defined]
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 (Django's signature)
        if self.session_key is None:
            self.create()
            return
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        user_id = data.get(SESSION_KEY)
        key, encoded = digest(self.session_key), self.encode(data)
        if not must_create:
            rows = Session.objects.filter(pk=key)
            if not rows.update(session_data=encoded, user_id=user_id):
                raise UpdateError
            return
        now = time_now()
        self.row = Session(
            session_key=key,
            session_data=encoded,
            user_id=user_id,
            expire_date=ends(created_at=now, seen_at=now),
            ip=self.ip,
            agent=self.agent,
            created_at=now,
            seen_at=now,
        )
        try:
            with transaction.atomic():
                self.row.save(force_insert=True)
        except IntegrityError as error:
            raise CreateError from error

    def rotate(self) -> None:
        """Give the session a new key. It ends when it would have ended."""
        began = self.row.created_at if self.row else None
        self.cycle_key()
        if began is not None and self.row is not None:
            self.row.created_at = began
            self.row.expire_date = ends(created_at=began, seen_at=self.row.seen_at)
            self.row.save(update_fields=["created_at", "expire_date"])

    def delete(self, session_key: str | None = None) -> None:
        session_key = session_key or self.session_key
        if session_key is None:
            return
        Session.objects.filter(pk=digest(session_key)).delete()
        if session_key == self.session_key:
            self.row = None

    @classmethod
    def clear_expired(cls) -> None:
        Session.objects.filter(expire_date__lte=time_now()).delete()
