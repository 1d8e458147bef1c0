"""Who may open what: denied unless declared.

Every view carries one of the marks below, which AccessMiddleware enforces; ``manage.py check``
fails for a URL without one (``users.checks``). A mark is about opening a page at all. What is done
there is asked once more, of the operation itself (``audit.operations``), and what is shown by the
rules of the columns.

A grant of the matrix in any form but "–" opens the page: M (masked) and O (own records) are the
page's to keep, c (capped) is the operation's. S (step-up) and 2 (second approver) open it as ✔
does until second factors and approvals exist: this is the one place that will tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from coai_admin.console.errors import answer
from users import kept_forms, roles

View = TypeVar("View", bound=Callable[..., Any])

PASSWORD_PAGE = "account:password"  # noqa: S105 — the name of a URL

log = structlog.get_logger(__name__)


class Access(NamedTuple):
    """What a view declares: ``code`` is the permission, or ``argument`` the part of the URL
    that names it."""

    kind: Literal["public", "own", "permission"]
    code: str = ""
    argument: str = ""
    while_password_is_due: bool = False


def permission(code: str) -> Callable[[View], View]:
    """Open to those whose role holds the permission ``code`` of ``roles.MATRIX``."""
    return _mark(Access("permission", code))


def permission_named_by(argument: str) -> Callable[[View], View]:
    """Open to those whose role holds the permission that the URL's ``argument`` names: the
    pages of operations."""
    return _mark(Access("permission", argument=argument))


def own_account(view: View) -> View:
    """Open to everybody who is signed in, for their own account; also without a role."""
    return _mark(Access("own"))(view)


def own_password(view: View) -> View:
    """As ``own_account``; the only page for somebody who must change their password first."""
    return _mark(Access("own", while_password_is_due=True))(view)


def public(view: View) -> View:
    """Open to everybody, signed in or not."""
    return _mark(Access("public", while_password_is_due=True))(view)


def _mark(access: Access) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        view.access = access  # type: ignore[attr-defined]
        return view

    return decorate


class AccessMiddleware:
    """Lets a request through to its view only as the view declares."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        access: Access | None = getattr(view, "access", None)
        user = request.user
        if user.is_authenticated:
            structlog.contextvars.bind_contextvars(user=user.pk)
        if access is None:
            log.error("view_without_access", view=f"{view.__module__}.{view.__qualname__}")
            raise PermissionDenied(_("This page declares no permission, so nobody may open it."))
        if access.kind == "public":
            return None
        if not user.is_authenticated:
            return _to_sign_in(request)
        if user.must_change_password and not access.while_password_is_due:
            return _elsewhere(request, resolve_url(PASSWORD_PAGE))
        if access.kind == "permission":
            return _refuse_without(request, access.code or _named(kwargs[access.argument]))
        return None


def _named(value: Any) -> str:
    """The permission that a URL names. An unknown one is an address that does not exist."""
    code = str(getattr(value, "code", value))
    if code not in roles.ROWS:
        raise Http404
    return code


def _refuse_without(request: HttpRequest, code: str) -> HttpResponse | None:
    user = request.user
    assert user.is_authenticated
    if user.may(code):
        return None
    log.warning("permission_denied", permission=code, path=request.path)
    if user.role == roles.Role.NONE:
        message = _("Your account has no role here: you see only your own password and sessions.")
        return answer(request, 403, message=message, template="account/no_role.html")
    raise PermissionDenied(
        _("This needs the permission to %(what)s (%(code)s), which your role does not hold.")
        % {"what": roles.ROWS[code].label, "code": code}
    )


def _to_sign_in(request: HttpRequest) -> HttpResponseBase:
    """The sign-in, and back, with what was typed. A fragment or a program gets a 401, which the
    page's script turns into a dialog over what was typed."""
    if request.headers.get("HX-Request") == "true" or request.path_info.startswith("/api/"):
        message = _("You are signed out.")
        return answer(request, 401, message=message, template="account/signed_out.html")
    kept_forms.keep(request)
    back = urlencode({"next": _back(request)})
    return redirect(f"{resolve_url(settings.LOGIN_URL)}?{back}")


def _back(request: HttpRequest) -> str:
    """Where to go on after signing in: this page, or the one whose form was sent here."""
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    referer = request.META.get("HTTP_REFERER", "")
    if url_has_allowed_host_and_scheme(
        referer, {request.get_host()}, require_https=request.is_secure()
    ):
        parts = urlsplit(str(referer))
        return parts.path + (f"?{parts.query}" if parts.query else "")
    return request.path


def _elsewhere(request: HttpRequest, url: str) -> HttpResponseBase:
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return redirect(url)
