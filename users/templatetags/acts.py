"""How recorded changes are worded: names of fields and their values before and after."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django import template
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.registry import operations
from coai_admin.console.templatetags.console import credits

register = template.Library()

FIELDS: dict[str, str | Promise] = {
    "api_keys": gettext_lazy("API keys"),
    "credits": gettext_lazy("Credits"),
    "delta": gettext_lazy("Credits added"),
    "email": gettext_lazy("Email"),
    "ends_at": gettext_lazy("Ends"),
    "internal_note": gettext_lazy("Note for colleagues"),
    "ip": gettext_lazy("IP address"),
    "kind": gettext_lazy("Kind"),
    "limit": gettext_lazy("Limit"),
    "password": gettext_lazy("Password"),
    "public_text": gettext_lazy("What the user reads"),
    "reason_code": gettext_lazy("Why"),
    "role": gettext_lazy("Role"),
    "sessions": gettext_lazy("Sessions"),
    "suspension": gettext_lazy("Suspension"),
    "used": gettext_lazy("Used credits"),
    "username": gettext_lazy("Username"),
    "warning": gettext_lazy("Warning"),
}
ACTIONS: dict[str, str | Promise] = {
    "exports.users": gettext_lazy("Export users"),
    "imports.coai": gettext_lazy("Import a CoAI deployment"),
    "users.create_super_admin": gettext_lazy("Create super admin"),
    "users.reset_super_admin": gettext_lazy("Reset super admin"),
    "users.end_own_session": gettext_lazy("End own session"),
    "users.change_own_password": gettext_lazy("Change own password"),
    "users.reveal": gettext_lazy("Reveal personal data"),
    "users.sign_in": gettext_lazy("Sign in"),
    "users.sign_out": gettext_lazy("Sign out"),
}
_MONEY = frozenset({"credits", "delta", "used"})


@register.filter
def field_name(name: str) -> str:
    """The label of a recorded field; an unknown one in plain words."""
    return str(FIELDS.get(name) or name.replace("_", " ").capitalize())


@register.filter
def action_name(code: str) -> str:
    """The label of an audit action: the operation's own, or that of a recorded read."""
    operation = operations().get(code)
    return str(operation.label if operation else ACTIONS.get(code, code))


@register.simple_tag
def change_value(name: str, value: Any) -> str:
    """A recorded value as people read it: money with its places, moments in UTC, yes and no in
    words."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if name in _MONEY:
        try:
            return str(credits(Decimal(str(value))))
        except InvalidOperation:
            return str(value)
    return str(value)
