"""Keeping one's second factor while its reset waits: the letter that tells of it, what its link
does, and the same on one's own page."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from audit import record
from users import factor_resets, mail, tokens
from users.email.changes import LinkOver
from users.mail import Letter
from users.models import SecondFactorReset, User
from users.second_factor.resets import takes_effect

_PURPOSE = "keep_second_factor"


def token_of(reset: SecondFactorReset) -> str:
    """The token that the letter carries."""
    return tokens.make(_PURPOSE, reset.pk, *_bound(reset))


def _bound(reset: SecondFactorReset) -> tuple[object, ...]:
    return reset.user_id, reset.act_id


def _found(reset_id: int) -> SecondFactorReset | None:
    return SecondFactorReset.objects.select_related("user").filter(pk=reset_id).first()


def by_token(token: str) -> SecondFactorReset | None:
    """The reset of a genuine token with its user, whatever has become of it."""
    row = tokens.row_of(token)
    reset = _found(row) if row is not None else None
    if reset is None or not tokens.is_genuine(token, _PURPOSE, *_bound(reset)):
        return None
    return reset


def letter(reset_id: int, written_at: datetime, now: datetime) -> Letter | None:
    """The letter that tells of a reset; None when it waits no more, or there is no address."""
    reset = _found(reset_id)
    if reset is None or reset.user.email is None or why_not(reset):
        return None
    return Letter(
        to=reset.user.email,
        context={
            "name": mail.one_line(reset.user.username),
            "until": f"{date_format(reset.due_at, 'j M Y, H:i')} UTC",
        },
        link=mail.link_to("account:keep_second_factor", token_of(reset)),
        link_label=_("Keep my second factor"),
    )


def why_not(reset: SecondFactorReset) -> str:
    """Why it can no longer be cancelled; empty when it can. It can be for as long as it was not
    carried out, be it due or not."""
    if reset.done_at is not None:
        return _("The second factor was taken already. Ask the support if that was not you.")
    if reset.cancelled_at is not None:
        return _("The reset was cancelled already: your second factor stays.")
    if reset.user.closed_at is not None:
        return _("The account is closed.")
    return ""


@transaction.atomic
def keep(reset: SecondFactorReset, *, now: datetime) -> None:
    """Cancel a reset, for the owner of the second factor. Raises LinkOver."""
    user = User.objects.select_for_update(no_key=True).get(pk=reset.user_id)
    locked = SecondFactorReset.objects.select_for_update(no_key=True).get(pk=reset.pk)
    locked.user = user
    if why := why_not(locked):
        raise LinkOver(why)
    factor_resets.cancel([user.pk], now=now)
    record.entry(
        "account.keep_second_factor",
        actor=user,
        now=now,
        target=("user", user.pk, user.username),
        changes={"second_factor_reset": [takes_effect(locked.due_at), None]},
        act_id=locked.act_id,
    )
