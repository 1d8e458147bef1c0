"""Tags and filters of the console's templates.

What stands in every row of a table (state, tier, credits, moment, icon) is a tag rather than an
included template: fifty rows of thirteen cells must cost milliseconds. The components of the same
name call these tags.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from html import escape
from typing import Any, Literal

from django import template
from django.contrib.messages.storage.base import Message
from django.http import QueryDict
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from coai_admin.console import icons
from coai_admin.console.charts import Number, columns
from coai_admin.console.graphemes import initials_of

register = template.Library()

MINUS = "\N{MINUS SIGN}"
HUES = 6
HIDDEN = mark_safe('aria-hidden="true"')
KINDS = ("good", "warn", "bad", "info")


@register.simple_tag
@lru_cache(maxsize=512, typed=True)  # typed: text that is safe is not text that is not
def icon(name: str, size: int = 16, label: str = "") -> SafeString:
    """Draw one of our icons, ``size`` CSS pixels wide; hidden from screen readers without a label.

    Raises KeyError for a name that is not drawn: a hole in a page would be found too late.
    """
    return format_html(
        '<svg class="icon" width="{0}" height="{0}" viewBox="0 0 16 16" fill="none" '
        'stroke="currentColor" stroke-width="{1}" stroke-linecap="round" stroke-linejoin="round" '
        '{2}><path d="{3}"/></svg>',
        size,
        "2.2" if name == "dots" else "1.4",
        _spoken(label),
        icons.DOTS if name == "dots" else icons.LINES[name],
    )


def _spoken(label: str) -> SafeString:
    return format_html('role="img" aria-label="{}"', label) if label else HIDDEN


@register.simple_tag
@lru_cache(maxsize=64)
def mark(kind: str) -> SafeString:
    """Draw the filled shape of a state: good, warn, bad, none, wait or info."""
    return format_html(
        '<svg class="mark {0}" width="12" height="12" viewBox="0 0 16 16" fill="currentColor" '
        'fill-rule="evenodd" aria-hidden="true"><path d="{1}"/></svg>',
        kind,
        icons.SHAPES[kind],
    )


@register.simple_tag
def state(kind: str, label: object) -> SafeString:
    """Say a state by shape, word and colour. Kinds: good, warn, bad, none, wait, info."""
    return _state(kind, label if isinstance(label, str) else str(label))


@lru_cache(maxsize=1024, typed=True)
def _state(kind: str, label: str) -> SafeString:
    return format_html(
        '<span class="state {0}">{1}<span>{2}</span></span>', kind, mark(kind), label
    )


@register.simple_tag
def tier(number: int | None, name: str = "") -> SafeString | str:
    """Show the badge of a tier, with its name beside it when there is one; nothing for None."""
    if number is None:
        return ""
    badge = format_html(
        '<span class="tier t{0}" title="{1}"><span class="hush">{1}</span>'
        '<span aria-hidden="true">{2}</span></span>',
        min(max(number, 0), 3),
        _("Tier %(number)s") % {"number": number},
        number,
    )
    return format_html('{0} <span class="tier-name">{1}</span>', badge, name) if name else badge


@register.filter
def credits(value: Decimal | int | str | None) -> str:
    """Write credits as people read them: grouped, two to six places, a true minus; blank for None.

    A float has already lost what it would show: it raises TypeError.
    """
    if value is None or value == "":
        return ""
    if isinstance(value, float):
        raise TypeError("Credits are Decimal, never float.")
    amount = Decimal(value).quantize(Decimal("0.000001"))
    whole, _point, places = f"{abs(amount):,.6f}".partition(".")
    sign = MINUS if amount < 0 else ""
    return f"{sign}{whole}.{places.rstrip('0').ljust(2, '0')}"


@register.filter
def signed_credits(value: Decimal | int | None) -> str:
    """Write a change of credits: as ``credits``, with a plus sign before what was added."""
    text = credits(value)
    return f"+{text}" if text and value is not None and value > 0 else text


@register.filter
def grouped(value: int | Literal[""] | None) -> str:
    """Write a whole number with its thousands grouped; blank for None and for what a template did
    not find."""
    return "" if value is None or value == "" else f"{value:,}".replace("-", MINUS)


@register.filter
def lasting(minutes: int) -> str:
    """Write a length of time in hours and minutes: 12 hours; 1 hour 30 minutes."""
    hours, rest = divmod(minutes, 60)
    parts = [ngettext("%(n)s hour", "%(n)s hours", hours) % {"n": hours}] if hours else []
    if rest or not hours:
        parts.append(ngettext("%(n)s minute", "%(n)s minutes", rest) % {"n": rest})
    return " ".join(parts)


@register.simple_tag(takes_context=True)
def moment(
    context: template.Context | Mapping[str, Any],
    at: datetime | date | None,
    form: str = "relative",
) -> SafeString | str:
    """Show a moment; its title and its ``datetime`` tell it exactly, with its zone. Blank for None.

    Forms: relative ("2 h ago"; beyond a month the date), date ("12 Mar 2027") and exact
    ("12 Mar 2027, 14:00 UTC"). The page's ``now`` is used when its context has one.
    """
    if at is None or at == "":
        return ""
    if not isinstance(at, datetime):
        return _time(at.isoformat(), _day(at, get_language()))
    local, language = timezone.localtime(at), get_language()
    day = _day(local.date(), language)
    exact = f"{day}, {local:%H:%M} {local.tzname()}"
    if form == "date":
        shown, title = day, exact
    else:
        relative = _relative((context.get("now") or timezone.now()) - at, language) or day
        shown, title = (exact, relative) if form == "exact" else (relative, exact)
    return _time(at.astimezone(UTC).isoformat(timespec="seconds"), shown, title)


def _time(stamp: str, shown: str, title: str = "") -> SafeString:
    """Without ``format_html``, because a list page has a hundred of them."""
    titled = f' title="{escape(title)}"' if title else ""
    return SafeString(f'<time datetime="{stamp}"{titled}>{escape(shown)}</time>')


@lru_cache(maxsize=4096)
def _day(day: date, language: str | None) -> str:
    return date_format(day, "j M Y")


def _relative(passed: timedelta, language: str | None) -> str:
    seconds = passed.total_seconds()
    size = abs(seconds)
    if size < 45:
        return _("now")
    if size >= 30 * 86400:
        return ""
    length = next(length for limit, length in _UNITS if size < limit)
    return _ago(length, max(1, round(size / length)), language, past=seconds > 0)


# Up to so many seconds a time is said in units of so many seconds.
_UNITS = ((3570, 60), (84600, 3600), (30 * 86400, 86400))


@lru_cache(maxsize=512)
def _ago(length: int, number: int, _language: str | None, *, past: bool) -> str:
    units = {
        60: _("%(n)s min"),
        3600: _("%(n)s h"),
        86400: ngettext("%(n)s day", "%(n)s days", number),
    }
    amount = units[length] % {"n": number}
    return (_("%(amount)s ago") if past else _("in %(amount)s")) % {"amount": amount}


@register.filter
def initials(name: str | None) -> str:
    """Shorten a name to one or two letters for its avatar; emoji and ideographs stay whole."""
    return initials_of(name or "")


@register.filter
def hue(name: str | None) -> int:
    """Pick one of the avatar's colours for a name: always the same one."""
    return zlib.crc32((name or "").encode()) % HUES


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """Build "?…" from the current query string with parameters set; None or "" removes one.

    A list sets a repeated parameter.
    """
    parameters = _parameters(context)
    for name, value in changes.items():
        if value is None or value == "":
            parameters.pop(name, None)
        elif isinstance(value, list | tuple):
            parameters.setlist(name, [str(one) for one in value])
        else:
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}"


@register.simple_tag(takes_context=True)
def query_without(context: template.Context, name: str, value: object = None) -> str:
    """Build "?…" without one parameter, or without one value of a repeated one.

    The cursor (after, before) goes too: it belongs to the list as it was filtered.
    """
    parameters = _parameters(context)
    kept = [one for one in parameters.getlist(name) if value is not None and one != str(value)]
    for gone in (name, "after", "before"):
        parameters.pop(gone, None)
    if kept:
        parameters.setlist(name, kept)
    return f"?{parameters.urlencode()}"


def _parameters(context: template.Context) -> QueryDict:
    request = context.get("request")
    return QueryDict(mutable=True) if request is None else request.GET.copy()


@register.inclusion_tag("components/chart.html")
def chart(points: Sequence[tuple[str, Number]], title: str, unit: str = "") -> dict[str, object]:
    """Draw (label, value) pairs as columns, with the same figures in a table beside them."""
    return {"drawing": columns(points), "title": title, "unit": unit}


@register.filter
def banner(message: Message) -> dict[str, Any]:
    """Take a message apart: text, link, link_label, undo, undo_label.

    A message tagged ``parts`` is a JSON object of these; any other is only its text.
    """
    if "parts" in (message.extra_tags or "").split():
        parts: dict[str, Any] = json.loads(str(message.message))
        return parts
    return {"text": message.message}


@register.filter
def banner_kind(message: Message) -> str:
    """Tell the kind of a message's banner: good, warn, bad or info, by its tags, else its level."""
    for kind in KINDS:
        if kind in (message.extra_tags or "").split():
            return kind
    return {"success": "good", "warning": "warn", "error": "bad"}.get(message.level_tag, "info")


@register.simple_tag
def diff(before: object, after: object) -> SafeString:
    """Show what was before and what is after; None and "" as the word "nothing"."""
    words = _words_of_diff(get_language())
    return SafeString(
        f'<span class="diff">{words[0]}{_side("del", before, words[2])}'
        f"{words[1]}{_side('ins', after, words[2])}</span>"
    )


@lru_cache(maxsize=16)
def _words_of_diff(_language: str | None) -> tuple[str, str, str]:
    def hush(word: str) -> str:
        return f'<span class="hush">{escape(word)}</span>'

    return hush(_("before")), f"{icon('arrow', 12)}{hush(_('after'))}", escape(_("nothing"))


def _side(tag: str, value: object, nothing: str) -> str:
    if value is None or value == "":
        return f'<{tag} class="blank">{nothing}</{tag}>'
    return f"<{tag}>{conditional_escape(value if isinstance(value, str) else str(value))}</{tag}>"


@register.simple_tag
def row_menu(url: str, name: str) -> SafeString:
    """Draw the ⋯ of a row: a link to the page of its acts, opened by scripts as a menu in place."""
    return format_html(
        '<a class="acts-key" href="{0}" data-menu-url="{0}" aria-haspopup="true" '
        'aria-expanded="false" aria-label="{1}">{2}</a>',
        url,
        _("Acts on %(name)s") % {"name": name},
        icon("dots"),
    )
