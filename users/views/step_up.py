"""Confirming that it is oneself, and leaving that state."""

from __future__ import annotations

from datetime import datetime
from math import ceil

import structlog
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from redis.exceptions import RedisError

from coai_admin.console.errors import unavailable
from users.access import owes_second_factor, own_account, own_password
from users.passwords.checking import TooBusy
from users.requests import StaffRequest
from users.second_factor import authenticators
from users.second_factor.forms import ConfirmForm
from users.sign_in import step_up
from users.sign_in.step_up import StepUpLocked
from users.views.account import onward

log = structlog.get_logger(__name__)


@own_password
@sensitive_post_parameters("password", "code")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: StaffRequest) -> HttpResponse:
    """Ask for the password and the second factor, and go on with what asked for them. As a
    fragment, it is the dialog over what was typed."""
    now = time_now()
    enrolled = authenticators.is_enrolled(request.user)
    if request.method != "POST":
        if step_up.is_stepped_up(request, now=now) and not owes_second_factor(request):
            return _go_on(request)
        return _show(request, ConfirmForm(with_code=enrolled), now)
    form = ConfirmForm(request.POST, with_code=enrolled)
    try:
        return _judge(request, form, now)
    except StepUpLocked as locked:
        return _show(request, ConfirmForm(with_code=enrolled), now, until=locked.until)
    except RedisError:
        log.exception("counter_unreachable")
        return unavailable(
            request, _("Nobody can confirm while the counter of attempts does not answer.")
        )
    except TooBusy:
        return unavailable(request, _("Too many passwords are being checked at this moment."))


def _judge(request: StaffRequest, form: ConfirmForm, now: datetime) -> HttpResponse:
    if not form.is_valid():
        return _show(request, form, now)
    password, code = form.cleaned_data["password"], form.cleaned_data.get("code", "")
    if step_up.confirm(request, password=password, code=code, now=now):
        return _go_on(request)
    if "code" in form.fields:
        form.add_error(None, _("The password or the code is wrong, or the code was used before."))
    else:
        form.add_error("password", _("This is not your password."))
    return _show(request, form, now)


def _go_on(request: StaffRequest) -> HttpResponse:
    if request.htmx:
        return HttpResponse(status=204, headers={"HX-Trigger": "stepped-up"})
    return redirect(onward(request) or "account:own")


def _show(
    request: StaffRequest, form: ConfirmForm, now: datetime, *, until: datetime | None = None
) -> HttpResponse:
    try:
        until = until or step_up.locked_until(request.user, now=now)
    except RedisError:
        log.exception("counter_unreachable")  # sending the form will say so
    context = {
        "form": form,
        "next": onward(request),
        "locked": _locked(until, now) if until else "",
        "enrolled": "code" in form.fields,
    }
    if request.htmx:  # a fragment with another status would not reach the dialog
        return render(request, "account/_confirm.html", context)
    response = render(request, "account/confirm.html", context, status=429 if until else 200)
    if until:
        response.headers["Retry-After"] = str(ceil((until - now).total_seconds()))
    return response


def _locked(until: datetime, now: datetime) -> str:
    minutes = ceil((until - now).total_seconds() / 60)
    text = ngettext(
        "There were five wrong attempts. Try again in %(n)s minute; everything that asks for no "
        "confirmation works meanwhile.",
        "There were five wrong attempts. Try again in %(n)s minutes; everything that asks for no "
        "confirmation works meanwhile.",
        minutes,
    )
    return text % {"n": minutes}


@own_account
@require_POST
def leave(request: StaffRequest) -> HttpResponse:
    """End the confirmed state before its ten minutes are over."""
    step_up.leave(request)
    messages.info(request, _("Acts that need it ask you to confirm again."))
    return redirect("account:own")
