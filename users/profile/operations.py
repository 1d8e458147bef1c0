"""What is done to accounts, as operations: rename, tag, write a note, reopen, close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audit.forms import OperationForm
from audit.operations import Operation, always, by_deciding, users
from coai_admin.console.templatetags.console import credits
from users.models import User
from users.profile import closing, naming, notes, services, tagging
from users.profile.forms import NoteForm, RenameForm, TagForm


def _rename_sentence(params: Mapping[str, Any], number: int) -> str:
    return _("Rename to %(name)s") % {"name": params["username"]}


def _rename_done(params: Mapping[str, Any], number: int) -> str:
    return _("Renamed to %(name)s.") % {"name": params["username"]}


def _tag_sentence(params: Mapping[str, Any], number: int) -> str:
    return _("%(what)s: %(users)s") % {"what": _tags(params), "users": users(number)}


def _tags(params: Mapping[str, Any]) -> str:
    on, off = ", ".join(params["add"]), ", ".join(params["remove"])
    if on and off:
        return _("Put on %(on)s, take off %(off)s") % {"on": on, "off": off}
    return _("Put on %(on)s") % {"on": on} if on else _("Take off %(off)s") % {"off": off}


def _tag_done(params: Mapping[str, Any], number: int) -> str:
    return _("Tagged %(users)s.") % {"users": users(number)}


def _note_sentence(params: Mapping[str, Any], number: int) -> str:
    return _("Write this note about %(users)s") % {"users": users(number)}


def _note_done(params: Mapping[str, Any], number: int) -> str:
    return _("Wrote a note about %(users)s.") % {"users": users(number)}


def _close_sentence(params: Mapping[str, Any], number: int) -> str:
    return ngettext("Close %(n)s account", "Close %(n)s accounts", number) % {"n": f"{number:,}"}


def _close_done(params: Mapping[str, Any], number: int) -> str:
    return ngettext("Closed %(n)s account.", "Closed %(n)s accounts.", number) % {
        "n": f"{number:,}"
    }


def _reopen_sentence(params: Mapping[str, Any], number: int) -> str:
    return ngettext("Reopen %(n)s account", "Reopen %(n)s accounts", number) % {"n": f"{number:,}"}


def _reopen_done(params: Mapping[str, Any], number: int) -> str:
    return ngettext("Reopened %(n)s account.", "Reopened %(n)s accounts.", number) % {
        "n": f"{number:,}"
    }


def _what_stays_ended(ids: Sequence[int], now: datetime) -> str:
    return _(
        "Credits and subscriptions can be used again. Sessions and API keys stay ended, and "
        "restrictions stay as they are."
    )


def what_is_lost(ids: Sequence[int], now: datetime) -> str:
    """What the accounts that are about to be closed still hold, as a warning; empty when nothing.
    One query."""
    unended = Q(standing__ends_at__isnull=True) | Q(standing__ends_at__gt=now)
    held = User.objects.filter(pk__in=ids).aggregate(
        credits=Sum("account__balance", filter=Q(account__balance__gt=0)),
        subscriptions=Count("pk", filter=Q(standing__subscription__isnull=False) & unended),
    )
    sentences = []
    if held["credits"]:
        sentences.append(
            _("%(credits)s credits stay there, where nobody can spend them.")
            % {"credits": credits(held["credits"])}
        )
    if held["subscriptions"]:
        sentences.append(
            _("Subscriptions that have not ended: %(n)s. They run on, unused.")
            % {"n": held["subscriptions"]}
        )
    return " ".join(sentences)


RENAME = Operation(
    procedure=naming.RENAME,
    service=services.rename,
    inverse=naming.UNDO_RENAME,
    label=gettext_lazy("Rename"),
    sentence=_rename_sentence,
    done=_rename_done,
    form=RenameForm,
    icon="edit",
    many=False,
)
TAG = Operation(
    procedure=tagging.TAG,
    service=services.tag,
    inverse=tagging.UNDO_TAG,
    label=gettext_lazy("Tag"),
    sentence=_tag_sentence,
    done=_tag_done,
    form=TagForm,
    icon="tag",
)
ADD_NOTE = Operation(
    procedure=notes.ADD_NOTE,
    service=services.add_note,
    inverse=notes.UNDO_ADD_NOTE,
    label=gettext_lazy("Write a note"),
    sentence=_note_sentence,
    done=_note_done,
    form=NoteForm,
    icon="bookmark",
)
CLOSE = Operation(
    procedure=closing.CLOSE,
    service=services.close,
    inverse=closing.UNDO_CLOSE,
    label=gettext_lazy("Close account"),
    sentence=_close_sentence,
    done=_close_done,
    grave=always,
    form=OperationForm,
    icon="close",
    obstacles=by_deciding(closing.CLOSE, gettext_lazy("Closed already.")),
    caution=what_is_lost,
)
REOPEN = Operation(
    procedure=closing.REOPEN,
    service=services.reopen,
    inverse=closing.UNDO_REOPEN,
    label=gettext_lazy("Reopen account"),
    sentence=_reopen_sentence,
    done=_reopen_done,
    form=OperationForm,
    icon="lift",
    obstacles=by_deciding(closing.REOPEN, gettext_lazy("The account is open.")),
    caution=_what_stays_ended,
)
OPERATIONS = (RENAME, TAG, ADD_NOTE)
LAST = (REOPEN, CLOSE)  # at the end of the menu
