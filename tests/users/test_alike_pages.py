"""Parts of pages are kept in the process ({% alike %}): nobody may be shown what was drawn for
another person."""

import itertools
import re

import pytest
from django.template import engines
from django.test import Client
from django.urls import reverse

from tests.factories import make_staff, make_user
from users.models import User
from users.navigation import _sections
from users.roles import Role

pytestmark = pytest.mark.django_db

ROLES = [role for role in Role if role != Role.NONE]
# What differs between two answers to the same person: tokens, clocks, ids of selections.
PASSING = re.compile(
    r'csrfmiddlewaretoken" value="\w+"|X-CSRFToken": "\w+"|data-[a-z-]+="\d{4}-\d\d-\d\dT[^"]+"'
    r'|value="[0-9a-f]{8}-[0-9a-f-]{27}"|<time .*?</time>'
)


def signed_in(person):
    client = Client()
    client.force_login(person)
    return client


def page_of(client, address):
    answer = client.get(address)
    assert answer.status_code == 200
    return PASSING.sub("", answer.content.decode())


def forget_drawings():
    """As in a process that has drawn nothing yet."""
    for loader in engines["django"].engine.template_loaders:
        loader.reset()
    _sections.cache_clear()


def drawn_first(client, address):
    forget_drawings()
    return page_of(client, address)


def assert_nobody_shows_through(address):
    clients = {role: signed_in(make_staff(role)) for role in ROLES}
    alone = {role: drawn_first(client, address) for role, client in clients.items()}
    assert len(set(alone.values())) == len(ROLES)
    forget_drawings()
    for one, other in itertools.permutations(ROLES, 2):
        page_of(clients[one], address)
        assert page_of(clients[other], address) == alone[other], (one, other)


@pytest.mark.parametrize("name", ["users:list", "account:own"])
def test_page_of_each_role_is_the_same_whoever_was_here_before(name):
    assert_nobody_shows_through(reverse(name))


@pytest.mark.parametrize("name", ["user", "user_look"])
def test_page_of_a_user_is_the_same_whoever_was_here_before(name):
    assert_nobody_shows_through(reverse(name, args=[make_user("ana").pk]))


def test_page_of_somebody_demoted_is_that_of_the_new_role_at_once():
    person = make_staff(Role.SUPER_ADMIN)
    client = signed_in(person)
    assert reverse("service_keys:list") in page_of(client, reverse("users:list"))
    User.objects.filter(pk=person.pk).update(role=Role.READ_ONLY)
    after = page_of(client, reverse("users:list"))
    assert reverse("service_keys:list") not in after
    assert after == drawn_first(client, reverse("users:list"))


def test_page_names_its_own_reader_only():
    first, second = make_staff(Role.SUPPORT), make_staff(Role.SUPPORT)
    clients = {person: signed_in(person) for person in (first, second)}
    for person, other in ((first, second), (second, first), (first, second)):
        page = page_of(clients[person], reverse("account:own"))
        assert person.username in page
        assert other.username not in page
