"""What somebody typed into a form whose session had ended, or that asked them to confirm who they
are: kept in the session, shown again afterwards. Never passwords, never files, never another
person's."""

from __future__ import annotations

import re

from django.http import HttpRequest, QueryDict

_KEY = "kept_form"
_MOST_BYTES = 64 * 1024
_NEVER = re.compile(r"passw|secret|token|csrf|otp|pin$", re.IGNORECASE)


def keep(request: HttpRequest, *, path: str = "") -> None:
    """Keep the form that a request posts, if it is a small one without files, for the page at
    ``path`` (by default the one it was sent to)."""
    if request.method != "POST" or request.FILES:
        return
    form = request.POST.copy()
    for name in list(form):
        if _NEVER.search(name):
            del form[name]
    encoded = form.urlencode()
    if not encoded or len(encoded) > _MOST_BYTES:
        return
    request.session[_KEY] = {
        "path": path.partition("?")[0] or request.path,
        "form": encoded,
        "user": request.user.pk or getattr(request.session, "ended_user_id", None),
    }


def kept_form(request: HttpRequest) -> QueryDict | None:
    """What was typed into the form of this page before signing in or confirming, once; None when
    nothing was.
    It is to be shown, not to be acted on."""
    kept = request.session.get(_KEY)
    if kept is None or kept["path"] != request.path:
        return None
    del request.session[_KEY]
    if kept["user"] not in (None, request.user.pk):
        return None
    return QueryDict(kept["form"])


def forget_others(request: HttpRequest) -> None:
    """At sign-in: drop what another person typed in this browser."""
    kept = request.session.get(_KEY)
    if kept is not None and kept["user"] not in (None, request.user.pk):
        del request.session[_KEY]
