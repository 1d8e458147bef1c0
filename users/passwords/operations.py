"""Passwords, as operations: send a link to choose one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy, ngettext

from audit.forms import OperationForm
from audit.operations import Operation
from users.email import addresses
from users.models import User
from users.passwords import sending


def _sentence(params: Mapping[str, Any], number: int) -> str:
    return ngettext(
        "Mail a password link to %(n)s user", "Mail a password link to %(n)s users", number
    ) % {"n": f"{number:,}"}


def _done(params: Mapping[str, Any], number: int) -> str:
    return ngettext(
        "A password link goes out to %(n)s user.",
        "A password link goes out to %(n)s users.",
        number,
    ) % {"n": f"{number:,}"}


def cannot_be_mailed(ids: Sequence[int], now: datetime) -> dict[int, str]:
    """Whom no letter reaches, with the words for a menu."""
    people = User.objects.filter(pk__in=ids).values_list("pk", "email", "email_state")
    reasons = {pk: addresses.why_no_mail(email, state) for pk, email, state in people}
    return {pk: why for pk, why in reasons.items() if why}


SEND_PASSWORD_LINK = Operation(
    procedure=sending.SEND_LINK,
    service=sending.send_password_link,
    inverse=sending.REVOKE_LINK,
    label=gettext_lazy("Send password link"),
    sentence=_sentence,
    done=_done,
    form=OperationForm,
    icon="mail",
    obstacles=cannot_be_mailed,
)
OPERATIONS = (SEND_PASSWORD_LINK,)
