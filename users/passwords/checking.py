"""Checking and setting passwords: the only module that writes ``User.password`` of an existing
account, apart from the job that wraps imported hashes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.contrib.auth.hashers import identify_hasher, make_password, verify_password

from users import password_links
from users.models import User
from users.passwords.hashers import ImportHasher, WrappedImportHasher, go_trim

# argon2 takes 100 MB and a core: more at once than there are cores would only starve the signed-in.
_AT_ONCE = threading.BoundedSemaphore(os.cpu_count() or 2)
_PATIENCE = 10.0
_IMPORTED = frozenset({ImportHasher.algorithm, WrappedImportHasher.algorithm})


class TooBusy(Exception):
    """As many passwords as this process can check are being checked."""


@contextmanager
def one_hash() -> Iterator[None]:
    """Wait for a place among the hashes computed at once. Raises TooBusy after ten seconds."""
    if not _AT_ONCE.acquire(timeout=_PATIENCE):
        raise TooBusy
    try:
        yield
    finally:
        _AT_ONCE.release()


def is_guarded_by_import_hash_alone(user: User) -> bool:
    """Whether this password is still kept only as the fast hash of an import."""
    return user.password.startswith(f"{ImportHasher.algorithm}$")


def matches(user: User, typed: str) -> bool:
    """Whether this is the user's password. White space at its ends is forgiven, as CoAI forgave
    it. Takes the time of one argon2, of two when there was white space. A hash of an import, or
    of an older strength, is not yet replaced: see ``strengthen``."""
    trimmed = go_trim(typed)
    for attempt in dict.fromkeys((typed, trimmed)):
        with one_hash():
            if verify_password(attempt, user.password)[0]:
                return True
    return False


def spend_time_on(typed: str) -> None:
    """Take as long as ``matches`` would, for a user who does not exist."""
    for attempt in dict.fromkeys((typed, go_trim(typed))):
        with one_hash():
            make_password(attempt)


def strengthen(user: User, typed: str) -> None:
    """Replace a hash that is not as strong as today's, knowing that ``typed`` matched it.
    Nothing else changes: not the date of the password, no session."""
    algorithm, _separator, _rest = user.password.partition("$")
    imported = algorithm in _IMPORTED
    hasher = identify_hasher(user.password)
    if not imported and not hasher.must_update(user.password):
        return
    with one_hash():
        stronger = make_password(go_trim(typed) if imported else typed)
    if User.objects.filter(pk=user.pk, password=user.password).update(password=stronger):
        user.password = stronger


def set_password(user: User, password: str, *, now: datetime) -> None:
    """Give the user a new password, chosen by them. Links by which another could be chosen end;
    sessions are the caller's affair."""
    with one_hash():
        user.password = make_password(password)
    _store(user, now=now)


def void_password(user: User, *, now: datetime) -> None:
    """Take a locked user's password away: none matches until they choose one by a link, so none is
    due either. Links by which one could be chosen end; sessions are the caller's affair."""
    user.set_unusable_password()
    _store(user, now=now)


def _store(user: User, *, now: datetime) -> None:
    user.password_changed_at = now
    user.must_change_password = False
    user.save(update_fields=["password", "password_changed_at", "must_change_password"])
    password_links.revoke([user.pk], now=now)
