"""Forms of the operations on staff roles."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from audit.forms import OperationForm
from users.roles import Role


class GrantRoleForm(OperationForm):
    """Parameters of ``users.grant_role``."""

    role = forms.ChoiceField(
        label=_("Role"),
        choices=[
            (role.value, role.label)
            for role in (Role.READ_ONLY, Role.SUPPORT, Role.USER_ADMIN, Role.SUPER_ADMIN)
        ],
        help_text=_("Takes effect at once; their sessions end, so that they sign in anew."),
    )
