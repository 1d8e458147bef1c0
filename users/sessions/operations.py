"""Making people sign in anew, or choose a new password, as operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.forms import OperationForm
from audit.operations import Operation, always, by_deciding, users
from users.sessions import reauthentication, services


def _end_sentence(params: Mapping[str, Any], number: int) -> str:
    return _("End all sessions of %(users)s") % {"users": users(number)}


def _end_done(params: Mapping[str, Any], number: int) -> str:
    return _("Ended all sessions of %(users)s.") % {"users": users(number)}


def _require_sentence(params: Mapping[str, Any], number: int) -> str:
    return _("Require a new password of %(users)s") % {"users": users(number)}


def _require_done(params: Mapping[str, Any], number: int) -> str:
    return _("A new password is required of %(users)s.") % {"users": users(number)}


END_SESSIONS = Operation(
    procedure=reauthentication.END_SESSIONS,
    service=services.end_sessions,
    label=gettext_lazy("End sessions"),
    sentence=_end_sentence,
    done=_end_done,
    grave=always,
    form=OperationForm,
    icon="sign-out",
    obstacles=by_deciding(reauthentication.END_SESSIONS, gettext_lazy("Not signed in anywhere.")),
)
REQUIRE_PASSWORD_CHANGE = Operation(
    procedure=reauthentication.REQUIRE_CHANGE,
    service=services.require_password_change,
    inverse=reauthentication.UNDO_REQUIRE_CHANGE,
    label=gettext_lazy("Require a new password"),
    sentence=_require_sentence,
    done=_require_done,
    grave=always,
    form=OperationForm,
    icon="lock",
    obstacles=by_deciding(reauthentication.REQUIRE_CHANGE, gettext_lazy("Required already.")),
)
OPERATIONS = (END_SESSIONS, REQUIRE_PASSWORD_CHANGE)
