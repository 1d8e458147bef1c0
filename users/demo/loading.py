"""Writing the invented people and their history: by COPY where there are many, through the services
where staff act, so that every act leaves the trail that a real one leaves."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.utils.translation import gettext as _

from audit.partitions import ensure_partitions
from billing.services import open_accounts
from billing.statistics import copy_statistics
from coai_admin.console import circumstances
from subscriptions.loading import load_subscriptions
from subscriptions.services import open_standings
from users.demo import asking, credits, desk, restricting, staffing
from users.demo.people import YEARS, DemoPerson, Habit, make_people
from users.demo.subscribing import subscriptions_of
from users.models import User
from users.roles import Role

_SEED = 2_000
_STAFF_IP = "203.0.113.24"  # of a range that is reserved for documentation
_USERS = """COPY users_user (id, username, email, email_verified_at, email_state, password,
    must_change_password, role, scope, country, locale, timezone, joined_at, last_seen_at,
    closed_at, legacy_source, import_flags) FROM STDIN"""
_KEYS = "COPY users_apikey (user_id, digest, prefix, name, created_at, last_used_at) FROM STDIN"

_KEY_NAMES = ("default", "laptop", "production")


class NotEmpty(Exception):
    """There are people already; the text says so."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was made. ``staff`` carry the only copy of their passwords."""

    staff: list[staffing.StaffAccount]
    people: int
    transfers: int


@transaction.atomic
def load_demo(number: int, *, now: datetime, seed: int = _SEED) -> Loaded:
    """Fill an empty database with ``number`` invented customers, two years of what they did, and
    one member of staff for each role. All of it or nothing.

    Raises NotEmpty where there is anybody but a super admin.
    """
    _require_empty()
    ensure_partitions(now - YEARS - timedelta(days=31), now + timedelta(days=92))
    rng = random.Random(seed)  # noqa: S311 (no secret is drawn from it)
    staff = staffing.hire(now=now)
    at_desk = {each.role: each.user for each in staff}
    people = make_people(rng, number, now=now)
    deeds = restricting.deeds_of(rng, people, now=now)
    people = restricting.shut_out(people, deeds, now=now)
    ids = _write_people(people)
    open_accounts(ids, now=now)
    open_standings(ids)
    _write_keys(rng, people, ids, now)
    subscribed = [subscriptions_of(rng, person, pk, now=now) for person, pk in _pairs(people, ids)]
    load_subscriptions(row for rows, _bought in subscribed for row in rows)
    transfers = credits.load(
        rng, people, ids, [bought for _rows, bought in subscribed], at_desk, now=now
    )
    with circumstances.under("", _STAFF_IP):
        desk.carry_out(deeds, ids, at_desk)
        desk.note(restricting.notes_of(rng, people, now=now), ids, at_desk)
        desk.daily_work(rng, ids, at_desk, now=now)
        desk.remember(rng, ids, at_desk, now=now)
        asking.ask_for_approval(ids, at_desk, now=now)
    desk.sign(number, now=now)
    copy_statistics(now=now, full=True)
    _analyze()
    return Loaded(staff, len(ids), transfers)


def _require_empty() -> None:
    with connection.cursor() as cursor:  # two of these at once would each find nobody
        cursor.execute("LOCK TABLE users_user IN SHARE ROW EXCLUSIVE MODE")
    if User.objects.exclude(role=Role.SUPER_ADMIN).exists():
        raise NotEmpty(
            _(
                "There are users already; demonstration data is only for an empty database. "
                "Point DATABASE_URL or COAI_HOME at another one."
            )
        )


def _pairs(people: Sequence[DemoPerson], ids: Sequence[int]) -> Iterator[tuple[DemoPerson, int]]:
    return zip(people, ids, strict=True)


def _write_people(people: Sequence[DemoPerson]) -> list[int]:
    """Ids in the order of joining. Nobody can sign in: the passwords are unusable."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval((SELECT pg_get_serial_sequence('users_user', 'id')::regclass))"
            " FROM generate_series(1, %s)",
            [len(people)],
        )
        ids = [row[0] for row in cursor.fetchall()]
    _copy(_USERS, (_user_row(pk, each) for each, pk in _pairs(people, ids)))
    return ids


def _user_row(pk: int, each: DemoPerson) -> tuple[Any, ...]:
    return (
        pk,
        each.username,
        each.email,
        each.email_verified_at,
        each.email_state,
        make_password(None),
        each.must_change_password,
        Role.NONE.value,
        "{}",
        each.place.country,
        each.place.locale,
        each.place.timezone,
        each.joined_at,
        each.last_seen_at,
        each.closed_at,
        "",
        [],
    )


def _write_keys(
    rng: random.Random, people: Sequence[DemoPerson], ids: Sequence[int], now: datetime
) -> None:
    """API keys of those who use the API. Only digests: of secrets that nobody knows."""
    rows = []
    for person, pk in _pairs(people, ids):
        eager = person.habit in (Habit.HEAVY, Habit.TEAM, Habit.ABUSIVE)
        for name in _KEY_NAMES[: rng.choice((1, 1, 2, 3)) if eager else rng.choice((0, 0, 1))]:
            # Early, so that a later suspension finds them.
            created = person.joined_at + (now - person.joined_at) * rng.random() * 0.05
            prefix = "sk-" + "".join(rng.choices("0123456789abcdef", k=6))
            rows.append((pk, secrets.token_bytes(32), prefix, name, created, person.last_seen_at))
    _copy(_KEYS, rows)


def _copy(statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _analyze() -> None:
    """Fresh statistics, or the first lists are planned as if the tables were empty."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
