"""Staged rows beside what the database knows of their users: what an import decides on. Some
statements for any number of rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db import connection

from billing.adjustments import ADJUST_CREDITS, Holding
from billing.models import Account
from subscriptions import lives
from subscriptions.lives import Picture
from subscriptions.models import Tier
from users.profile import tagging
from users.profile.names import look
from users.profile.tagging import Tagged


@dataclass(frozen=True, slots=True)
class Known:
    """A user as they stand."""

    username: str
    email: str | None
    country: str
    locale: str
    timezone: str
    closed: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the file with whom it means. ``known`` is None for somebody who is yet to be made;
    then ``holder`` is who signs in by the name or the address, and ``lookalike`` whom the name
    would pass for. The rest is there where the row says something about it."""

    target_id: int
    number: int
    is_new: bool
    values: Mapping[str, Any]
    known: Known | None
    holder: str = ""
    lookalike: str = ""
    holding: Holding | None = None
    picture: Picture | None = None
    tagged: Tagged | None = None

    @property
    def name(self) -> str:
        """What the user is called, or will be."""
        return self.known.username if self.known else str(self.values.get("username", ""))


_LOAD = """
SELECT r.target_id, r.number, r.is_new, r.values, u.id IS NOT NULL,
       u.username, u.email, u.country, u.locale, u.timezone, u.closed_at IS NOT NULL
  FROM users_uploadrow r LEFT JOIN users_user u ON u.id = r.target_id
 WHERE r.upload_id = %s AND r.target_id = ANY(%s) AND r.problem = ''
 ORDER BY r.target_id
"""
# What somebody signs in by: a username, an address, or the name they had in CoAI; and the names
# that a name would pass for.
_TAKEN = """
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[])
        AS w (id, name, email, look)
), found AS (
    SELECT w.id, o.username, true AS held FROM wanted w
      JOIN users_user o ON lower(o.username) IN (lower(w.name), lower(w.email))
    UNION ALL
    SELECT w.id, o.username, true FROM wanted w
      JOIN users_user o ON lower(o.email) IN (lower(w.name), lower(w.email))
    UNION ALL
    SELECT w.id, o.username, true FROM wanted w
      JOIN users_user o ON o.legacy_username IN (w.name, w.email)
    UNION ALL
    SELECT w.id, o.username, false FROM wanted w
      JOIN users_user o ON w.look <> w.name AND lower(o.username) = lower(w.look)
)
SELECT id, coalesce(min(username) FILTER (WHERE held), ''),
       coalesce(min(username) FILTER (WHERE NOT held), '') FROM found GROUP BY id
"""


def load(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Line]:
    """The rows of the upload ``params["upload"]`` about these users, in id order."""
    lines = _lines(ids, params["upload"])
    taken = _taken([line for line in lines if line.known is None])
    holdings = _holdings(lines, lock=lock)
    pictures = _pictures(lines, lock=lock)
    tagged = _tagged(lines)
    return [
        replace(
            line,
            holder=taken.get(line.target_id, ("", ""))[0],
            lookalike=taken.get(line.target_id, ("", ""))[1],
            holding=holdings.get(line.target_id),
            picture=pictures.get(line.target_id),
            tagged=tagged.get(line.target_id),
        )
        for line in lines
    ]


def _lines(ids: Sequence[int], upload: int) -> list[Line]:
    with connection.cursor() as cursor:
        cursor.execute(_LOAD, [upload, list(ids)])
        return [
            Line(target, number, is_new, json.loads(values), Known(*facts) if there else None)
            for target, number, is_new, values, there, *facts in cursor.fetchall()
        ]


def _taken(lines: Sequence[Line]) -> dict[int, tuple[str, str]]:
    if not lines:
        return {}
    names = [line.name for line in lines]
    columns: list[Any] = [
        [line.target_id for line in lines],
        names,
        [line.values.get("email") for line in lines],
        [look(name) for name in names],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_TAKEN, columns)
        return {pk: (holder, lookalike) for pk, holder, lookalike in cursor.fetchall()}


def _saying(lines: Sequence[Line], *fields: str) -> tuple[list[int], list[int]]:
    """The users of the rows that say something about these fields: those there are, and those who
    are yet to be made."""
    said = [line for line in lines if any(field in line.values for field in fields)]
    known = [line.target_id for line in said if line.known]
    return known, [line.target_id for line in said if not line.known]


def _holdings(lines: Sequence[Line], *, lock: bool) -> dict[int, Holding]:
    known, new = _saying(lines, "credits")
    found = ADJUST_CREDITS.load(known, lock=lock, params={}) if known else []
    return {row.target_id: row for row in found} | {pk: no_holding(pk) for pk in new}


def _pictures(lines: Sequence[Line], *, lock: bool) -> dict[int, Picture]:
    known, new = _saying(lines, "tier", "expires")
    if not known and not new:
        return {}
    found = lives.load(known, lock=lock, params={}) if known else []
    pictures = {row.target_id: row for row in found} | {pk: no_subscription(pk) for pk in new}
    offered = set(Tier.objects.filter(active=True).values_list("level", flat=True))
    wanted = {line.target_id: line.values.get("tier") for line in lines}
    return {pk: replace(picture, offered=wanted[pk] in offered) for pk, picture in pictures.items()}


def _tagged(lines: Sequence[Line]) -> dict[int, Tagged]:
    wanted = {line.target_id: line.values["tags"] for line in lines if "tags" in line.values}
    return {row.target_id: row for row in tagging.load_each(wanted)} if wanted else {}


def no_holding(user_id: int) -> Holding:
    """The account of somebody who is yet to be made, as it will be opened."""
    status = int(Account.Status.ACTIVE)
    return Holding(user_id, 0, status, Decimal(0), Decimal(0), 0, closed=False)


def no_subscription(user_id: int) -> Picture:
    """The standing of somebody who is yet to be made, as it will be opened."""
    return Picture(user_id, 0, 0, None, 0, 0, None, (), ())
