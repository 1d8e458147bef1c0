"""Doing what rows of a file say, many at once: each part by the procedure that does it by hand, so
that its rules, its history and its way back are the same. The number of statements does not depend
on the number of rows."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import connection

from audit.procedures import ActContext, Change, Procedure
from billing.adjustments import ADJUST_CREDITS
from billing.services import open_accounts
from subscriptions.lifecycle import SET_TIER
from subscriptions.services import open_standings
from users.models import User
from users.profile import notes
from users.profile.tagging import TAG
from users.roles import Role
from users.uploads.deciding import (
    CREATED,
    CREDITS,
    FACTS,
    NOTE,
    PROFILE,
    SUBSCRIPTION,
    TAGS,
)
from users.uploads.lines import Line

_SUFFIX = 20  # bytes: as Django makes them, which takes its time
Pairs = Sequence[tuple[Line, Change]]
_USERS = """COPY users_user (id, password, username, email, email_state, must_change_password, role,
    scope, country, locale, timezone, joined_at, legacy_source, import_flags) FROM STDIN"""
_PROFILES = """
UPDATE users_user u SET country = n.country, locale = n.locale, timezone = n.timezone
  FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS n (id, country, locale, timezone)
 WHERE u.id = n.id
"""


def write(changes: Pairs, act: ActContext) -> dict[int, Any]:
    """Bring the changes about; per user, by part, what undoing it will need."""
    undo: dict[int, dict[str, Any]] = {line.target_id: {} for line, _change in changes}
    for name, write_part in _PARTS.items():
        concerned = [(line, change.data[name]) for line, change in changes if name in change.data]
        if concerned:
            for target, needed in write_part(concerned, act).items():
                undo[target][name] = needed
    return undo


def _create(changes: Pairs, act: ActContext) -> dict[int, Any]:
    """New accounts, with an empty credit account and standing. Nobody can sign in to them: their
    passwords are chosen by a mailed link."""
    with connection.cursor() as cursor, cursor.copy(_USERS) as copy:
        for line, change in changes:
            copy.write_row(_user(line, change, act))
    ids = [line.target_id for line, _change in changes]
    open_accounts(ids, now=act.now)
    open_standings(ids)
    return dict.fromkeys(ids, True)


def _user(line: Line, change: Change, act: ActContext) -> tuple[Any, ...]:
    return (
        line.target_id,
        UNUSABLE_PASSWORD_PREFIX + secrets.token_hex(_SUFFIX),
        change.after["username"],
        change.after["email"],
        User.EmailState.OK.value,
        False,
        Role.NONE.value,
        "{}",
        *(line.values.get(field, "") for field in FACTS),
        act.now,
        "",
        "{}",
    )


def _write_profiles(changes: Pairs, act: ActContext) -> dict[int, Any]:
    """Where users live and what they read; the facts of new ones stand there already."""
    set_profiles(
        {
            line.target_id: {
                **{field: getattr(line.known, field) for field in FACTS},
                **change.after,
            }
            for line, change in changes
            if line.known
        }
    )
    return {
        line.target_id: {
            field: [change.before[field], change.after[field]] for field in change.after
        }
        for line, change in changes
    }


def set_profiles(facts: Mapping[int, Mapping[str, str]]) -> None:
    """Country, language and time zone of these users, all three, in one statement."""
    columns = [[each[field] for each in facts.values()] for field in FACTS]
    with connection.cursor() as cursor:
        cursor.execute(_PROFILES, [list(facts), *columns])


def _put_tags(changes: Pairs, act: ActContext) -> Mapping[int, Any]:
    rows = [(line.tagged, change) for line, change in changes if line.tagged]
    names = {name for tagged, _change in rows for name in tagged.lacking}
    return TAG.write(rows, replace(act, params={"add": sorted(names)}))


def _add_credits(changes: Pairs, act: ActContext) -> Mapping[int, Any]:
    return _by(ADJUST_CREDITS, changes, "holding", act)


def _subscribe(changes: Pairs, act: ActContext) -> Mapping[int, Any]:
    return _by(SET_TIER, changes, "picture", act)


def _by(procedure: Procedure, changes: Pairs, part: str, act: ActContext) -> Mapping[int, Any]:
    """As the procedure writes it. The rows of users that were made just now are read anew: they
    have ids by now."""
    made = [line.target_id for line, _change in changes if line.known is None]
    found = procedure.load(made, lock=True, params={}) if made else []
    fresh = {row.target_id: row for row in found}
    rows = [(fresh.get(line.target_id) or getattr(line, part), change) for line, change in changes]
    return procedure.write(rows, replace(act, code=procedure.code))


def _write_notes(changes: Pairs, act: ActContext) -> dict[int, Any]:
    return notes.write({line.target_id: line.values["note"] for line, _change in changes}, act)


_PARTS = {
    CREATED: _create,
    PROFILE: _write_profiles,
    TAGS: _put_tags,
    CREDITS: _add_credits,
    SUBSCRIPTION: _subscribe,
    NOTE: _write_notes,
}
