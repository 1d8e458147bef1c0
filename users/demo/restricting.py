"""Who was restricted, by whom and why: suspensions imposed and lifted, warnings, limits."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from users.demo.people import DemoPerson, Habit


@dataclass(frozen=True, slots=True)
class Suspending:
    """An act of suspending: ``people`` by their place in line; ``days`` None for good; ``by`` a
    role."""

    at: datetime
    people: tuple[int, ...]
    reason_code: str
    days: float | None
    reason: str
    ticket: str = ""
    by: str = "user_admin"


@dataclass(frozen=True, slots=True)
class Lifting:
    """An act of lifting the suspensions of these people."""

    at: datetime
    people: tuple[int, ...]
    reason: str
    ticket: str = ""
    by: str = "user_admin"


@dataclass(frozen=True, slots=True)
class Noted:
    """A warning or a limit on one person."""

    person: int
    kind: str
    reason_code: str
    starts_at: datetime
    ends_at: datetime | None
    lifted_at: datetime | None
    internal_note: str


Deed = Suspending | Lifting

_WHY = {
    "spam": ("Mass-produced comments, same text from many accounts", 7.0),
    "fraud_payment": ("Three cards in an hour, two reported stolen", None),
    "chargeback": ("Payment charged back, credits already spent", 30.0),
    "credential_sharing": ("One key from nine countries within a day", 7.0),
    "api_abuse": ("Retries without pause, 40 requests a second for hours", 3.0),
    "quota_evasion": ("Rotating trial accounts on one device", 14.0),
    "ban_evasion": ("Same device and card as a banned account", None),
    "compromised": ("Sign-ins from two continents in ten minutes; owner asked us to lock it", 7.0),
    "abuse_content": ("Reported and confirmed by two reviewers", 7.0),
    "tos_other": ("Resells access under its own brand", 7.0),
}
_LIFTED = (
    "Appeal upheld: the card was the owner's sister's",
    "Owner proved who they are; password changed",
    "Was our own load test",
    "Spam came through a leaked key, which is revoked",
    "Appeal upheld on second look",
)


def deeds_of(rng: random.Random, people: Sequence[DemoPerson], *, now: datetime) -> list[Deed]:
    """What staff did about people, in the order in which they did it."""
    suspects = _suspects(rng, people)
    deeds: list[Deed] = [*_waves(rng, suspects, now)]
    for number, person in enumerate(suspects):
        deeds += _single(rng, person, number, now)
    return sorted(deeds, key=lambda deed: deed.at)


def _suspects(rng: random.Random, people: Sequence[DemoPerson]) -> list[DemoPerson]:
    """Those who misuse it, and a few who are suspected wrongly. Nobody whose account is closed."""
    return [
        person
        for person in people
        if person.closed_at is None and (person.habit is Habit.ABUSIVE or rng.random() < 0.012)
    ]


def _waves(
    rng: random.Random, suspects: Sequence[DemoPerson], now: datetime
) -> Iterator[Suspending]:
    """Several at once, over the last year; these have ended by themselves."""
    for number in range(min(6, len(suspects) // 4)):
        at = now - timedelta(days=340 - number * 50 + rng.randint(0, 20), hours=rng.randint(0, 9))
        there = [person.place_in_line for person in suspects if person.joined_at < at]
        if there:
            caught = sorted(rng.sample(there, min(len(there), rng.randint(3, 12))))
            code = rng.choice(("spam", "quota_evasion", "api_abuse"))
            reason, days = _WHY[code]
            yield Suspending(at, tuple(caught), code, days, reason, _ticket(rng))


def _single(rng: random.Random, person: DemoPerson, number: int, now: datetime) -> Iterator[Deed]:
    """What happened to one of them; the number decides, so that each kind is there."""
    line = (person.place_in_line,)
    age = now - person.joined_at
    at = now - min(age * 0.9, timedelta(days=rng.lognormvariate(3.2, 1.1)))
    code = rng.choice([code for code in _WHY if number % 4 != 1 or _WHY[code][1]])
    reason, days = _WHY[code]
    ticket = _ticket(rng) if rng.random() < 0.6 else ""
    if number % 4 == 0:  # for good
        yield Suspending(at, line, "fraud_payment", None, _WHY["fraud_payment"][0], ticket)
    elif number % 4 == 1:  # live, with an end
        assert days
        recent = now - min(age * 0.5, timedelta(days=days * 0.8 * rng.random()))
        by = "support" if days <= 7 else "user_admin"
        yield Suspending(recent, line, code, days, reason, ticket, by)
    elif number % 4 == 2:  # lifted
        yield Suspending(at, line, code, days, reason, ticket)
        lifted = at + min(timedelta(days=(days or 20) * 0.6), now - at) * rng.random()
        yield Lifting(lifted, line, rng.choice(_LIFTED), ticket)
    if number % 8 == 3:  # overlapping: a short one, and one for good on top of it
        recent = now - min(age * 0.5, timedelta(days=rng.uniform(1, 5)))
        yield Suspending(recent, line, "spam", 7.0, _WHY["spam"][0], ticket, "support")
        later = recent + (now - recent) * 0.5
        yield Suspending(later, line, "ban_evasion", None, _WHY["ban_evasion"][0], ticket)


def shut_out(
    people: Sequence[DemoPerson], deeds: Sequence[Deed], *, now: datetime
) -> list[DemoPerson]:
    """The same people, last seen before they were suspended where that still holds."""
    since: dict[int, datetime] = {}
    for deed in deeds:
        for place in deed.people:
            if isinstance(deed, Lifting):
                since.pop(place, None)
            elif deed.days is None or deed.at + timedelta(days=deed.days) > now:
                since.setdefault(place, deed.at)
    return [
        replace(person, last_seen_at=min(person.last_seen_at, since[person.place_in_line]))
        if person.last_seen_at and person.place_in_line in since
        else person
        for person in people
    ]


def _ticket(rng: random.Random) -> str:
    return f"SUP-{rng.randint(1000, 9999)}"


def notes_of(rng: random.Random, people: Sequence[DemoPerson], *, now: datetime) -> list[Noted]:
    """Warnings and limits: ended, live, lifted, without end, and one that begins tomorrow."""
    noted = []
    for person in people:
        if rng.random() > (0.5 if person.habit is Habit.ABUSIVE else 0.02):
            continue
        kind = rng.choice(("warning", "warning", "limit"))
        code = rng.choice(("spam", "api_abuse", "credential_sharing", "tos_other"))
        starts = person.joined_at + (now - person.joined_at) * rng.uniform(0.2, 1)
        ends = starts + timedelta(days=rng.choice((3, 14, 30, 90))) if rng.random() < 0.7 else None
        lifted = starts + (min(ends or now, now) - starts) / 2 if rng.random() < 0.2 else None
        noted.append(Noted(person.place_in_line, kind, code, starts, ends, lifted, _WHY[code][0]))
    if people:
        tomorrow, last = now + timedelta(days=1), people[-1].place_in_line
        ends = tomorrow + timedelta(days=14)
        note = "Agreed with the customer until their migration is done"
        noted.append(Noted(last, "limit", "api_abuse", tomorrow, ends, None, note))
    return noted
