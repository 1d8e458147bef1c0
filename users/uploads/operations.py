"""Importing users as an operation: what a run does to the users of an uploaded file. No menu offers
it; it begins with a file (``users.views.uploads``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.execution import execute
from audit.forms import OperationForm
from audit.operations import MOST_UNASKED, Operation, users
from audit.people import Actor, Person
from audit.procedures import ActContext, Over, Procedure, Receipts
from billing.limits import within_credit_limits_of_gifts
from coai_admin.console.fields import StrictIntegerField
from users.models import Upload
from users.roles import Role, rank
from users.uploads import deciding, lines, staging, undoing, writing
from users.uploads.fields import needed
from users.uploads.lines import Line

CODE = "imports.users"


def _newcomer(line: Line) -> Person | None:
    """Who a row will make: nobody outranks them."""
    return Person(line.name, rank(Role.NONE)) if line.is_new else None


_PERSONAL = frozenset({"username", "email"})
IMPORT_USERS = Procedure(
    code=CODE,
    load=lines.load,
    decide=deciding.decide,
    write=writing.write,
    personal=_PERSONAL,
    newcomer=_newcomer,
)
UNDO_IMPORT_USERS = Procedure(
    code=CODE, load=undoing.load, decide=undoing.decide, write=undoing.write, personal=_PERSONAL
)


class ImportForm(OperationForm):
    """Parameters of ``imports.users``: which upload."""

    upload = StrictIntegerField(label=gettext_lazy("Upload"), min_value=1)

    def clean_upload(self) -> int:
        pk: int = self.cleaned_data["upload"]
        if not Upload.objects.filter(pk=pk).exists():
            raise forms.ValidationError(_("This upload does not exist any more."))
        return pk


def _within_limits(act: ActContext, ids: Sequence[int]) -> Over | None:
    """Credits that rows give count like those given by hand."""
    gifts = staging.gifts(act.params["upload"], ids)
    if not gifts.total:
        return None
    return within_credit_limits_of_gifts(act, ids, **gifts._asdict())


def import_users(
    ids: Sequence[int],
    *,
    actor: Actor,
    upload: int,
    reason: str,
    ticket: str = "",
    now: datetime | None = None,
) -> Receipts:
    """Do to these users what the rows of an upload say of them; new ones have reserved ids."""
    return execute(
        IMPORT_USERS,
        ids,
        {"upload": upload},
        actor=actor,
        now=now or time_now(),
        reason=reason,
        ticket=ticket,
    )


def _sentence(params: Mapping[str, Any], number: int) -> str:
    return _("Import %(users)s") % {"users": users(number)}


def _done(params: Mapping[str, Any], number: int) -> str:
    return _("Imported %(users)s.") % {"users": users(number)}


def _takes_from_many(params: Mapping[str, Any]) -> bool:
    """As ending subscriptions and setting their end does by hand."""
    return staging.may_take(params["upload"]) > MOST_UNASKED


def _also(params: Mapping[str, Any], ids: Sequence[int], now: datetime) -> list[str]:
    """An import grants nothing: each column needs what doing the same by hand needs."""
    upload = Upload.objects.filter(pk=params["upload"]).first()
    return needed(upload.columns, upload.options["mode"]) if upload else []


IMPORT = Operation(
    procedure=IMPORT_USERS,
    service=import_users,
    inverse=UNDO_IMPORT_USERS,
    label=gettext_lazy("Import users"),
    sentence=_sentence,
    done=_done,
    form=ImportForm,
    icon="import",
    grave=_takes_from_many,
    cap=_within_limits,
    also=_also,
)
OPERATIONS = (IMPORT,)
