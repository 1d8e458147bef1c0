"""Who subscribed to what, from when to when: renewals, upgrades, gifts, ends."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from subscriptions.loading import LoadedPeriod, LoadedSubscription
from subscriptions.months import add_months
from users.demo.people import DemoPerson, Habit

# How likely somebody of a habit ever subscribes, and the tiers they choose.
_SUBSCRIBES = {
    Habit.CURIOUS: 0.02,
    Habit.OCCASIONAL: 0.14,
    Habit.REGULAR: 0.5,
    Habit.HEAVY: 0.85,
    Habit.TEAM: 1.0,
    Habit.LAPSED: 0.35,
    Habit.ABUSIVE: 0.12,
}
_TIERS = {
    Habit.CURIOUS: (9, 1, 0),
    Habit.OCCASIONAL: (8, 2, 0),
    Habit.REGULAR: (5, 4, 1),
    Habit.HEAVY: (2, 5, 4),
    Habit.TEAM: (0, 2, 8),
    Habit.LAPSED: (6, 3, 1),
    Habit.ABUSIVE: (5, 2, 2),
}
_TERMS, _TERM_WEIGHTS = (1, 3, 6, 12), (62, 18, 10, 10)
_ENDED_AFTER = timedelta(hours=1)  # the job that closes what ran out has come by then


@dataclass(frozen=True, slots=True)
class Bought:
    """One period as it is paid for: the tier and the months, from a moment on."""

    at: datetime
    tier: int
    months: int


def subscriptions_of(
    rng: random.Random, person: DemoPerson, user_id: int, *, now: datetime
) -> tuple[list[LoadedSubscription], list[Bought]]:
    """A person's subscriptions, oldest first, and the periods that were paid for."""
    if rng.random() > _SUBSCRIBES[person.habit]:
        return [], []
    [tier] = rng.choices((1, 2, 3), _TIERS[person.habit])
    if rng.random() < 0.05:
        return [_granted(rng, person, user_id, tier, now)], []
    stretches = _split(rng, list(_periods(rng, person, now)), tier)
    made = [_subscription(user_id, level, periods, now) for level, periods in stretches]
    # Only the newest may still live: an earlier one ended where its successor began.
    made[:-1] = [row._replace(ended_at=row.periods[-1].ends) for row in made[:-1]]
    bought = [
        Bought(period.starts, each.tier, period.months) for each in made for period in each.periods
    ]
    return made, bought


def _periods(rng: random.Random, person: DemoPerson, now: datetime) -> Iterator[LoadedPeriod]:
    """Periods one after the other, with a pause here and there, until they lose interest."""
    [term] = rng.choices(_TERMS, _TERM_WEIGHTS)
    anchor = person.joined_at + timedelta(days=rng.expovariate(1 / 12), hours=rng.random())
    until = person.active_until(now)
    faithful = 0.97 if person.habit in (Habit.REGULAR, Habit.HEAVY, Habit.TEAM) else 0.8
    starts, count = anchor, 0
    while starts < until:
        count += term
        ends = add_months(anchor, count)
        if person.closed_at and ends > person.closed_at:
            ends = person.closed_at
        yield LoadedPeriod(starts, ends, term)
        if rng.random() > faithful:
            return
        starts = ends
        if rng.random() < 0.06:
            anchor = starts = ends + timedelta(days=rng.expovariate(1 / 20))
            count = 0


def _split(
    rng: random.Random, periods: list[LoadedPeriod], tier: int
) -> Iterator[tuple[int, tuple[LoadedPeriod, ...]]]:
    """One subscription, or two where somebody upgraded or came back after a pause."""
    gap = next(
        (
            place
            for place in range(1, len(periods))
            if periods[place].starts > periods[place - 1].ends  # type: ignore[operator]
        ),
        0,
    )
    upgrades = tier < 3 and len(periods) > 1 and rng.random() < 0.15
    cut = gap or (rng.randrange(1, len(periods)) if upgrades else 0)
    if cut:
        yield tier, tuple(periods[:cut])
        yield tier + upgrades, tuple(periods[cut:])
    elif periods:
        yield tier, tuple(periods)


def _subscription(
    user_id: int, tier: int, periods: tuple[LoadedPeriod, ...], now: datetime
) -> LoadedSubscription:
    ends = periods[-1].ends
    over = ends is not None and ends + _ENDED_AFTER < now
    return LoadedSubscription(
        user_id, tier, "purchase", periods[0].starts, ends if over else None, periods
    )


def _granted(
    rng: random.Random, person: DemoPerson, user_id: int, tier: int, now: datetime
) -> LoadedSubscription:
    """A gift without end: partners, contributors, reviewers."""
    starts = person.joined_at + (now - person.joined_at) * rng.random()
    ended_at = person.closed_at if person.closed_at and person.closed_at > starts else None
    return LoadedSubscription(
        user_id, tier, "grant", starts, ended_at, (LoadedPeriod(starts, ended_at, 0),)
    )
