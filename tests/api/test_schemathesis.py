"""Odd requests made from the document, by the thousand: nothing may fail that is not documented.

The callers are protected from what they send: nobody acts on their own account or on staff of equal
rank, and no address of the API changes a session or a key. A caller that could not get in any more
would make every later answer a 401, so that is counted as a failure.
"""

from __future__ import annotations

import time
from itertools import product

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import Phase as HypothesisPhase
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from coai_admin.wsgi import application
from tests import storms
from tests.api.conftest import in_session, make_service_key
from tests.factories import make_users
from users.api.document import document
from users.models import User
from users.roles import Role

pytestmark = pytest.mark.django_db

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    ignored_auth,
]
BOTH = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def session_headers():
    """A super admin who has stepped up, as a browser's script would ask."""
    caller = in_session(Role.SUPER_ADMIN)
    token = "t" * 32
    cookies = {name: morsel.value for name, morsel in caller.cookies.items()}
    return {"X-CSRFToken": token}, cookies | {"csrftoken": token}, caller.user


def hammer(headers, examples, checks=CHECKS, cookies=None):
    """Send ``examples`` cases of each kind to each address, or to those a share of the storms has
    time for. Returns the statuses by number."""
    schema = schemathesis.openapi.from_dict(document())
    schema.app = application
    seen = {}
    addresses = [result.ok() for result in schema.get_all_operations()]
    for address, mode in storms.take(list(product(addresses, BOTH))):
        _hammer_one(address, mode, examples, checks, seen, headers, cookies)
    return seen


def _hammer_one(operation, mode, examples, checks, seen, headers, cookies):
    @seed(storms.SEED)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[HypothesisPhase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case):
        if cookies:  # a made-up key would be judged instead of the session
            case.headers.pop("Authorization", None)
        response = case.call(headers=headers, cookies=cookies)
        case.validate_response(response, checks=checks, headers=headers)
        seen[response.status_code] = seen.get(response.status_code, 0) + 1

    send()


@pytest.fixture
def plenty(settings):
    """A platform with people in it, that asks nobody to wait and keeps the test's connection."""
    settings.API_REQUESTS_PER_MINUTE = settings.API_FAILURES_PER_MINUTE = 10**9
    ends = (request_started, request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    yield make_users(5)
    for signal in ends:
        signal.connect(close_old_connections)


def check(seen, cases):
    if storms.WHOLE:
        assert sum(seen.values()) >= cases, seen
        assert seen.get(200, 0) > 0, seen
    assert seen
    assert not seen.get(401), seen  # the caller was always let in
    assert not [status for status in seen if status >= 500], seen


def test_some_odd_requests_of_a_key_meet_only_documented_answers(plenty):
    began = time.monotonic()
    seen = hammer({"Authorization": f"Bearer {make_service_key().token}"}, 1)
    check(seen, 50)
    assert time.monotonic() - began < 60


@pytest.mark.storm
def test_thousands_of_odd_requests_of_a_key_meet_only_documented_answers(plenty):
    check(hammer({"Authorization": f"Bearer {make_service_key().token}"}, 25), 2_000)


@pytest.mark.storm
def test_thousands_of_odd_requests_of_a_super_admin_meet_only_documented_answers(plenty):
    headers, cookies, user = session_headers()
    # ignored_auth cannot take a session away that stands in a header
    seen = hammer(headers, 25, [one for one in CHECKS if one is not ignored_auth], cookies)
    check(seen, 2_000)
    assert User.objects.get(pk=user.pk).role == Role.SUPER_ADMIN
