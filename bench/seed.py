"""Fill a database with people for measurements: two transfers each, unusable passwords, some
subscribed, some restricted. By COPY, with indexes and foreign keys made afterwards."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

from django.db import connection
from django.utils.timezone import now as time_now

from audit.partitions import ensure_partitions
from bench import databases
from bench.report import Case, case
from subscriptions.loading import LoadedPeriod, LoadedSubscription, load_subscriptions
from subscriptions.services import open_standings
from users.demo.names import Name, Names

DATABASE = "fresh"
# Facts are drawn for so many people and then repeated, with a number in the name. A prime, so that
# they do not fall in step with pages or chunks.
_PROFILES = 10_007
_BLOCK = 10_000
_CHUNK = 100_000
_YEARS = timedelta(days=730)
_FIRST = 999  # the account of user 1 is 1,000
_REASONS = ("spam", "fraud_payment", "api_abuse", "chargeback", "quota_evasion")
_NULL = r"\N"
_TABLES = (
    "users_user",
    "users_restriction",
    "subscriptions_subscription",
    "subscriptions_period",
    "subscriptions_standing",
    "billing_account",
    "billing_transfer",
    "billing_statistics",
)
_USERS = """COPY users_user (id, username, email, email_verified_at, email_state, password, role,
    scope, country, locale, timezone, must_change_password, joined_at, last_seen_at,
    legacy_source, import_flags) FROM STDIN"""
_RESTRICTIONS = """COPY users_restriction (user_id, kind, reason_id, public_text, internal_note,
    evidence, starts_at, ends_at, lifted_reason) FROM STDIN"""
_ACCOUNTS = """COPY billing_account (id, user_id, balance, credited_total, debited_total,
    used_total, version, updated_at) FROM STDIN"""
_TRANSFERS = """COPY billing_transfer (created_at, effective_at, account_id, account_version,
    code, delta, balance_after) FROM STDIN"""
_STATISTICS = "COPY billing_statistics (user_id, balance, used, version) FROM STDIN"


class Profile(NamedTuple):
    """What the users of one residue have in common."""

    name: str
    mailbox: tuple[str, str] | None
    verified: bool
    facts: str
    seen: float | None
    subscription: tuple[int, float, int] | None
    restriction: str
    given: Decimal
    used: Decimal


def run(options: argparse.Namespace) -> list[Case]:
    """Fill the database, and say how fast."""
    began = time.perf_counter()
    fill(options.users)
    seconds = time.perf_counter() - began
    databases.filled()
    return [
        case(f"seed {options.users:,} users", seconds, "s"),
        case("users per second", options.users / seconds, "/s", better="higher"),
    ]


def fill(users: int) -> None:
    """Put that many users into the migrated, empty database: ids from 1, joined one after the other
    over two years."""
    now = time_now()
    profiles = _profiles()
    ensure_partitions(now - _YEARS, now + timedelta(days=92))
    with _bare(_TABLES):
        _copy(_USERS, _users(profiles, users, now))
        _copy(_RESTRICTIONS, _restrictions(profiles, users, now))
        _copy(_ACCOUNTS, _accounts(profiles, users, now))
        _copy(_TRANSFERS, _transfers(profiles, users, now))
        _copy(_STATISTICS, _statistics(profiles, users))
        for first in range(1, users + 1, _CHUNK):
            open_standings(range(first, min(first + _CHUNK, users + 1)))
        load_subscriptions(_subscriptions(profiles, users, now))
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('users_user_id_seq', %s)", [users])
        cursor.execute("SELECT setval('billing_account_id_seq', %s)", [_FIRST + users])
        cursor.execute(
            "UPDATE billing_statistics_mark SET read_to = %(last)s, next_to = %(last)s",
            {"last": 2 * users},
        )
        cursor.execute("VACUUM ANALYZE")


def _profiles() -> list[Profile]:
    rng = random.Random(20)  # noqa: S311 (no secret)
    names = Names(rng)
    return [_profile(rng, names.draw()) for _ in range(_PROFILES)]


def _profile(rng: random.Random, name: Name) -> Profile:
    local, _at, domain = name.mailbox.partition("@")
    place, given = name.place, Decimal(rng.choice((50, 100, 200, 500, 1000, 5000)))
    return Profile(
        name=name.username,
        mailbox=(local, domain) if rng.random() < 0.97 else None,
        verified=rng.random() < 0.85,
        facts="\t".join((place.country, place.locale, place.timezone)),
        seen=rng.random() ** 0.3 if rng.random() < 0.9 else None,
        # Tier, the part of the period that is over, and its months.
        subscription=(rng.choice((1, 1, 1, 2, 2, 3)), rng.random() * 1.5, rng.choice((1, 1, 3, 12)))
        if rng.random() < 0.3
        else None,
        restriction=rng.choice(("warning", "limit", "suspension")) if rng.random() < 0.03 else "",
        given=given,
        used=(given * rng.randrange(1, 1_000_000) / 1_000_000).quantize(Decimal("0.000001")),
    )


def _people(profiles: list[Profile], users: int) -> Iterator[tuple[int, Profile]]:
    return ((pk, profiles[pk % _PROFILES]) for pk in range(1, users + 1))


def _joined(pk: int, users: int, now: datetime, later: float = 0) -> datetime:
    """When somebody joined, or where that part of the time since was over."""
    return now - _YEARS * (1 - pk / (users + 1)) * (1 - later)


def _users(profiles: list[Profile], users: int, now: datetime) -> Iterator[str]:
    for pk, person in _people(profiles, users):
        joined = _joined(pk, users, now)
        local, domain = person.mailbox or ("", "")
        email = f"{local}{pk:07}@{domain}" if person.mailbox else _NULL
        verified = joined if person.mailbox and person.verified else _NULL
        seen = _NULL if person.seen is None else _joined(pk, users, now, person.seen)
        yield (
            f"{pk}\t{person.name}{pk:07}\t{email}\t{verified}\tok\t!\tnone\t{{}}\t{person.facts}"
            f"\tf\t{joined}\t{seen}\t\t{{}}\n"
        )


def _restrictions(profiles: list[Profile], users: int, now: datetime) -> Iterator[str]:
    """Half of them live, a third of those for good."""
    for pk, person in _people(profiles, users):
        if person.restriction:
            starts = now - timedelta(days=pk % 300, hours=1)
            ends = _NULL if pk % 6 == 0 else starts + timedelta(days=600 if pk % 2 else 1)
            reason = _REASONS[pk % len(_REASONS)]
            yield f"{pk}\t{person.restriction}\t{reason}\t\t\t[]\t{starts}\t{ends}\t\n"


def _subscriptions(
    profiles: list[Profile], users: int, now: datetime
) -> Iterator[LoadedSubscription]:
    """One subscription each, with one period; a third of them ran out."""
    for pk, person in _people(profiles, users):
        if person.subscription:
            tier, over, months = person.subscription
            starts = now - timedelta(days=30 * months * over, seconds=pk % 86_400)
            period = LoadedPeriod(starts, starts + timedelta(days=30 * months), months)
            ended = period.ends if period.ends and period.ends < now else None
            yield LoadedSubscription(pk, tier, "purchase", starts, ended, (period,))


def _accounts(profiles: list[Profile], users: int, now: datetime) -> Iterator[str]:
    """As the two transfers leave them."""
    for pk, person in _people(profiles, users):
        balance, moved = person.given - person.used, _joined(pk, users, now, 0.5)
        yield (
            f"{_FIRST + pk}\t{pk}\t{balance}\t{person.given}\t{person.used}\t{person.used}"
            f"\t2\t{moved}\n"
        )


def _transfers(profiles: list[Profile], users: int, now: datetime) -> Iterator[str]:
    """What each bought when they joined, and what they used since."""
    for pk, person in _people(profiles, users):
        bought, used = _joined(pk, users, now), _joined(pk, users, now, 0.5)
        given, account = person.given, _FIRST + pk
        yield f"{bought}\t{bought}\t{account}\t1\t100\t{given}\t{given}\n"
        left = given - person.used
        yield f"{used}\t{used}\t{account}\t2\t200\t-{person.used}\t{left}\n"


def _statistics(profiles: list[Profile], users: int) -> Iterator[str]:
    for pk, person in _people(profiles, users):
        yield f"{pk}\t{person.given - person.used}\t{person.used}\t2\n"


def _copy(statement: str, lines: Iterable[str]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        while block := "".join(islice(lines, _BLOCK)):
            copy.write(block)


@contextmanager
def _bare(tables: Sequence[str]) -> Iterator[None]:
    """Take away what makes loading slow (indexes and keys other than the primary key, foreign keys,
    triggers) and put it back afterwards."""
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(
            """
            SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
              FROM pg_constraint
             WHERE conrelid = ANY(%s::regclass[]) AND contype IN ('f', 'u', 'x')
               AND conparentid = 0
            """,
            [list(tables)],
        )
        constraints = cursor.fetchall()
        for table, name, _definition in constraints:
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        cursor.execute(
            """
            SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
             WHERE indrelid = ANY(%s::regclass[]) AND NOT indisprimary
            """,
            [list(tables)],
        )
        indexes = cursor.fetchall()
        for name, _definition in indexes:
            cursor.execute(f"DROP INDEX {name}")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for _name, definition in indexes:
            # The definition of a partitioned table's index says ONLY; its partitions need it too.
            cursor.execute(definition.replace(" ON ONLY ", " ON "))
        for table, name, definition in constraints:
            cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
        cursor.execute("RESET maintenance_work_mem")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
