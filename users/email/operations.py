"""Email addresses, as operations: change one, take it as verified, ask to verify it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.forms import OperationForm
from audit.operations import Operation, Reading, users
from users import accounts
from users.accounts import NOT_CLOSED, Account
from users.email import changing, verifying
from users.email.forms import ChangeEmailForm


def _change_sentence(params: Mapping[str, Any], number: int) -> str:
    return _("Mail a link to %(email)s and tell the present address") % {"email": params["email"]}


def _change_done(params: Mapping[str, Any], number: int) -> str:
    return _("The address changes once the link mailed to it is followed.")


def _verify_sentence(params: Mapping[str, Any], number: int) -> str:
    return _("Mark the address of %(users)s as verified") % {"users": users(number)}


def _verify_done(params: Mapping[str, Any], number: int) -> str:
    return _("Marked the address of %(users)s as verified.") % {"users": users(number)}


def _resend_sentence(params: Mapping[str, Any], number: int) -> str:
    return _("Mail a verification link to %(users)s") % {"users": users(number)}


def _resend_done(params: Mapping[str, Any], number: int) -> str:
    return _("A verification link goes out to %(users)s.") % {"users": users(number)}


CHANGE_EMAIL = Operation(
    procedure=changing.CHANGE,
    service=changing.change_email,
    inverse=changing.UNDO_CHANGE,
    label=gettext_lazy("Change email"),
    sentence=_change_sentence,
    done=_change_done,
    form=ChangeEmailForm,
    icon="edit",
    many=False,
    obstacles=NOT_CLOSED,
)


def _why_not_verify(row: Account, now: datetime) -> str:
    if why := accounts.why_closed(row, now):
        return why
    if row.email is None:
        return _("Has no email address.")
    return _("The address is verified.") if row.email_verified_at else ""


VERIFY_EMAIL = Operation(
    procedure=verifying.VERIFY,
    service=verifying.verify_email,
    inverse=verifying.UNVERIFY,
    label=gettext_lazy("Mark email as verified"),
    sentence=_verify_sentence,
    done=_verify_done,
    form=OperationForm,
    icon="check",
    obstacles=Reading(accounts.load, _why_not_verify),
)
RESEND_VERIFICATION = Operation(
    procedure=verifying.RESEND,
    service=verifying.resend_verification,
    label=gettext_lazy("Resend verification"),
    sentence=_resend_sentence,
    done=_resend_done,
    form=OperationForm,
    icon="mail",
    obstacles=NOT_CLOSED,
)
OPERATIONS = (CHANGE_EMAIL, VERIFY_EMAIL, RESEND_VERIFICATION)
