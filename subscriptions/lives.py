"""A user's subscription as one picture: read whole, changed in memory, written as the difference
between two pictures. The only module that writes what ``subscriptions.lifecycle`` decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

NEW = -1  # the id of a row that is yet to be; there is at most one new row of a kind


class Line(NamedTuple):
    """A row of Subscription."""

    id: int
    tier: int
    source: str
    created_at: datetime
    ended_at: datetime | None
    anchor_at: datetime | None

    @property
    def anchor(self) -> datetime:
        return self.anchor_at or self.created_at


class Span(NamedTuple):
    """A row of Period: ``[starts, ends)``, without an end where ``ends`` is None."""

    id: int
    line_id: int
    tier: int
    starts: datetime
    ends: datetime | None
    months: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Picture:
    """Where a user stands, the newest subscription, and its periods in order.

    ``tier``, ``ends_at``, ``months`` are those of the standing. ``spans`` holds beside the newest
    subscription's periods whatever reaches beyond its end, so that a new one cannot overlap it.
    ``offered``: whether the tier that the act asks for is offered. ``closed``: the user has left.
    """

    target_id: int
    version: int
    tier: int
    ends_at: datetime | None
    months: int
    legacy_months: int
    newest: int | None
    lines: tuple[Line, ...]
    spans: tuple[Span, ...]
    offered: bool = False
    closed: bool = False

    def running(self, now: datetime) -> Line | None:
        """The subscription that grants its tier at ``now``."""
        line = next((line for line in self.lines if line.id == self.newest), None)
        if line is None or line.ended_at is not None:
            return None
        return line if self.ends_at is None or now < self.ends_at else None

    def effective_tier(self, now: datetime) -> int:
        return self.tier if self.running(now) else 0


_LOAD = """
SELECT st.user_id, st.version, st.tier, st.ends_at, st.months, st.legacy_months,
       s.id, s.tier_id, s.source, s.created_at, s.ended_at, s.anchor_at, p.*,
       EXISTS (SELECT FROM subscriptions_tier WHERE level = %(wanted)s AND active),
       u.closed_at IS NOT NULL
  FROM subscriptions_standing st
  JOIN users_user u ON u.id = st.user_id
  LEFT JOIN subscriptions_subscription s ON s.id = st.subscription_id
 CROSS JOIN LATERAL (
        SELECT array_agg(id ORDER BY span), array_agg(subscription_id ORDER BY span),
               array_agg(tier_id ORDER BY span), array_agg(lower(span) ORDER BY span),
               array_agg(upper(span) ORDER BY span), array_agg(months ORDER BY span),
               array_agg(created_at ORDER BY span)
          FROM subscriptions_period
         WHERE user_id = st.user_id
           AND (subscription_id = st.subscription_id OR upper_inf(span)
                OR upper(span) > st.ends_at)) p
 WHERE st.user_id = ANY(%(ids)s)
 ORDER BY st.user_id
"""


def load(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Picture]:
    """The pictures of these users in id order. The lock on their standings is a statement of its
    own: one that also read other tables would see those as they were before it waited."""
    with connection.cursor() as cursor:
        if lock:
            cursor.execute(
                "SELECT FROM subscriptions_standing WHERE user_id = ANY(%s)"
                " ORDER BY user_id FOR NO KEY UPDATE",
                [list(ids)],
            )
        cursor.execute(_LOAD, {"ids": list(ids), "wanted": params.get("tier")})
        return [_picture(row) for row in cursor.fetchall()]


def _picture(row: Sequence[Any]) -> Picture:
    user_id, version, tier, ends_at, months, legacy, *line = row[:12]
    spans = zip(*row[12:19], strict=True) if row[12] else ()
    return Picture(
        target_id=user_id,
        version=version,
        tier=tier,
        ends_at=ends_at,
        months=months,
        legacy_months=legacy,
        newest=line[0],
        lines=(Line(*line),) if line[0] is not None else (),
        spans=tuple(Span(*span) for span in spans),
        offered=row[19],
        closed=row[20],
    )


class Difference(NamedTuple):
    """What leads from one picture to another: rows as they shall be, and ids that shall be no
    more."""

    lines: tuple[Line, ...]
    spans: tuple[Span, ...]
    gone_lines: tuple[int, ...]
    gone_spans: tuple[int, ...]


def difference(old: Picture, new: Picture) -> Difference:
    """The rows of ``new`` that ``old`` has not so, and those that only ``old`` has."""
    return Difference(
        lines=tuple(line for line in new.lines if line not in old.lines),
        spans=tuple(span for span in new.spans if span not in old.spans),
        gone_lines=_gone(old.lines, new.lines),
        gone_spans=_gone(old.spans, new.spans),
    )


def _gone(old: Sequence[Line | Span], new: Sequence[Line | Span]) -> tuple[int, ...]:
    kept = {row.id for row in new}
    return tuple(row.id for row in old if row.id not in kept)


_PUT_LINES = """
INSERT INTO subscriptions_subscription
       (id, user_id, tier_id, source, created_at, ended_at, anchor_at)
SELECT id, user_id, tier_id, source, created_at, ended_at, anchor_at
  FROM unnest(%s::bigint[], %s::bigint[], %s::smallint[], %s::text[], %s::timestamptz[],
              %s::timestamptz[], %s::timestamptz[])
       AS put (id, user_id, tier_id, source, created_at, ended_at, anchor_at)
 ORDER BY ended_at NULLS LAST, id -- what ends makes room for what lives
    ON CONFLICT (id) DO UPDATE
   SET tier_id = excluded.tier_id, ended_at = excluded.ended_at, anchor_at = excluded.anchor_at
"""
_PUT_SPANS = """
INSERT INTO subscriptions_period
       (id, user_id, subscription_id, tier_id, span, months, created_at)
SELECT id, user_id, subscription_id, tier_id, tstzrange(starts, ends), months, created_at
  FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::smallint[], %s::timestamptz[],
              %s::timestamptz[], %s::integer[], %s::timestamptz[])
       AS put (id, user_id, subscription_id, tier_id, starts, ends, months, created_at)
 ORDER BY starts -- a period is cut before its successor begins
    ON CONFLICT (id) DO UPDATE
   SET tier_id = excluded.tier_id, span = excluded.span, months = excluded.months
"""
_PUT_STANDINGS = """
UPDATE subscriptions_standing st
   SET subscription_id = put.subscription_id, tier = put.tier, ends_at = put.ends_at,
       months = put.months, version = st.version + 1
  FROM unnest(%s::bigint[], %s::bigint[], %s::smallint[], %s::timestamptz[], %s::integer[])
       AS put (user_id, subscription_id, tier, ends_at, months)
 WHERE st.user_id = put.user_id
"""


def write(pairs: Sequence[tuple[Picture, Picture]]) -> list[Picture]:
    """Bring each first picture, loaded under lock, to its second: a constant number of statements.
    Gives back the second pictures with the ids that their new rows got."""
    numbered = _number([new for _old, new in pairs])
    steps = [
        (new.target_id, difference(old, new))
        for (old, _new), new in zip(pairs, numbered, strict=True)
    ]
    lines = [(line[0], user, *line[1:]) for user, step in steps for line in step.lines]
    spans = [(span[0], user, *span[1:]) for user, step in steps for span in step.spans]
    standings = [(new.target_id, new.newest, new.tier, new.ends_at, new.months) for new in numbered]
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM subscriptions_period WHERE id = ANY(%s)",
            [[pk for _user, step in steps for pk in step.gone_spans]],
        )
        cursor.execute(
            "DELETE FROM subscriptions_subscription WHERE id = ANY(%s)",
            [[pk for _user, step in steps for pk in step.gone_lines]],
        )
        cursor.execute(_PUT_LINES, _columns(lines, 7))
        cursor.execute(_PUT_SPANS, _columns(spans, 8))
        cursor.execute(_PUT_STANDINGS, _columns(standings, 5))
    return numbered


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[place] for row in rows] for place in range(width)]


def _number(pictures: Sequence[Picture]) -> list[Picture]:
    """The pictures with ids for their new rows."""
    new_lines = sum(line.id == NEW for picture in pictures for line in picture.lines)
    new_spans = sum(span.id == NEW for picture in pictures for span in picture.spans)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(name, 'id'))"
            "  FROM unnest(%s::text[], %s::integer[]) AS wanted (name, number),"
            "       generate_series(1, number)",
            [["subscriptions_subscription", "subscriptions_period"], [new_lines, new_spans]],
        )
        ids = [row[0] for row in cursor.fetchall()]
    line_ids, span_ids = iter(ids[:new_lines]), iter(ids[new_lines:])
    return [_numbered(picture, line_ids, span_ids) for picture in pictures]


def _numbered(picture: Picture, line_ids: Iterator[int], span_ids: Iterator[int]) -> Picture:
    begins = any(line.id == NEW for line in picture.lines)
    line_id = next(line_ids) if begins else NEW

    def named(pk: int) -> int:
        return line_id if pk == NEW else pk

    return replace(
        picture,
        newest=picture.newest and named(picture.newest),
        lines=tuple(line._replace(id=named(line.id)) for line in picture.lines),
        spans=tuple(
            span._replace(
                id=next(span_ids) if span.id == NEW else span.id, line_id=named(span.line_id)
            )
            for span in picture.spans
        ),
    )
