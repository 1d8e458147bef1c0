"""Amounts under each other."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.listing import Booking
from coai_admin.console.templatetags.console import credits, signed_credits

register = template.Library()

_AS_WIDE_AS_A_DIGIT = "\N{FIGURE SPACE}"


@register.filter
def places(rows: Iterable[Booking]) -> int:
    """How many decimal places the longest amount of these rows is written with."""
    amounts = (
        amount for row in rows for amount in (row.transfer.delta, row.transfer.balance_after)
    )
    return max((_places(credits(amount)) for amount in amounts), default=2)


@register.filter
def aligned(amount: Decimal, width: int) -> SafeString:
    """Credits with their point under the point of the row above, in a column of ``width``
    places."""
    return _padded(credits(amount), width)


@register.filter
def aligned_change(amount: Decimal, width: int) -> SafeString:
    """As ``aligned``, with a plus sign before what was added."""
    return _padded(signed_credits(amount), width)


def _padded(text: str, width: int) -> SafeString:
    padding = _AS_WIDE_AS_A_DIGIT * (width - _places(text))
    return format_html('{}<span class="pad" aria-hidden="true">{}</span>', text, padding)


def _places(text: str) -> int:
    return len(text.partition(".")[2])
