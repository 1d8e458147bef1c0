"""An import as its page shows it: where it stands, what became of its rows or would, and what
followed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import Act, Run
from audit.people import Reader
from audit.runs import drafting
from coai_admin.console.templatetags.console import credits
from users.models import Upload
from users.runs.lines import how_far_undone
from users.uploads import results
from users.uploads.operations import IMPORT

_LISTED_BY_ID = 100  # more ids make an address that not every server takes
_ENCODINGS = {"utf-8-sig": "UTF-8", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16"}


class Standing(NamedTuple):
    """Where an import is, as its mark and words; ``moves``: workers are on it."""

    mark: str
    label: str | Promise
    moves: bool = False


_ALL_REFUSED = Standing("bad", gettext_lazy("every row refused"))
_OF_FILE = {
    Upload.State.UPLOADED: Standing("info", gettext_lazy("columns to be named")),
    Upload.State.READING: Standing("wait", gettext_lazy("being read"), moves=True),
    Upload.State.READ: _ALL_REFUSED,
    Upload.State.REFUSED: Standing("bad", gettext_lazy("file refused")),
}
_OF_RUN = {
    Run.State.PREVIEWING: Standing("wait", gettext_lazy("being tried"), moves=True),
    Run.State.PREVIEWED: Standing("info", gettext_lazy("to be confirmed")),
    Run.State.WAITING: Standing("info", gettext_lazy("waiting for approval")),
    Run.State.RUNNING: Standing("wait", gettext_lazy("importing"), moves=True),
    Run.State.PAUSED: Standing("warn", gettext_lazy("paused")),
    Run.State.DONE: Standing("good", gettext_lazy("imported")),
    Run.State.CANCELLED: Standing("none", gettext_lazy("cancelled")),
    Run.State.HALTED: Standing("bad", gettext_lazy("stopped")),
}


def standing(upload: Upload, undo: Act | None = None) -> Standing:
    """Where this import is. ``undo``: the act that undid it, if one did."""
    run = upload.run
    if upload.state != Upload.State.READ or run is None:
        return _OF_FILE[Upload.State(upload.state)]
    if undo is not None:
        whole = undo.changed >= run.changed
        return Standing("none", _("undone") if whole else _("undone in part"))
    if run.state == Run.State.PREVIEWED and not run.changed:
        return Standing("none", _("nothing to change")) if run.unchanged else _ALL_REFUSED
    return _OF_RUN[Run.State(run.state)]


def undos(uploads: Iterable[Upload]) -> dict[int, Act]:
    """The acts that undid some of these imports, by the upload."""
    of_run = {upload.run_id: upload.pk for upload in uploads if upload.run_id}
    acts = Act.objects.filter(undoes__in=list(of_run))
    return {of_run[act.undoes_id]: act for act in acts if act.undoes_id}


@dataclass
class Picture:
    """An import whose rows are read, as one person sees it."""

    upload: Upload
    viewer: Reader

    @property
    def over(self) -> bool:
        """Whether something of it was done, not only tried."""
        return self.upload.run is not None and self.upload.run.started_at is not None

    @cached_property
    def undo(self) -> Act | None:
        """The act that undid it."""
        found = Act.objects.select_related("undoes").filter(undoes=self.upload.run_id)
        return found.first() if self.over else None

    @property
    def undone(self) -> str:
        """How far it was undone, in words; empty where it was not."""
        undo = self.undo
        return how_far_undone(undo.undoes, undo) if undo and undo.undoes else ""

    @cached_property
    def retry(self) -> Run | None:
        """The run that tried again whom it refused."""
        return drafting.retry_of(self.upload.run.pk) if self.over and self.upload.run else None

    @property
    def refused(self) -> int:
        """How many rows are refused, by the file and by the run."""
        run = self.upload.run
        return self.upload.problems + (run.refused + run.failed if run else 0)

    @cached_property
    def made(self) -> int:
        """How many users it made."""
        return results.made(self.upload).count() if self.over else 0

    @property
    def made_url(self) -> str:
        """The list of those it made; empty where it was undone, or they are too many to be named
        one by one."""
        if self.undo or not 0 < self.made <= _LISTED_BY_ID:
            return ""
        ids = sorted(results.made(self.upload))
        return f"{reverse('users:list')}?id={','.join(map(str, ids))}"

    @property
    def encoding(self) -> str:
        """How the letters of a CSV file are written, as people call it."""
        encoding = str(self.upload.manner.get("encoding", ""))
        return _ENCODINGS.get(encoding, encoding.upper())

    @property
    def left_out(self) -> list[str]:
        """The headings of columns that nothing is taken from."""
        held = set(self.upload.columns.values())
        return [
            heading or _("Column %(n)s") % {"n": place + 1}
            for place, heading in enumerate(self.upload.headings)
            if place not in held
        ]

    @property
    def sentence(self) -> str:
        """What the button that imports it says."""
        return IMPORT.sentence({}, self._changed)

    @property
    def reasons(self) -> list[tuple[str, int]]:
        return results.reasons(self.upload)

    @property
    def problems(self) -> list[results.Refused]:
        return results.refused(self.upload)

    @property
    def changes(self) -> list[results.Foreseen]:
        return [] if self.over else results.first_changes(self.upload, self.viewer)

    @property
    def figures(self) -> list[dict[str, Any]]:
        """The numbers that matter."""
        run = self.upload.run
        return [
            {"label": _("rows in the file"), "value": _n(self.upload.rows), "more": self._of_file},
            *self._of_credits,
            *self._of_changes,
            {"label": _("are so already"), "value": _n(run.unchanged if run else 0)},
            {"label": _("refused"), "value": _n(self.refused)},
        ]

    @property
    def _changed(self) -> int:
        return self.upload.run.changed if self.upload.run else 0

    @property
    def _of_file(self) -> str:
        found = results.counts(self.upload) | {"unusable": self.upload.problems}
        return _("%(new)s new, %(known)s known, %(unusable)s unusable") % {
            name: _n(number) for name, number in found.items()
        }

    @property
    def _of_credits(self) -> list[dict[str, Any]]:
        """Of the rows that are imported alone: those that are refused give nothing."""
        run = self.upload.run
        if run is None or "credits" not in self.upload.columns:
            return []
        moved = run.moved if self.over else (run.forecast or {}).get("moved", {})
        label = _("credits added") if self.over else _("credits to add")
        return [{"label": label, "value": credits(Decimal(moved.get("credits", 0)))}]

    @property
    def _of_changes(self) -> list[dict[str, Any]]:
        if not self.over:
            return [{"label": _("would be imported"), "value": _n(self._changed)}]
        return [
            {"label": _("created"), "value": _n(self.made)},
            {"label": _("changed"), "value": _n(self._changed - self.made)},
        ]


def _n(number: int) -> str:
    return f"{number:,}"
