"""A run as its page shows it: what it does, how far it is, what may be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audit import frozen, operations, reports
from audit.approval_policy import RUN
from audit.models import Act, Approval, Run, RunChunk
from audit.operations import MOST_UNASKED, Operation
from audit.registry import operation_of
from audit.reports import Line
from audit.runs import approving, drafting, steering
from coai_admin.console.templatetags.console import signed_credits
from users.models import User
from users.runs.first import FirstChange, FirstRefused, first_changes, first_refused
from users.runs.lines import (
    MOVES,
    by_reason,
    how_far_undone,
    in_order,
    kind,
    label,
    percent,
    progress,
    query_words,
    spoken,
    took,
    undo_sentence,
)

State = Run.State
OVER = frozenset({State.DONE, State.CANCELLED, State.HALTED})
_CAUTIONED = 10_000  # targets that a caution is read for: more take too long for a page


class Figure(NamedTuple):
    """A number that matters; ``url``: the list of those whom it counts."""

    label: str | Promise
    value: str
    url: str = ""


class Step(NamedTuple):
    """One of the steps that every run goes through; ``at``: done, current or to come."""

    label: str | Promise
    at: str


@dataclass
class Picture:
    """A run as one person sees it now."""

    run: Run
    viewer: User
    now: datetime

    @cached_property
    def operation(self) -> Operation | None:
        return operation_of(self.run.code)

    @property
    def label(self) -> str:
        return label(self.run)

    @property
    def kind(self) -> str:
        return "none" if self.expired or self.in_vain else kind(self.run)

    @property
    def state(self) -> str:
        if self.expired:
            return _("expired")
        return _("nobody to change") if self.in_vain else str(self.run.get_state_display())

    @property
    def in_vain(self) -> bool:
        """A preview that would change nobody."""
        return bool(self.run.state == State.PREVIEWED and not self.run.changed)

    @property
    def moves(self) -> bool:
        """Whether workers are at it, so that the page looks again."""
        return self.run.state in MOVES

    @property
    def over(self) -> bool:
        return self.run.state in OVER

    @property
    def started(self) -> bool:
        return self.run.started_at is not None

    @property
    def own(self) -> bool:
        return self.run.owner_id == self.viewer.pk

    @property
    def expired(self) -> bool:
        """A preview that can be confirmed no more."""
        return self.run.state == State.PREVIEWED and self.now >= self.run.expires_at

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """What was filled in, in the order of the form; nothing for an undo."""
        return in_order(self.operation, frozen.thaw(self.run.params))

    @property
    def reason_needed(self) -> bool:
        """Whether whoever confirms it says why: an act that is its own reason asks for none."""
        if self.operation is None or self.run.undoes_id is not None:
            return True
        return bool(self.operation.form.base_fields["reason"].required)

    @cached_property
    def sentence(self) -> str:
        """What the button says: exactly what will be done, to how many."""
        number = self._foreseen("changed")
        if self.run.undoes_id is not None:
            return undo_sentence(self.run, number)
        if self.operation is None:
            return f"{self.label}: {operations.users(number)}"
        return self.operation.sentence(self.params, number)

    @cached_property
    def approval(self) -> tuple[str, ...]:
        """Why it will wait for a second person once it is confirmed; empty where it will not."""
        return approving.will_wait(self.run, actor=self.viewer, now=self.now)

    @cached_property
    def nobody_approves(self) -> bool:
        """Whether it would wait for a colleague whom there is not."""
        if not self.approval:
            return False
        asked = approving.would_ask(self.run, actor=self.viewer)
        return not approving.colleagues([asked], now=self.now)[self.run.pk]

    @property
    def title(self) -> str:
        """What the page is about: the sentence once it is known, before that the act."""
        if self.run.state in (State.PREVIEWING, State.HALTED) and not self.started:
            total = operations.users(self.run.total)
            return _("%(act)s: %(users)s") % {"act": self.label, "users": total}
        return self.sentence

    @property
    def grave(self) -> bool:
        """Whether whoever confirms writes the number of users first: an act that takes something
        from many, and each undo for many."""
        if self._foreseen("changed") <= MOST_UNASKED or self.operation is None:
            return False
        return self.run.undoes_id is not None or self.operation.grave(self.params)

    @cached_property
    def caution(self) -> str:
        """What to warn of before it is confirmed."""
        act = self.operation
        if act is None or act.caution is None or self.run.undoes_id is not None:
            return ""
        most = self.run.total // max(1, -(-self.run.total // _CAUTIONED))
        chunks = RunChunk.objects.filter(run=self.run).order_by("number")
        ids = list(chain.from_iterable(chunks.values_list("ids", flat=True)[: most // 2_000 + 1]))
        said = act.caution(ids, self.now)
        if said and len(ids) < self.run.total:
            return _("Among the first %(n)s: %(what)s") % {"n": f"{len(ids):,}", "what": said}
        return said

    def permissions(self) -> list[str]:
        """Under which permissions it is confirmed; asked for by step-up."""
        if self.run.undoes is None or self.operation is None:
            return [self.run.code, RUN]
        return self.operation.permissions_to_undo(self.run.undoes, self.viewer)

    def _foreseen(self, name: str) -> int:
        """What the preview counted, before and after the run began."""
        counts: Mapping[str, int] = (self.run.forecast or {}).get("counts", {})
        return (
            counts.get(name, getattr(self.run, name)) if self.started else getattr(self.run, name)
        )

    # What may be done

    @cached_property
    def why_not(self) -> dict[str, str]:
        """Why not, for each thing that people do with runs."""
        steps = (steering.CONFIRM, steering.PAUSE, steering.RESUME, steering.CANCEL)
        return {
            what: steering.why_not(what, self.run, actor=self.viewer, now=self.now)
            for what in steps
        }

    @property
    def may_confirm(self) -> bool:
        return not self.why_not[steering.CONFIRM]

    @property
    def may_pause(self) -> bool:
        return not self.why_not[steering.PAUSE]

    @property
    def may_resume(self) -> bool:
        return not self.why_not[steering.RESUME]

    @property
    def may_cancel(self) -> bool:
        return not self.why_not[steering.CANCEL]

    @property
    def may_retry(self) -> bool:
        again = self.over and self.started and self.run.refused + self.run.failed > 0
        return bool(
            again
            and self.run.undoes_id is None
            and self.retried_by is None
            and self.viewer.may(RUN)
            and self.viewer.may(self.run.code)
        )

    @property
    def may_download(self) -> bool:
        """Files are their maker's own, as those of exports are."""
        return self.over and self.started and self.own and self.viewer.may("exports.download")

    @cached_property
    def act(self) -> Act | None:
        """What it did, once it has begun."""
        return Act.objects.select_related("undone_by", "actor").filter(pk=self.run.pk).first()

    @cached_property
    def approval_asked(self) -> bool:
        """Whether a second person was asked about it."""
        return Approval.objects.filter(run=self.run).exists()

    @cached_property
    def record(self) -> list[Line]:
        """What people did with it, from asking for approval on."""
        return reports.about_run(self.run, self.viewer)

    @cached_property
    def undone_by(self) -> Act | None:
        return getattr(self.act, "undone_by", None)

    @property
    def undone(self) -> str:
        """How far what it did was undone; empty where nobody did."""
        return how_far_undone(self.act, self.undone_by) if self.act and self.undone_by else ""

    @cached_property
    def retried_by(self) -> Run | None:
        """The run that took up again whom this one refused."""
        return drafting.retry_of(self.run.pk)

    @property
    def query(self) -> str:
        """How its users were found, for those who may read whatever it may name."""
        masked = not self.own and self.viewer.sees_masked("users.inspect")
        return "" if masked else self.run.query

    @property
    def query_words(self) -> str:
        return query_words(self.query)

    @property
    def left(self) -> int:
        """How many are not dealt with."""
        return self.run.total - self.run.cursor

    @cached_property
    def why_not_undo(self) -> str:
        """Why it cannot be undone; empty where it can, or where there is nothing yet."""
        if self.act is None or not self.over or not self.act.changed:
            return ""
        return operations.why_not_undo(self.operation, self.act, actor=self.viewer, now=self.now)

    @property
    def may_undo(self) -> bool:
        return bool(self.over and self.act and self.act.changed and not self.why_not_undo)

    # What it says

    @property
    def steps(self) -> list[Step]:
        """Count, confirm, run, done: where it stands."""
        labels = (_("Count"), _("Confirm"), _("Run"), _("Done"))
        place = {
            State.PREVIEWING: 0,
            State.PREVIEWED: 1,
            State.WAITING: 1,
            State.RUNNING: 2,
            State.PAUSED: 2,
        }.get(State(self.run.state), 3 if self.run.state == State.DONE else self._ended_at)
        return [
            Step(each, "done" if n < place or place == 3 else "current" if n == place else "next")
            for n, each in enumerate(labels)
        ]

    @property
    def _ended_at(self) -> int:
        return 2 if self.started else 1 if self.run.previewed_at else 0

    @property
    def percent(self) -> int:
        return percent(self.run)

    @property
    def pace_text(self) -> str:
        return progress(self.run)

    @property
    def took(self) -> str:
        span = took(self.run)
        return spoken(span) if span is not None else ""

    @property
    def left_until_expiry(self) -> str:
        return spoken(max(timedelta(0), self.run.expires_at - self.now))

    @property
    def figures(self) -> list[Figure]:
        """The numbers: of the preview until it is confirmed, then of the act."""
        run = self.run
        act_url = reverse("operate:act", args=[run.pk]) if self.started else ""
        named: list[tuple[str, str | Promise]] = [
            ("changed", _("changed") if self.started else _("will change")),
            ("unchanged", _("no change")),
            ("refused", _("refused")),
        ]
        if run.failed:
            named.append(("failed", _("failed")))
        found = [
            Figure(words, f"{number:,}", f"{act_url}?outcome={name}" if number and act_url else "")
            for name, words in named
            for number in [getattr(run, name)]
        ]
        if not self.started:
            found += self._totals()
        elif not self.over:
            found.append(Figure(_("to go"), f"{run.total - run.cursor:,}"))
        return found

    def _totals(self) -> list[Figure]:
        totals: Mapping[str, str] = (self.run.forecast or {}).get("totals", {})
        words = {"credits": gettext_lazy("credits in all")}
        return [
            Figure(words.get(name, capfirst(name)), signed_credits(Decimal(total)))
            for name, total in totals.items()
        ]

    @property
    def refusals(self) -> list[tuple[str, int]]:
        """How many were refused for which reason, the commonest first."""
        return by_reason(self.run)

    @cached_property
    def first_changes(self) -> list[FirstChange]:
        """The first who would change."""
        return first_changes(self.run)

    @cached_property
    def first_refused(self) -> list[FirstRefused]:
        """The first who are refused."""
        return first_refused(self.run)

    @property
    def selected(self) -> str:
        """Whom it is about, in words, where that is known."""
        if self.run.retries_id is not None:
            words = ngettext(
                "%(n)s user whom an earlier run refused",
                "%(n)s users whom an earlier run refused",
                self.run.total,
            )
        elif self.run.undoes_id is not None:
            words = ngettext(
                "%(n)s user whom it changed", "%(n)s users whom it changed", self.run.total
            )
        else:
            words = ngettext("%(n)s selected user", "%(n)s selected users", self.run.total)
        return words % {"n": f"{self.run.total:,}"}
