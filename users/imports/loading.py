"""Writing people: chunks of persons, each in one transaction with everything that belongs to them
(account, balance, subscription, restriction, key, legacy rows) and the run's cursor. A chunk that
commits is whole; one that does not never was. The number of statements does not depend on the size
of a chunk."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import connection, transaction

from audit.procedures import ActContext
from billing.services import Opening, open_accounts_bringing, post_opening_balances
from subscriptions.importing import Told, retell, take_over
from users.imports.merging import Here, Outcome, Person, Settings, merge
from users.imports.secrecy import as_json
from users.imports.staging import PEOPLE
from users.models import ApiKey, Restriction, User
from users.restrictions.restricting import SUSPENSION, lift, suspend

CHUNK = 2_500

_USERS = """COPY users_user (id, password, username, email, email_state, must_change_password, role,
    scope, country, locale, timezone, joined_at, legacy_source, legacy_id, legacy_username,
    import_flags) FROM STDIN"""
_KEYS = """
    INSERT INTO users_apikey AS k (user_id, digest, prefix, name, created_at)
    SELECT n.user_id, n.digest, n.prefix, '', n.created_at
    FROM unnest(%s::bigint[], %s::bytea[], %s::text[], %s::timestamptz[])
        AS n(user_id, digest, prefix, created_at)
    ON CONFLICT (digest) DO UPDATE SET revoked_at = NULL, revoked_by_act = NULL
    WHERE k.user_id = excluded.user_id
"""
# First the persons of the chunk, then what was decided for them: one statement, but never a scan of
# all.
_WAITING = """
    WITH chunk AS MATERIALIZED (
        SELECT * FROM import_person WHERE (changed OR different) AND user_ref > %s
        ORDER BY user_ref LIMIT %s
    )
    SELECT p.user_ref, p.facts, p.base, p.user_id, n.given, e.given, n.user_ref IS NOT NULL,
        e.user_ref IS NOT NULL, p.password, p.new_password, p.key_taken
    FROM chunk p
    LEFT JOIN import_name n USING (user_ref)
    LEFT JOIN import_email e USING (user_ref)
    ORDER BY p.user_ref
"""
# In the order of the fields of Here.
_FACTS_HERE = [each.name for each in fields(Here)]
_HERE = """
    SELECT u.id, u.username, u.email, u.role, u.joined_at, s.tier, s.ends_at, s.months,
        s.legacy_months, s.subscription_id, u.import_flags, a.status = 3,
        EXISTS (SELECT 1 FROM users_restriction r
            WHERE r.user_id = u.id AND r.kind = 'suspension' AND r.lifted_at IS NULL
            AND (r.ends_at IS NULL OR r.ends_at > %s)),
        ARRAY(SELECT r.id FROM users_restriction r
            WHERE r.user_id = u.id AND r.kind = 'suspension' AND r.lifted_at IS NULL
            AND r.reason_id = 'imported' ORDER BY r.id),
        ARRAY(SELECT encode(k.digest, 'hex') FROM users_apikey k
            WHERE k.user_id = u.id AND k.revoked_at IS NULL)
    FROM users_user u
    JOIN subscriptions_standing s ON s.user_id = u.id
    JOIN billing_account a ON a.user_id = u.id
    WHERE u.id = ANY(%s) ORDER BY u.id
"""
_LOCK = " FOR NO KEY UPDATE OF u"
# Only a password that the import stored, or that cannot be used, is replaced: never one that the
# person chose here.
_UPDATE = """
    UPDATE users_user u SET
        username = COALESCE(c.username, u.username),
        legacy_username = CASE WHEN c.username IS NULL THEN u.legacy_username
            ELSE c.legacy_username END,
        email = CASE WHEN c.set_email THEN c.email ELSE u.email END,
        email_verified_at = CASE WHEN c.set_email THEN NULL ELSE u.email_verified_at END,
        email_state = CASE WHEN c.set_email THEN 'ok' ELSE u.email_state END,
        role = COALESCE(c.role, u.role),
        password = CASE WHEN c.password IS NOT NULL AND u.password ~ '^(import_|!)'
            THEN c.password ELSE u.password END,
        joined_at = COALESCE(c.joined_at, u.joined_at),
        import_flags = COALESCE(c.flags::text[], u.import_flags)
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::boolean[], %s::text[],
        %s::text[], %s::timestamptz[], %s::text[])
        AS c(id, username, legacy_username, email, set_email, role, password, joined_at, flags)
    WHERE u.id = c.id
"""
_LEGACY = f"""
    INSERT INTO users_legacyrow AS l
        (source, table_name, key, row, digest, state, reason, facts, user_id, run_id)
    SELECT %s, r.table_name, r.key, r.row, r.digest, r.state, r.reason,
        CASE WHEN r.table_name = 'auth' THEN p.facts || o.given END, o.user_id, %s
    FROM jsonb_to_recordset(%s) AS o(ref bigint, user_id bigint, given jsonb)
    JOIN import_person p ON p.user_ref = o.ref
    JOIN {PEOPLE} r ON r.user_ref = o.ref AND r.state = 'imported'
    ON CONFLICT (source, table_name, key) DO UPDATE SET row = excluded.row,
        digest = excluded.digest, state = excluded.state, reason = excluded.reason,
        facts = excluded.facts, user_id = excluded.user_id, run_id = excluded.run_id
    WHERE (l.digest, l.state, l.facts, l.user_id)
        IS DISTINCT FROM (excluded.digest, excluded.state, excluded.facts, excluded.user_id)
"""  # noqa: S608 (our own table)


class Loader:
    """Writes the people of one run. ``conflicts`` counts the facts that stayed as they were changed
    here."""

    def __init__(self, *, source: str, run_id: int, act: ActContext, settings: Settings) -> None:
        self.source = source
        self.run_id = run_id
        self.act = act
        self.settings = settings
        self.conflicts: Counter[str] = Counter()

    def load(self, record: Callable[[int, int], None]) -> None:
        """Write all that is to be written. ``record(last legacy id, persons)`` is called inside
        each chunk's transaction, so that the caller's account of it stands or falls with it."""
        last: int | None = None
        while True:
            with transaction.atomic():
                people = _read(last, self.settings, lock=_LOCK)
                if not people:
                    return
                self._write(people)
                last = people[-1].ref
                record(last, len(people))

    def _write(self, people: Sequence[Person]) -> None:
        outcomes = [merge(person, self.settings) for person in people]
        for outcome in outcomes:
            self.conflicts.update(outcome.conflicts)
        new = [outcome for outcome in outcomes if outcome.user_id is None]
        known = [outcome for outcome in outcomes if outcome.user_id is not None]
        self._create(new)
        self._update([outcome for outcome in known if outcome.touches_user])
        self._keys(outcomes)
        self._balances(new, known)
        self._standings(new, known)
        self._restrictions(outcomes)
        self._legacy(outcomes)

    def _create(self, new: Sequence[Outcome]) -> None:
        """The rows of new users; each outcome learns its id. Ids follow the order of the legacy
        ids."""
        if not new:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT nextval((SELECT pg_get_serial_sequence('users_user', 'id')::regclass))"
                " FROM generate_series(1, %s)",
                [len(new)],
            )
            for outcome, (pk,) in zip(new, cursor.fetchall(), strict=True):
                outcome.user_id = pk
            with cursor.copy(_USERS) as copy:
                for outcome in new:
                    copy.write_row(self._user(outcome))

    def _user(self, outcome: Outcome) -> tuple[Any, ...]:
        return (
            outcome.user_id,
            outcome.password or make_password(None),
            outcome.username,
            outcome.email,
            User.EmailState.OK.value,
            False,
            outcome.role,
            "{}",
            "",
            "",
            "",
            outcome.joined_at,
            self.source,
            outcome.ref,
            outcome.legacy_username,
            _array(outcome.flags or []),
        )

    def _update(self, changed: Sequence[Outcome]) -> None:
        if not changed:
            return
        columns: list[list[Any]] = [
            [each.user_id for each in changed],
            [each.username for each in changed],
            [each.legacy_username for each in changed],
            [each.email for each in changed],
            [each.set_email for each in changed],
            [each.role for each in changed],
            [
                (each.password or make_password(None)) if each.set_password else None
                for each in changed
            ],
            [each.joined_at for each in changed],
            [None if each.flags is None else _array(each.flags) for each in changed],
        ]
        with connection.cursor() as cursor:
            cursor.execute(_UPDATE, columns)

    def _keys(self, outcomes: Sequence[Outcome]) -> None:
        """A key that was reset at the source ends here too, and the new one works."""
        revoked = [bytes.fromhex(each.revoke_key) for each in outcomes if each.revoke_key]
        if revoked:
            ApiKey.objects.filter(digest__in=revoked, revoked_at__isnull=True).update(
                revoked_at=self.settings.now
            )
        made = [(each.user_id, *each.key) for each in outcomes if each.key]
        with connection.cursor() as cursor:
            cursor.execute(
                _KEYS,
                [
                    [user_id for user_id, _digest, _prefix, _made in made],
                    [bytes.fromhex(digest) for _user, digest, _prefix, _made in made],
                    [prefix for _user, _digest, prefix, _made in made],
                    [
                        created_at or self.settings.now
                        for _user, _digest, _prefix, created_at in made
                    ],
                ],
            )

    def _balances(self, new: Sequence[Outcome], known: Sequence[Outcome]) -> None:
        circumstances: Any = {
            "now": self.settings.now,
            "actor": self.act.actor,
            "reason": self.act.reason,
        }
        open_accounts_bringing(_openings(new), **circumstances)
        post_opening_balances(_openings(known), **circumstances)

    def _standings(self, new: Sequence[Outcome], known: Sequence[Outcome]) -> None:
        take_over([_told(each) for each in new])
        told = [_told(each) for each in known if each.standing is not None]
        if told:
            retell(told, now=self.settings.now)

    def _restrictions(self, outcomes: Sequence[Outcome]) -> None:
        banned = [each.user_id for each in outcomes if each.suspend and each.user_id is not None]
        if banned:
            suspend(banned, self.act)
        freed = {pk: each.user_id for each in outcomes for pk in each.lift}
        if freed:
            self._lift(freed)

    def _lift(self, freed: dict[int, int | None]) -> None:
        """Keys that the import ended with the ban work again, unless another suspension still
        holds."""
        acts = list(Restriction.objects.filter(pk__in=freed).values_list("act_id", flat=True))
        lift(list(freed), self.act)
        people = User.objects.filter(pk__in=[pk for pk in freed.values() if pk is not None])
        ApiKey.objects.filter(
            user__in=people.unrestricted(SUSPENSION, self.settings.now), revoked_by_act__in=acts
        ).update(revoked_at=None, revoked_by_act=None)

    def _legacy(self, outcomes: Sequence[Outcome]) -> None:
        written = [
            {"ref": each.ref, "user_id": each.user_id, "given": each.given} for each in outcomes
        ]
        with connection.cursor() as cursor:
            cursor.execute(_LEGACY, [self.source, self.run_id, as_json(written)])


def foreseen_conflicts(settings: Settings) -> Counter[str]:
    """The conflicts that loading would meet; locks and writes nothing."""
    conflicts: Counter[str] = Counter()
    last: int | None = None
    while people := _read(last, settings):
        for person in people:
            conflicts.update(merge(person, settings).conflicts)
        last = people[-1].ref
    return conflicts


def _read(last: int | None, settings: Settings, lock: str = "") -> list[Person]:
    """The next chunk of persons, with those known here as they stand, locked if so asked."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [-(2**63) if last is None else last, CHUNK])
        waiting = cursor.fetchall()
        known = sorted(row[3] for row in waiting if row[3] is not None)
        here: dict[int | None, Here] = {}
        if known:
            cursor.execute(_HERE + lock, [settings.now, known])
            here = {
                pk: Here(**dict(zip(_FACTS_HERE, facts, strict=True)))
                for pk, *facts in cursor.fetchall()
            }
    return [_person(row, here) for row in waiting]


def _person(row: tuple[Any, ...], here: Mapping[int | None, Here]) -> Person:
    """A row of the chunk as ``merge`` takes it."""
    ref, facts, base, user_id, name, email, renamed, readdressed, password, changed, taken = row
    return Person(
        ref=ref,
        facts=json.loads(facts),
        base=json.loads(base) if base else None,
        user_id=user_id,
        name=name or "",
        email=email,
        renamed=renamed,
        readdressed=readdressed,
        password=password,
        new_password=changed,
        key_taken=taken,
        here=here.get(user_id),
    )


def _openings(outcomes: Sequence[Outcome]) -> list[Opening]:
    return [
        Opening(each.user_id, *each.opening)
        for each in outcomes
        if each.opening is not None and each.user_id is not None
    ]


def _told(outcome: Outcome) -> Told:
    standing = outcome.standing
    assert standing is not None
    assert outcome.user_id is not None
    return Told(
        outcome.user_id,
        standing.tier,
        standing.starts_at,
        standing.ends_at,
        standing.months,
        standing.over,
    )


def _array(flags: Sequence[str]) -> str:
    """A text[] literal."""
    return "{" + ",".join(json.dumps(flag, ensure_ascii=False) for flag in flags) + "}"
