"""How tags are put on people and taken off: the procedures behind ``users.tag``. The only module
that writes taggings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from audit.procedures import ActContext, Change, Procedure, Refusal, Verdict
from audit.targets import among
from users.models import Tag, Tagging

_Pair = tuple[int, str]  # a tag's id and name


@dataclass(frozen=True, slots=True)
class Tagged:
    """A user's tags, and what the act would do to them: names to put on, (id, name) to take off."""

    target_id: int
    names: tuple[str, ...]
    lacking: tuple[str, ...]
    unwanted: tuple[_Pair, ...]


# PostgreSQL compares the names, as the unique index does. A tag that exists keeps its spelling.
_LOAD = """
SELECT u.id,
       ARRAY(SELECT t.name FROM users_tagging g JOIN users_tag t ON t.id = g.tag_id
              WHERE g.user_id = u.id ORDER BY lower(t.name)),
       ARRAY(SELECT coalesce(t.name, w.name)
               FROM unnest(%s::text[]) WITH ORDINALITY AS w(name, place)
               LEFT JOIN users_tag t ON lower(t.name) = lower(w.name)
              WHERE NOT EXISTS (SELECT 1 FROM users_tagging g
                                 WHERE g.user_id = u.id AND g.tag_id = t.id) ORDER BY w.place),
       (SELECT coalesce(json_agg(json_build_array(t.id, t.name) ORDER BY t.id), '[]')
          FROM users_tagging g JOIN users_tag t ON t.id = g.tag_id
         WHERE g.user_id = u.id
           AND lower(t.name) IN (SELECT lower(w.name) FROM unnest(%s::text[]) AS w(name)))
  FROM users_user u WHERE u.id = ANY(%s) ORDER BY u.id
"""
_PUT_ON = """
INSERT INTO users_tagging (tag_id, user_id, created_at)
SELECT tag_id, user_id, %s FROM unnest(%s::bigint[], %s::bigint[]) AS w(tag_id, user_id)
  JOIN users_tag ON users_tag.id = tag_id
ON CONFLICT DO NOTHING
"""
_TAKE_OFF = """
DELETE FROM users_tagging g USING unnest(%s::bigint[], %s::bigint[]) AS w(tag_id, user_id)
 WHERE g.tag_id = w.tag_id AND g.user_id = w.user_id
"""
_NAMED = """
SELECT w.name, t.id FROM unnest(%s::text[]) AS w(name)
  JOIN users_tag t ON lower(t.name) = lower(w.name)
"""


def _load(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Tagged]:
    """People are locked by the executor, which is enough: tags of a person change under it."""
    with connection.cursor() as cursor:
        cursor.execute(_LOAD, [list(params["add"]), list(params["remove"]), list(ids)])
        return [
            Tagged(pk, tuple(names), tuple(lacking), tuple((pair[0], pair[1]) for pair in unwanted))
            for pk, names, lacking, unwanted in cursor.fetchall()
        ]


_SPELLED = """
SELECT w.name, t.name FROM unnest(%s::text[]) AS w(name)
  JOIN users_tag t ON lower(t.name) = lower(w.name)
"""


def load_each(wanted: Mapping[int, Sequence[str]]) -> list[Tagged]:
    """As ``TAG.load``, where each user gets tags of their own: people who have none yet, or who are
    none yet, too. Two statements. The parameters of ``TAG.write`` are then all names together."""
    held: dict[int, list[str]] = {user_id: [] for user_id in wanted}
    tagged = Tagging.objects.filter(among("user_id", list(wanted))).order_by(Lower("tag__name"))
    for user_id, name in tagged.values_list("user_id", "tag__name"):
        held[user_id].append(name)
    with connection.cursor() as cursor:
        cursor.execute(_SPELLED, [sorted({name for names in wanted.values() for name in names})])
        spelled = dict(cursor.fetchall())
    return [
        Tagged(
            user_id,
            tuple(held[user_id]),
            lacking=tuple(
                spelled.get(name, name)
                for name in names
                if spelled.get(name, name) not in held[user_id]
            ),
            unwanted=(),
        )
        for user_id, names in wanted.items()
    ]


def _decide(row: Tagged, params: Mapping[str, Any], now: datetime) -> Verdict:
    if not row.lacking and not row.unwanted:
        return None
    return _change(row.names, on=row.lacking, off=[name for _id, name in row.unwanted])


def _change(names: Sequence[str], *, on: Sequence[str], off: Sequence[str]) -> Change:
    kept = [name for name in names if name not in off]
    after = sorted([*kept, *(name for name in on if name not in kept)], key=str.casefold)
    return Change(before={"tags": _as_text(names)}, after={"tags": _as_text(after)})


def _as_text(names: Iterable[str]) -> str | None:
    return ", ".join(names) or None


def _write(changes: Sequence[tuple[Tagged, Change]], act: ActContext) -> dict[int, Any]:
    ids = _ids_of(act.params["add"], act)
    on = {row.target_id: [ids[name] for name in row.lacking] for row, _change in changes}
    off = {row.target_id: [pk for pk, _name in row.unwanted] for row, _change in changes}
    _move(on, off, act.now)
    return {target: {"on": on[target], "off": off[target]} for target in on}


def _ids_of(names: Sequence[str], act: ActContext) -> dict[str, int]:
    """The tag of each name, made where there is none; also under the spelling it has."""
    Tag.objects.bulk_create(
        [Tag(name=name, created_at=act.now) for name in sorted(names)], ignore_conflicts=True
    )
    with connection.cursor() as cursor:
        cursor.execute(_NAMED, [list(names)])
        typed = dict(cursor.fetchall())
    spelled = Tag.objects.filter(pk__in=typed.values()).values_list("name", "pk")
    return typed | dict(spelled)


def _move(on: Mapping[int, list[int]], off: Mapping[int, list[int]], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_PUT_ON, [now, *_columns(on)])
        cursor.execute(_TAKE_OFF, [*_columns(off)])


def _columns(tags: Mapping[int, list[int]]) -> tuple[list[int], list[int]]:
    pairs = [(tag, user) for user, held in tags.items() for tag in held]
    return [tag for tag, _user in pairs], [user for _tag, user in pairs]


# The inverse: what the act put on comes off, what it took off is put on again


@dataclass(frozen=True, slots=True)
class Retagged:
    """A user whose tags an act changed: theirs now, and of what it did that which still stands."""

    target_id: int
    names: tuple[str, ...]
    on: tuple[_Pair, ...]
    off: tuple[_Pair, ...]


_LOAD_UNDO = """
SELECT u.id,
       ARRAY(SELECT t.name FROM users_tagging g JOIN users_tag t ON t.id = g.tag_id
              WHERE g.user_id = u.id ORDER BY lower(t.name)),
       (SELECT coalesce(json_agg(json_build_array(t.id, t.name) ORDER BY t.id), '[]')
          FROM users_tagging g JOIN users_tag t ON t.id = g.tag_id
         WHERE g.user_id = u.id AND t.id = ANY(%s))
  FROM users_user u WHERE u.id = ANY(%s) ORDER BY u.id
"""


def _load_undo(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Retagged]:
    receipts = {target: params["receipts"][target] for target in ids}
    concerned = {tag for done in receipts.values() for tag in (*done["on"], *done["off"])}
    known = dict(Tag.objects.filter(pk__in=concerned).values_list("pk", "name"))
    with connection.cursor() as cursor:
        cursor.execute(_LOAD_UNDO, [sorted(concerned), list(ids)])
        return [
            _retagged(pk, names, dict(held), receipts[pk], known)
            for pk, names, held in cursor.fetchall()
        ]


def _retagged(
    user_id: int,
    names: Sequence[str],
    held: Mapping[int, str],
    done: Mapping[str, list[int]],
    known: Mapping[int, str],
) -> Retagged:
    return Retagged(
        user_id,
        tuple(names),
        on=tuple((pk, known[pk]) for pk in done["off"] if pk in known and pk not in held),
        off=tuple((pk, held[pk]) for pk in done["on"] if pk in held),
    )


def _decide_undo(row: Retagged, params: Mapping[str, Any], now: datetime) -> Verdict:
    if not row.on and not row.off:
        return Refusal(_("The tags were changed back since."))
    return _change(
        row.names, on=[name for _id, name in row.on], off=[name for _id, name in row.off]
    )


def _write_undo(changes: Sequence[tuple[Retagged, Change]], act: ActContext) -> dict[int, Any]:
    on = {row.target_id: [pk for pk, _name in row.on] for row, _change in changes}
    off = {row.target_id: [pk for pk, _name in row.off] for row, _change in changes}
    _move(on, off, act.now)
    return {target: {"on": on[target], "off": off[target]} for target in on}


TAG = Procedure(code="users.tag", load=_load, decide=_decide, write=_write)
UNDO_TAG = Procedure(code="users.tag", load=_load_undo, decide=_decide_undo, write=_write_undo)
