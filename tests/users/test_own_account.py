"""One's own password, and who sees nothing but their own account."""

import re

import pytest
from django.urls import reverse
from django.utils.timezone import now

from audit.models import AuditEntry
from tests.hashing import PASSWORD, coai_hash, hash_of
from tests.users.conftest import Visitor, person
from users.models import User
from users.navigation import NAVIGATION
from users.passwords.hashers import from_coai
from users.roles import Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

PAGE = "/admin/account/password/"
NEW = "purple monkey dishwasher"


def change(visitor, current=PASSWORD, new=NEW, again=None):
    data = {"current": current, "new": new, "again": new if again is None else again}
    return visitor.send(PAGE, data)


def test_own_password_is_changed(visitor):
    user = person()
    visitor.sign_in("ana")
    before, moment = visitor.cookies["coai_session"].value, now()
    assert change(visitor).status_code == 302
    user.refresh_from_db()
    assert user.password_changed_at >= moment
    assert user.password.startswith("argon2$")
    assert visitor.is_in()
    assert visitor.cookies["coai_session"].value != before
    assert Visitor().sign_in("ana").status_code == 200
    assert Visitor().sign_in("ana", NEW).status_code == 302
    entry = AuditEntry.objects.get(action="account.change_password")
    assert entry.target_id == user.pk
    assert NEW not in str(entry.changes)


def test_changed_password_ends_all_other_sessions(visitor):
    person()
    visitor.sign_in("ana")
    elsewhere = Visitor()
    elsewhere.sign_in("ana")
    old_key = visitor.cookies["coai_session"].value
    change(visitor)
    thief = Visitor()
    thief.cookies["coai_session"] = old_key
    assert [visitor.is_in(), elsewhere.is_in(), thief.is_in()] == [True, False, False]


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"current": "not mine"}, "This is not your current password."),
        ({"new": "short"}, "too short"),
        ({"new": "password1234"}, "too common"),
        ({"new": "ana-of-example"}, "too similar"),
        ({"new": PASSWORD}, "This is the password you have now."),
        ({"again": "something else"}, "The two do not match."),
        ({"current": ""}, "This field is required."),
        ({"new": "x" * 1025}, "at most 1024 characters"),
    ],
)
def test_own_password_is_not_changed(visitor, form, sentence):
    user = person("ana-of-example")
    visitor.sign_in("ana-of-example")
    response = change(visitor, **form)
    assert response.status_code == 200
    assert sentence in response.text
    assert NEW not in response.text
    stored = User.objects.get(pk=user.pk)
    assert (stored.password, stored.password_changed_at) == (hash_of(), None)
    assert not AuditEntry.objects.filter(action="account.change_password").exists()


def test_own_password_attempts_are_limited_before_hashing(visitor, quick_hashes):
    person()
    visitor.sign_in("ana")
    for _attempt in range(5):
        assert change(visitor, current="a guess").status_code == 200
    quick_hashes.computed = 0
    response = change(visitor)
    assert response.status_code == 429
    assert response.headers["Retry-After"]
    assert quick_hashes.computed == 0


def test_own_password_with_an_imported_hash(visitor):
    user = person(password_hash=from_coai(coai_hash("old secret")))
    visitor.sign_in("ana", "old secret")
    assert change(visitor, current=" old secret ").status_code == 302
    user.refresh_from_db()
    assert user.password_changed_at


def test_own_password_is_closed_without_valkey(visitor, settings):
    person()
    visitor.sign_in("ana")
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    }
    assert visitor.get(PAGE).status_code == 200
    assert change(visitor).status_code == 503


def test_password_that_must_be_changed_bars_every_other_page(visitor):
    person(role=Role.SUPER_ADMIN, must_change_password=True)
    visitor.sign_in("ana")
    for name in ("home", "users:list", "account:sessions"):
        response = visitor.get(reverse(name))
        assert (response.status_code, response.headers["Location"]) == (302, PAGE)
    fragment = visitor.get(reverse("users:list"), headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment.headers["HX-Redirect"]) == (204, PAGE)
    page = visitor.get(PAGE)
    assert "Choose a new password before you go on." in page.text
    [section] = page.context["navigation"]
    assert [item.label for item in section.items] == ["Password"]
    assert 'class="tabs"' not in page.text
    change(visitor)
    assert visitor.get(reverse("account:sessions")).status_code == 200


def test_password_that_must_be_changed_still_lets_one_sign_out(visitor):
    person(must_change_password=True)
    visitor.sign_in("ana")
    visitor.send(reverse("account:sign_out"))
    assert not visitor.is_in()


@pytest.mark.parametrize("name", ["home", "users:list", "audit"])
def test_without_a_role_one_sees_only_ones_own_account(visitor, name):
    person()
    visitor.sign_in("ana")
    response = visitor.get(reverse(name))
    assert response.status_code == 403
    assert "Your account has no role here" in response.text


def test_without_a_role_the_navigation_offers_ones_own_account(visitor):
    person()
    visitor.sign_in("ana")
    response = visitor.get(reverse("account:sessions"))
    assert response.status_code == 200
    offered = [item.label for part in response.context["navigation"] for item in part.items]
    assert offered == ["My account"]
    assert tabs_of(response) == ["Overview", "Password", "Second factor", "*Sessions"]
    assert 'role="search"' not in response.text
    assert visitor.get(PAGE).status_code == 200


@pytest.mark.parametrize("role", [role for role in Role if role != Role.NONE])
def test_navigation_offers_what_the_role_may_open(visitor, role):
    user = person(role=role)
    visitor.sign_in("ana")
    sections = visitor.get(reverse("account:sessions")).context["navigation"]
    items = [item for section in sections for item in section.items]
    places = [place for _label, section in NAVIGATION for place in section]
    assert [item.url for item in items] == [
        reverse(place.url_name)
        for place in places
        if not place.part_of and (not place.permission or user.may(place.permission))
    ]
    assert [item.label for item in items if item.current] == ["My account"]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("views:list", "Users"),
        ("views:new", "Users"),
        ("users:list", "Users"),
        ("account:own", "My account"),
        ("account:password", "My account"),
        ("account:set_up_second_factor", "My account"),
        ("home", "Home"),
    ],
)
def test_navigation_shows_in_which_place_a_page_stands(visitor, name, place):
    person(role=Role.SUPER_ADMIN)
    visitor.sign_in("ana")
    sections = visitor.get(reverse(name)).context["navigation"]
    current = [item.label for section in sections for item in section.items if item.current]
    assert current == [place]


def test_pages_of_ones_own_account_lead_to_each_other(visitor):
    person()
    visitor.sign_in("ana")
    labels = ["Overview", "Password", "Second factor", "Sessions"]
    for name, label in zip(["own", "password", "second_factor", "sessions"], labels, strict=True):
        expected = [f"*{each}" if each == label else each for each in labels]
        assert tabs_of(visitor.get(reverse(f"account:{name}"))) == expected


def tabs_of(response):
    """The tabs of one's own account; a star marks the one that is open."""
    [tabs] = re.findall(r'<nav class="tabs".*?</nav>', response.text, re.DOTALL)
    found = re.findall(r'<a href="[^"]*"( aria-current="page")?>([^<]*)', tabs)
    return [("*" if current else "") + label for current, label in found]


def test_navigation_leads_to_pages_that_open():
    for number, role in enumerate(role for role in Role if role != Role.NONE):
        person(f"user-{number}", role=role)
        visitor = Visitor()
        visitor.sign_in(f"user-{number}")
        for section in visitor.get(PAGE).context["navigation"]:
            for item in section.items:
                assert visitor.get(item.url).status_code == 200, (role, item.url)
