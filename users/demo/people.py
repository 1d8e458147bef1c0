"""Invented people: who they are, where, since when, and how they use the platform."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from users.demo.cultures import Place
from users.demo.names import Names

YEARS = timedelta(days=730)
# The platform is a little older than the ledger's two years.
_OLDEST = YEARS - timedelta(days=3)


class Habit(Enum):
    """How somebody uses the platform: from now and then to whole teams behind one account."""

    CURIOUS = "curious"
    OCCASIONAL = "occasional"
    REGULAR = "regular"
    HEAVY = "heavy"
    TEAM = "team"
    LAPSED = "lapsed"
    ABUSIVE = "abusive"


_HABITS = {
    Habit.CURIOUS: 30,
    Habit.OCCASIONAL: 24,
    Habit.REGULAR: 21,
    Habit.HEAVY: 7,
    Habit.TEAM: 1,
    Habit.LAPSED: 13,
    Habit.ABUSIVE: 4,
}
# Days since they were last seen: median, spread of a lognormal draw.
_SEEN = {
    Habit.CURIOUS: 60.0,
    Habit.OCCASIONAL: 12.0,
    Habit.REGULAR: 1.5,
    Habit.HEAVY: 0.3,
    Habit.TEAM: 0.05,
    Habit.LAPSED: 220.0,
    Habit.ABUSIVE: 40.0,
}
_EMAIL_STATES = {"ok": 950, "bouncing": 28, "complained": 8, "suppressed": 14}


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """One invented account. ``place_in_line`` counts from 0 in the order of joining."""

    place_in_line: int
    username: str
    email: str | None
    email_verified_at: datetime | None
    email_state: str
    place: Place
    script: str
    joined_at: datetime
    last_seen_at: datetime | None
    closed_at: datetime | None
    must_change_password: bool
    habit: Habit

    def active_until(self, now: datetime) -> datetime:
        """When their use of the platform ends, as far as the data go."""
        return self.closed_at or self.last_seen_at or min(now, self.joined_at)


def make_people(rng: random.Random, number: int, *, now: datetime) -> list[DemoPerson]:
    """That many people in the order in which they joined; more join from month to month."""
    names = Names(rng, frozenset({"admin", "root", "support"}))
    joined = sorted(now - _OLDEST * (1 - rng.random() ** 0.7) for _ in range(number))
    habits, weights = list(_HABITS), list(_HABITS.values())
    return [
        _person(rng, names, place, moment, habit, now=now)
        for place, (moment, habit) in enumerate(
            zip(joined, rng.choices(habits, weights, k=number), strict=True)
        )
    ]


def _person(
    rng: random.Random,
    names: Names,
    place_in_line: int,
    joined_at: datetime,
    habit: Habit,
    *,
    now: datetime,
) -> DemoPerson:
    name = names.draw()
    has_email = rng.random() < 0.97
    [email_state] = rng.choices(list(_EMAIL_STATES), list(_EMAIL_STATES.values()))
    verified = has_email and rng.random() < 0.86
    last_seen_at = _last_seen(rng, habit, joined_at, now)
    closed_at = None
    if habit in (Habit.LAPSED, Habit.CURIOUS) and last_seen_at and rng.random() < 0.06:
        closed_at = last_seen_at + (now - last_seen_at) * rng.random()
    return DemoPerson(
        place_in_line=place_in_line,
        username=name.username,
        email=name.mailbox if has_email else None,
        email_verified_at=joined_at + timedelta(seconds=rng.expovariate(1 / 900))
        if verified
        else None,
        email_state=email_state if has_email else "ok",
        place=name.place,
        script=name.script,
        joined_at=joined_at,
        last_seen_at=last_seen_at,
        closed_at=closed_at,
        must_change_password=rng.random() < 0.01,
        habit=habit,
    )


def _last_seen(
    rng: random.Random, habit: Habit, joined_at: datetime, now: datetime
) -> datetime | None:
    """Never before they joined; a few who signed up never came."""
    if habit is Habit.CURIOUS and rng.random() < 0.08:
        return None
    ago = timedelta(days=rng.lognormvariate(0, 0.9) * _SEEN[habit])
    if now - ago > joined_at:
        return now - ago
    return joined_at + (now - joined_at) * rng.random()
