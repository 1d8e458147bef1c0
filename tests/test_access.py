"""Denied unless declared."""

import pytest
from celery import current_app
from django.http import HttpResponse
from django.test import Client
from django.urls import get_resolver, path

from coai_admin.console.jobs import job
from tests.factories import make_staff, make_user
from users import roles
from users.access import own_account, own_password, permission, permission_named_by, public
from users.checks import check_access
from users.roles import Role

SIGN_IN = "/admin/account/sign-in/"
STAFF = (Role.SUPER_ADMIN, Role.USER_ADMIN, Role.SUPPORT, Role.READ_ONLY)


@pytest.fixture
def console(db, settings):
    settings.ROOT_URLCONF = "tests.console_urls"


def as_role(role):
    client = Client()
    client.force_login(make_staff(role))
    return client


# The door


@pytest.mark.parametrize("address", ["/test/browse/", "/test/operate/users.tag/", "/test/mine/"])
def test_stranger_is_led_to_the_sign_in_and_back(console, client, address):
    response = client.get(address, query_params={"q": "é"})
    assert response.status_code == 302
    assert response.headers["Location"].startswith(f"{SIGN_IN}?next=%2Ftest")
    assert response.headers["Location"].endswith("%3Fq%3D%25C3%25A9")


def test_stranger_asking_for_a_fragment_gets_a_401(console, client):
    response = client.get("/test/browse/", headers={"HX-Request": "true"})
    assert response.status_code == 401
    assert "You are signed out." in response.text
    assert "HX-Redirect" not in response.headers  # the page keeps what was typed, and says it


def test_undeclared_view_is_closed_to_everybody_and_logged(console, client, caplog):
    for visitor in (client, as_role(Role.SUPER_ADMIN)):
        response = visitor.get("/test/undeclared/")
        assert response.status_code == 403
        assert "declares no permission" in response.text
    assert "view_without_access" in caplog.text


def test_public_view_is_open(console, client):
    assert client.get("/test/echo/").status_code == 200


def test_own_account_is_open_to_everybody_signed_in(console, client):
    client.force_login(make_user())
    assert client.get("/test/mine/").status_code == 200


@pytest.mark.parametrize("role", [*STAFF, Role.NONE])
def test_permission_named_by_the_url_is_the_matrix(console, role):
    client = Client()
    client.force_login(make_user(role=role))
    answers = {code: client.get(f"/test/operate/{code}/").status_code for code in roles.ROWS}
    allowed = roles.permissions(role)
    assert answers == {code: 200 if code in allowed else 403 for code in roles.ROWS}


def test_permission_that_lacks_is_named(console):
    response = as_role(Role.READ_ONLY).get("/test/operate/users.suspend/")
    assert "users.suspend" in response.text


def test_refusal_names_the_roles_that_may(console):
    refused = as_role(Role.SUPPORT).get("/test/operate/users.lift_restriction/").text
    assert "Held by: Super admin, User admin." in refused


def test_permission_that_is_unknown_is_a_404(console):
    assert as_role(Role.SUPER_ADMIN).get("/test/operate/users.conquer/").status_code == 404


def test_closed_staff_is_out(console):
    client = Client()
    user = make_staff(Role.SUPER_ADMIN)
    client.force_login(user)
    user.closed_at = "2026-01-01T00:00Z"
    user.save()
    assert client.get("/test/browse/").status_code == 302


# The check


def checked(urlpatterns):
    """What the check says of these URLs."""
    resolver = get_resolver(None)
    kept = resolver.url_patterns
    resolver.__dict__["url_patterns"] = urlpatterns
    try:
        return [(error.id, error.msg) for error in check_access()]
    finally:
        resolver.__dict__["url_patterns"] = kept


def idle():
    pass


def fresh():
    return lambda request: HttpResponse()


def test_check_is_clean_as_the_site_stands():
    assert check_access() == []


def test_check_names_a_url_that_declares_nothing():
    assert checked([path("admin/new/", fresh(), name="new")]) == [
        ("users.E001", "/admin/new/ declares no access.")
    ]


def test_check_looks_into_included_urls():
    from django.urls import include

    inner = [path("deep/", fresh())]
    assert checked([path("admin/", include(inner))])[0][0] == "users.E001"


def test_check_names_a_permission_that_has_no_row():
    urls = [path("x/", permission("users.conquer")(fresh()))]
    assert [found for found, _text in checked(urls)] == ["users.E002"]


def test_check_accepts_every_declaration():
    urls = [
        path("a/", permission("users.browse")(fresh())),
        path("b/<str:code>/", permission_named_by("code")(fresh())),
        path("c/", own_account(fresh())),
        path("d/", own_password(fresh())),
        path("e/", public(fresh())),
    ]
    assert checked(urls) == []


def test_check_names_an_operation_that_has_no_row(monkeypatch):
    code, row = "users.suspend", roles.ROWS["users.suspend"]
    monkeypatch.delitem(roles.ROWS, code)
    assert row.code == code
    assert ("users.E003", f"The operation {code} has no row in users.roles.MATRIX.") in [
        (error.id, error.msg) for error in check_access()
    ]


@pytest.mark.parametrize("options", [{}, {"runs_as": "root"}])
def test_check_names_a_task_that_does_not_say_as_whom_it_runs(options):
    name = "tests.undeclared"
    current_app.task(name=name, **options)(idle)
    try:
        assert [error.id for error in check_access()] == ["users.E004"]
    finally:
        current_app.tasks.unregister(name)


def test_check_accepts_a_job_that_says_so():
    @job(runs_as="requester", name="tests.declared")
    def declared():
        pass

    try:
        assert "tests.declared" in current_app.tasks
        assert check_access() == []
    finally:
        current_app.tasks.unregister("tests.declared")


def test_check_runs_with_manage_check():
    from django.core.checks.registry import registry

    assert check_access in registry.get_checks()
