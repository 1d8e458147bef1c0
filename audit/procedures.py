"""What an act is made of: three functions for a set, the verdicts they give, and the receipts they
leave. Plain values; ``audit.execution`` runs them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from audit.models import Receipt
from audit.people import Actor, Person


class Row(Protocol):
    """What ``load`` gives for one target: anything that knows its id."""

    @property
    def target_id(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Change:
    """The verdict "this changes": fields before and after (JSON-able, Decimal and datetime
    allowed), and what
    ``write`` needs to do it."""

    before: dict[str, Any]
    after: dict[str, Any]
    data: Any = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The verdict "this must not be": the sentence an admin reads, and the short reason that many
    rows share. ``stale``: it was something else that was looked at."""

    sentence: str
    reason: str = ""
    stale: bool = False

    @property
    def group(self) -> str:
        return self.reason or self.sentence


Verdict = Change | Refusal | None


@dataclass(frozen=True, slots=True)
class Case:
    """One target before a guard: who acts, with which rank, on whom; ``approved``: with a second
    person's approval, or so that one can be asked for it."""

    actor: Actor
    actor_rank: int
    target_id: int
    target: Person
    approved: bool = False


@dataclass(frozen=True, slots=True)
class Over:
    """The verdict of a cap "this is too much": the sentence an admin reads. ``approvable``: a
    second person may approve it all the same."""

    sentence: str
    approvable: bool = False


Guard = Callable[[Case], Refusal | None]
Cap = Callable[["ActContext", Sequence[int]], Over | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """How an act is done to a set of targets. ``code`` names it everywhere.

    ``load(ids, lock=, params=)``: the rows it needs, one statement, in id order, FOR NO KEY UPDATE
    when ``lock``.
    ``decide(row, params, now)``: pure: a Change, a Refusal, or None when there is nothing to do.
    ``write(changes, act)``: a constant number of statements; returns per target what undo will
    need.
    ``version(row)``: where given, a target whose version differs from the one seen is refused.
    ``personal``: changed fields that are personal data; they are kept apart in the audit.
    ``newcomer(row)``: where given, who a row is about whom ``write`` will make: a target need not
    be a person yet.
    """

    code: str
    load: Callable[..., Sequence[Any]]
    decide: Callable[[Any, Mapping[str, Any], datetime], Verdict]
    write: Callable[[Sequence[tuple[Any, Change]], ActContext], Mapping[int, Any]]
    version: Callable[[Any], int] | None = None
    personal: frozenset[str] = frozenset()
    newcomer: Callable[[Any], Person | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActContext:
    """The circumstances of one act, given to ``write`` and to caps. ``id`` is the operation id.
    ``codes``: the permissions under which it is done, empty for what no person does.
    ``approved``: a second person approved it."""

    code: str
    actor: Actor
    now: datetime
    reason: str = ""
    ticket: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    undoes: uuid.UUID | None = None
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    codes: Sequence[str] = ()
    approved: bool = False


@dataclass(frozen=True, slots=True)
class TargetReceipt:
    """What happened, or would happen, to one target."""

    target_id: int
    name: str
    outcome: Receipt.Outcome
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    refusal: Refusal | None = None
    version: int | None = None

    @property
    def moves(self) -> list[tuple[str, Decimal]]:
        """By how much each amount of this target moves."""
        return [
            (name, after - before)
            for name, after in self.after.items()
            if isinstance(after, Decimal) and isinstance(before := self.before.get(name), Decimal)
        ]


@dataclass(frozen=True, slots=True)
class Receipts:
    """What an act did, or a preview would do, target by target. ``act_id`` is None where nothing
    was written. ``approval``: of a preview, why a second person must approve; empty where nobody
    must."""

    act_id: uuid.UUID | None
    rows: tuple[TargetReceipt, ...]
    approval: tuple[str, ...] = ()

    def _of(self, outcome: Receipt.Outcome) -> list[TargetReceipt]:
        return [row for row in self.rows if row.outcome == outcome]

    @property
    def changed(self) -> list[TargetReceipt]:
        return self._of(Receipt.Outcome.CHANGED)

    @property
    def unchanged(self) -> list[TargetReceipt]:
        return self._of(Receipt.Outcome.UNCHANGED)

    @property
    def refused(self) -> list[TargetReceipt]:
        return self._of(Receipt.Outcome.REFUSED)

    @property
    def refused_by_reason(self) -> dict[str, int]:
        """How many were refused for which reason, the commonest first."""
        counts: dict[str, int] = {}
        for row in self.refused:
            assert row.refusal is not None
            counts[row.refusal.group] = counts.get(row.refusal.group, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
