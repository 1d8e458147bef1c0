"""Forms of inviting somebody, and of accepting."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from users.account_forms import NewPasswordForm
from users.email.forms import AddressField
from users.invitations.inviting import roles_open_to
from users.models import User
from users.profile.forms import UsernameField
from users.profile.names import look
from users.roles import Role
from users.sign_in.signing_in import people_meant_by


class InviteForm(forms.Form):
    """Whom to invite, and as what: no more than the inviter may give."""

    email = AddressField(label=_("Email"), help_text=_("The link goes there, and counts 72 hours."))
    role = forms.ChoiceField(label=_("Role"))
    reason = forms.CharField(
        label=_("Your reason"), max_length=500, help_text=_("Stands in the audit log.")
    )

    def __init__(self, *args: Any, inviter: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = [  # type: ignore[attr-defined]
            (role.value, _("none: a customer") if role == Role.NONE else role.label)
            for role in roles_open_to(inviter)
        ]


class JoinForm(NewPasswordForm):
    """The name and the password of a new account."""

    username = UsernameField(label=_("Username"))
    field_order = ("username", "new", "again")

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if people_meant_by(name) or User.objects.named(look(name)).exists():
            raise forms.ValidationError(
                gettext("This username is taken, or looks like one that is.")
            )
        self.user.username = name
        return name
