"""What stands in every row of the user table. Fifty rows cost milliseconds, so what repeats is
kept."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_DOWN, Decimal
from functools import lru_cache
from typing import Any

from django import template
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from coai_admin.console.templatetags.console import credits, icon, mark, row_menu, state
from users.status import Status
from users.table.columns import EMAIL_STATES
from users.table.rows import UserRow

register = template.Library()

_MARKS = {
    Status.ACTIVE: "good",
    Status.LIMITED: "warn",
    Status.SUSPENDED: "bad",
    Status.BANNED: "bad",
    Status.CLOSED: "none",
}
_CENT = Decimal("0.01")
_CHECKED = mark_safe(" checked")
_ADDRESS_MARKS = {"pending": "wait", "suppressed": "warn"}


@register.simple_tag
def pick_box(row: UserRow, picking: Any) -> SafeString:
    """The box by which a user is selected; out of reach, with the reason, for those on whom nothing
    can be done."""
    why = picking.blocked.get(row.pk)
    if why is not None:
        return format_html(
            '<input type="checkbox" disabled aria-label="{0}: {1}" title="{1}">', row.username, why
        )
    return format_html(
        '<input type="checkbox" name="pick" value="{}" form="selection" data-pick{}'
        ' aria-label="{}">',
        row.pk,
        _CHECKED if row.pk in picking.here else "",
        _("Select %(name)s") % {"name": row.username},
    )


@register.simple_tag
def acts_key(row: UserRow, here: str) -> SafeString:
    """The ⋯ of a row. ``here`` is the address of the table."""
    return row_menu(f"{here}{row.pk}/acts/", row.username)


@register.simple_tag
def money(amount: Decimal) -> SafeString | str:
    """Credits to two places; where there are more, all of them show when one points at it."""
    exact = credits(amount)
    short = credits(amount.quantize(_CENT, ROUND_DOWN))
    return short if short == exact else format_html('<span title="{}">{}</span>', exact, short)


@register.simple_tag
def user_state(row: UserRow) -> SafeString:
    """The status of a user by shape, word and colour: ``Suspended to 12 Dec 2026``."""
    until = localtime(row.until).date() if row.until else None
    return _state(row.status, until, get_language(), warned=row.warned)


@lru_cache(maxsize=2048)
def _state(
    status: Status, until: date | None, _language: str | None, *, warned: bool
) -> SafeString:
    if warned and status == Status.ACTIVE:
        return state("warn", _("Active, warned"))
    if until is None:
        return state(_MARKS[status], status.label)
    words = {"status": status.label, "day": date_format(until, "j M Y")}
    return state(_MARKS[status], _("%(status)s to %(day)s") % words)


@register.simple_tag
def email_mark(known: str) -> SafeString:
    """What is known of an address: a shape, with its word for whoever cannot see it."""
    return _email_mark(known, get_language())


@lru_cache(maxsize=64)
def _email_mark(known: str, _language: str | None) -> SafeString:
    return format_html(
        '<span class="address-mark" title="{0}">{1}<span class="hush">{0}</span></span>',
        EMAIL_STATES[known],
        icon("check", 12) if known == "verified" else mark(_ADDRESS_MARKS.get(known, "bad")),
    )


@register.simple_tag
def plan(row: UserRow) -> str:
    """The plan of a subscription that runs or ran; blank without one."""
    if row.subscription == "ended":
        return _("%(plan)s, ended") % {"plan": row.plan}
    return row.plan
