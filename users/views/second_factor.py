"""One's own second factor: asked for at sign-in, set up, its recovery codes, taken away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from redis.exceptions import RedisError

from audit import record
from coai_admin.console import circumstances
from coai_admin.console.errors import unavailable
from users import factor_resets, mail
from users.access import confirm_oneself, own_account, own_second_factor, own_security, public
from users.email.changes import LinkOver
from users.kept_forms import forget_others
from users.models import User
from users.requests import StaffRequest
from users.second_factor import authenticators, cancelling
from users.second_factor.forms import CodeForm, SetUpForm
from users.sessions.ending import end_sessions
from users.sign_in import step_up
from users.sign_in.signing_in import SecondFactorStage, waiting_for_a_code
from users.views.account import own_row, too_many

_WAIT = 300  # seconds: the window of ACCOUNT_RATE_LIMITS for failed attempts

log = structlog.get_logger(__name__)


# At sign-in


@public
@sensitive_post_parameters("code")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_code(request: HttpRequest) -> HttpResponseBase:
    """The second stage of a sign-in. Attempts are counted per account before a code is looked at;
    without the counter nobody gets in."""
    stage = None if request.user.is_authenticated else waiting_for_a_code(request, now=time_now())
    if stage is None:
        return redirect(settings.LOGIN_URL)
    if request.method != "POST":
        return render(request, "account/sign_in_code.html", {"form": CodeForm()})
    form = CodeForm(request.POST)
    try:
        return _judge_code(request, stage, form)
    except RedisError:
        log.exception("counter_unreachable")
        return unavailable(
            request, _("Signing in is closed while the counter of attempts does not answer.")
        )


def _judge_code(request: HttpRequest, stage: SecondFactorStage, form: CodeForm) -> HttpResponseBase:
    user: User = stage.login.user
    if form.is_valid():
        key = f"second-factor-{user.pk}"
        if not ratelimit.consume(request, action="login_failed", key=key):
            return too_many(request, _WAIT)
        if kind := _kind_of(user, form.cleaned_data["code"]):
            ratelimit.clear(request, action="login_failed", key=key)
            return _enter(request, stage, user, kind)
        log.warning("second_factor_failed", user=user.pk, ip=circumstances.ip())
        form.add_error("code", _("This code is wrong, or was used before."))
    return render(request, "account/sign_in_code.html", {"form": form})


def _kind_of(user: User, code: str) -> str:
    """As what the code was accepted; empty when as nothing."""
    now = time_now()
    if authenticators.accept_code(user, code, now=now):
        return str(authenticators.TOTP)
    if authenticators.accept_recovery_code(user, code, now=now):
        return str(authenticators.RECOVERY)
    return ""


@transaction.atomic
def _enter(
    request: HttpRequest, stage: SecondFactorStage, user: User, kind: str
) -> HttpResponseBase:
    authenticators.note_use(request, user, kind)
    response: HttpResponseBase = stage.exit()
    forget_others(request)
    return response


# One's own


@own_account
@require_GET
def overview(request: StaffRequest) -> HttpResponse:
    """Whether one has a second factor, and what can be done about it."""
    context = {
        "enrolment": authenticators.enrolment(request.user),
        "required": _is_required(request),
        "reset": factor_resets.open_of(request.user.pk),
    }
    return render(request, "account/second_factor.html", context)


def _is_required(request: StaffRequest) -> bool:
    return bool(settings.REQUIRE_STAFF_MFA and request.user.is_staff)


@own_account
@require_POST
def keep(request: StaffRequest) -> HttpResponse:
    """Cancel the reset that waits. It asks for nothing more: what it keeps is the safer state."""
    reset = factor_resets.open_of(request.user.pk)
    try:
        if reset is not None:
            cancelling.keep(reset, now=time_now())
            messages.success(request, _("The reset is cancelled: your second factor stays."))
    except LinkOver as error:  # it was carried out, or cancelled elsewhere, a moment ago
        messages.error(request, str(error), extra_tags="bad")
    return redirect("account:second_factor")


@own_second_factor
@sensitive_post_parameters("code")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def set_up(request: StaffRequest) -> HttpResponse:
    """Show the secret to an app, and take a code of it as proof; then the recovery codes, once. A
    second factor that was there is replaced."""
    now = time_now()
    if not step_up.may_replace_second_factor(request, now=now) and (
        ask := confirm_oneself(request)
    ):
        return ask
    form = SetUpForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if codes := _enrol(request, form.cleaned_data["code"]):
            return _show_codes(request, codes, _("Your second factor is set up."))
        form.add_error(
            "code", _("This is not the code of the app now. Wait for the next one, and type that.")
        )
    secret = authenticators.pending_secret(request)
    context = {
        "form": form,
        "qr": authenticators.qr_code(request.user, secret),
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "replaces": authenticators.is_enrolled(request.user),
        "due": _is_required(request) and not authenticators.used_in(request),
    }
    return render(request, "account/second_factor_set_up.html", context)


@transaction.atomic
def _enrol(request: StaffRequest, code: str) -> list[str] | None:
    """Other sessions end: they did not use this second factor. A reset that waits was meant for the
    one before."""
    user, now = request.user, time_now()
    replaced = authenticators.is_enrolled(user)
    codes = authenticators.enrol(request, user, code, now=now)
    if codes is not None:
        request.session.rotate()  # type: ignore[attr-defined]
        ended = end_sessions([user.pk], keep=own_row(request).pk)
        changes = {"replaced": replaced, "sessions_ended": ended}
        changes |= _cancel_reset(user, now)
        _record(request, "account.set_up_second_factor", changes)
    return codes


def _cancel_reset(user: User, now: datetime) -> dict[str, Any]:
    """Cancel what waits; what the record says of it."""
    return {"reset_cancelled": True} if factor_resets.cancel([user.pk], now=now) else {}


def _show_codes(request: StaffRequest, codes: Sequence[str], done: str) -> HttpResponse:
    """Once: in the answer to the form that made them, and nowhere else."""
    context = {"codes": [f"{code[:4]} {code[4:]}" for code in codes], "done": done}
    return render(request, "account/recovery_codes.html", context)


@own_security
@never_cache
@require_POST
@transaction.atomic
def renew_recovery_codes(request: StaffRequest) -> HttpResponse:
    """Ten new recovery codes; the old ones are void."""
    if not authenticators.is_enrolled(request.user):
        return redirect("account:second_factor")
    codes = authenticators.new_recovery_codes(request.user)
    _record(request, "account.renew_recovery_codes", {})
    return _show_codes(request, codes, _("The old recovery codes are void."))


@own_security
@require_POST
@transaction.atomic
def remove(request: StaffRequest) -> HttpResponse:
    """Sign in by password alone from now on. Not where a second factor is required: there it is
    only replaced."""
    if _is_required(request):
        refusal = _("A second factor is required of staff: replace yours instead of removing it.")
        messages.error(request, refusal, extra_tags="bad")
    elif authenticators.is_enrolled(request.user):
        cancelled = _cancel_reset(request.user, time_now())
        authenticators.remove([request.user.pk])
        _record(request, "account.remove_second_factor", cancelled)
        messages.success(request, _("Your second factor is removed."))
    return redirect(resolve_url("account:second_factor"))


def _record(request: StaffRequest, action: str, changes: dict[str, Any]) -> None:
    """On the record, and to the person by mail: it may not have been them."""
    user = request.user
    target, now = ("user", user.pk, user.username), time_now()
    record.entry(action, actor=user, now=now, target=target, changes=changes)
    mail.send("second_factor_changed", user.pk, now=now)
