"""The forms of signing in and of one's own password."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import LoginForm
from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from users.models import User
from users.passwords.checking import matches

LONGEST_PASSWORD = 1024


def _password_field(label: Any, autocomplete: str, **kwargs: Any) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(
        label=label, strip=False, max_length=LONGEST_PASSWORD, widget=widget, **kwargs
    )


class SignInForm(LoginForm):
    """django-allauth's, in our words. Its errors are about the whole form, so that they betray
    no field."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"] = forms.CharField(
            label=_("Username or email"),
            max_length=254,
            widget=forms.TextInput(
                attrs={
                    "autocomplete": "username",
                    "autocapitalize": "none",
                    "spellcheck": "false",
                    "autofocus": True,
                }
            ),
        )
        self.fields["password"] = _password_field(_("Password"), "current-password")
        if self.is_bound:  # the name stands there already
            self.fields["login"].widget.attrs["autofocus"] = False
            self.fields["password"].widget.attrs["autofocus"] = True
        self.order_fields(["login", "password"])


class NewPasswordForm(forms.Form):
    """A new password, for somebody whom a mailed link proves."""

    new = _password_field(
        _("New password"),
        "new-password",
        help_text=_(
            "At least 12 characters. Not a common password, not only digits, "
            "nothing like your name or address."
        ),
    )
    again = _password_field(_("New password again"), "new-password")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_new(self) -> str:
        new: str = self.cleaned_data["new"]
        validate_password(new, self.user)
        return new

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if {"new", "again"} <= set(cleaned) and cleaned["new"] != cleaned["again"]:
            self.add_error("again", gettext("The two do not match."))
        return cleaned


class OwnPasswordForm(NewPasswordForm):
    """A new password of one's own, with the current one as proof."""

    current = _password_field(_("Current password"), "current-password")
    field_order = ("current", "new", "again")

    def clean(self) -> dict[str, Any]:
        """The current password is checked last, and only when all else fits: it costs a hash."""
        cleaned = super().clean()
        if {"current", "new", "again"} - set(cleaned):
            return cleaned
        if cleaned["new"] == cleaned["current"]:
            self.add_error("new", gettext("This is the password you have now."))
        elif not matches(self.user, cleaned["current"]):
            self.add_error("current", gettext("This is not your current password."))
        return cleaned
