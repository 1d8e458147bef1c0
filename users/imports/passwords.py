"""Imported passwords: which of them changed at the source since, and the background job that wraps
each in argon2.

CoAI's hashes are unsalted, so whatever is kept of them could be searched by whoever has it and the
server's key. The password itself is kept as that only until it is wrapped. To notice later that one
changed at the source, people are put into buckets of about twelve, and one mark is kept for a
bucket: it could only be searched by guessing twelve passwords at once. In a bucket whose mark
differs each password is tried against what is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection

from audit import outbox
from users.passwords.hashers import ImportHasher, WrappedImportHasher, is_wrap_of, wrap
from users.roles import Role

WRAP = "users.wrap_imported_passwords"
_PER_BUCKET = 12
_AT_ONCE = 500
_SECONDS = 5.0
_STORED = f"{ImportHasher.algorithm}$"
_WRAPPED = f"{WrappedImportHasher.algorithm}$"


def marks(fingerprints: Sequence[tuple[int, str]], buckets: int) -> list[str]:
    """One mark for each bucket of people; ``fingerprints``: legacy id and hash as the source has
    it."""
    key = hashlib.sha256(b"users.imports.marks:" + settings.SECRET_KEY.encode()).digest()
    sums = [hmac.new(key, digestmod="sha256") for _bucket in range(buckets)]
    for ref, hashed in sorted(fingerprints):
        sums[bucket_of(ref, buckets)].update(f"{ref}:{hashed}\n".encode("utf-8", "surrogatepass"))
    return [each.hexdigest()[:32] for each in sums]


def bucket_of(ref: int, buckets: int) -> int:
    """The bucket of a legacy id; it stays while the number of buckets does."""
    return zlib.crc32(str(ref).encode()) % buckets


def number_of_buckets(people: int) -> int:
    return max(1, people // _PER_BUCKET)


def find_changed(fingerprints: Sequence[tuple[int, str]], before: Sequence[str]) -> None:
    """Mark in the staging area whose stored password is to be replaced. ``before``: the marks of
    the last finished import; empty: every password is tried.

    A password that was set here, or made stronger at a sign-in here, is its owner's and stays.
    """
    now = marks(fingerprints, len(before)) if before else []
    suspects = [
        ref
        for ref, _hashed in fingerprints
        if not before or now[(bucket := bucket_of(ref, len(before)))] != before[bucket]
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE import_person p SET new_password = true FROM users_user u
            WHERE u.id = p.user_id AND (
                (u.password LIKE %s AND p.password IS NOT NULL AND u.password <> p.password)
                OR (u.password LIKE %s AND p.password IS NULL)
                OR (u.password LIKE %s AND p.password IS NOT NULL
                    AND p.base ->> 'password' <> 'hash')
            )
            """,
            [f"{_STORED}%", "import_%", "!%"],
        )
        cursor.execute(
            """
            SELECT p.user_ref, p.password, u.password FROM import_person p
            JOIN users_user u ON u.id = p.user_id
            WHERE p.user_ref = ANY(%s) AND u.password LIKE %s AND p.password IS NOT NULL
            """,
            [suspects, f"{_WRAPPED}%"],
        )
        other = list(_differing(cursor.fetchall()))
        cursor.execute(
            "UPDATE import_person SET new_password = true WHERE user_ref = ANY(%s)", [other]
        )


def _differing(rows: Sequence[tuple[int, str, str]]) -> Iterator[int]:
    """Those whose wrapped password is another one than the source's. What was wrapped under an
    earlier key of this server cannot be told and counts as the same."""
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        same = pool.map(lambda row: is_wrap_of(row[2], row[1]), rows)
        yield from (
            ref for (ref, _new, _old), equal in zip(rows, same, strict=True) if equal is False
        )


def how_many(source: str) -> dict[str, int]:
    """Imported passwords of a deployment that can be used: all that are ``stored``, and those that
    no fast hash guards any more (``wrapped``, or set anew since)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*), count(*) FILTER (WHERE u.password NOT LIKE %s)
            FROM users_legacyrow l JOIN users_user u ON u.id = l.user_id
            WHERE l.source = %s AND l.table_name = 'auth' AND l.facts ->> 'password' = 'hash'
            """,
            [f"{_STORED}%", source],
        )
        stored, wrapped = cursor.fetchone()
    return {"stored": stored, "wrapped": wrapped}


def send_for_wrapping(*, now: datetime) -> None:
    """Ask the background workers to wrap what is stored, in the caller's transaction."""
    outbox.send(WRAP, {}, now=now)


def wrap_next(*, now: datetime) -> None:
    """The outbox handler: wrap passwords for some seconds, staff first, and ask to be called again
    while any are left.

    Nothing is locked while argon2 computes; a password that changed meanwhile stays. Safe to run
    twice or at once.
    """
    waiting = _unwrapped()
    _store(list(_wrapped_in_time(waiting)))
    if waiting:
        send_for_wrapping(now=now)


def _unwrapped() -> list[tuple[int, str]]:
    """Some of the people whose password waits, staff before customers."""
    found: list[tuple[int, str]] = []
    with connection.cursor() as cursor:
        for condition in ("role <> %s", "role = %s"):
            cursor.execute(
                f"""SELECT id, password FROM users_user
                    WHERE {condition} AND password LIKE %s LIMIT %s""",  # noqa: S608
                [Role.NONE.value, f"{_STORED}%", _AT_ONCE - len(found)],
            )
            found += cursor.fetchall()
    return found


def _wrapped_in_time(rows: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str, str]]:
    """Those that could be wrapped within the time of one call. One core is left for the people who
    wait."""
    workers = max(1, (os.cpu_count() or 2) - 1)
    deadline = time.monotonic() + _SECONDS
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(rows), workers):
            batch = rows[start : start + workers]
            for (pk, old), new in zip(
                batch, pool.map(lambda row: wrap(row[1]), batch), strict=True
            ):
                yield pk, old, new
            if time.monotonic() > deadline:
                return


def _store(rows: Sequence[tuple[int, str, str]]) -> None:
    columns: list[list[Any]] = [[row[place] for row in rows] for place in range(3)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE users_user u SET password = w.new
            FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS w(id, old, new)
            WHERE u.id = w.id AND u.password = w.old
            """,
            columns,
        )
