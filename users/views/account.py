"""Signing in and out, and a person's own password and sessions."""

from __future__ import annotations

import structlog
from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import transaction
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from redis.exceptions import RedisError

from audit import record
from coai_admin.console.errors import answer, unavailable
from users.access import confirm_oneself, own_account, own_password, own_security, public
from users.account_forms import OwnPasswordForm, SignInForm
from users.kept_forms import forget_others
from users.models import Session, User
from users.passwords.checking import TooBusy, set_password
from users.requests import StaffRequest
from users.second_factor import authenticators
from users.sessions.agents import in_words
from users.sessions.ending import end_sessions
from users.sessions.middleware import clock, passive, prolong

_TOO_MANY = "too_many_login_attempts"
_ALL_WAIT, _FAILED_WAIT = 60, 300  # seconds: the windows of ACCOUNT_RATE_LIMITS
_SHOWN_SESSIONS = 100

log = structlog.get_logger(__name__)


@public
@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """The sign-in page. Attempts are counted before a password is checked; without the counter
    nobody gets in."""
    wanted = onward(request)
    if request.user.is_authenticated:
        return HttpResponseRedirect(wanted or _first_page(request.user))
    if request.method != "POST":
        return _show_sign_in(request, SignInForm(request=request), wanted)
    try:
        return _try_to_sign_in(request, wanted)
    except RedisError:
        log.exception("counter_unreachable")
        return unavailable(
            request, _("Signing in is closed while the counter of attempts does not answer.")
        )
    except TooBusy:
        return unavailable(request, _("Too many people are signing in at this moment."))


def _try_to_sign_in(request: HttpRequest, wanted: str) -> HttpResponseBase:
    if not ratelimit.consume(request, action="login"):
        return too_many(request, _ALL_WAIT)
    form = SignInForm(request.POST, request=request)
    if form.is_valid():
        with transaction.atomic():
            response: HttpResponseBase = form.login(request, wanted or _first_page(form.user))
        if request.user.is_authenticated:  # else a code is owed first
            forget_others(request)
        return response
    if form.has_error(NON_FIELD_ERRORS, code=_TOO_MANY):
        return too_many(request, _FAILED_WAIT)
    return _show_sign_in(request, form, wanted)


def _show_sign_in(request: HttpRequest, form: SignInForm, wanted: str) -> HttpResponse:
    return render(request, "account/sign_in.html", {"form": form, "next": wanted})


def onward(request: HttpRequest) -> str:
    """Where one wanted to go, if that is a page of this site."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    here = {request.get_host()}
    safe = url_has_allowed_host_and_scheme(wanted, here, require_https=request.is_secure())
    return wanted if safe and wanted.startswith("/") else ""


def _first_page(user: User) -> str:
    """Home; for somebody without a role, who sees nothing else, their own sessions."""
    return resolve_url(settings.LOGIN_REDIRECT_URL if user.is_staff else "account:sessions")


def too_many(request: HttpRequest, seconds: int) -> HttpResponse:
    minutes = seconds // 60
    message = ngettext(
        "There were too many attempts from your address. Try again in %(n)s minute.",
        "There were too many attempts from your address. Try again in %(n)s minutes at the latest.",
        minutes,
    )
    return answer(
        request,
        429,
        message=message % {"n": minutes},
        retry_after=seconds,
        template="account/too_many_attempts.html",
    )


@public
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End this session."""
    logout(request)
    messages.info(request, _("You are signed out."))
    return redirect(settings.LOGIN_URL)


@public
@passive
@never_cache
@require_http_methods(["GET", "POST"])
def ping(request: HttpRequest) -> JsonResponse:
    """The state of the session, for the page's clock; POST prolongs it. ``csrf`` is for forms
    that were on the page before signing in again."""
    if request.method == "POST":
        prolong(request, now=time_now())
    ends = clock(request)
    if ends is None:
        return JsonResponse({"authenticated": False})
    return JsonResponse(
        {
            "authenticated": True,
            "csrf": get_token(request),
            "idle_ends": ends.idle_ends.isoformat(),
            "absolute_ends": ends.absolute_ends.isoformat(),
        }
    )


@own_password
@sensitive_post_parameters("current", "new", "again")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: StaffRequest) -> HttpResponse:
    """One's own password. A new one ends all other sessions. The current one is proof enough only
    where no second factor is enrolled."""
    if authenticators.is_enrolled(request.user) and (ask := confirm_oneself(request)):
        return ask
    if request.method != "POST":
        return render(
            request, "account/password.html", {"form": OwnPasswordForm(user=request.user)}
        )
    form = OwnPasswordForm(request.POST, user=request.user)
    try:
        if not ratelimit.consume(request, action="change_password", user=request.user):
            return too_many(request, _ALL_WAIT)
        if not form.is_valid():
            return render(request, "account/password.html", {"form": form})
        ended = _change_password(request, form.cleaned_data["new"])
    except RedisError:
        log.exception("counter_unreachable")
        return unavailable(
            request, _("Passwords cannot be changed while the counter of attempts does not answer.")
        )
    except TooBusy:
        return unavailable(request, _("Too many passwords are being checked at this moment."))
    text = ngettext(
        "Your password is changed, and %(n)s other session was ended.",
        "Your password is changed, and %(n)s other sessions were ended.",
        ended,
    )
    messages.success(request, text % {"n": ended} if ended else _("Your password is changed."))
    return redirect("account:password")


@transaction.atomic
def _change_password(request: StaffRequest, new: str) -> int:
    user, now = request.user, time_now()
    set_password(user, new, now=now)
    update_session_auth_hash(request, user)  # gives this session a new key
    ended = end_sessions([user.pk], keep=own_row(request).pk)
    record.entry(
        "account.change_password",
        actor=user,
        now=now,
        target=("user", user.pk, user.username),
        changes={"sessions_ended": ended},
    )
    return ended


def own_row(request: HttpRequest) -> Session:
    row: Session = request.session.row  # type: ignore[attr-defined]
    return row


@own_account
@require_GET
def sessions(request: StaffRequest) -> HttpResponse:
    """Where one is signed in."""
    here = own_row(request)
    found = Session.objects.filter(user=request.user, expire_date__gt=time_now())
    rows = [
        {
            "key": row.pk,
            "here": row.pk == here.pk,
            "agent": in_words(row.agent),
            "full_agent": row.agent,
            "ip": row.ip or "",
            "created_at": row.created_at,
            "seen_at": row.seen_at,
        }
        for row in found.order_by("-seen_at", "pk")[:_SHOWN_SESSIONS]
    ]
    rows.sort(key=lambda row: not row["here"])
    return render(request, "account/sessions.html", {"rows": rows, "others": len(rows) > 1})


@own_account
@require_POST
def end_session(request: StaffRequest, key: str) -> HttpResponse:
    """End one of one's own sessions, this one too."""
    if key == own_row(request).pk:
        return sign_out(request)
    if ask := confirm_oneself(request):
        return ask
    with transaction.atomic():
        ended = Session.objects.filter(user=request.user, pk=key).delete()[0]
        _record_ended(request, ended)
    if ended:
        messages.success(request, _("That session is ended."))
    else:
        messages.info(request, _("That session had ended already."))
    return redirect("account:sessions")


@own_security
@require_POST
def end_others(request: StaffRequest) -> HttpResponse:
    """End all of one's sessions but this one."""
    with transaction.atomic():
        ended = end_sessions([request.user.pk], keep=own_row(request).pk)
        _record_ended(request, ended)
    text = ngettext("%(n)s session is ended.", "%(n)s sessions are ended.", ended) % {"n": ended}
    messages.success(request, text)
    return redirect("account:sessions")


def _record_ended(request: StaffRequest, ended: int) -> None:
    if ended:
        record.entry(
            "account.end_sessions",
            actor=request.user,
            now=time_now(),
            target=("user", request.user.pk, request.user.username),
            changes={"sessions_ended": ended},
        )
