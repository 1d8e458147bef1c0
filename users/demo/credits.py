"""Everybody's credits, and what staff added or took by hand: booked together in order of time, with
the acts, receipts and entries that doing it by hand leaves."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from audit import record
from audit.models import Receipt
from audit.procedures import ActContext, TargetReceipt
from billing.adjustments import ADJUST_CREDITS
from billing.ledger import ADJUST_DOWN, ADJUST_UP
from billing.loading import load_history
from billing.models import Transfer
from users.demo.people import DemoPerson, Habit
from users.demo.spending import Movement, movements_of
from users.demo.subscribing import Bought
from users.models import User
from users.roles import Role

_OUTAGES = (
    "Credits for the outage of the reasoner",
    "Slow answers last week: a little back for everybody affected",
    "Wrong price for an hour; the difference, rounded up",
    "Thanks for testing the new models",
)
_GESTURES = (
    "Payment arrived twice at the bank, once here",
    "Goodwill after a long ticket",
    "Prize of the March contest",
    "Invoice customer: credits of the signed order",
    "Lost to a bug in streaming, confirmed by logs",
)


@dataclass(frozen=True, slots=True)
class Adjusting:
    """An act of adjusting: ``people`` by their place in line."""

    at: datetime
    people: tuple[int, ...]
    delta: Decimal
    reason: str
    ticket: str
    by: Role
    id: uuid.UUID


def load(
    rng: random.Random,
    people: Sequence[DemoPerson],
    ids: Sequence[int],
    bought: Sequence[Sequence[Bought]],
    staff: Mapping[Role, User],
    *,
    now: datetime,
) -> int:
    """Book the history of each (``ids`` and ``bought`` in the order of ``people``); gives back how
    many transfers that were. The users have open accounts."""
    acts = sorted(_adjustments(rng, people, now), key=lambda act: act.at)
    by_hand: dict[int, list[Movement]] = {}
    for act in acts:
        for place in act.people:
            by_hand.setdefault(place, []).append(_by_hand(act, staff))
    count = load_history(
        (pk, _merged(movements_of(rng, person, paid, now=now), by_hand.get(place, [])))
        for place, (person, pk, paid) in enumerate(zip(people, ids, bought, strict=True))
    )
    _record(acts, staff)
    return count


def _adjustments(
    rng: random.Random, people: Sequence[DemoPerson], now: datetime
) -> Iterator[Adjusting]:
    """A few for many at once, more for one, now and then one that was a mistake and taken back.
    Nobody who leaves or cheats, whose account might not hold what is taken back."""
    loyal = [each for each in people if each.closed_at is None and each.habit is not Habit.ABUSIVE]
    for number, reason in enumerate(_OUTAGES):
        at = now - timedelta(days=600 - number * 170 + rng.randint(0, 60), hours=rng.random() * 9)
        there = [each.place_in_line for each in loyal if each.joined_at < at]
        chosen = tuple(sorted(rng.sample(there, min(len(there), rng.randint(15, 60)))))
        if chosen:
            delta = Decimal(rng.choice((10, 20, 25)))
            yield _act(rng, at, chosen, delta, reason, Role.USER_ADMIN)
    for person in rng.sample(loyal, min(len(loyal), 40)):
        age = now - person.joined_at
        at = person.joined_at + age * rng.uniform(0.1, 0.97)
        line, delta = (person.place_in_line,), Decimal(rng.choice((5, 20, 50, 100, 300)))
        by = Role.SUPPORT if delta <= 50 else Role.USER_ADMIN
        yield _act(rng, at, line, delta, rng.choice(_GESTURES), by)
        if rng.random() < 0.15:
            later = at + min(timedelta(hours=3), age * 0.01)
            yield _act(rng, later, line, -delta, "Meant for another account", by)
    settled = [each for each in loyal if each.joined_at < now - timedelta(days=30)]
    for hours in (2.2, 5.4, 26.0):  # something that one may still undo
        if settled:
            line = (rng.choice(settled).place_in_line,)
            at = now - timedelta(hours=hours)
            yield _act(rng, at, line, Decimal(20), rng.choice(_GESTURES), Role.SUPPORT)


def _act(
    rng: random.Random,
    at: datetime,
    people: tuple[int, ...],
    delta: Decimal,
    reason: str,
    by: Role,
) -> Adjusting:
    ticket = f"SUP-{rng.randint(1000, 9999)}" if rng.random() < 0.7 else ""
    act_id = uuid.UUID(int=rng.getrandbits(128), version=4)
    return Adjusting(at, people, delta, reason, ticket, by, act_id)


def _by_hand(act: Adjusting, staff: Mapping[Role, User]) -> Movement:
    code = ADJUST_UP if act.delta > 0 else ADJUST_DOWN
    actor_id = staff[act.by].pk
    return Movement(act.at, code, act.delta, act.reason, actor_id=actor_id, group_id=act.id)


def _merged(own: Sequence[Movement], by_hand: Sequence[Movement]) -> list[Movement]:
    """Both in order of time; what is undone is found at its new place."""
    if not by_hand:
        return list(own)
    order = sorted(range(len(own) + len(by_hand)), key=lambda at: (*own, *by_hand)[at].at)
    places = {old: new for new, old in enumerate(order)}
    both = [*own, *by_hand]
    return [
        movement if movement.undoes is None else replace(movement, undoes=places[movement.undoes])
        for movement in (both[old] for old in order)
    ]


def _record(acts: Sequence[Adjusting], staff: Mapping[Role, User]) -> None:
    """What the executor would have written."""
    booked: dict[uuid.UUID, list[Transfer]] = {}
    transfers = Transfer.objects.filter(group_id__in=[act.id for act in acts])
    for transfer in transfers.select_related("account__user").order_by("account_id"):
        assert transfer.group_id is not None
        booked.setdefault(transfer.group_id, []).append(transfer)
    for act in acts:
        context = ActContext(
            code=ADJUST_CREDITS.code,
            actor=staff[act.by],
            now=act.at,
            reason=act.reason,
            ticket=act.ticket,
            params={"delta": act.delta},
            id=act.id,
        )
        rows = booked[act.id]
        undo = {_owner(row).pk: {"transfer": row.pk, "at": act.at.isoformat()} for row in rows}
        receipts = [_receipt(row) for row in rows]
        record.acts(context, receipts, undo, personal=frozenset(), first=True)


def _receipt(row: Transfer) -> TargetReceipt:
    owner = _owner(row)
    before, after = row.balance_after - row.delta, row.balance_after
    return TargetReceipt(
        owner.pk, owner.username, Receipt.Outcome.CHANGED, {"credits": before}, {"credits": after}
    )


def _owner(row: Transfer) -> User:
    assert row.account.user is not None
    return row.account.user
