"""What every view of the API is: who may open it, what it takes and gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, cast

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from audit.record import as_json
from audit.registry import operations
from coai_admin.console.filters import BadParameter
from users.access import Access
from users.api.authentication import ServiceKeys, StaffSessions
from users.api.docs import Doc
from users.api.problems import Problem, mistake, wrong_body
from users.api.throttles import PerCaller
from users.models import User
from users.roles import ROWS, holders
from users.service_actor import ServiceActor, scopes
from users.sign_in.step_up import is_stepped_up, needs_step_up

Caller = User | ServiceActor


class StrictJson(BaseParser):
    """The JSON that ``RefuseMalformedMiddleware`` has parsed already, as strictly as it does."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return getattr(parser_context["request"]._request, "json_body", {})


class MayOpen(BasePermission):
    """Lets through who holds the permission that the view declares."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not request.user.is_authenticated:
            return False
        assert isinstance(view, ApiView)
        if code := view.permission:
            require(view.caller, code)
        return True


class ApiView(APIView):
    """The base of every view under /api/. ``access`` says who may open it; without one nobody
    may, as for pages."""

    access: ClassVar[Access]
    doc: ClassVar[Doc]
    authentication_classes = (ServiceKeys, StaffSessions)
    permission_classes = (MayOpen,)
    throttle_classes = (PerCaller,)
    parser_classes = (StrictJson,)
    renderer_classes = (JSONRenderer,)
    http_method_names = ["get", "post", "head"]

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view = super().as_view(**initkwargs)
        view.access = cls.access  # type: ignore[attr-defined]
        return view

    @cached_property
    def now(self) -> datetime:
        """The moment of the request."""
        return time_now()

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return cast("Caller", self.request.user)

    @property
    def permission(self) -> str:
        """The permission without which this request is refused. Raises Http404 where the address
        names one that does not exist."""
        if not self.access.argument:
            return self.access.code
        code = str(self.kwargs[self.access.argument])
        if code not in operations():
            raise Http404
        return code

    @property
    def query(self) -> QueryDict:
        """What stands behind the question mark."""
        return self.request.query_params

    @property
    def http_request(self) -> HttpRequest:
        """Django's own request."""
        return self.request._request

    def body(self) -> dict[str, Any]:
        """The JSON object that was sent. Raises Problem for anything else."""
        sent = self.request.data
        if not isinstance(sent, dict):
            raise wrong_body([mistake("", _("The body must be a JSON object."))])
        return dict(sent)

    def step_up(self, code: str) -> None:
        """Ask for a step-up where the matrix gives ``code`` only with one. Raises Problem."""
        caller = self.caller
        if (
            isinstance(caller, User)
            and needs_step_up(caller.role, code)
            and not is_stepped_up(self.http_request, now=self.now)
        ):
            raise Problem(
                403,
                "step_up_required",
                _("Confirm first that it is you, at /admin/account/confirm/."),
            )


class Nothing(ApiView):
    """An address under /api/v1/ that does not exist: 404 to those who are let in, 401 to all
    others, so that strangers learn nothing of what there is."""

    access = Access("api")
    schema = None
    http_method_names = [*ApiView.http_method_names, "put", "patch", "delete", "options", "trace"]

    def _nothing(self, request: Request, **_kwargs: Any) -> HttpResponse:
        raise Http404

    get = post = put = patch = delete = trace = _nothing
    options = _nothing  # type: ignore[assignment]


def takes_no_parameters(query: QueryDict) -> None:
    """Raises BadParameter for whatever stands behind the question mark."""
    for name in query:
        raise BadParameter(_("“%(name)s” cannot be asked for here.") % {"name": name[:40]})


def require(caller: Caller, code: str) -> None:
    """Raises Problem 403 where the caller does not hold the permission ``code``, and says why."""
    if caller.may(code):
        return
    words = {"what": ROWS[code].label, "code": code}
    if isinstance(caller, User):
        raise Problem(
            403,
            "permission_denied",
            _("Your role does not hold this permission: %(what)s (%(code)s). Held by: %(holders)s.")
            % (words | {"holders": holders(code)}),
        )
    if code in scopes():
        raise Problem(
            403,
            "permission_denied",
            _("This key does not hold this permission: %(what)s (%(code)s).") % words,
        )
    raise Problem(
        403,
        "not_for_keys",
        _("%(code)s is not open to service keys: it needs a person.") % words,
    )


def answer(body: Any, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """200 with JSON in which amounts are plain digits in strings and moments end in Z."""
    return HttpResponse(as_json(body), content_type="application/json", headers=headers)


def plain(body: Any) -> Any:
    """The same as values that JSON itself has."""
    return json.loads(as_json(body))
