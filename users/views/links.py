"""The pages that mailed links lead to. Opening one changes nothing (programs that read mail open
every link); what is done there takes a press of a button. A link that is over, or was never ours,
says so and tells nothing of anybody."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from coai_admin.console.errors import answer, unavailable
from users import password_links
from users.access import public
from users.account_forms import NewPasswordForm
from users.email import changes, verifying
from users.email.changes import LinkOver
from users.invitations import inviting
from users.invitations.forms import JoinForm
from users.invitations.inviting import InvitationRefused
from users.models import User
from users.password_links import Life
from users.passwords import recovering, sending
from users.passwords.checking import TooBusy
from users.second_factor import cancelling

View = Callable[..., HttpResponse]

_OVER: dict[str, str | Promise] = {
    Life.USED: gettext_lazy("This link was used already. It works once."),
    Life.REVOKED: gettext_lazy("This link was withdrawn, or a newer one took its place."),
    Life.EXPIRED: gettext_lazy("This link has expired."),
}


def mailed(view: View) -> View:
    """Mark a page that a mailed link leads to: open to everybody, kept by nobody, its address told
    to no other page. (``no-referrer`` would make browsers hide the form's origin, too.)"""

    @wraps(view)
    def guarded(request: HttpRequest, token: str) -> HttpResponse:
        response = view(request, token)
        response["Referrer-Policy"] = "strict-origin"
        return response

    methods = require_http_methods(["GET", "HEAD", "POST"])
    return public(never_cache(methods(guarded)))


def over(request: HttpRequest, sentence: str | Promise = "") -> HttpResponse:
    """410 for a link whose time is over; without a sentence 404 for one that was never ours."""
    message = str(sentence) or _("This link is not whole, or was never ours.")
    status = 410 if sentence else 404
    return answer(request, status, message=message, template="account/link_over.html")


@sensitive_post_parameters("new", "again")
@mailed
def choose_password(request: HttpRequest, token: str) -> HttpResponse:
    """Choose a password by a link from a letter."""
    now = time_now()
    link = password_links.by_token(token)
    if link is None:
        return over(request)
    if not password_links.is_open(link, now) or not sending.is_still_meant(link):
        return over(request, _OVER.get(password_links.life(link, now), _OVER[Life.REVOKED]))
    if request.method == "GET":
        password_links.note_opened(link.pk, now)
    if request.method != "POST":
        return _show(request, NewPasswordForm(user=link.user))
    form = NewPasswordForm(request.POST, user=link.user)
    if not form.is_valid():
        return _show(request, form)
    try:
        user = sending.choose_password(token, form.cleaned_data["new"], now=now)
    except TooBusy:
        return unavailable(request, _("Too many passwords are being checked at this moment."))
    if user is None:
        return over(request, _OVER[Life.USED])
    messages.success(request, _("Your password is set. Sign in with it."))
    return redirect("account:sign_in")


def _show(request: HttpRequest, form: Any) -> HttpResponse:
    return render(request, "account/choose_password.html", {"form": form})


@mailed
def verify_email(request: HttpRequest, token: str) -> HttpResponse:
    """Verify an address by a link from a letter: a new one, which counts from then on, or the one
    that somebody has."""
    now = time_now()
    change = changes.by_token(token, changes.VERIFY)
    user = change.user if change else verifying.by_token(token, now=now)
    if user is None:
        return over(request)
    email = change.new_email if change else user.email
    try:
        if change and (why := changes.why_not(change, changes.VERIFY, now)):
            return over(request, why)
        if request.method == "POST" and change:
            changes.verify(change, keep_session=_own_session(request, user), now=now)
        elif request.method == "POST":
            verifying.verify_present(token, now=now)
    except LinkOver as error:
        return over(request, str(error))
    context = {"name": user.username, "email": email, "changes": change is not None}
    return render(request, "account/verify_email.html", _done(request) | context)


def _own_session(request: HttpRequest, user: User) -> str | None:
    """The session of this request, if the link's owner is signed in by it."""
    return request.session.row.pk if request.user == user else None  # type: ignore[attr-defined]


def _done(request: HttpRequest) -> dict[str, Any]:
    return {"done": request.method == "POST"}


@mailed
def keep_email(request: HttpRequest, token: str) -> HttpResponse:
    """Keep one's address, or have it back, by the link that told of its change."""
    now = time_now()
    change = changes.by_token(token, changes.KEEP)
    if change is None:
        return over(request)
    if why := changes.why_not(change, changes.KEEP, now):
        return over(request, why)
    voided = False
    if request.method == "POST":
        try:
            voided = recovering.keep_address(change, now=now)
        except LinkOver as error:
            return over(request, str(error))
    context = {
        "name": change.user.username,
        "email": change.old_email,
        "to": change.new_email,
        "voided": voided,
    }
    return render(request, "account/keep_email.html", _done(request) | context)


@mailed
def keep_second_factor(request: HttpRequest, token: str) -> HttpResponse:
    """Keep one's second factor, by the link that told of its reset."""
    reset = cancelling.by_token(token)
    if reset is None:
        return over(request)
    if why := cancelling.why_not(reset):
        return over(request, why)
    if request.method == "POST":
        try:
            cancelling.keep(reset, now=time_now())
        except LinkOver as error:
            return over(request, str(error))
    context = {"name": reset.user.username, "due_at": reset.due_at}
    return render(request, "account/keep_second_factor.html", _done(request) | context)


@sensitive_post_parameters("new", "again")
@mailed
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Accept an invitation: choose a username and a password."""
    now = time_now()
    invitation = inviting.by_token(token)
    if invitation is None:
        return over(request)
    if why := inviting.why_not_join(invitation, now):
        return over(request, why)
    if request.method == "GET":
        inviting.note_opened(invitation, now)
    sent = request.POST if request.method == "POST" else None
    form = JoinForm(sent, user=User(email=invitation.email))
    if form.is_valid():
        given = form.cleaned_data
        try:
            inviting.join(invitation, given["username"], given["new"], now=now)
        except InvitationRefused as refused:
            form.add_error(None, str(refused))
        except TooBusy:
            return unavailable(request, _("Too many passwords are being checked at this moment."))
        else:
            messages.success(request, _("Your account is made. Sign in to it."))
            return redirect("account:sign_in")
    return render(request, "account/join.html", {"form": form, "invitation": invitation})
