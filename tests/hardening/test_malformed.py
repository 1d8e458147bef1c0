"""Malformed input: a 400 that says why, and never a 5xx."""

import json
import re
import sys
from io import BytesIO

import pytest
from django.test import Client

from tests.factories import make_staff
from tests.hardening.addresses import ECHO, SIGN_IN

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.console_urls")]

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
