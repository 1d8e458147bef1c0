"""Passwords, as operations: send a link to choose one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy, ngettext

from audit.forms import OperationForm
from audit.operations import Operation, by_deciding
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


SEND_PASSWORD_LINK = Operation(
    procedure=sending.SEND_LINK,
    service=sending.send_password_link,
    inverse=sending.REVOKE_LINK,
    label=gettext_lazy("Send password link"),
    sentence=_sentence,
    done=_done,
    form=OperationForm,
    icon="mail",
    obstacles=by_deciding(sending.SEND_LINK, ""),
)
OPERATIONS = (SEND_PASSWORD_LINK,)
