"""Who may open what: denied unless declared.

Every view carries one of the marks below, which AccessMiddleware enforces; ``manage.py check``
fails for a URL without one (``users.checks``). A mark is about opening a page at all. What is done
there is asked once more, of the operation itself (``audit.operations``), and what is shown by the
rules of the columns.

A grant of the matrix in any form but "–" opens the page: M (masked) and O (own records) are the
page's to keep, c (capped) is the operation's. S and 2 ask whoever opens the page to confirm that it
is them (``users.sign_in.step_up``); a page that is looked at freely and asks only when something
is done says so in its mark, and the pages of operations ask when the act is confirmed
(``confirm_first``).

Where settings.REQUIRE_STAFF_MFA is on, a session of staff that used no second factor opens nothing
but what leads to one.
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
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _

from coai_admin.console.errors import answer
from users import kept_forms, roles
from users.second_factor import authenticators
from users.sign_in import step_up

View = TypeVar("View", bound=Callable[..., Any])

PASSWORD_PAGE = "account:password"  # noqa: S105 — the name of a URL
CONFIRM_PAGE = "account:confirm"
SET_UP_PAGE = "account:set_up_second_factor"
STEP_UP_HEADER = "X-Step-Up"  # where a page's script asks, over what was typed
_SAFE = ("GET", "HEAD", "OPTIONS")
Asks = Literal["never", "at once", "to act"]

log = structlog.get_logger(__name__)


class Access(NamedTuple):
    """What a view declares: ``code`` is the permission, or ``argument`` the part of the URL
    that names it. ``asks``: when step-up is asked for; of one's own account (``own``) everybody,
    else those whose role holds ``code`` with S or 2."""

    kind: Literal["public", "own", "permission", "api"]
    code: str = ""
    argument: str = ""
    asks: Asks = "never"
    while_password_is_due: bool = False
    while_second_factor_is_due: bool = False


def permission(code: str, *, asks: Asks = "at once") -> Callable[[View], View]:
    """Open to those whose role holds the permission ``code`` of ``roles.MATRIX``. Who holds it with
    step-up is asked at once, or (``asks="to act"``) when they send the page's form."""
    return _mark(Access("permission", code, asks=asks))


def permission_named_by(argument: str) -> Callable[[View], View]:
    """Open to those whose role holds the permission that the URL's ``argument`` names: the
    pages of operations, which ask for step-up themselves (``confirm_first``)."""
    return _mark(Access("permission", argument=argument))


def own_account(view: View) -> View:
    """Open to everybody who is signed in, for their own account; also without a role."""
    return _mark(Access("own"))(view)


def own_security(view: View) -> View:
    """As ``own_account``; who acts there confirms that it is them."""
    return _mark(Access("own", asks="to act"))(view)


def own_password(view: View) -> View:
    """As ``own_account``; open also to somebody who must change their password first, or whose
    session owes a second factor."""
    access = Access("own", while_password_is_due=True, while_second_factor_is_due=True)
    return _mark(access)(view)


def own_second_factor(view: View) -> View:
    """As ``own_account``; open also to somebody whose session owes a second factor."""
    return _mark(Access("own", while_second_factor_is_due=True))(view)


def public(view: View) -> View:
    """Open to everybody, signed in or not."""
    access = Access("public", while_password_is_due=True, while_second_factor_is_due=True)
    return _mark(access)(view)


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
        if access.kind == "api":  # users.api knows keys besides sessions, and asks both
            return None
        if user.is_authenticated:
            return _something_first(request, access) or _refuse(request, access, kwargs)
        return None if access.kind == "public" else _to_sign_in(request, access)


def _something_first(request: HttpRequest, access: Access) -> HttpResponseBase | None:
    """What this person has to do before they open anything else: a new password, a second
    factor."""
    user = request.user
    assert user.is_authenticated
    if user.must_change_password and not access.while_password_is_due:
        return _elsewhere(request, resolve_url(PASSWORD_PAGE))
    if not owes_second_factor(request):
        return None
    if _is_api(request):  # no page of it leads to a second factor, whatever it declares
        message = _("This session used no second factor; it opens nothing here.")
        return answer(request, 403, message=message)
    if access.while_second_factor_is_due:
        return None
    if authenticators.is_enrolled(user):
        return _elsewhere(request, _confirm_url(_back(request)))
    return _elsewhere(request, resolve_url(SET_UP_PAGE))


def owes_second_factor(request: HttpRequest) -> bool:
    """Whether this session must use a second factor before anything else: one of staff, where it
    is required."""
    user = request.user
    required = settings.REQUIRE_STAFF_MFA and user.is_authenticated and user.is_staff
    return required and not authenticators.used_in(request)


def _refuse(request: HttpRequest, access: Access, kwargs: dict[str, Any]) -> HttpResponse | None:
    code = ""
    if access.kind == "permission":
        code = access.code or _named(kwargs[access.argument])
        if refusal := _refuse_without(request, code):
            return refusal
    acting = access.asks == "at once" or request.method not in _SAFE
    if access.asks == "never" or not acting:
        return None
    return confirm_oneself(request) if access.kind == "own" else confirm_first(request, code)


def confirm_first(request: HttpRequest, *codes: str, back: str = "") -> HttpResponse | None:
    """The way to confirming that it is them, when this person holds one of these permissions with
    step-up and the session is not stepped up; None: go on.

    What was typed is kept for the page ``back`` (by default the one the form stood on), which shows
    it once more (``kept_forms.kept_form``). A fragment gets a 403 with the address of a dialog,
    which the page's script opens over what was typed; a program a 403.
    """
    return _ask(request, back) if will_ask(request, *codes) else None


def will_ask(request: HttpRequest, *codes: str) -> bool:
    """Whether ``confirm_first`` would ask now: for a page that says so beside its button."""
    user = request.user
    assert user.is_authenticated
    asked = any(step_up.needs_step_up(user.role, code) for code in codes)
    return asked and not step_up.is_stepped_up(request, now=time_now())


def confirm_oneself(request: HttpRequest) -> HttpResponse | None:
    """As ``confirm_first``, on a page of one's own account: whatever the role, nothing kept."""
    return _ask(request, keep=False)


def _ask(request: HttpRequest, back: str = "", *, keep: bool = True) -> HttpResponse | None:
    if step_up.is_stepped_up(request, now=time_now()):
        return None
    if _is_api(request):
        return answer(request, 403, message=_("Confirm in the console that it is you, first."))
    url = _confirm_url(back or _back(request))
    if request.headers.get("HX-Request") == "true":
        message = _("Confirm that it is you, first.")
        refused = answer(request, 403, message=message)
        refused.headers[STEP_UP_HEADER] = url
        return refused
    if keep:
        kept_forms.keep(request, path=back)
    return redirect(url)


def _confirm_url(back: str) -> str:
    return f"{resolve_url(CONFIRM_PAGE)}?{urlencode({'next': back})}"


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


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
        _("Your role does not hold this permission: %(what)s (%(code)s). Held by: %(holders)s.")
        % {"what": roles.ROWS[code].label, "code": code, "holders": roles.holders(code)}
    )


def _to_sign_in(request: HttpRequest, access: Access) -> HttpResponseBase:
    """The sign-in, and back, with what was typed. A fragment or a program gets a 401, which the
    page's script turns into a dialog over what was typed."""
    if request.headers.get("HX-Request") == "true" or _is_api(request):
        message = _("You are signed out.")
        return answer(request, 401, message=message, template="account/signed_out.html")
    if access.kind == "permission":  # of one's own account: new passwords, codes
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
