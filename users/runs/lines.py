"""A run in one line: in lists, and beside other things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from django.utils.translation import gettext as _

from audit.models import Act, Run
from audit.operations import Operation, users
from audit.people import Reader
from audit.registry import operation_of
from audit.runs import seeing

State = Run.State
_AT_HAND = 6
MOVES = frozenset({State.PREVIEWING, State.RUNNING})
_KINDS = {
    State.PREVIEWING: "wait",
    State.PREVIEWED: "info",
    State.WAITING: "warn",
    State.RUNNING: "wait",
    State.PAUSED: "warn",
    State.DONE: "good",
    State.CANCELLED: "none",
    State.HALTED: "bad",
}


def label(run: Run) -> str:
    """What a run does, in a few words."""
    operation = operation_of(run.code)
    name = str(operation.label) if operation else run.code
    return _("Undo: %(act)s") % {"act": name} if run.undoes_id else name


def undo_sentence(run: Run, number: int) -> str:
    """What the button of an undo says: of what, and for how many."""
    operation = operation_of(run.code)
    name = str(operation.label) if operation else run.code
    return _("Undo “%(act)s” for %(users)s") % {"act": name, "users": users(number)}


def in_order(operation: Operation | None, params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters in the order in which the form asks for them; the database keeps another."""
    fields = [*operation.form.base_fields] if operation else []
    return {name: params[name] for name in [*fields, *params] if name in params}


def query_words(query: str) -> str:
    """How users were found, as people write it: ``role:none``, ``tier=2``."""
    asked = parse_qsl(query)
    return " ".join(value if name == "q" else f"{name}={value}" for name, value in asked)


def by_reason(run: Run) -> list[tuple[str, int]]:
    """How many a run refused for which reason, the commonest first."""
    return sorted(run.refusals.items(), key=lambda item: (-item[1], item[0]))[:20]


def kind(run: Run) -> str:
    """The kind of a run's state, for its colour and shape."""
    return _KINDS[State(run.state)]


def percent(run: Run) -> int:
    """How much of a run is dealt with; 100 only when all is."""
    return int(100 * run.cursor / run.total) if run.total else 0


def how_far_undone(act: Act, undo: Act) -> str:
    """What became of the undo of an act: done, under way, stopped."""
    run = Run.objects.filter(pk=undo.pk).only("state", "cursor", "total").first()
    if run is not None and run.state == State.RUNNING:
        return _("This is being undone.")
    if run is not None and run.state != State.DONE:
        return _("Its undo stopped after %(done)s of %(total)s users, and can go on.") % {
            "done": f"{run.cursor:,}",
            "total": f"{run.total:,}",
        }
    if undo.changed < act.changed:
        return _("This was undone for %(undone)s of %(changed)s users.") % {
            "undone": f"{undo.changed:,}",
            "changed": f"{act.changed:,}",
        }
    return _("This was undone.")


def took(run: Run) -> timedelta | None:
    """How long a run that is over took, with its pauses."""
    if run.started_at is None or run.finished_at is None:
        return None
    return run.finished_at - run.started_at


def spoken(span: timedelta) -> str:
    """``under 1 s``, ``3 s``, ``4 min 10 s``, ``2 h 5 min``."""
    seconds = max(0, round(span.total_seconds()))
    if not seconds:
        return _("under 1 s")
    if seconds < 60:
        return _("%(s)s s") % {"s": seconds}
    if seconds < 3600:
        return _("%(m)s min %(s)s s") % {"m": seconds // 60, "s": seconds % 60}
    return _("%(h)s h %(m)s min") % {"h": seconds // 3600, "m": seconds % 3600 // 60}


def progress(run: Run) -> str:
    """``31,000 a second · 2 s left · 12 refused``; how fast only while workers are at it."""
    parts = []
    if run.pace and run.state in MOVES:
        parts.append(_("%(n)s a second") % {"n": f"{round(run.pace):,}"})
        left = timedelta(seconds=(run.total - run.cursor) / run.pace)
        parts.append(_("%(span)s left") % {"span": spoken(left)})
    for number, words in ((run.refused, _("%(n)s refused")), (run.failed, _("%(n)s failed"))):
        if number:
            parts.append(words % {"n": f"{number:,}"})
    return " · ".join(parts)


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run as a list shows it."""

    run: Run

    @property
    def moves(self) -> bool:
        """Whether workers are at it."""
        return self.run.state in MOVES

    @property
    def progress(self) -> str:
        return progress(self.run)

    @property
    def label(self) -> str:
        return label(self.run)

    @property
    def kind(self) -> str:
        return kind(self.run)

    @property
    def percent(self) -> int:
        return percent(self.run)

    @property
    def took(self) -> str:
        """How long it took; empty while it is not over."""
        span = took(self.run)
        return spoken(span) if span is not None else ""


@dataclass(frozen=True, slots=True)
class AtHand:
    """What somebody should know of runs before they ask: see ``seeing.at_hand``."""

    lines: Sequence[RunLine]

    @property
    def moves(self) -> bool:
        """Whether workers are at one of them, so that a page looks again."""
        return any(line.moves for line in self.lines)


def at_hand(viewer: Reader, now: datetime) -> AtHand:
    """The newest few of them."""
    return AtHand([RunLine(run) for run in seeing.at_hand(viewer, now, limit=_AT_HAND)])
