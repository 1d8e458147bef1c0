"""What stands in the way of people, in sentences."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from coai_admin.console.templatetags.console import moment, state
from users.models import Restriction

register = template.Library()

_DAY = 86_400


@register.simple_tag
def tagged(name: str) -> str:
    """The query string that lists everybody with this tag."""
    return "?" + urlencode({"q": f'tag:"{name}"'})


@register.simple_tag
def restriction_sentence(restriction: Restriction, now: datetime) -> SafeString:
    """``Suspended until 12 Dec 2026, 14:00 UTC (in 20 days) for Spam, by ann on 21 Nov 2026.``
    Needs the reason and the issuer to be loaded."""
    return format_html(
        _("{what} {until} for {reason}, {origin}."),
        what=format_html("<b>{}</b>", _what(restriction.kind)),
        until=_until(restriction, now),
        reason=format_html("<b>{}</b>", restriction.reason.label),
        origin=_origin(restriction),
    )


def _what(kind: str) -> str:
    words = {
        Restriction.Kind.SUSPENSION: _("Suspended"),
        Restriction.Kind.LIMIT: _("Limited"),
        Restriction.Kind.WARNING: _("Warned"),
    }
    return words[Restriction.Kind(kind)]


def _until(restriction: Restriction, now: datetime) -> SafeString:
    if restriction.ends_at is None:
        return format_html("{}", _("for good"))
    exact = moment(template.Context(), restriction.ends_at, "exact")
    left = time_left(restriction.ends_at, now)
    return format_html(_("until {moment} ({left})"), moment=exact, left=left)


def _origin(restriction: Restriction) -> SafeString:
    day = moment(template.Context(), restriction.starts_at, "date")
    if restriction.issuer is None:
        return format_html(_("since {day}"), day=day)
    url = reverse("user", args=[restriction.issuer.pk])
    name = restriction.issuer.username
    who = format_html('<a class="link" href="{}"><bdi>{}</bdi></a>', url, name)
    return format_html(_("by {who} on {day}"), who=who, day=day)


@register.simple_tag
def time_left(end: datetime, now: datetime) -> str:
    """How long until ``end``: ``in 20 days``, ``in 3 hours``, ``in 5 minutes``; rounded up, so
    never "in 0"."""
    seconds = max(1.0, (end - now).total_seconds())
    if seconds > 2 * _DAY:
        number = -int(-seconds // _DAY)
        return ngettext("in %(n)s day", "in %(n)s days", number) % {"n": f"{number:,}"}
    if seconds > 2 * 3600:
        number = -int(-seconds // 3600)
        return ngettext("in %(n)s hour", "in %(n)s hours", number) % {"n": number}
    number = -int(-seconds // 60)
    return ngettext("in %(n)s minute", "in %(n)s minutes", number) % {"n": number}


@register.simple_tag
def restriction_state(restriction: Restriction, now: datetime) -> SafeString:
    """Whether a restriction holds now, in one word."""
    if restriction.lifted_at is not None:
        return state("none", _("lifted"))
    if restriction.starts_at > now:
        return state("wait", _("not begun"))
    if not restriction.is_live(now):
        return state("none", _("ended"))
    return state("bad" if restriction.kind == Restriction.Kind.SUSPENSION else "warn", _("holds"))
