"""An operation on its way: what its page shows of it, until it is done."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from audit.forms import CONTROL_FIELDS, OperationForm
from audit.models import Selection
from audit.operations import Operation
from audit.procedures import Receipts, TargetReceipt
from users.models import User
from users.views.acts import the_list

_PREVIEW_ROWS = 25


@dataclass
class Attempt:
    """An operation on its way: what the page shows. ``listed``: the query of the list that led
    here, if one did."""

    operation: Operation
    ids: Sequence[int]
    now: datetime
    form: OperationForm
    target: User | None = None
    selection: Selection | None = None
    act_id: uuid.UUID = field(default_factory=uuid.uuid4)
    receipts: Receipts | None = None
    refused: str = ""
    listed: str | None = None

    @property
    def deed_id(self) -> uuid.UUID:
        """The id of the act that it becomes: never one that somebody chose, as that of a run."""
        return uuid.uuid5(self.act_id, "deed")

    @property
    def url(self) -> str:
        if self.target is not None:
            return reverse("operate:one", args=[self.target.pk, self.operation.code])
        assert self.selection is not None
        return reverse("operate:many", args=[self.selection.pk, self.operation.code])

    @property
    def back(self) -> str:
        if self.listed is not None:
            return the_list(self.listed)
        if self.target is not None:
            return reverse("user", args=[self.target.pk])
        assert self.selection is not None
        return f"{reverse('users:list')}?selection={self.selection.pk}"

    @property
    def sentence(self) -> str:
        """What the button says it will do, in so many words."""
        assert self.receipts is not None
        number = len(self.receipts.changed)
        sentence = self.operation.sentence(self.form.params, number)
        if self.receipts.approval:
            return _("Ask for approval: %(what)s") % {"what": sentence}
        return sentence

    @property
    def caution(self) -> str:
        """What to warn of before those who would change do."""
        if self.receipts is None or self.operation.caution is None:
            return ""
        changing = [row.target_id for row in self.receipts.changed]
        return self.operation.caution(changing, self.now) if changing else ""

    @property
    def first_rows(self) -> list[dict[str, Any]]:
        """The first changes, field by field."""
        assert self.receipts is not None
        return [
            {
                "target_id": row.target_id,
                "name": row.name,
                "fields": [
                    (name, row.before.get(name), row.after.get(name))
                    for name in {**row.before, **row.after}
                    if row.before.get(name) != row.after.get(name)
                ],
            }
            for row in self.receipts.changed[:_PREVIEW_ROWS]
        ]

    @property
    def first_refused(self) -> list[TargetReceipt]:
        """The first who would be refused, each with the reason."""
        assert self.receipts is not None
        return self.receipts.refused[:_PREVIEW_ROWS]

    @property
    def amiss(self) -> list[str]:
        """What is wrong with what was filled in so far; an empty field may still be filled in."""
        wrong = [str(error) for error in self.form.non_field_errors()]
        for name, errors in self.form.errors.items():
            if name in self.form.fields and self.form.data.get(name):
                wrong += [f"{self.form[name].label}: {error}" for error in errors]
        return wrong

    @property
    def seen(self) -> str:
        """The versions of the rows as previewed, for the precondition."""
        if self.operation.procedure.version is None or self.receipts is None:
            return ""
        return " ".join(
            f"{row.target_id}:{row.version}"
            for row in self.receipts.rows
            if row.version is not None
        )

    @property
    def fingerprint(self) -> str:
        """A digest of the parameters as typed and of the selection, so that what is confirmed is
        what was previewed."""
        alone = not (self.receipts and self.receipts.approval)
        return fingerprint_of(self.form.data, self.selection, alone=alone)


def fingerprint_of(data: Mapping[str, Any], selection: Selection | None, *, alone: bool) -> str:
    """A digest of a form as it was sent, and of whom it is about; ``alone``: that no second person
    need approve it."""
    # Why it is done changes nothing that was previewed: who writes it last confirms at once.
    beside = CONTROL_FIELDS | {"reason", "ticket"}
    typed = sorted((key, data[key]) for key in data if key not in beside)
    version = selection.version if selection else 0
    return hashlib.sha256(repr((typed, version, alone)).encode()).hexdigest()[:16]
