"""The targets of a run: frozen once, in id order, in chunks that never change."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

from django.db import connection

from audit.models import Receipt, Run, RunChunk
from audit.procedures import TargetReceipt
from audit.run_models import CHUNK

_FREEZE = """
WITH frozen AS (
    INSERT INTO audit_runchunk (run_id, number, ids)
    SELECT %s, (place - 1) / {size}, array_agg(one ORDER BY one)
      FROM (SELECT one, row_number() OVER (ORDER BY one) AS place
              FROM (SELECT DISTINCT one FROM ({source}) AS asked (one)) AS distinct_ones) AS placed
     GROUP BY 2
    RETURNING cardinality(ids) AS size
)
SELECT coalesce(sum(size), 0)::bigint FROM frozen
"""
_SELECTION = "SELECT unnest(ids) FROM audit_selection WHERE id = %s"
_RECEIPTS = "SELECT target_id FROM audit_receipt WHERE act_id = %s AND outcome = ANY(%s)"
_IDS = "SELECT unnest(%s::bigint[])"


def freeze_selection(run: uuid.UUID, selection: uuid.UUID) -> int:
    """Freeze all that are in a selection now. Returns how many."""
    return _freeze(run, _SELECTION, [selection])


def freeze_receipts(run: uuid.UUID, act: uuid.UUID, outcomes: Sequence[int]) -> int:
    """Freeze those to whom an act did this. Returns how many."""
    return _freeze(run, _RECEIPTS, [act, list(map(int, outcomes))])


def freeze_ids(run: uuid.UUID, ids: Sequence[int]) -> int:
    """Freeze these. Returns how many different ones they are."""
    return _freeze(run, _IDS, [list(ids)])


def _freeze(run: uuid.UUID, source: str, params: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_FREEZE.format(size=CHUNK, source=source), [run, *params])
        [count] = cursor.fetchone()
        return int(count)


_CHANGING = """
SELECT one FROM audit_runchunk,
       LATERAL (SELECT unnest(ids) EXCEPT SELECT unnest(left_out)) AS changing (one)
 WHERE run_id = %s ORDER BY one
"""
_LEAVE_OUT = """
UPDATE audit_runchunk SET left_out = left_out || %s::bigint[] WHERE run_id = %s AND number = %s
"""
_DIGEST = """
SELECT encode(sha256(convert_to(coalesce(string_agg(
           number || ':' || array_to_string(ids, ',')
           || ';' || coalesce(array_to_string(versions, ',', '-'), ''),
           '|' ORDER BY number), ''), 'UTF8')), 'hex')
  FROM audit_runchunk WHERE run_id = %s
"""
_THOSE_IN = """
SELECT DISTINCT run_id, one FROM unnest(%s::bigint[]) AS asked (one)
  JOIN audit_runchunk ON one BETWEEN ids[1] AND ids[cardinality(ids)] AND one = ANY(ids)
 WHERE run_id = ANY(%s) AND NOT one = ANY(left_out)
"""


class Changing(Sequence[int]):
    """Those whom a previewed run would change, in id order. There may be a million, so they are
    read when somebody asks for more than their number."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __len__(self) -> int:
        return self._run.changed

    @cached_property
    def _ids(self) -> list[int]:
        return [pk for (pk,) in _rows(_CHANGING, [self._run.pk])]

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> list[int]: ...
    def __getitem__(self, place: int | slice) -> int | list[int]:
        return self._ids[place]


def those_in(runs: Collection[uuid.UUID], ids: Collection[int]) -> set[tuple[uuid.UUID, int]]:
    """Which of these few people these runs would change, as their previews said."""
    return {(run, pk) for run, pk in _rows(_THOSE_IN, [list(ids), list(runs)])}


def digest(run: uuid.UUID) -> str:
    """SHA-256 over the frozen ids in order, with the versions that were seen."""
    [[found]] = _rows(_DIGEST, [run])
    return str(found)


def _rows(statement: str, params: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return list(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class Batch:
    """The next targets of a run: part of one chunk. ``seen``: the versions that the preview saw,
    None where it looked at none."""

    number: int
    offset: int
    ids: Sequence[int]
    seen: Mapping[int, int] | None


def next_batch(run: uuid.UUID, *, cursor: int, size: int) -> Batch:
    """Up to ``size`` targets from ``cursor`` on, of one chunk."""
    number, offset = divmod(cursor, CHUNK)
    chunk = RunChunk.objects.get(run_id=run, number=number)
    ids = chunk.ids[offset : offset + size]
    versions = (chunk.versions or [])[offset : offset + size]
    seen = {pk: version for pk, version in zip(ids, versions, strict=False) if version is not None}
    return Batch(number, offset, ids, seen if chunk.versions is not None else None)


def leave_out(run: uuid.UUID, batch: Batch, receipts: Sequence[TargetReceipt]) -> None:
    """Keep whom of a batch the preview would not change."""
    unchanged = [row.target_id for row in receipts if row.outcome != Receipt.Outcome.CHANGED]
    if unchanged:
        with connection.cursor() as cursor:
            cursor.execute(_LEAVE_OUT, [unchanged, run, batch.number])


def note_versions(run: uuid.UUID, batch: Batch, versions: Sequence[int | None]) -> None:
    """Keep what the preview saw of a batch, each beside its target; None where it saw nothing."""
    chunk = RunChunk.objects.get(run_id=run, number=batch.number)
    before = (chunk.versions or [])[: batch.offset]
    kept = [*before, *[None] * (batch.offset - len(before)), *versions]
    RunChunk.objects.filter(run_id=run, number=batch.number).update(versions=kept)
