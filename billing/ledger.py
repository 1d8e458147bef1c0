"""Posting transfers: the one way credits move.

The rule itself stands in the database: inserting a transfer moves its account and takes version and
balance from it, or inserts nothing where the account refuses (see migration 0001). This module is
the only one that inserts transfers, and locks accounts in ascending order of their ids.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _
from psycopg.errors import UniqueViolation

from billing.idempotency import IdempotencyConflict, digest
from billing.models import Account, Idempotency
from coai_admin.console.templatetags.console import credits

T = TypeVar("T")
PLACES = 6

# Codes of transfers that this app posts by itself; all of them are rows of TransferCode.
OPENING_BALANCE, OPENING_DEBT = 150, 151
USAGE = 200
ADJUST_UP, ADJUST_DOWN = 400, 401
SET_UP, SET_DOWN = 410, 411


class Posting(NamedTuple):
    """A transfer to be: ``delta`` as the account sees it, never 0. ``reverses``: id and
    ``created_at`` of the transfer that this one takes back, whole or in part. ``key``: posted once,
    however often it is sent."""

    account_id: int
    code: int
    delta: Decimal
    reason: str = ""
    reverses: tuple[int, datetime] | None = None
    ref: tuple[int, int] | None = None
    key: str | None = None

    @property
    def request_hash(self) -> bytes:
        delta = self.delta.normalize()
        return digest(self.account_id, self.code, delta, self.reverses, self.ref)


class Posted(NamedTuple):
    """A transfer as it was booked."""

    id: int
    created_at: datetime
    version: int
    balance_after: Decimal


class InsufficientCredits(Exception):
    """The account does not hold what was to be taken; the text is the sentence people read."""


class AccountUnavailable(Exception):
    """The user has no account, or one that is frozen or closed; the text says which."""


# An id is drawn per posting first, so that results find their postings again.
_POST = """
WITH input AS MATERIALIZED (
    SELECT pg_current_xact_id() AS xid, nextval('billing_transfer_id_seq') AS id, given.*
      FROM unnest(%(account)s::bigint[], %(code)s::smallint[], %(delta)s::numeric[],
                  %(reason)s::text[], %(reverses_id)s::bigint[], %(reverses_at)s::timestamptz[],
                  %(ref_type)s::smallint[], %(ref_id)s::bigint[])
           WITH ORDINALITY AS given (account_id, code, delta, reason, reverses_id, reverses_at,
                                     ref_type, ref_id, place)
), posted AS (
    INSERT INTO billing_transfer (xid, id, created_at, effective_at, account_id, code, delta,
                                  reason, reverses_id, reverses_at, ref_type, ref_id, group_id,
                                  actor_id)
    SELECT xid, id, %(now)s, %(now)s, account_id, code, delta, reason, reverses_id, reverses_at,
           ref_type, ref_id, %(group)s, %(actor)s
      FROM input ORDER BY account_id, place
    RETURNING id, account_version, balance_after
)
SELECT place, id, account_version, balance_after FROM input JOIN posted USING (id)
"""
_SEEN = """
SELECT kept.key, kept.request_hash, t.id, t.created_at, t.account_version, t.balance_after
  FROM billing_idempotency kept
  JOIN billing_transfer t ON t.id = kept.transfer_id AND t.created_at = kept.created_at
 WHERE kept.scope = %s AND kept.key = ANY(%s)
"""
_KEEP = """
INSERT INTO billing_idempotency (scope, key, request_hash, transfer_id, created_at)
SELECT %s, key, request_hash, transfer_id, %s
  FROM unnest(%s::text[], %s::bytea[], %s::bigint[]) AS kept (key, request_hash, transfer_id)
"""
# One round trip: booked and kept, or no row comes back and nothing is written.
DEBIT = """
WITH posted AS (
    INSERT INTO billing_transfer (created_at, effective_at, account_id, code, delta, reason,
                                  actor_id)
    SELECT %(now)s, %(now)s, id, %(code)s, %(delta)s, %(reason)s, %(actor)s FROM billing_account
     WHERE user_id = %(user)s
    RETURNING id, created_at, account_version, balance_after
), kept AS (
    INSERT INTO billing_idempotency (scope, key, request_hash, transfer_id, created_at)
    SELECT 2, %(key)s, %(request_hash)s, id, created_at FROM posted
)
SELECT * FROM posted
"""


def post(
    postings: Sequence[Posting],
    *,
    now: datetime,
    actor_id: int | None,
    group_id: uuid.UUID | None = None,
) -> list[Posted | None]:
    """Book these transfers, in a number of statements that does not depend on how many they are;
    gives back each as booked, None where the account refused (a debit below its floor, a frozen or
    closed account). Several on one account are booked in their order.

    A posting with a key that was booked before gets that first transfer. Raises
    IdempotencyConflict if it differs from the first, IntegrityError for nonsense: an unknown
    account or code, a reversal of more than is left to reverse.
    """
    if not postings:
        return []
    for posting in postings:
        exact(posting.delta)
    with transaction.atomic():
        if not any(posting.key for posting in postings):
            return _insert(postings, now=now, actor_id=actor_id, group_id=group_id)
        return _retry_taken_key(
            lambda: _post_once(postings, now=now, actor_id=actor_id, group_id=group_id)
        )


def debit(
    user_id: int,
    amount: Decimal,
    key: str,
    *,
    now: datetime,
    code: int = USAGE,
    reason: str = "",
    actor_id: int | None = None,
) -> Posted:
    """Take ``amount`` credits, once per ``key``, in one statement: what the gateway calls. The same
    key and body again gives the first transfer.

    Raises InsufficientCredits, AccountUnavailable and IdempotencyConflict; nothing is written then.
    """
    if amount <= 0:
        raise ValueError("A debit takes a positive amount.")
    request_hash = digest(user_id, code, exact(amount).normalize())
    parameters: dict[str, Any] = {
        "user": user_id,
        "code": code,
        "delta": -amount,
        "key": key,
        "request_hash": request_hash,
        "now": now,
        "reason": reason,
        "actor": actor_id,
    }
    row = None
    try:
        with _savepoint_if_needed(), connection.cursor() as cursor:
            cursor.execute(DEBIT, parameters)
            row = cursor.fetchone()
    except IntegrityError as error:
        if not _is_taken_key(error):
            raise
    if row is not None:
        return Posted(*row)
    first = _kept(Idempotency.Scope.DEBIT, {key: request_hash})
    if first:
        return first[key]
    raise _why_refused(user_id, amount)


def lock_accounts(user_ids: Sequence[int]) -> dict[int, int]:
    """Hold these users' accounts until the transaction ends; their ids by user id. A statement of
    its own: one that also read other tables would see those as they were before it waited."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT user_id, id FROM billing_account WHERE user_id = ANY(%s)"
            " ORDER BY id FOR NO KEY UPDATE",
            [list(user_ids)],
        )
        return dict(cursor.fetchall())


def exact(amount: Decimal) -> Decimal:
    """The amount itself. Raises ValueError where the ledger would have to round it."""
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or (exponent < -PLACES and amount != round(amount, PLACES)):
        raise ValueError(f"{amount} is not an amount of credits with {PLACES} places.")
    return amount


def _insert(
    postings: Sequence[Posting],
    *,
    now: datetime,
    actor_id: int | None,
    group_id: uuid.UUID | None,
) -> list[Posted | None]:
    reverses = [posting.reverses or (None, None) for posting in postings]
    refs = [posting.ref or (None, None) for posting in postings]
    booked: list[Posted | None] = [None] * len(postings)
    with connection.cursor() as cursor:
        cursor.execute(
            _POST,
            {
                "account": [posting.account_id for posting in postings],
                "code": [posting.code for posting in postings],
                "delta": [posting.delta for posting in postings],
                "reason": [posting.reason for posting in postings],
                "reverses_id": _column([pair[0] for pair in reverses]),
                "reverses_at": _column([pair[1] for pair in reverses]),
                "ref_type": _column([pair[0] for pair in refs]),
                "ref_id": _column([pair[1] for pair in refs]),
                "now": now,
                "group": group_id,
                "actor": actor_id,
            },
        )
        for place, pk, version, balance in cursor.fetchall():
            booked[place - 1] = Posted(pk, now, version, balance)
    return booked


def _column(values: list[T | None]) -> list[T | None] | None:
    """None for a column of NULLs: unnest() fills it up, and nobody writes it element by element."""
    return None if all(value is None for value in values) else values


def _post_once(
    postings: Sequence[Posting],
    *,
    now: datetime,
    actor_id: int | None,
    group_id: uuid.UUID | None,
) -> list[Posted | None]:
    """Postings with keys: those that were booked before are read, the others booked and kept."""
    hashes = {posting.key: posting.request_hash for posting in postings if posting.key}
    if len(hashes) < sum(posting.key is not None for posting in postings):
        raise ValueError("Two postings have the same key.")
    seen = _kept(Idempotency.Scope.POSTING, hashes)
    new = [posting for posting in postings if posting.key not in seen]
    fresh = iter(_insert(new, now=now, actor_id=actor_id, group_id=group_id) if new else ())
    booked = [seen[posting.key] if posting.key in seen else next(fresh) for posting in postings]
    _keep(
        [
            (posting, transfer)
            for posting, transfer in zip(postings, booked, strict=True)
            if posting.key and posting.key not in seen and transfer
        ],
        now,
    )
    return booked


def _keep(pairs: Sequence[tuple[Posting, Posted]], now: datetime) -> None:
    if not pairs:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _KEEP,
            [
                Idempotency.Scope.POSTING,
                now,
                [posting.key for posting, _transfer in pairs],
                [posting.request_hash for posting, _transfer in pairs],
                [transfer.id for _posting, transfer in pairs],
            ],
        )


def _kept(scope: int, hashes: dict[str, bytes]) -> dict[str | None, Posted]:
    """The transfers that were booked under these keys. Raises IdempotencyConflict for another
    body."""
    with connection.cursor() as cursor:
        cursor.execute(_SEEN, [scope, list(hashes)])
        rows = cursor.fetchall()
    for key, request_hash, *_transfer in rows:
        if bytes(request_hash) != hashes[key]:
            raise IdempotencyConflict(key)
    return {key: Posted(*transfer) for key, _request_hash, *transfer in rows}


def _retry_taken_key(attempt: Callable[[], T]) -> T:
    """Who comes second with a key waits for the first and then fails on it: the first result is
    there to be read now."""
    try:
        with _savepoint_if_needed():
            return attempt()
    except IntegrityError as error:
        if not _is_taken_key(error):
            raise
        return attempt()


def _savepoint_if_needed() -> AbstractContextManager[None]:
    """An error leaves the caller's transaction usable; a statement alone needs no savepoint."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def _is_taken_key(error: IntegrityError) -> bool:
    cause = error.__cause__
    return (
        isinstance(cause, UniqueViolation)
        and cause.diag.constraint_name == "billing_idempotency_pkey"
    )


def _why_refused(user_id: int, amount: Decimal) -> InsufficientCredits | AccountUnavailable:
    account = Account.objects.filter(user=user_id).first()
    if account is None:
        return AccountUnavailable(_("This user has no credit account."))
    if account.status != Account.Status.ACTIVE:
        return AccountUnavailable(
            _("The credit account is %(status)s.") % {"status": account.get_status_display()}
        )
    return InsufficientCredits(too_little(account.balance, account.held, amount))


def too_little(balance: Decimal, held: Decimal, amount: Decimal) -> str:
    """Why ``amount`` cannot be taken, as an admin reads it."""
    wanted = credits(amount).removesuffix(".00")
    if held:
        return _(
            "The balance is %(balance)s, of which %(held)s is held; %(amount)s cannot be taken "
            "from it."
        ) % {"balance": credits(balance), "held": credits(held), "amount": wanted}
    return _("The balance is %(balance)s; %(amount)s cannot be taken from it.") % {
        "balance": credits(balance),
        "amount": wanted,
    }
