"""The page on which something is configured: what it is now, what would change, whom that affects,
and saving it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib import messages
from django.db.models import Model
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _

from audit import edits
from users.configuration_forms import EditForm
from users.kept_forms import kept_form
from users.requests import StaffRequest


class Affected(NamedTuple):
    """Whom a change concerns, and where they are listed."""

    text: str
    url: str = ""


@dataclass
class Editing:
    """One thing that is edited. ``now``: its values; ``affects(changes)``: whom a change concerns;
    ``save(values, seen, reason)`` may raise ChangedMeanwhile."""

    title: str
    section: str | Promise
    back: str
    form: EditForm
    now: Mapping[str, Any]
    affects: Callable[[edits.Changes], Sequence[Affected]]
    save: Callable[[Mapping[str, Any], str, str], Any]
    note: str = ""
    changes: edits.Changes = field(default_factory=dict)
    affected: Sequence[Affected] = ()
    previewed: str = ""
    seen: str = ""


def edit_row(
    request: StaffRequest,
    row: Model,
    names: Sequence[str],
    make_form: Callable[..., EditForm],
    *,
    action: str,
    title: str,
    section: str | Promise,
    back: str,
    affects: Callable[[edits.Changes, datetime], Sequence[Affected]],
    note: str = "",
) -> HttpResponse:
    """The page on which these fields of a row are edited; what is saved is recorded as
    ``action``."""
    now = time_now()
    values = edits.values_of(row, names)
    data = request.POST if request.method == "POST" else kept_form(request)

    def save(given: Mapping[str, Any], seen: str, reason: str) -> edits.Changes:
        return edits.edit(
            row, given, action=action, seen=seen, actor=request.user, now=now, reason=reason
        )

    return respond(
        request,
        Editing(
            title=title,
            section=section,
            back=back,
            form=make_form(data, initial=values),
            now=values,
            affects=lambda changes: affects(changes, now),
            save=save,
            note=note,
        ),
    )


def respond(request: StaffRequest, editing: Editing) -> HttpResponse:
    """Show it, preview what was typed, or save what was previewed."""
    form = editing.form
    editing.seen = request.POST.get("seen", "") or edits.version(editing.now)
    status = 200
    if form.is_bound and form.is_valid():
        editing.changes = edits.changes(editing.now, form.values)
        if not editing.changes:
            messages.info(request, _("Nothing to change: it is so already."), extra_tags="info")
            return redirect(editing.back)
        editing.previewed = edits.version(form.values)
        if request.POST.get("previewed") == editing.previewed and _saved(request, editing):
            return redirect(editing.back)
        editing.affected = editing.affects(editing.changes)
    elif form.is_bound:
        status = 422
    return render(
        request,
        "users/configuration/edit.html",
        {"editing": editing, "form": form},
        status=status,
    )


def _saved(request: StaffRequest, editing: Editing) -> bool:
    form = editing.form
    try:
        editing.save(form.values, editing.seen, form.cleaned_data["reason"])
    except edits.ChangedMeanwhile as changed:
        form.add_error(None, str(changed))
        editing.seen = edits.version(editing.now)
        return False
    messages.success(request, _("Saved: %(title)s.") % {"title": editing.title})
    return True
