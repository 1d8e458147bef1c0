"""Log lines."""

import json
import logging
import sys

import pytest
import structlog

from coai_admin.console.logs import formatter


def line_of(*, as_json, event="did it", level=logging.INFO, exc_info=None, **fields):
    """A line as the handler would write it; ``fields`` are structlog's."""
    shape = formatter(as_json=as_json)
    record = logging.LogRecord("users.sign_in", level, __file__, 1, event, None, exc_info)
    with structlog.contextvars.bound_contextvars(**fields):
        return shape.format(record)


def test_line_in_production_is_one_json_object():
    found = json.loads(line_of(as_json=True, request_id="abc", user=7))
    assert found["event"] == "did it"
    assert found["level"] == "info"
    assert found["logger"] == "users.sign_in"
    assert found["request_id"] == "abc"
    assert found["timestamp"].endswith("Z")


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(
    "name",
    ["password", "new_password", "SECRET_KEY", "api_key", "token", "csrfmiddlewaretoken", "Cookie",
     "Authorization", "session_key", "digest"],
)  # fmt: skip
def test_line_does_not_hold_secrets(as_json, name):
    line = line_of(as_json=as_json, **{name: "hunter2", "form": {name: "hunter2"}})
    assert "hunter2" not in line
    assert "(not logged)" in line


@pytest.mark.parametrize("as_json", [True, False])
def test_line_does_not_hold_the_token_of_a_mailed_link(as_json):
    path = f"/admin/account/choose-password/17-{'aB3_-' * 8}xyz/"
    line = line_of(as_json=as_json, event=f"Not Found: {path}", path=path)
    assert "aB3_" not in line
    assert line.count("/admin/account/choose-password/17-(not-logged)/") == 2


@pytest.mark.parametrize("as_json", [True, False])
def test_line_stays_one_line_whatever_was_sent(as_json):
    event = 'x\n2026-01-01 forged="yes"\r\x1b[31m red \u202e\u2028'
    line = line_of(as_json=as_json, event=event)
    assert not any(sign in line for sign in "\n\r\x1b\u202e\u2028")


@pytest.mark.parametrize("as_json", [True, False])
def test_line_of_a_fault_holds_the_traceback(as_json):
    try:
        raise ValueError("what broke")
    except ValueError:
        line = line_of(as_json=as_json, level=logging.ERROR, exc_info=sys.exc_info())
    assert "ValueError: what broke" in line
    assert "test_logs.py" in line
    assert not as_json or json.loads(line)["exception"]
