"""Rows of a file, kept beside the users they mean. Whom a row means is asked of the database, whose
idea of lower case is the one that counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from django.db import connection
from django.utils.translation import gettext as _

from audit.record import as_json
from users.uploads.fields import EMAIL, ID, USERNAME
from users.uploads.rows import Parsed

_COPY = """COPY users_uploadrow (upload_id, number, is_new, name, look, values, problem,
    kind_of_problem) FROM STDIN"""
_SAME = {
    ID: "u.id = (r.values->>'id')::bigint",
    USERNAME: "lower(u.username) = lower(r.values->>'username')",
    EMAIL: "lower(u.email) = lower(r.values->>'email')",
}
_MATCH = """
UPDATE users_uploadrow r SET target_id = u.id, name = u.username
  FROM users_user u
 WHERE r.upload_id = %(upload)s AND r.number BETWEEN %(first)s AND %(last)s AND r.problem = ''
   AND {same}
"""
# Rows of which it is clear by now that nothing comes of them, and those that make somebody.
_VERDICT = """CASE
    WHEN target_id IS NOT NULL AND %(mode)s = 'create' THEN %(exists)s
    WHEN target_id IS NOT NULL THEN ''
    WHEN %(mode)s = 'update' OR (%(match)s = 'id' AND values ? 'id') THEN %(nobody)s
    WHEN NOT values ? 'username' THEN %(nameless)s
    ELSE '' END"""
_JUDGE = f"""
UPDATE users_uploadrow
   SET problem = {_VERDICT}, kind_of_problem = {_VERDICT},
       is_new = target_id IS NULL AND {_VERDICT} = ''
 WHERE upload_id = %(upload)s AND number BETWEEN %(first)s AND %(last)s AND problem = ''
"""  # noqa: S608 (put together from literals)
_TWICE = """
WITH keyed AS (
    SELECT id, number, {key} AS key FROM users_uploadrow
     WHERE upload_id = %(upload)s AND problem = ''
), twice AS (
    SELECT key, array_agg(number ORDER BY number) AS numbers FROM keyed
     WHERE key IS NOT NULL GROUP BY key HAVING count(*) > 1
)
UPDATE users_uploadrow r
   SET problem = replace(%(sentence)s, '<rows>',
                         array_to_string(twice.numbers[1:4], ', ')
                         || CASE WHEN cardinality(twice.numbers) > 4 THEN ', …' ELSE '' END),
       kind_of_problem = %(kind)s, is_new = false
  FROM keyed JOIN twice USING (key)
 WHERE r.id = keyed.id
"""
_RESERVE = """
UPDATE users_uploadrow SET target_id = nextval(pg_get_serial_sequence('users_user', 'id'))
 WHERE upload_id = %(upload)s AND is_new
"""
_COUNT = """
SELECT count(*), count(*) FILTER (WHERE problem <> ''),
       coalesce(array_agg(target_id ORDER BY target_id) FILTER (WHERE problem = ''), '{}')
  FROM users_uploadrow WHERE upload_id = %(upload)s
"""


def stage(upload: int, rows: Sequence[Parsed], options: Mapping[str, str]) -> None:
    """Keep these rows, which follow each other in the file, and look up whom they mean. A constant
    number of statements."""
    if not rows:
        return
    with connection.cursor() as cursor:
        with cursor.copy(_COPY) as copy:
            for row in rows:
                values = as_json(row.values)
                copy.write_row(
                    (upload, row.number, False, row.name, row.look, values, row.problem, row.kind)
                )
        batch = {"upload": upload, "first": rows[0].number, "last": rows[-1].number}
        cursor.execute(_MATCH.format(same=_SAME[options["match"]]), batch)
        cursor.execute(_JUDGE, {**batch, **options, **_sentences(options["match"])})


def _sentences(match: str) -> dict[str, str]:
    nobody = {
        ID: _("There is no user with this ID."),
        USERNAME: _("There is no user of this name."),
        EMAIL: _("There is no user with this address."),
    }
    return {
        "exists": _("This user exists already, and the import was to create users only."),
        "nobody": nobody[match],
        "nameless": _("There is no such user, and to create one a username is needed."),
    }


def finish(upload: int) -> tuple[int, int, list[int]]:
    """After the last row: refuse what is told twice, and reserve ids for those to be made. Returns
    how many rows there are, how many are refused, and the ids of the users that the others are
    about."""
    same = _("Rows <rows> are about the same user, or about names that look the same. Leave one.")
    keys = {
        "coalesce('#' || target_id, '@' || lower(look))": same,
        # What looks alike in capitals may not in small letters: ИВАН and Иван are one name.
        "CASE WHEN is_new THEN lower(values->>'username') END": same,
        "CASE WHEN is_new THEN lower(values->>'email') END": _(
            "Rows <rows> have the same address. Leave one."
        ),
    }
    kind = _("Told twice in the file.")
    with connection.cursor() as cursor:
        # What follows, and the run, must not be planned for the few rows there were before.
        cursor.execute("ANALYZE users_uploadrow")
        for key, sentence in keys.items():
            cursor.execute(
                _TWICE.format(key=key), {"upload": upload, "sentence": sentence, "kind": kind}
            )
        cursor.execute(_RESERVE, {"upload": upload})
        cursor.execute(_COUNT, {"upload": upload})
        rows, problems, ids = cursor.fetchone()
    return rows, problems, ids


class Gifts(NamedTuple):
    """The least and the most credits that a row gives, and how many all give."""

    least: Decimal
    most: Decimal
    total: Decimal


def gifts(upload: int, ids: Sequence[int]) -> Gifts:
    """What the rows about these users give."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(min(given), 0), coalesce(max(given), 0), coalesce(sum(given), 0)"
            "  FROM (SELECT (values->>'credits')::numeric AS given FROM users_uploadrow"
            "         WHERE upload_id = %s AND target_id = ANY(%s) AND problem = '') AS rows",
            [upload, list(ids)],
        )
        return Gifts(*cursor.fetchone())


def may_take(upload: int) -> int:
    """How many rows of users there are may end or shorten a subscription."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM users_uploadrow WHERE upload_id = %s AND problem = ''"
            "   AND NOT is_new AND (values->>'tier' = '0' OR values ? 'expires')",
            [upload],
        )
        [rows] = cursor.fetchone()
    return int(rows)


def numbers_of(upload: int, ids: Iterable[int]) -> dict[int, tuple[int, str, bool]]:
    """For these users the number of their row, what it calls them, and whether it makes them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT target_id, number, name, is_new FROM users_uploadrow"
            " WHERE upload_id = %s AND target_id = ANY(%s) AND problem = ''",
            [upload, list(ids)],
        )
        return {pk: (number, name, is_new) for pk, number, name, is_new in cursor.fetchall()}
