"""What every request meets: headers, refusals of malformed input, and errors that tell nothing."""

import json
import logging
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from io import BytesIO, StringIO
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory

from coai_admin.console import circumstances
from coai_admin.console.logs import formatter
from coai_admin.console.middleware import RequestIdMiddleware
from tests.factories import make_staff
from tests.hashing import HASHERS

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.console_urls")]

SIGN_IN = "/admin/account/sign-in/"
ECHO = "/test/echo/"
STYLE = "/static/console/css/tokens.css"
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


@pytest.fixture(autouse=True)
def _quick_hashes(settings):
    settings.PASSWORD_HASHERS = HASHERS


@pytest.fixture
def client():
    """Shows 5xx pages as a browser sees them."""
    return Client(raise_request_exception=False)


# Headers


def static_file(client):
    response = client.get(STYLE)
    response.close()
    return response


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


# Malformed input

HOSTILE = {
    "NUL": "\x00",
    "NUL within": "a\x00b",
    "lone surrogate": "\ud800",
    "replacement": "\ufffd",
    "right to left": "\u202eevil",
    "zero width": "a\u200bb",
    "combining": "e" + "\u0301" * 1000,
    "astral": "𝕏😀👨‍👩‍👧",
    "not a character": "\ufffe\uffff",
    "control": "".join(map(chr, range(1, 32))),
    "quotes": "'\"`;--",
    "markup": "<script>alert(1)</script>{{ 7*7 }}{% now %}",
    "percent": "%s%n%00%25%zz",
    "path": "../../etc/passwd",
    "long": "x" * 20_000,
    "line ends": "a\r\nSet-Cookie: x=1",
}
every_text = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


def percent(text):
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))


@every_text
def test_hostile_text_in_a_path_is_no_5xx(client, text):
    for address in (
        f"/{percent(text)}",
        f"/admin/users/{percent(text)}/",
        f"/static/{percent(text)}",
    ):
        assert client.get(address).status_code in (301, 302, 400, 404)


@every_text
def test_hostile_text_in_a_query_is_no_5xx(client, text):
    client.force_login(make_staff())
    for address in ("/admin/users/", SIGN_IN, "/admin/account/sessions/", "/admin/"):
        for query in (f"q={percent(text)}", f"{percent(text)}=1", f"next={percent(text)}"):
            assert client.get(f"{address}?{query}").status_code < 500


@every_text
def test_hostile_text_in_a_form_is_no_5xx(client, text):
    form = "application/x-www-form-urlencoded"
    for body in (f"login={percent(text)}&password={percent(text)}", f"{percent(text)}=x"):
        for address in (SIGN_IN, "/admin/users/"):
            assert client.post(address, body, content_type=form).status_code < 500


@every_text
def test_hostile_text_in_json_is_no_5xx(client, text):
    for document in ({"text": text}, {text: 1}, [text]):
        body = json.dumps(document)
        assert client.post(ECHO, body, content_type="application/json").status_code in (200, 400)


@pytest.mark.parametrize("header", ["User-Agent", "Referer", "Accept-Language", "X-Forwarded-For"])
@pytest.mark.parametrize("text", ["\x00", "\xff\xfe", "x" * 20_000, "a\u202eb", "%00", "'\"<"])
def test_hostile_header_is_no_5xx(client, header, text):
    client.force_login(make_staff())
    headers = {header: text}
    assert client.get("/admin/account/sessions/", headers=headers).status_code < 500
    assert Client().post("/admin/users/", {"a": "b"}, headers=headers).status_code < 500


@pytest.mark.parametrize("value", ["\x00", "é" * 40, "x" * 5_000, "' OR 1=1", "a" * 7])
@pytest.mark.parametrize("cookie", ["coai_session", "csrftoken", "theme", "messages"])
def test_hostile_cookie_is_no_5xx(client, cookie, value):
    client.cookies[cookie] = value
    assert client.get("/admin/account/ping/").status_code < 500
    assert client.post(SIGN_IN, {"login": "x", "password": "y"}).status_code < 500


@pytest.mark.parametrize(
    "send",
    [
        lambda client: client.get("/admin/users/%00"),
        lambda client: client.get("/admin/users/?q=a%00b"),
        lambda client: client.get("/?%00=1"),
        lambda client: client.post(ECHO, {"a": "b\x00"}),
        lambda client: client.post(ECHO, {"a\x00": "b"}),
        lambda client: client.post(ECHO, "a=%00", content_type="application/x-www-form-urlencoded"),
        lambda client: client.post(ECHO, '{"a": "\\u0000"}', content_type="application/json"),
    ],
    ids=["path", "query", "name in query", "multipart", "name in multipart", "form", "json"],
)
def test_nul_is_a_400_that_says_so(client, send):
    response = send(client)
    assert response.status_code == 400
    assert "NUL" in response.text


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("[" * 100_000, "not valid JSON|nested too deeply"),
        ("[" * 40 + "]" * 40, "nested too deeply"),
        ('{"a": 1, "a": 2}', "stands twice"),
        ('{"a": NaN}', "not a number"),
        ('{"a": "\\ud800"}', "surrogate"),
        ("{", "not valid JSON"),
    ],
    ids=["deep", "over 32", "twice", "NaN", "surrogate", "broken"],
)
@pytest.mark.parametrize("kind", ["application/json", "application/merge-patch+json"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_json_that_is_not_accepted_is_a_400_that_says_why(client, method, kind, body, why):
    response = client.generic(method, ECHO, body, content_type=kind)
    assert response.status_code == 400
    assert re.search(why, response.text)


def test_json_is_parsed_once_for_the_view(client):
    response = client.post(ECHO, '{"delta": 0.10}', content_type="application/json")
    assert response.json()["json"] == "{'delta': Decimal('0.10')}"


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "application/json", "text/plain", "image/png"]
)
def test_body_that_is_too_large_is_a_400(client, settings, kind):
    body = b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    response = client.post(ECHO, body, content_type=kind)
    assert response.status_code == 400
    assert "too large" in response.text


def test_upload_that_is_too_large_is_a_400(client, settings, tmp_path):
    file = tmp_path / "big.bin"
    file.write_bytes(b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1))
    with file.open("rb") as opened:
        assert client.post(ECHO, {"file": opened}).status_code == 400


@pytest.mark.parametrize("length", ["-1", "1e3", "x", "9" * 30, "٣"])
def test_length_that_is_no_number_is_a_400(client, length):
    assert client.post(ECHO, {"a": "b"}, CONTENT_LENGTH=length).status_code == 400


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=B"]
)
def test_body_shorter_than_it_says_is_no_5xx(client, kind):
    stream = {"wsgi.input": BytesIO(b"--B\r\na"), "CONTENT_LENGTH": "100000", "CONTENT_TYPE": kind}
    assert client.generic("POST", ECHO, **stream).status_code in (200, 400)


@pytest.mark.parametrize("many", [2_001, 20_000])
def test_too_many_fields_are_a_400(client, many):
    fields = "&".join(f"f{number}=" for number in range(many))
    kind = "application/x-www-form-urlencoded"
    assert client.get(f"{SIGN_IN}?{fields}").status_code == 400
    assert client.post(ECHO, fields, content_type=kind).status_code == 400


def test_too_many_files_are_a_400(client):
    part = '--B\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nx\r\n'
    body = part * 200 + "--B--\r\n"
    response = client.post(ECHO, body, content_type="multipart/form-data; boundary=B")
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=\xc3\xa9", b"x"),
        ("multipart/form-data; boundary=" + "x" * 300, b"x"),
        ("multipart/form-data; boundary=B", b"nonsense"),
        (
            "multipart/form-data; boundary=B",
            b'--B\r\nContent-Disposition: form-data; name="a"\r\n'
            b"Content-Transfer-Encoding: base64\r\n\r\n!!!\r\n--B--\r\n",
        ),
        ("multipart/form-data; boundary=B", b"--B\r\n" + b"X: y\r\n" * 500 + b"\r\n\r\n--B--"),
        ("multipart/form-data; boundary=B; charset=zlib", b"--B--"),
    ],
)
def test_malformed_multipart_is_no_5xx(client, kind, body):
    assert client.generic("POST", ECHO, body, content_type=kind).status_code in (200, 400)


def through_wsgi(method, address, *, body=b"", **environ):
    """Status, headers and text as the web server gets them from the application itself."""
    from coai_admin.wsgi import application

    path, _mark, query = address.partition("?")
    stream = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "203.0.113.7",
        "wsgi.input": BytesIO(body),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "CONTENT_LENGTH": str(len(body)),
    }
    answered = []
    response = application(stream | environ, lambda *arguments: answered.append(arguments))
    text = b"".join(response).decode()
    response.close()
    [(status, headers)] = answered
    return int(status.split()[0]), dict(headers), text


@pytest.mark.parametrize(
    "charset", ["utf8", "utf-16", "zlib", "rot13", "idna", "punycode", "latin-1", "none", "\x00"]
)
@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data", "x/y"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_charsets_are_a_400(method, kind, charset):
    kind = f'{kind}; boundary=B; charset="{charset}"'
    status, headers, text = through_wsgi(method, f"{SIGN_IN}?q=%ff", body=b"a=b", CONTENT_TYPE=kind)
    assert status == 400
    assert "Only UTF-8 is accepted." in text
    assert headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "kind",
    [
        "a/b; c*=zlib''%00",
        "a/b; c*=none''x",
        "a/b; c*0*=utf-8''x; c*9=y",
        "a/b; charset*=utf-16''utf-8",
        ";;;=;=;",
        "\x00;\x00",
        "x" * 70_000 + ";a=b",
    ],
)
def test_strange_content_types_are_no_5xx(kind):
    assert through_wsgi("POST", SIGN_IN, body=b"a=b", CONTENT_TYPE=kind)[0] < 500


def test_too_many_parameters_with_a_charset_are_a_400():
    fields = "&".join(f"f{number}=" for number in range(2_001))
    kind = "application/x-www-form-urlencoded; charset=utf-8"
    assert through_wsgi("GET", f"{SIGN_IN}?{fields}", CONTENT_TYPE=kind)[0] == 400


def test_utf8_may_be_named(client):
    kind = "application/x-www-form-urlencoded; charset=UTF-8"
    assert client.post(ECHO, "a=%C3%A9", content_type=kind).json()["post"] == {"a": "é"}


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "CONNECT", "FOO", "OPTIONS", "HEAD"])
def test_unusual_methods_are_no_5xx_and_do_nothing(client, method):
    for address in (SIGN_IN, "/admin/users/", "/admin/account/password/", "/nothing/"):
        assert client.generic(method, address).status_code < 500


# Errors


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


# Settings


def manage(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
        env={**os.environ, **environment},
        check=False,
    )


def test_deployment_check_is_clean_in_production(tmp_path):
    result = manage(
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        COAI_MODE="production",
        SECRET_KEY="4dD7v_Hn2kQw8Zr5sX1cB6yL9mT3pF0aGjUeKiOoVbNxRhWqYz",
        ALLOWED_HOSTS="admin.example.org",
        SITE_URL="https://admin.example.org",
        TRUSTED_PROXIES="10.0.0.7,10.1.0.0/16",
        COAI_HOME=str(tmp_path),
    )
    assert result.returncode == 0, result.stderr
    assert "no issues" in result.stdout + result.stderr


@pytest.mark.parametrize("wrong", ["10.0.0.300", "10.0.0.0/99", "a.example", "10.0.0.1;10.0.0.2"])
def test_wrong_trusted_proxies_are_refused_with_a_sentence(wrong):
    result = manage("check", TRUSTED_PROXIES=wrong)
    assert result.returncode
    assert "TRUSTED_PROXIES" in result.stderr
    assert "Write addresses or networks" in result.stderr
