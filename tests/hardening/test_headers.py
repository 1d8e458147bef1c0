"""What every answer carries, and what is believed of a request."""

from ipaddress import ip_network

import pytest
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.test import Client, RequestFactory

from coai_admin.console import circumstances
from coai_admin.console.middleware import RequestIdMiddleware
from tests.hardening.addresses import SIGN_IN, static_file

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.console_urls")]

CSP = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "manifest-src 'self'",
}

ANSWERS = {
    "page": lambda client: client.get(SIGN_IN),
    "redirect": lambda client: client.get("/admin/users/"),
    "json": lambda client: client.get("/admin/account/ping/"),
    "static file": static_file,
    "static file that is not there": lambda client: client.get("/static/none.css"),
    "400": lambda client: client.get("/test/wrong/"),
    "400 of a NUL": lambda client: client.get("/?q=%00"),
    "400 of a wrong host": lambda client: client.get("/", headers={"host": "evil.example"}),
    "403": lambda client: client.get("/test/forbidden/"),
    "403 of CSRF": lambda client: Client(enforce_csrf_checks=True).post(SIGN_IN),
    "404": lambda client: client.get("/nothing/"),
    "405": lambda client: client.put(SIGN_IN),
    "500": lambda client: client.get("/test/crash/"),
    "api": lambda client: client.get("/api/nothing/"),
}
every_answer = pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)


@every_answer
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ],
)
def test_header_stands_on_every_answer(client, answer, name, value):
    assert answer(client).headers[name] == value


@every_answer
def test_content_security_policy_is_strict_on_every_answer(client, answer):
    policy = {part.strip() for part in answer(client).headers["Content-Security-Policy"].split(";")}
    assert policy == CSP


@every_answer
def test_permissions_policy_stands_on_every_answer(client, answer):
    policy = answer(client).headers["Permissions-Policy"]
    for feature in ("camera", "geolocation", "microphone", "payment", "usb"):
        assert f"{feature}=()" in policy


@every_answer
def test_no_answer_is_open_to_other_origins_or_names_the_server(client, answer):
    headers = answer(client).headers
    assert "Access-Control-Allow-Origin" not in headers
    assert "Server" not in headers
    assert "X-Powered-By" not in headers


@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "static file"])
def test_nothing_but_static_files_is_stored(client, name):
    assert "no-store" in ANSWERS[name](client).headers["Cache-Control"]


def test_static_file_may_be_stored(client):
    assert finders.find("console/css/tokens.css")
    response = static_file(client)
    assert response.status_code == 200
    assert "no-store" not in response.headers["Cache-Control"]


def test_production_answers_demand_https(settings):
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    settings.SECURE_SSL_REDIRECT = True
    plain = Client().get(SIGN_IN)
    assert (plain.status_code, plain.headers["Location"]) == (301, f"https://testserver{SIGN_IN}")
    over_tls = Client().get(SIGN_IN, secure=True)
    assert over_tls.headers["Strict-Transport-Security"] == (
        "max-age=31536000; includeSubDomains; preload"
    )
    wrong_host = Client().get(SIGN_IN, headers={"host": "evil.example"})
    assert wrong_host.status_code == 400
    assert wrong_host.headers["X-Content-Type-Options"] == "nosniff"
    assert wrong_host.headers["Content-Security-Policy"]


def test_cookies_are_guarded(settings):
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    client = Client()
    client.post("/test/browse/", {"typed": "after the end"})  # makes an anonymous session
    client.get(SIGN_IN)
    for name in ("csrftoken", "coai_session"):
        cookie = client.cookies[name]
        assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", True)


# Request ids and addresses


def test_request_id_is_made_and_differs(client):
    ids = {client.get(SIGN_IN).headers["X-Request-ID"] for _time in range(3)}
    assert len(ids) == 3
    assert all(len(one) == 32 for one in ids)


@pytest.mark.parametrize("sent", ["gateway-2026.11_23:7".replace(":", "-"), "a" * 64, "12345678"])
def test_request_id_that_is_sent_is_kept(client, sent):
    assert client.get(SIGN_IN, headers={"X-Request-ID": sent}).headers["X-Request-ID"] == sent


@pytest.mark.parametrize(
    "sent", ["short", "a" * 65, "has space", "é" * 10, "x\ny" * 5, "-" * 9, ""]
)
def test_request_id_that_is_malformed_is_replaced(client, sent):
    assert client.get(SIGN_IN, headers={"X-Request-ID": sent}).headers["X-Request-ID"] != sent


def test_forwarded_headers_are_believed_from_trusted_proxies_only(settings):
    settings.TRUSTED_PROXIES = (ip_network("10.0.0.0/8"),)
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    seen = []

    def view(request):
        seen.append((circumstances.ip(), request.is_secure()))
        return HttpResponse()

    forwarded = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https"}
    for peer in ("10.0.0.2", "203.0.113.7"):
        request = RequestFactory(REMOTE_ADDR=peer).get("/", headers=forwarded)
        RequestIdMiddleware(view)(request)
    assert seen == [("198.51.100.1", True), ("203.0.113.7", False)]
    assert circumstances.ip() is None
