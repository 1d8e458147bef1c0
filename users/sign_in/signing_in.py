"""Signing in: who is meant by a name, who may come in, and how often one may try.

django-allauth leads through it (throttles before the password is checked, rotates the session);
this module tells it how people are found and refused, and what asks for the second factor. The
pages are in ``users.views.account`` and ``users.views.second_factor``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.stagekit import clear_login
from allauth.account.stages import LoginStage, LoginStageController
from django.contrib.auth.backends import BaseBackend
from django.core.exceptions import ValidationError
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.formats import date_format
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit import record
from coai_admin.console import circumstances
from coai_admin.console.addresses import neighbourhood
from coai_admin.console.statements import statement
from users.models import Restriction, User
from users.passwords.checking import (
    is_guarded_by_import_hash_alone,
    matches,
    spend_time_on,
    strengthen,
)
from users.second_factor import authenticators
from users.sign_in import step_up

SUSPENSION = Restriction.Kind.SUSPENSION.value
REFUSED = "refused"
_MOST_MEANT = 4

log = structlog.get_logger(__name__)


def people_meant_by(name: str) -> list[User]:
    """Whose name this may be, the likeliest first: a username exactly, a name in CoAI exactly (two
    sources, or a collision of case, may have renamed its owner), a username in another case, an
    email address.

    Several people only where an import brought them: a name that is somebody else's address, say.
    """
    lowered = Lower(Value(name))
    meant = User.objects.alias(_name=Lower("username"), _email=Lower("email")).filter(
        Q(_name=lowered) | Q(_email=lowered) | Q(legacy_username=name)
    )
    likelihood = Case(
        When(username=name, then=0),
        When(legacy_username=name, then=1),
        When(_name=lowered, then=2),
        default=3,
        output_field=IntegerField(),
    )
    return list(meant.order_by(likelihood, "pk")[:_MOST_MEANT])


def why_not_in(user: User, *, now: datetime) -> str:
    """Why somebody who gave the right password is not let in; empty when they are."""
    if user.closed_at is not None:
        return _("This account is closed.")
    restriction = (
        Restriction.objects.live(now)
        .filter(user=user, kind=SUSPENSION)
        .order_by("-ends_at", "pk")
        .first()
    )
    if restriction is not None:
        return _suspended(restriction)
    if user.is_staff and is_guarded_by_import_hash_alone(user):
        return _(
            "Your imported password is still being put under stronger protection. "
            "Try again in a few minutes."
        )
    return ""


def _suspended(restriction: Restriction) -> str:
    if restriction.ends_at is None:
        sentence = _("This account is suspended for good.")
    else:
        until = date_format(restriction.ends_at, "j M Y, H:i")
        sentence = _("This account is suspended until %(until)s UTC.") % {"until": until}
    return f"{sentence} {restriction.public_text}".strip()


class SignInBackend(BaseBackend):
    """Checks a name and a password. A name that nobody has takes as long as one that somebody
    has."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **_others: Any,
    ) -> User | None:
        """The person, or None. Raises ValidationError with a sentence for somebody whose
        password is right but who is not let in, TooBusy when as many passwords as possible are
        being checked already."""
        if not username or not password:
            return None
        people = people_meant_by(username)
        if not people:
            spend_time_on(password)
        for user in people:
            if matches(user, password):
                if why := why_not_in(user, now=time_now()):
                    log.warning("sign_in_refused", user=user.pk, ip=circumstances.ip())
                    raise ValidationError(why, code=REFUSED)
                strengthen(user, password)
                return user
        return None

    def get_user(self, user_id: Any) -> User | None:
        """Whose session this is, unless the account is closed or suspended meanwhile: asked at
        every request."""
        return next(iter(_free(int(user_id), time_now())), None)


@statement
def _free(user_id: Any, now: Any) -> QuerySet[User]:
    """The user, unless the account is closed or suspended."""
    free = User.objects.unrestricted(SUSPENSION, now).filter(pk=user_id, closed_at__isnull=True)
    return free.select_related("preferences")  # every page asks how they like it


class SecondFactorStage(LoginStage):
    """Between the password and being in: a code, where a second factor is enrolled."""

    key = "second_factor"
    urlname = "account:sign_in_code"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        if not authenticators.is_enrolled(self.login.user):
            return None, True
        return redirect(self.urlname), True


def waiting_for_a_code(request: HttpRequest, *, now: datetime) -> SecondFactorStage | None:
    """The sign-in of this browser that gave the right password and still owes a code; None when
    there is none, it is over 15 minutes old, or the password or the account changed since."""
    stage: SecondFactorStage | None = LoginStageController.enter(request, SecondFactorStage.key)
    if stage is None or stage.login.user is None:
        return None
    user, began = stage.login.user, datetime.fromtimestamp(stage.login.initiated_at, UTC)
    changed = user.password_changed_at is not None and user.password_changed_at >= began
    if changed or why_not_in(user, now=now):
        clear_login(request)
        return None
    return stage


class AccountAdapter(DefaultAccountAdapter):
    """What django-allauth asks of the project."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": gettext_lazy("The name or the password is wrong."),
        "email_password_mismatch": gettext_lazy("The name or the password is wrong."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_stages(self) -> list[str]:
        return ["users.sign_in.signing_in.SecondFactorStage"]

    def get_client_ip(self, request: HttpRequest) -> str:
        return circumstances.ip() or ""

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Attempts are counted per name *and* address, so that nobody can lock another person
        out."""
        name = credentials.get("username") or credentials.get("email") or ""
        return f"{neighbourhood(circumstances.ip())}|{name.casefold()}"

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        log.warning("sign_in_failed", ip=circumstances.ip())  # no name: people type passwords there

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the page one arrives at says that one is in."""

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        now = time_now()
        User.objects.filter(pk=user.pk).update(last_seen_at=now)
        kind = authenticators.used_in(request)
        step_up.begin_by_sign_in(request, now=now)
        record.entry(
            "account.sign_in",
            actor=user,
            now=now,
            target=("user", user.pk, user.username),
            changes={"second_factor": kind} if kind else {},
        )
        log.info("signed_in", user=user.pk, ip=circumstances.ip())
        response: HttpResponse = super().post_login(request, user, **kwargs)
        return response
