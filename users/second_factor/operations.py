"""Resetting somebody's second factor, as an operation: to one user at a time, whom somebody knows
for who they are. It takes effect a day later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.operations import Danger, Operation, by_deciding, users
from users.models import User
from users.second_factor import resets
from users.second_factor.forms import ResetSecondFactorForm


def _sentence(params: Mapping[str, Any], number: int) -> str:
    return _("Reset the second factor of %(users)s in 24 hours") % {"users": users(number)}


def _done(params: Mapping[str, Any], number: int) -> str:
    return _("The second factor is taken in 24 hours, unless somebody cancels that.")


def who_is_not_told(ids: Sequence[int], now: datetime) -> str:
    """A warning where no letter can tell them; empty otherwise. One query."""
    if not User.objects.filter(pk__in=ids, email__isnull=True).exists():
        return ""
    return _("There is no email address: no letter will tell them.")


RESET_SECOND_FACTOR = Operation(
    procedure=resets.RESET,
    service=resets.reset_second_factor,
    inverse=resets.UNDO_RESET,
    label=gettext_lazy("Reset second factor"),
    sentence=_sentence,
    done=_done,
    form=ResetSecondFactorForm,
    icon="key",
    danger=Danger.STEP_UP,
    many=False,
    caution=who_is_not_told,
    obstacles=by_deciding(resets.RESET, gettext_lazy("Has no second factor.")),
)
OPERATIONS = (RESET_SECOND_FACTOR,)
