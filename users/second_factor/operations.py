"""Resetting somebody's second factor, as an operation: to one user at a time, whom somebody knows
for who they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.operations import Danger, Operation, by_deciding, users
from users.second_factor import resets
from users.second_factor.forms import ResetSecondFactorForm


def _sentence(params: Mapping[str, Any], number: int) -> str:
    return _("Reset the second factor of %(users)s") % {"users": users(number)}


def _done(params: Mapping[str, Any], number: int) -> str:
    return _("Reset the second factor of %(users)s.") % {"users": users(number)}


RESET_SECOND_FACTOR = Operation(
    procedure=resets.RESET,
    service=resets.reset_second_factor,
    label=gettext_lazy("Reset second factor"),
    sentence=_sentence,
    done=_done,
    form=ResetSecondFactorForm,
    icon="key",
    danger=Danger.STEP_UP,
    many=False,
    obstacles=by_deciding(resets.RESET, gettext_lazy("Has no second factor.")),
)
OPERATIONS = (RESET_SECOND_FACTOR,)
