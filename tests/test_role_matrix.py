"""Nine principals at every door: each route, each method, each operation.

``ROUTES`` says of every route, in so many words, what it asks for. What follows from that for each
principal is decided here from the role matrix, apart from the code that enforces it. A denied
request gets the exact answer of a denial, and writes nothing; a permitted one is let in (whatever
else is wrong with it), and rolled back. A route that is not listed fails.
"""

import re
from contextlib import contextmanager
from http.cookies import SimpleCookie

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import get_resolver
from django.utils.timezone import now

from audit import selection
from audit.models import AuditEntry, Run
from audit.people import SYSTEM
from audit.registry import operations
from tests import checksum
from tests.api.conftest import in_session, make_service_key
from tests.audit.runs.prepared import draft
from tests.factories import NOON, make_staff, make_user, make_users
from users import roles
from users.checks import _views
from users.import_models import ImportRun
from users.models import ReasonCode, Restriction, Session
from users.restrictions import services
from users.roles import Role
from users.service_actor import scopes

pytestmark = pytest.mark.django_db

# A permission; or "public", "own" (everybody signed in, for themselves), "due" (own, and open while
# a second factor is due), "api" (every key and all staff). "+" joins permissions that are asked one
# after the other; CODE is the operation in the address, ACT the one that is undone.
ROUTES = {
    "": "public",
    "livez": "public",
    "readyz": "public",
    "admin/login/": "public",
    "admin/account/sign-in/": "public",
    "admin/account/sign-in/code/": "public",
    "admin/account/sign-out/": "public",
    "admin/account/ping/": "public",
    "admin/account/verify-email/<slug:token>/": "public",
    "admin/account/keep-email/<slug:token>/": "public",
    "admin/account/keep-second-factor/<slug:token>/": "public",
    "admin/account/choose-password/<slug:token>/": "public",
    "admin/account/join/<slug:token>/": "public",
    "admin/staff/invitations/": "users.create",
    "admin/staff/invitations/<int:invitation_id>/revoke/": "users.create",
    "admin/account/": "own",
    "admin/account/shortcuts/": "own",
    "admin/account/password/": "due",
    "admin/account/confirm/": "due",
    "admin/account/confirm/leave/": "own",
    "admin/account/second-factor/": "own",
    "admin/account/second-factor/set-up/": "due",
    "admin/account/second-factor/recovery-codes/": "own",
    "admin/account/second-factor/keep/": "own",
    "admin/account/second-factor/remove/": "own",
    "admin/account/sessions/": "own",
    "admin/account/sessions/end-others/": "own",
    "admin/account/sessions/<slug:key>/end/": "own",
    "admin/": "users.browse",
    "admin/palette/": "users.browse",
    "admin/users/": "users.browse",
    "admin/users/filters/": "users.browse",
    "admin/users/search/": "users.browse",
    "admin/users/query/": "users.browse",
    "admin/users/query/complete/": "users.browse",
    "admin/users/columns/": "users.browse",
    "admin/users/new/": "users.create",
    "admin/users/select/": "audit.preview_many",
    "admin/users/export/": "exports.users_masked",
    "admin/users/import/": "imports.users",
    "admin/users/import/<int:upload_id>/": "imports.users",
    "admin/users/import/<int:upload_id>/state/": "imports.users",
    "admin/users/import/<int:upload_id>/rows/": "imports.users",
    "admin/users/<int:user_id>/": "users.inspect",
    "admin/users/<int:user_id>/look/": "users.inspect",
    "admin/users/<int:user_id>/row/": "users.browse",
    "admin/users/<int:user_id>/acts/": "users.browse",
    "admin/users/<int:user_id>/reveal/": "users.reveal",
    "admin/users/<int:user_id>/statement/": "exports.users_masked",
    "admin/users/<int:user_id>/<operation:code>/": "CODE",
    "admin/selections/<uuid:selection_id>/<operation:code>/": "audit.preview_many+CODE",
    "admin/acts/<uuid:act_id>/": "audit.inspect",
    "admin/acts/<uuid:act_id>/undo/": "audit.inspect+ACT",
    "admin/runs/": "audit.inspect",
    "admin/runs/now/": "audit.inspect",
    "admin/runs/<uuid:run_id>/": "audit.inspect",
    "admin/runs/<uuid:run_id>/progress/": "audit.inspect",
    "admin/runs/<uuid:run_id>/confirm/": "audit.run",
    "admin/runs/<uuid:run_id>/pause/": "audit.cancel_run",
    "admin/runs/<uuid:run_id>/resume/": "audit.cancel_run",
    "admin/runs/<uuid:run_id>/cancel/": "audit.cancel_run",
    "admin/runs/<uuid:run_id>/retry/": "audit.run",
    "admin/runs/<uuid:run_id>/results/": "exports.download",
    "admin/audit/": "audit.inspect",
    "admin/audit/<int:entry_id>/": "audit.inspect",
    "admin/staff/": "users.inspect_staff",
    "admin/roles/": "users.browse",
    "admin/roles/may/": "users.inspect_staff",
    "admin/tiers/": "subscriptions.inspect_tiers",
    "admin/tiers/<int:level>/": "subscriptions.edit_tiers",
    "admin/reason-codes/": "users.inspect",
    "admin/reason-codes/new/": "users.edit_reason_codes",
    "admin/reason-codes/code/<slug:code>/": "users.edit_reason_codes",
    "admin/settings/": "settings.inspect",
    "admin/settings/credits/<slug:role>/": "settings.edit",
    "admin/settings/approvals/": "settings.edit_security",
    "admin/settings/sessions/": "settings.edit_security",
    "admin/views/": "users.browse",
    "admin/views/new/": "users.browse",
    "admin/views/counts/": "users.browse",
    "admin/views/restore/<str:token>/": "users.browse",
    "admin/views/<int:view_id>/": "users.browse",
    "admin/views/<int:view_id>/edit/": "users.browse",
    "admin/views/<int:view_id>/redraw/": "users.browse",
    "admin/views/<int:view_id>/move/": "users.browse",
    "admin/views/<int:view_id>/delete/": "users.browse",
    "admin/approvals/": "audit.approve_run",
    "admin/approvals/<uuid:act_id>/": "audit.approve_run",
    "admin/exports/": "exports.download",
    "admin/exports/rows/": "exports.download",
    "admin/exports/news/": "own",
    "admin/exports/schedules/new/": "exports.users_masked",
    "admin/exports/schedules/<int:schedule_id>/pause/": "exports.users_masked",
    "admin/exports/schedules/<int:schedule_id>/go-on/": "exports.users_masked",
    "admin/exports/schedules/<int:schedule_id>/make-now/": "exports.users_masked",
    "admin/exports/schedules/<int:schedule_id>/delete/": "exports.users_masked",
    "admin/exports/<uuid:file_id>/": "exports.download",
    "admin/exports/<uuid:file_id>/progress/": "exports.download",
    "admin/exports/<uuid:file_id>/download/": "exports.download",
    "admin/exports/<uuid:file_id>/cancel/": "exports.download",
    "admin/exports/<uuid:file_id>/delete/": "exports.download",
    "admin/exports/<uuid:file_id>/again/": "exports.download",
    "admin/imports/": "imports.inspect",
    "admin/imports/<int:run_id>/": "imports.inspect",
    "admin/api/": "users.browse",
    "admin/service-keys/": "subscriptions.revoke_service_key",
    "admin/service-keys/new/": "subscriptions.create_service_key",
    "admin/service-keys/<int:key_id>/revoke/": "subscriptions.revoke_service_key",
    "api/v1/": "api",
    "api/v1/users/": "api users.browse",
    "api/v1/users/<int:user_id>/": "api users.inspect",
    "api/v1/operations/": "api",
    "api/v1/operations/<str:code>/": "api CODE",
    "api/v1/operations/<str:code>/preview/": "api CODE",
    "api/v1/acts/<uuid:act_id>/": "api",
    "api/v1/acts/<uuid:act_id>/receipts/": "api",
    "api/v1/acts/<uuid:act_id>/undo/": "api +ACT",
    "api/v1/audit/": "api audit.inspect",
}
INSIDE = (403, 405)  # refused behind the door, where a wrong method may be noticed first
# What does not follow from the permission.
EXCEPTIONS = {
    # Who sees only their own records does not see the acts of others.
    ("admin/acts/<uuid:act_id>/", "support"): INSIDE,
    ("admin/acts/<uuid:act_id>/undo/", "support"): INSIDE,
}
ACT = "users.suspend"
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|COPY|TRUNCATE)\b", re.I)
_NOTES = re.compile(r"users_session|last_seen_at|last_used_at")
METHODS = ("GET", "POST", "DELETE")
SIGN_IN, SET_UP = "/admin/account/sign-in/", "/admin/account/second-factor/set-up/"
PRINCIPALS = (
    "anonymous",
    "no_role",
    "suspended",
    "key",
    "super_admin",
    "user_admin",
    "support",
    "read_only",
    "unproven",
)


def routes():
    return {route for route, _view in _views(get_resolver().url_patterns, "")}


def test_every_route_is_listed():
    assert routes() == set(ROUTES)


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_route_declares_what_the_table_says(route):
    [access] = [
        view.access for name, view in _views(get_resolver().url_patterns, "") if name == route
    ]
    if access.kind in ("permission", "api"):
        asked = access.code or (access.argument and "CODE")
    else:
        asked = "due" if access.kind == "own" and access.while_second_factor_is_due else access.kind
    kind, _space, codes = ROUTES[route].rpartition(" ")
    assert (access.kind == "api") == ("api" in (kind, codes))
    wanted = codes.replace("ACT", "").strip("+").partition("+")[0]
    assert asked == ("" if wanted == "api" else wanted)


# What follows for whom


def verdict(principal, route, asks, code):
    """None where this principal is let in, else the answer of the denial: a status (or one of
    several), or the address it leads to."""
    if (route, principal) in EXCEPTIONS:
        return EXCEPTIONS[route, principal]
    api = asks.startswith("api")
    if asks == "public":
        return None
    if principal in ("anonymous", "suspended") or (principal == "key" and not api):
        return 401 if api else SIGN_IN
    if principal == "unproven":
        return 403 if api else None if asks == "due" else SET_UP
    if asks in ("own", "due"):
        return None
    if principal == "no_role":
        return 403
    codes = asks.removeprefix("api").strip().replace("CODE", code).replace("ACT", ACT)
    door, _plus, inside = codes.partition("+")
    if door and not holds(principal, door):
        return 403
    return INSIDE if inside and not holds(principal, inside) else None


def holds(principal, code):
    if principal == "key":
        return code in scopes()
    return roles.grant(principal, code) != "–"


@pytest.fixture
def world():
    """Something real behind every address."""
    target, other = make_users(2)
    done = services.suspend(
        [target], actor=SYSTEM, reason_code="spam", ends_at=None, reason="for the record"
    )
    run = ImportRun.objects.create(
        source="coai",
        location="chatnio.db",
        started_at=NOON,
        as_of=NOON,
        source_tz="UTC",
        act_id=done.act_id,
    )
    return {
        "user_id": other,
        "act_id": done.act_id,
        "entry_id": AuditEntry.objects.filter(act_id=done.act_id).get().pk,
        "selection_id": done.act_id,
        "key_id": make_service_key("users.browse").key.pk,
        "run_id": run.pk,
        "uuid:run_id": draft([other]).pk,
        "key": "0" * 40,
        "token": "no-such-token",
        "code": "spam",
        "level": 1,
        "role": "support",
        "view_id": 1,
        "invitation_id": 1,
        "upload_id": 1,
        "schedule_id": 1,
        "file_id": done.act_id,
    }


def come_in(principal, settings):
    """The headers and cookies of a principal, and who it is."""
    if principal == "anonymous":
        return {}, SimpleCookie(), None
    if principal == "key":
        return {"Authorization": f"Bearer {make_service_key().token}"}, SimpleCookie(), None
    if principal == "no_role":
        client = Client()
        user = make_user()
        client.force_login(user)
        return {}, client.cookies, user
    role = Role.SUPER_ADMIN if principal in ("suspended", "unproven") else Role(principal)
    caller = in_session(role)
    if principal == "suspended":  # and the session is still there
        Restriction.objects.create(
            user=caller.user,
            kind=Restriction.Kind.SUSPENSION,
            reason=ReasonCode.objects.first(),
            starts_at=NOON,
        )
    settings.REQUIRE_STAFF_MFA = principal == "unproven"
    return {}, caller.cookies, caller.user


def knock(route, code, method, world, headers, cookies):
    """What this principal gets at the door."""
    values = world | ({"code": code} if code else {})
    address = "/" + re.sub(
        r"<(\w+:(\w+))>", lambda found: str(values.get(found[1], values[found[2]])), route
    )
    client = Client(raise_request_exception=False)
    client.cookies = SimpleCookie({name: morsel.value for name, morsel in cookies.items()})
    body = {"content_type": "application/json", "data": "{}"} if route.startswith("api/") else {}
    return client.generic(method, address, headers=headers, **body)


def is_denial(answer):
    leads = answer.headers.get("Location", "")
    return answer.status_code in (401, 403) or leads.startswith((SIGN_IN, SET_UP))


@contextmanager
def nothing_written(written):
    """Collect the statements that write anything but sessions and when somebody was seen."""

    def look(execute, sql, params, many, context):
        if _WRITES.match(sql) and not _NOTES.search(sql):
            written.append(sql[:200])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(look):
        yield


@pytest.mark.parametrize("principal", PRINCIPALS)
def test_principal_at_every_door(principal, world, settings):
    settings.API_REQUESTS_PER_MINUTE = 10**9
    headers, cookies, user = come_in(principal, settings)
    if user is not None:
        selection.pick(
            world["selection_id"], shown=[], picked=[world["user_id"]], owner=user, now=now()
        )
        Run.objects.update(owner=user)
    before, wrong = checksum.database(), []
    for route, asks in ROUTES.items():
        several = "CODE" in asks
        for code in sorted(operations()) if several else [""]:
            expected = verdict(principal, route, asks, code)
            for method in ["POST"] if several else METHODS:
                written = []
                with transaction.atomic(), nothing_written(written):
                    answer = knock(route, code, method, world, headers, cookies)
                    transaction.set_rollback(expected is None)
                if not fits(answer, expected, asks) or (expected and written):
                    found = answer.headers.get("Location") or answer.status_code
                    wrong.append((route, code, method, expected, found, written))
    assert wrong == []
    assert checksum.database() == before


def fits(answer, expected, asks):
    """Whether an answer is the denial that is expected, or an admission."""
    if answer.status_code >= 500:
        return False
    if expected is None:
        return asks == "public" or not is_denial(answer)
    if isinstance(expected, str):
        return answer.status_code == 302 and answer.headers["Location"].startswith(expected)
    return answer.status_code in (expected if isinstance(expected, tuple) else (expected,))


def test_suspension_leaves_no_session_alive():
    caller = in_session(Role.USER_ADMIN)
    services.suspend(
        [caller.user.pk], actor=SYSTEM, reason_code="spam", ends_at=None, reason="left the company"
    )
    assert not Session.objects.filter(user=caller.user).exists()


def test_demotion_holds_at_the_next_request():
    caller = in_session(Role.SUPER_ADMIN)
    assert caller.get("/api/v1/users/").status_code == 200
    staff = caller.user
    staff.role = Role.NONE
    staff.save()
    assert caller.get("/api/v1/users/").status_code == 403
    assert make_staff(Role.SUPPORT).pk
