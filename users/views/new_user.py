"""Creating a user by hand. No password is set: the new user chooses one by a mailed link."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from audit import record
from audit.registry import operations as registered
from users.access import permission
from users.email.forms import AddressField
from users.kept_forms import kept_form
from users.models import User
from users.profile.forms import UsernameField
from users.profile.names import look
from users.profile.services import add_note
from users.requests import StaffRequest
from users.services import create_user
from users.sign_in.signing_in import people_meant_by

_LINK = "users.send_password_link"


class NewUserForm(forms.Form):
    """Who the new user is, and why an account is made for them."""

    username = UsernameField(label=gettext_lazy("Username"))
    email = AddressField(
        label=gettext_lazy("Email"),
        required=False,
        help_text=gettext_lazy("Not verified yet. Without it no password link can be mailed."),
    )
    note = forms.CharField(
        label=gettext_lazy("Opening note"),
        required=False,
        max_length=4_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("For colleagues, on the user's page."),
    )
    reason = forms.CharField(
        label=gettext_lazy("Your reason"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("Stands in the audit log. The user does not see it."),
    )
    ticket = forms.CharField(label=gettext_lazy("Ticket"), max_length=100, required=False)

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if holders := people_meant_by(name):
            raise forms.ValidationError(taken(holders[0]))
        if User.objects.named(look(name)).exists():
            raise forms.ValidationError(
                _("It would pass for the username %(name)s.") % {"name": look(name)}
            )
        return name

    def clean_email(self) -> str:
        address: str = self.cleaned_data["email"]
        if address and (holders := people_meant_by(address)):
            raise forms.ValidationError(taken(holders[0]))
        return address


def taken(holder: User) -> str:
    """That somebody signs in by it already."""
    return _("%(name)s signs in by it already.") % {"name": holder.username}


@permission("users.create")
@require_http_methods(["GET", "HEAD", "POST"])
def new_user(request: StaffRequest) -> HttpResponse:
    """The form, and creating the account."""
    data = request.POST if request.method == "POST" else kept_form(request)
    form = NewUserForm(data)
    if request.method == "POST" and form.is_valid():
        try:
            user = _create(request, form.cleaned_data)
        except IntegrityError:
            form.add_error(None, _("Somebody else took this name or address just now."))
        else:
            _announce(request, user)
            return redirect("user", user.pk)
    return render(request, "users/new.html", {"form": form})


@transaction.atomic
def _create(request: StaffRequest, data: dict[str, Any]) -> User:
    """The account, its entry and its note stand or fall together."""
    now = time_now()
    user = create_user(data["username"], email=data["email"] or None, now=now)
    record.entry(
        "users.create",
        actor=request.user,
        now=now,
        target=("user", user.pk, user.username),
        changes={"role": [None, user.role]},
        personal={"username": [None, user.username], "email": [None, user.email]},
        reason=data["reason"],
        ticket=data["ticket"],
    )
    if data["note"]:
        add_note([user.pk], actor=request.user, text=data["note"], reason=data["reason"], now=now)
    return user


def _announce(request: StaffRequest, user: User) -> None:
    parts = {"text": _("Created %(name)s. Nobody can sign in to it yet.") % {"name": user.username}}
    if user.email and _LINK in registered() and request.user.may(_LINK):
        parts["link"] = reverse("operate:one", args=[user.pk, _LINK])
        parts["link_label"] = _("Send a password link")
    messages.success(request, json.dumps(parts), extra_tags="good parts")
