"""Errors: pages and problem details that say what to do and betray nothing."""

import json
import logging
from contextlib import contextmanager
from io import StringIO

import pytest
from django.db import connection
from django.test import Client

from coai_admin.console.logs import formatter
from tests.factories import make_staff
from tests.hardening.addresses import SIGN_IN, static_file

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.console_urls")]


@pytest.fixture
def log_lines():
    """The lines logged so far, as production writes them."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(formatter(as_json=True))
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


def test_400_names_the_wrong_word_escaped(client):
    response = client.get("/test/wrong/")
    assert response.status_code == 400
    assert "“teir” is no filter. &lt;b&gt;" in response.text


def test_403_says_why(client):
    response = client.get("/test/forbidden/")
    assert response.status_code == 403
    assert "Only a super admin restricts staff." in response.text


def test_404_is_a_page_that_names_no_urls(client):
    response = client.get("/admin/nothing/")
    assert response.status_code == 404
    assert "There is nothing at this address" in response.text
    assert "users/" not in response.text


def test_500_has_a_reference_that_stands_in_the_log_and_no_detail(client, log_lines):
    response = client.get("/test/crash/")
    reference = response.headers["X-Request-ID"]
    assert response.status_code == 500
    assert reference in response.text
    assert "secret detail" not in response.text
    assert "RuntimeError" not in response.text
    [line] = [line for line in log_lines() if line["level"] == "error"]
    assert line["request_id"] == reference
    assert "a secret detail" in line["exception"]


@pytest.mark.parametrize(
    ("address", "status", "code", "detail"),
    [
        ("/api/nothing/", 404, "not_found", None),
        ("/api/test/wrong/", 400, "bad_request", "“teir” is no filter. <b>"),
        ("/api/test/crash/", 500, "internal_server_error", None),
        ("/api/test/browse/", 401, "unauthorized", "You are signed out."),
        ("/api/test/wrong/?a=%00", 400, "bad_request", "The address contains a NUL character."),
    ],
)
def test_api_errors_are_problem_details(client, address, status, code, detail):
    response = client.get(address)
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], problem["code"], problem.get("detail")) == (status, code, detail)
    assert problem["reference"] == response.headers["X-Request-ID"]


def test_csrf_failure_says_what_to_do_and_repeats_nothing():
    typed = "a typed secret"
    response = Client(enforce_csrf_checks=True).post(SIGN_IN, {"login": typed, "password": typed})
    assert response.status_code == 403
    assert "Reload the page and send it again." in response.text
    assert typed not in response.text


def test_error_page_that_cannot_be_rendered_is_still_an_answer(client, settings, tmp_path):
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    response = client.get("/test/crash/")
    assert response.status_code == 500
    assert response.headers["X-Request-ID"] in response.text


@contextmanager
def dead_database():
    """The database at an address where nothing listens."""
    connection.close()
    kept = {name: connection.settings_dict[name] for name in ("HOST", "PORT")}
    connection.settings_dict.update(HOST="127.0.0.1", PORT="1")
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(kept)


@pytest.mark.django_db(transaction=True)
def test_database_down_is_a_503_and_comes_back(client):
    client.force_login(make_staff())
    page = "/admin/account/sessions/"
    with dead_database():
        for address in (page, "/test/query/", "/admin/users/"):
            response = client.get(address)
            assert response.status_code == 503
            assert int(response.headers["Retry-After"]) > 0
            assert "The database does not answer." in response.text
            assert response.headers["X-Request-ID"] in response.text
        assert client.get(SIGN_IN).status_code == 503
        assert Client().get(SIGN_IN).status_code == 200  # a page that needs no row
        assert client.get("/nothing/").status_code == 404
        assert static_file(client).status_code == 200
    assert client.get(page).status_code == 200


def test_valkey_down_leaves_pages_working(client, settings):
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    }
    client.force_login(make_staff())
    for address in ("/admin/account/sessions/", "/admin/account/password/", SIGN_IN):
        assert client.get(address).status_code in (200, 302)
