"""Who asks: a service key, or somebody who is signed in.

A request that carries an Authorization header is judged by it alone: with a wrong key it is
refused, whoever's session it carries besides.
"""

from __future__ import annotations

import re
from typing import Any

import structlog
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from subscriptions import service_keys
from users.access import owes_second_factor
from users.api.problems import Problem
from users.api.throttles import count_failure
from users.models import User
from users.roles import Role
from users.service_actor import ServiceActor

_BEARER = re.compile(r"Bearer ([A-Za-z0-9._~+/=-]{1,200})", re.ASCII | re.IGNORECASE)


class ServiceKeys(BaseAuthentication):
    """``Authorization: Bearer csk_…``."""

    def authenticate(self, request: Request) -> tuple[ServiceActor, None] | None:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        sent = _BEARER.fullmatch(header.strip(" "))
        key = service_keys.find(sent[1], now=time_now()) if sent else None
        if key is None:
            count_failure()
            raise AuthenticationFailed(_("This key does not work: it is wrong, ended or revoked."))
        structlog.contextvars.bind_contextvars(service_key=key.pk)
        return ServiceActor(key), None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="CoAI Admin"'


class StaffSessions(BaseAuthentication):
    """A signed-in colleague, with the CSRF token where something is changed."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        user = request._request.user
        if not isinstance(user, User) or not user.is_authenticated:
            return None
        _check_csrf(request)
        if user.role == Role.NONE:
            raise Problem(403, "no_role", _("Your account has no role here."))
        if user.must_change_password:
            raise Problem(403, "password_due", _("Change your password first."))
        if owes_second_factor(request._request):
            raise Problem(403, "second_factor_due", _("This session used no second factor."))
        return user, None


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: Any, reason: str) -> Any:
        return reason


def _check_csrf(request: Request) -> None:
    check, inner = _Csrf(_view), request._request
    check.process_request(inner)
    if why := check.process_view(inner, _view, (), {}):
        raise Problem(403, "csrf_failed", str(why))


def _view(_request: Any) -> Any:
    """Stands for the view, of which the check needs nothing."""
