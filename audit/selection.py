"""Selections: what somebody picked from a list, kept on the server by id. What is shown is what is
acted on, whatever happens to the list meanwhile. Each has one owner, an exact count, a version, and
lives 24 hours."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import connection
from django.db.models import Func, QuerySet
from django.utils.translation import gettext as _

from audit.models import Selection
from audit.people import Actor

LIFE = timedelta(hours=24)

_INSERT = """INSERT INTO audit_selection AS kept
    (id, owner_id, target_type, ids, query, version, created_at, expires_at)"""
_RETURNING = "RETURNING id, version, cardinality(ids), expires_at"

# Adding and taking away in one statement: two tabs that tick at once lose nothing of each other.
_PICK = f"""{_INSERT}
VALUES (%(id)s, %(owner)s, 'user',
        ARRAY(SELECT DISTINCT unnest(%(picked)s::bigint[]) ORDER BY 1), '', 1, %(now)s, %(expires)s)
ON CONFLICT (id) DO UPDATE SET (ids, version) = (
    SELECT changed.ids, kept.version + (changed.ids <> kept.ids)::int
      FROM (SELECT ARRAY(
                SELECT one FROM unnest(kept.ids) AS one WHERE one <> ALL (%(shown)s::bigint[])
                UNION SELECT unnest(%(picked)s::bigint[]) ORDER BY 1) AS ids) AS changed)
WHERE kept.owner_id = %(owner)s AND kept.expires_at > %(now)s
{_RETURNING}"""  # noqa: S608 (put together from literals)

_FREEZE = """{insert}
SELECT %s, %s, 'user', coalesce(array_agg(matching.one ORDER BY matching.one), '{{}}'), %s, 1,
       %s, %s
  FROM ({matching}) AS matching (one)
ON CONFLICT (id) DO UPDATE SET (ids, version, query) = (
    SELECT changed.ids, kept.version + (changed.ids <> kept.ids)::int, excluded.query
      FROM (SELECT ARRAY(SELECT unnest(kept.ids) UNION SELECT unnest(excluded.ids)
                          ORDER BY 1) AS ids) AS changed)
WHERE kept.owner_id = excluded.owner_id AND kept.expires_at > excluded.created_at
{returning}"""

_LOOK = """SELECT id, version, cardinality(ids), expires_at,
    ARRAY(SELECT one FROM unnest(ids) AS one WHERE one = ANY (%s::bigint[]))
  FROM audit_selection WHERE id = %s AND owner_id = %s AND expires_at > %s"""


class NoSelection(ObjectDoesNotExist):
    """The selection has expired, is somebody else's, or never was."""

    def __init__(self) -> None:
        super().__init__(_("This selection has expired or is not yours. Select again."))


@dataclass(frozen=True, slots=True)
class Kept:
    """A selection without its ids, of which there may be a million; ``here`` are those that were
    asked about."""

    id: uuid.UUID
    version: int
    count: int
    expires_at: datetime
    here: frozenset[int] = frozenset()


def look(selection: uuid.UUID, ids: Sequence[int], *, owner: Actor, now: datetime) -> Kept:
    """One's own selection, and which of ``ids`` are in it. One statement. Raises NoSelection."""
    return _kept(_LOOK, [list(ids), selection, owner.pk, now])


def pick(
    selection: uuid.UUID,
    *,
    shown: Collection[int],
    picked: Collection[int],
    owner: Actor,
    now: datetime,
) -> Kept:
    """Of the targets that were ``shown``, have exactly the ``picked`` ones in the selection; others
    in it stay. It is made when there is none of this id. One statement. Raises NoSelection."""
    values = {
        "id": selection,
        "owner": owner.pk,
        "shown": list(shown),
        "picked": list(picked),
        "now": now,
        "expires": now + LIFE,
    }
    return _kept(_PICK, values)


def freeze(
    selection: uuid.UUID, ids: QuerySet[Any, int], *, query: str, owner: Actor, now: datetime
) -> Kept:
    """Put all that match into the selection, as they are now: who comes later is not in it. ``ids``
    yields one column; ``query`` says in the list's own words what was asked. One statement,
    whatever the number. Raises NoSelection."""
    matching, params = ids.query.sql_with_params()
    sql = _FREEZE.format(insert=_INSERT, matching=matching, returning=_RETURNING)
    return _kept(sql, [selection, owner.pk, query, now, now + LIFE, *params])


def members(selection: uuid.UUID, *, owner: Actor, now: datetime) -> QuerySet[Any]:
    """The ids of one's own selection, as a subquery; empty when it has expired."""
    own = Selection.objects.filter(pk=selection, owner=owner.pk, expires_at__gt=now)
    return own.values(member=Func("ids", function="unnest"))


def expire(now: datetime) -> int:
    """Forget selections that are over. Returns how many."""
    return Selection.objects.filter(expires_at__lte=now).delete()[0]


def _kept(sql: str, params: Any) -> Kept:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        row = cursor.fetchone()
    if row is None:
        raise NoSelection
    pk, version, count, expires_at, *here = row
    return Kept(pk, version, count, expires_at, frozenset(here[0]) if here else frozenset())
