"""How recorded changes are worded: names of fields and their values before and after."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache, partial
from typing import Any

from django import template
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from audit.registry import actions
from audit.reports import FieldChange, Line
from coai_admin.console.templatetags.console import credits, diff
from users.models import ReasonCode, Restriction, Upload
from users.roles import Role

register = template.Library()

FIELDS: dict[str, str | Promise] = {
    "active": gettext_lazy("Offered"),
    "appealable": gettext_lazy("May be appealed"),
    "default_days": gettext_lazy("Usual days"),
    "position": gettext_lazy("Place in the list"),
    "api_keys": gettext_lazy("API keys"),
    "closed": gettext_lazy("Closed"),
    "country": gettext_lazy("Country"),
    "credits": gettext_lazy("Credits"),
    "delta": gettext_lazy("Credits added"),
    "email": gettext_lazy("Email"),
    "email_change": gettext_lazy("Email, to be verified"),
    "email_state": gettext_lazy("Mail to the address"),
    "email_verified": gettext_lazy("Email verified"),
    "ends_at": gettext_lazy("Ends"),
    "expires": gettext_lazy("Expires"),
    "internal_note": gettext_lazy("Note for colleagues"),
    "ip": gettext_lazy("IP address"),
    "kind": gettext_lazy("Kind"),
    "limit": gettext_lazy("Limit"),
    "locale": gettext_lazy("Language"),
    "months": gettext_lazy("Subscription months"),
    "must_change_password": gettext_lazy("Must change the password"),
    "note": gettext_lazy("Note"),
    "notes": gettext_lazy("Notes"),
    "password": gettext_lazy("Password"),
    "password_link": gettext_lazy("Password link"),
    "public_text": gettext_lazy("What the user reads"),
    "reason_code": gettext_lazy("What for"),
    "revealed": gettext_lazy("Shown"),
    "role": gettext_lazy("Role"),
    "second_factor": gettext_lazy("Second factor"),
    "second_factor_reset": gettext_lazy("Reset of the second factor"),
    "sessions": gettext_lazy("Sessions"),
    "shared_with": gettext_lazy("Shared with"),
    "tags": gettext_lazy("Tags"),
    "suspension": gettext_lazy("Suspension"),
    "tier": gettext_lazy("Tier"),
    "timezone": gettext_lazy("Time zone"),
    "upload": gettext_lazy("File"),
    "used": gettext_lazy("Used credits"),
    "users": gettext_lazy("Users"),
    "asked_by": gettext_lazy("Asked by"),
    "digest": gettext_lazy("Fingerprint of what was asked"),
    "run": gettext_lazy("Run"),
    "username": gettext_lazy("Username"),
    "warning": gettext_lazy("Warning"),
}
_MONEY = frozenset({"credits", "delta", "used"})
_LABELS = "_reason_labels"
_ROLES = dict(Role.choices)
_WITH_MOMENT = frozenset(
    {"ends_at", "password_link", "email_change", "invitation", "second_factor_reset"}
)


# As users.restrictions.restricting.describe writes it.
_DESCRIBED = re.compile(r"([\w-]+)(?: until ([0-9T:-]{16})Z|, permanent)")
_MOMENT = re.compile(r"([0-9T:-]{16})(?::[0-9.]+)?Z")


def _moment_words(found: re.Match[str]) -> str:
    return f"{date_format(datetime.fromisoformat(found[1]), 'j M Y, H:i')} UTC"


def _reason_labels(context: template.Context) -> Mapping[str, str]:
    """What each reason is called today, by its code; read once a page, and only by a page that
    names one."""
    page = vars(getattr(context, "request", None) or context)
    if _LABELS not in page:
        page[_LABELS] = dict(ReasonCode.objects.values_list("code", "label"))
    labels: Mapping[str, str] = page[_LABELS]
    return labels


def _reason(code: str, labels: Mapping[str, str]) -> str:
    """The label of a reason; of one that is gone, its code in plain words."""
    return labels.get(code) or code.replace("_", " ")


def _file_name(upload: Any) -> str:
    """The name of an uploaded file; of one that is forgotten, its number."""
    found = Upload.objects.filter(pk=upload) if isinstance(upload, int) else Upload.objects.none()
    return found.values_list("file_name", flat=True).first() or f"#{upload}"


def _restriction_words(labels: Mapping[str, str], found: re.Match[str]) -> str:
    reason = _reason(found[1], labels)
    if found[2] is None:
        return _("%(reason)s for good") % {"reason": reason}
    end = datetime.fromisoformat(found[2])
    words = {"reason": reason, "end": date_format(end, "j M Y, H:i")}
    return _("%(reason)s until %(end)s UTC") % words


def _end_words(value: str) -> str:
    """The end of a subscription as ``subscriptions.lifecycle`` records it."""
    if value == "no end":
        return _("no end")
    return f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M} UTC"


@register.filter
def field_name(name: str) -> str:
    """The label of a recorded field; an unknown one in plain words."""
    return str(FIELDS.get(name) or name.replace("_", " ").capitalize())


@register.filter
def action_name(code: str) -> str:
    """The label of an audit action; an unknown one is shown by its code."""
    action = actions().get(code)
    return str(action.label if action else code)


@register.filter
def action_icon(code: str) -> str:
    """The icon of an audit action."""
    action = actions().get(code)
    return action.icon if action else "audit"


@register.simple_tag(takes_context=True)
def change_value(context: template.Context, name: str, value: Any) -> str:
    """A recorded value as people read it: money with its places, moments in UTC, yes and no in
    words, a reason by its label (where it is a parameter with the code, by which people search)."""
    if value is None or value == "":
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(change_value(context, name, each) for each in value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, datetime):
        return f"{date_format(value, 'j M Y, H:i')} UTC"
    if name in Restriction.Kind.values and isinstance(value, str):
        return _DESCRIBED.sub(partial(_restriction_words, _reason_labels(context)), value)
    if name == "reason_code":
        return f"{_reason(str(value), _reason_labels(context))} ({value})"
    if name == "upload":
        return _file_name(value)
    if name == "shared_with":
        return ", ".join(str(_ROLES.get(role, role)) for role in str(value).split(", "))
    if name == "role":
        return str(_ROLES.get(str(value), value))
    if name in _WITH_MOMENT:
        return _MOMENT.sub(_moment_words, str(value))
    if name == "expires":
        return _end_words(str(value))
    if name in _MONEY:
        try:
            return str(credits(Decimal(str(value))))
        except InvalidOperation:
            return str(value)
    return str(value)


@register.filter
def filled(params: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The parameters of an act that somebody filled in: name and value."""
    return [(name, value) for name, value in params.items() if value not in (None, "", [], ())]


@register.simple_tag(takes_context=True)
def changes(context: template.Context, line: Line) -> SafeString:
    """What an entry says changed, field by field. Without a template, because a page of entries has
    a hundred fields."""
    return SafeString("".join(_changed(context, field) for field in line.changes))


def _changed(context: template.Context, field: FieldChange) -> str:
    after = change_value(context, field.name, field.after)
    if field.pair:
        shown = diff(change_value(context, field.name, field.before), after)
    else:
        shown = format_html("<bdi>{}</bdi>", after)
    return f'<span class="changed">{_key(field.name, get_language())} {shown}</span>'


@lru_cache(maxsize=512)
def _key(name: str, _language: str | None) -> SafeString:
    return format_html('<span class="key">{}</span>', field_name(name))
