"""Every way to be refused: one form, a stable code, and nothing told to strangers."""

import pytest
from django.urls import get_resolver
from django.utils.timezone import now

from subscriptions import service_keys
from tests.api.conftest import Caller, in_session, keyed, make_service_key
from tests.factories import make_staff, make_user
from users.api.base import ApiView
from users.checks import _views
from users.roles import Role

pytestmark = pytest.mark.django_db
USERS = "/api/v1/users/"


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "code", "reference"} <= set(body)
    assert (body["status"], body["code"]) == (status, code)
    assert body["reference"] == answer.headers["X-Request-ID"]
    return body


def test_every_view_of_the_api_is_of_the_base_that_asks():
    found = [(r, v) for r, v in _views(get_resolver().url_patterns, "") if r.startswith("api/")]
    assert len(found) >= 10
    for route, view in found:
        assert issubclass(view.cls, ApiView), route
        assert view.access.kind == "api"
        assert view.cls.permission_classes == ApiView.permission_classes
        assert view.cls.authentication_classes == ApiView.authentication_classes


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer csk_wrong",
        "Basic YTpi",
        "Bearer sk-1",
        "Bearer a b",
        "Bearer \x7f",
        "csk_x",
        "Bearer " + "x" * 300,
    ],
)
def test_wrong_authorization_is_a_401_even_in_a_session(header):
    caller = in_session()
    answer = caller.get(USERS, headers={"Authorization": header})
    problem(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", USERS),
        ("GET", f"{USERS}1/"),
        ("DELETE", USERS),
        ("POST", "/api/v1/operations/billing.adjust_credits/"),
        ("POST", "/api/v1/operations/no.such/"),
        ("GET", "/api/v1/nothing/"),
        ("GET", "/api/v1/"),
        ("OPTIONS", USERS),
    ],
)
def test_strangers_get_a_401_and_learn_nothing(method, address):
    answer = Caller().generic(method, address)
    problem(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_address_outside_every_version_is_a_404():
    problem(Caller().get("/api/nothing/"), 404, "not_found")


def test_revoked_and_ended_keys_open_nothing_at_once():
    issued = make_service_key("users.browse")
    caller = Caller(issued.token)
    assert caller.get(USERS).status_code == 200
    service_keys.revoke(issued.key.pk, actor=make_staff(Role.SUPER_ADMIN), now=now())
    problem(caller.get(USERS), 401, "unauthorized")


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"role": Role.NONE}, "no_role"), ({"must_change_password": True}, "password_due")],
)
def test_session_that_opens_nothing_is_told_why(fields, code):
    caller = Caller()
    caller.force_login(make_user(**({"role": Role.SUPER_ADMIN} | fields)))
    problem(caller.get(USERS), 403, code)


def test_staff_without_second_factor_where_it_is_required_is_refused(settings):
    caller = in_session()
    settings.REQUIRE_STAFF_MFA = True
    problem(caller.get(USERS), 403, "second_factor_due")


def test_permission_that_lacks_is_named(key):
    body = problem(keyed("audit.inspect").get(USERS), 403, "permission_denied")
    assert "users.browse" in body["detail"]


def test_unknown_address_and_operation_are_404(key):
    problem(key.get("/api/v1/nothing/"), 404, "not_found")
    problem(key.send("/api/v1/operations/users.conquer/", {}), 404, "not_found")
    problem(key.get("/api/v1/acts/not-an-id/"), 404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST", "OPTIONS", "TRACE", "FOO"])
def test_other_methods_are_405_and_say_which_there_are(key, method):
    answer = key.generic(method, USERS)
    problem(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense"])
def test_other_formats_are_406(key, accept):
    problem(key.get(USERS, headers={"Accept": accept}), 406, "not_acceptable")


def test_nul_characters_are_400(key):
    problem(key.get(f"{USERS}?q=%00"), 400, "bad_request")


# How often


def test_key_that_asks_too_often_waits(settings):
    settings.API_REQUESTS_PER_MINUTE = 3
    caller = keyed("users.browse")
    answers = [caller.get(USERS) for _time in range(4)]
    assert [answer.status_code for answer in answers][:3] == [200] * 3
    problem(answers[3], 429, "too_many_requests")
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 60
    assert keyed("users.browse").get(USERS).status_code == 200  # each key for itself


def test_trying_keys_ends_in_a_429_that_shuts_no_good_key_out(settings):
    settings.API_FAILURES_PER_MINUTE = 3
    good, wrong = keyed("users.browse"), Caller("csk_wrong")
    answers = [wrong.get(USERS) for _time in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert answers[3].headers["Retry-After"]
    assert good.get(USERS).status_code == 200


def test_keys_work_without_valkey(settings):
    caller, wrong = keyed("users.browse"), Caller("csk_wrong")
    nowhere = settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": nowhere}
    assert caller.get(USERS).status_code == 200
    problem(wrong.get(USERS), 401, "unauthorized")
