"""How credits are added, taken and set by hand: the procedures behind ``billing.adjust_credits``
and ``billing.set_credits``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from audit.procedures import ActContext, Change, Procedure, Refusal, Verdict
from audit.targets import among, array
from billing import ledger
from billing.ledger import Posting
from billing.models import Account
from coai_admin.console.statements import statement
from coai_admin.console.templatetags.console import credits


@dataclass(frozen=True, slots=True)
class Holding:
    """What a user's account holds before it is adjusted. ``closed``: the user has left."""

    target_id: int
    account_id: int
    status: int
    balance: Decimal
    held: Decimal
    version: int
    closed: bool


def _load(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Holding]:
    rows: Iterable[Any] = (
        _facts(array(ids))
        if not lock
        else _accounts(ids).select_for_update(no_key=True, of=("self",))
    )
    return [
        Holding(user, pk, status, balance, held, version, closed_at is not None)
        for user, pk, status, balance, held, version, closed_at in rows
    ]


def _accounts(ids: Any) -> QuerySet[Any, tuple[Any, ...]]:
    accounts = Account.objects.filter(among("user_id", ids)).order_by("pk")
    return accounts.values_list(
        "user_id", "pk", "status", "balance", "held", "version", "user__closed_at"
    )


_facts = statement(_accounts)


def _decide(row: Holding, params: Mapping[str, Any], now: datetime) -> Verdict:
    return _judge(row, Decimal(params["delta"]))


def _decide_set(row: Holding, params: Mapping[str, Any], now: datetime) -> Verdict:
    return _judge(row, Decimal(params["balance"]) - row.balance)


def _judge(row: Holding, delta: Decimal) -> Verdict:
    """Whether an account can be moved by so much."""
    if delta == 0:
        return None
    if refusal := why_never(row) or _of_one_who_left(row, delta):
        return refusal
    if delta < 0 and row.balance - row.held + delta < 0:
        return Refusal(
            ledger.too_little(row.balance, row.held, -delta), _("The balance is too small.")
        )
    return Change(
        before={"credits": row.balance}, after={"credits": row.balance + delta}, data=delta
    )


def why_never(row: Holding | Reversible, now: datetime | None = None) -> Refusal | None:
    """Why an account cannot be moved by any amount."""
    if row.status == Account.Status.CLOSED:
        return Refusal(_("The credit account is closed."))
    if row.closed and row.balance >= 0 and row.balance <= row.held:
        return Refusal(_("The account is closed, and no credits are left."))
    return None


def _of_one_who_left(row: Holding | Reversible, delta: Decimal) -> Refusal | None:
    """Whoever left gets nothing. What is left is taken back, a debt is written off."""
    if row.closed and delta > 0 and row.balance + delta > 0:
        return Refusal(_("The account is closed: credits can be taken from it, not added."))
    return None


def _write(changes: Sequence[tuple[Holding, Change]], act: ActContext) -> dict[int, Any]:
    return _post(
        [
            (
                row.target_id,
                Posting(row.account_id, _code(act, change.data), change.data, act.reason),
            )
            for row, change in changes
        ],
        act,
    )


def _code(act: ActContext, delta: Decimal) -> int:
    """Under which code the act moves credits up, or down."""
    up, down = _CODES[act.code]
    return up if delta > 0 else down


def _version(row: Holding) -> int:
    return row.version


def _post(postings: Sequence[tuple[int, Posting]], act: ActContext) -> dict[int, Any]:
    """Book them under the act; per target the key of its transfer, which undo will need."""
    booked = ledger.post(
        [posting for _target, posting in postings],
        now=act.now,
        actor_id=act.actor.pk,
        group_id=act.id,
    )
    undo = {}
    for (target, _posting), transfer in zip(postings, booked, strict=True):
        # Decided under lock: the ledger cannot see less than was decided on.
        assert transfer is not None
        undo[target] = {"transfer": transfer.id, "at": transfer.created_at.isoformat()}
    return undo


# The inverse: reversing transfers, over the receipts of the act


@dataclass(frozen=True, slots=True)
class Reversible:
    """A transfer that an act booked, and what its account holds now."""

    target_id: int
    account_id: int
    status: int
    balance: Decimal
    held: Decimal
    transfer: tuple[int, datetime]
    delta: Decimal
    reversed: Decimal
    closed: bool


_REVERSIBLE = """
SELECT a.user_id, a.id, a.status, a.balance, a.held, t.id, t.created_at, t.delta,
       coalesce(cap.reversed, 0), u.closed_at IS NOT NULL
  FROM billing_transfer t
  JOIN billing_account a ON a.id = t.account_id
  JOIN users_user u ON u.id = a.user_id
  LEFT JOIN billing_reversal_cap cap ON cap.transfer_id = t.id
 WHERE t.id = ANY(%s) AND t.created_at BETWEEN %s AND %s
 ORDER BY a.id
"""


def _load_undo(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Reversible]:
    receipts = [params["receipts"][target] for target in ids]
    if not receipts:
        return []
    if lock:
        ledger.lock_accounts(ids)
    moments = [_moment(receipt) for receipt in receipts]
    with connection.cursor() as cursor:
        cursor.execute(
            _REVERSIBLE,
            [[receipt["transfer"] for receipt in receipts], min(moments), max(moments)],
        )
        return [
            Reversible(user, account, status, balance, held, (pk, at), *rest)
            for user, account, status, balance, held, pk, at, *rest in cursor.fetchall()
        ]


def _moment(receipt: Mapping[str, Any]) -> datetime:
    moment = parse_datetime(receipt["at"])
    assert moment is not None
    return moment


def _decide_undo(row: Reversible, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.reversed:
        return Refusal(_("It was reversed already."))
    if refusal := why_never(row) or _of_one_who_left(row, -row.delta):
        return refusal
    if row.delta > 0 and row.balance < 0:
        return Refusal(_("The balance is below zero; nothing can be taken back from it."))
    if row.delta > 0 and row.balance - row.held - row.delta < 0:
        return Refusal(
            _("Spent since: the balance is %(balance)s; %(amount)s cannot be taken back.")
            % {
                "balance": credits(row.balance),
                "amount": credits(row.delta).removesuffix(".00"),
            },
            _("Spent since."),
        )
    return Change(
        before={"credits": row.balance},
        after={"credits": row.balance - row.delta},
        data=-row.delta,
    )


def _write_undo(changes: Sequence[tuple[Reversible, Change]], act: ActContext) -> dict[int, Any]:
    return _post(
        [
            (
                row.target_id,
                Posting(
                    row.account_id,
                    _code(act, change.data),
                    change.data,
                    act.reason,
                    reverses=row.transfer,
                ),
            )
            for row, change in changes
        ],
        act,
    )


_ADJUST, _SET = "billing.adjust_credits", "billing.set_credits"
_CODES = {
    _ADJUST: (ledger.ADJUST_UP, ledger.ADJUST_DOWN),
    _SET: (ledger.SET_UP, ledger.SET_DOWN),
}
ADJUST_CREDITS = Procedure(code=_ADJUST, load=_load, decide=_decide, write=_write)
UNDO_ADJUST_CREDITS = Procedure(
    code=_ADJUST, load=_load_undo, decide=_decide_undo, write=_write_undo
)
SET_CREDITS = Procedure(code=_SET, load=_load, decide=_decide_set, write=_write, version=_version)
UNDO_SET_CREDITS = Procedure(code=_SET, load=_load_undo, decide=_decide_undo, write=_write_undo)
