"""Two years of credits: gifts, purchases, subscriptions, usage, and what goes wrong at times."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_UP, Decimal

from users.demo.people import DemoPerson, Habit
from users.demo.subscribing import Bought

# Codes of the ledger's transfers (billing's table of codes).
PURCHASE, REDEEM, PROMO, REFERRAL = 100, 110, 120, 140
USAGE, SUBSCRIPTION, USAGE_REVERSAL = 200, 210, 250
PURCHASE_REFUND, CHARGEBACK, EXPIRE = 300, 310, 500

_CENT, _MICRO = Decimal("0.01"), Decimal("0.000001")
# Debits a month, and the median credits of one.
_USE = {
    Habit.CURIOUS: (1.2, 2.0),
    Habit.OCCASIONAL: (1.2, 7.0),
    Habit.REGULAR: (3.6, 19.0),
    Habit.HEAVY: (7.5, 64.0),
    Habit.TEAM: (16.0, 260.0),
    Habit.LAPSED: (2.0, 11.0),
    Habit.ABUSIVE: (5.0, 70.0),
}
_PACKS = {
    Habit.CURIOUS: (50, 100),
    Habit.OCCASIONAL: (50, 100, 100, 200),
    Habit.REGULAR: (100, 200, 500, 500, 1000),
    Habit.HEAVY: (500, 1000, 2000, 2000, 5000),
    Habit.TEAM: (5000, 10000, 20000),
    Habit.LAPSED: (50, 100, 200),
    Habit.ABUSIVE: (50, 500, 2000),
}
# What a month costs, in credits (10 credits are one unit of money), and the rebate of long terms.
_PRICES = {1: Decimal(420), 2: Decimal(760), 3: Decimal(1480)}
_REBATES = {1: Decimal(1), 3: Decimal(1), 6: Decimal("0.9"), 12: Decimal("0.8")}
_MODELS = ("small-chat", "large-chat", "reasoner", "coder", "vision", "image", "embed")


@dataclass(frozen=True, slots=True)
class Movement:
    """One transfer on somebody's account; ``delta`` as the account sees it. ``undoes``: the place
    in the list of an earlier one that this reverses; ``actor_id`` and ``group_id``: by whom and in
    which act it was done, if by hand."""

    at: datetime
    code: int
    delta: Decimal
    reason: str = ""
    undoes: int | None = None
    actor_id: int | None = None
    group_id: uuid.UUID | None = None


class Purse:
    """The movements of one person so far, and what is left."""

    def __init__(self, rng: random.Random, habit: Habit) -> None:
        self.rng, self.habit = rng, habit
        self.balance = Decimal(0)
        self.movements: list[Movement] = []

    def move(
        self,
        at: datetime,
        code: int,
        delta: Decimal,
        reason: str = "",
        undoes: int | None = None,
    ) -> None:
        self.balance += delta
        self.movements.append(Movement(at, code, delta, reason, undoes))

    def top_up(self, at: datetime, need: Decimal) -> None:
        """Buy packs until ``need`` can be paid."""
        while self.balance < need:
            pack = self.rng.choice(_PACKS[self.habit])
            amount = Decimal(max(pack, int(need - self.balance) // 50 * 50 + 50))
            self.move(at, PURCHASE, amount, f"Order {self.rng.randrange(16**6):06X}")
            if self.rng.random() < 0.012:
                later = at + timedelta(minutes=self.rng.randint(2, 9))
                self.move(later, PURCHASE_REFUND, -amount, "Bought by mistake")
                at = later + timedelta(minutes=1)


def movements_of(
    rng: random.Random, person: DemoPerson, bought: Sequence[Bought], *, now: datetime
) -> list[Movement]:
    """Everything that happened on a person's account, oldest first; the balance never falls below
    zero, except where a payment was charged back."""
    purse = Purse(rng, person.habit)
    _welcome(purse, person)
    paying = bool(bought) or person.habit is not Habit.CURIOUS or rng.random() < 0.3
    # Stable: what was bought at a moment is paid before it is used.
    events = sorted([*_usage(rng, person, now), *_payments(bought)], key=lambda event: event[0])
    for at, code, cost, reason in events:
        if purse.movements and at <= purse.movements[-1].at:
            at = purse.movements[-1].at + timedelta(minutes=1)
        if at >= now or (person.closed_at and at >= person.closed_at):
            break
        if cost > purse.balance:
            if not paying:
                continue
            purse.top_up(at - (at - _last(purse, person)) / 3, cost)
        purse.move(at, code, -cost, reason)
        _mishap(purse, at, cost, reason)
    _ending(purse, person, now)
    return [movement for movement in purse.movements if movement.at < now]


def _last(purse: Purse, person: DemoPerson) -> datetime:
    return purse.movements[-1].at if purse.movements else person.joined_at


def _welcome(purse: Purse, person: DemoPerson) -> None:
    rng, at = purse.rng, person.joined_at
    purse.move(at + timedelta(seconds=2), PROMO, Decimal(20), "Welcome credits")
    if rng.random() < 0.12:
        purse.move(at + timedelta(minutes=5), REFERRAL, Decimal(30), "Invited by a friend")
    if rng.random() < 0.14:
        worth = Decimal(rng.choice((10, 50, 50, 100)))
        code = "".join(rng.choices("ABCDEFGHJKMNPQRSTVWXYZ23456789", k=4))
        purse.move(at + timedelta(minutes=40), REDEEM, worth, f"Code …{code}")


def _usage(
    rng: random.Random, person: DemoPerson, now: datetime
) -> Iterator[tuple[datetime, int, Decimal, str]]:
    """Settled use, one debit per sitting or day."""
    a_month, median = _USE[person.habit]
    own = median * rng.lognormvariate(0, 0.5)
    # Most are charged by the request; for the others each token counts.
    step = _CENT if rng.random() < 0.7 else _MICRO
    at, until = person.joined_at + timedelta(hours=1), person.active_until(now)
    model = rng.choice(_MODELS)
    while True:
        at += timedelta(days=rng.expovariate(a_month / 30.4))
        if at >= until:
            return
        if rng.random() < 0.2:
            model = rng.choice(_MODELS)
        cost = Decimal(own * rng.lognormvariate(0, 0.8)).quantize(step)
        yield at, USAGE, max(cost, step), f"{model}, {rng.randint(1, 60)} requests"


def _payments(bought: Sequence[Bought]) -> Iterator[tuple[datetime, int, Decimal, str]]:
    for each in bought:
        price = _PRICES[each.tier] * each.months * _REBATES[each.months]
        span = "1 month" if each.months == 1 else f"{each.months} months"
        yield each.at, SUBSCRIPTION, price, f"Tier {each.tier}, {span}"


def _mishap(purse: Purse, at: datetime, cost: Decimal, reason: str) -> None:
    """Requests that failed on our side are given back, in part or whole."""
    if purse.movements[-1].code != USAGE or purse.rng.random() > 0.01:
        return
    share = Decimal(purse.rng.choice(("1", "0.5", "0.25")))
    back = (cost * share).quantize(_MICRO, ROUND_UP)
    place = len(purse.movements) - 1
    later = at + timedelta(minutes=purse.rng.randint(1, 50))
    purse.move(later, USAGE_REVERSAL, back, f"Failed: {reason}", place)


def _ending(purse: Purse, person: DemoPerson, now: datetime) -> None:
    """How it ends: gifts expire, stolen cards are charged back."""
    last = _last(purse, person)
    if person.habit is Habit.ABUSIVE and purse.rng.random() < 0.3:
        bought = [each for each in purse.movements if each.code == PURCHASE]
        if bought:
            amount = min(bought[-1].delta, purse.balance + purse.rng.randint(20, 900))
            at = last + timedelta(days=purse.rng.randint(1, 20))
            purse.move(at, CHARGEBACK, -amount, "Charged back by the card's owner")
    if person.habit is Habit.CURIOUS and purse.balance > 0 and now - last > timedelta(days=180):
        left = min(purse.balance, Decimal(20))
        purse.move(last + timedelta(days=180), EXPIRE, -left, "Welcome credits expired")
