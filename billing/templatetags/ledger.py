"""The rows of a user's credits, with amounts under each other."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from django import template
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from billing.listing import Booking
from coai_admin.console.templatetags.console import credits, moment, signed_credits

register = template.Library()

_AS_WIDE_AS_A_DIGIT = "\N{FIGURE SPACE}"
_ANY_ACT = uuid.UUID(int=0)


@register.simple_tag(takes_context=True)
def booking_rows(context: template.Context, rows: Sequence[Booking]) -> SafeString:
    """The rows of the table of transfers. Fifty of them cost milliseconds, so they are put together
    here, not by a template: everything of a row is escaped where its cell is put together."""
    sheet = _Sheet.of(rows, {"now": context.get("now")})
    return SafeString("".join(sheet.row(row) for row in rows))


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What all rows share. ``width``: the decimal places of the longest amount; ``act_url``: the
    address of ``_ANY_ACT``."""

    context: Mapping[str, Any]
    width: int
    act_url: str
    balance_after: str
    by: str
    why: str
    act: str

    @classmethod
    def of(cls, rows: Iterable[Booking], context: Mapping[str, Any]) -> _Sheet:
        return cls(
            context,
            _longest(rows),
            reverse("operate:act", args=[_ANY_ACT]),
            balance_after=escape(_("Balance after")),
            by=escape(_("By")),
            why=escape(_("Why")),
            act=escape(_("act")),
        )

    def row(self, row: Booking) -> str:
        cells = (self.when, self.what, self.change, self.balance, self.who, self.reason)
        return "\n    ".join(["<tr>", *(cell(row) for cell in cells)]) + "\n  </tr>"

    def when(self, row: Booking) -> str:
        booked, effective = row.transfer.created_at, row.transfer.effective_at
        apart = ""
        if effective != booked:
            day = moment(self.context, effective, "date")
            apart = f' <span class="faint small">{escape(_("effective"))} {day}</span>'
        return f'<td class="when c-sub">{moment(self.context, booked, "exact")}{apart}</td>'

    def what(self, row: Booking) -> str:
        turned = ""
        if row.transfer.reverses_id:
            words = f"{escape(_('reverses'))} {row.transfer.reverses_id}"
            turned = f' <span class="faint">{words}</span>'
        return f'<th scope="row" class="c-name">{escape(row.transfer.code.label)}{turned}</th>'

    def change(self, row: Booking) -> str:
        amount = row.transfer.delta
        return (
            f'<td class="num c-state"><span class="amount{" more" if amount > 0 else ""}">'
            f"{_padded(signed_credits(amount), self.width)}</span></td>"
        )

    def balance(self, row: Booking) -> str:
        amount = row.transfer.balance_after
        return (
            f'<td class="num c-fact c-1" data-label="{self.balance_after}">'
            f'<span class="amount{" less" if amount < 0 else ""}">'
            f"{_padded(credits(amount), self.width)}</span></td>"
        )

    def who(self, row: Booking) -> str:
        actor, name, shown = row.transfer.actor_id, escape(row.actor_name), ""
        if actor:
            url = reverse("user", args=[actor])
            shown = (
                f'<a class="link cut" href="{url}" title="{name}"><bdi>{name or actor}</bdi></a>'
            )
        elif row.act:
            shown = escape(row.act.actor_name)
        fact = "c-fact c-2" if actor or row.act else ""
        return f'<td class="{fact}" data-label="{self.by}">{shown}</td>'

    def reason(self, row: Booking) -> str:
        link = ""
        if row.act:
            url = self.act_url.replace(str(_ANY_ACT), str(row.act.pk))
            link = f' <a class="link nowrap" href="{url}">{self.act}</a>'
        fact = " c-fact c-3" if row.transfer.reason or row.act else ""
        return (
            f'<td class="why{fact}" data-label="{self.why}">'
            f"<span><bdi>{escape(row.transfer.reason)}</bdi>{link}</span></td>"
        )


def _longest(rows: Iterable[Booking]) -> int:
    """How many decimal places the longest amount of these rows is written with."""
    amounts = (
        amount for row in rows for amount in (row.transfer.delta, row.transfer.balance_after)
    )
    return max((_places(credits(amount)) for amount in amounts), default=2)


def _padded(text: str, width: int) -> str:
    """An amount with its point under the point of the row above."""
    padding = _AS_WIDE_AS_A_DIGIT * (width - _places(text))
    return f'{text}<span class="pad" aria-hidden="true">{padding}</span>'


def _places(text: str) -> int:
    return len(text.partition(".")[2])
