"""The second factor: set up, asked for at sign-in, replaced, removed, and required of staff."""

import re
import uuid
from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils.timezone import now

from audit.models import AuditEntry
from tests import checksum
from tests.factories import make_staff
from tests.users.codes import SECRET, App, enrolled
from tests.users.conftest import PASSWORD, Visitor, person
from users.models import Session, User
from users.passwords.checking import set_password
from users.restrictions.services import suspend
from users.roles import Role
from users.second_factor import authenticators
from users.second_factor.authenticators import Authenticator

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

START = now().replace(microsecond=0) + timedelta(hours=1)
CODE, SET_UP = "/admin/account/sign-in/code/", "/admin/account/second-factor/set-up/"
OVERVIEW, CONFIRM = "/admin/account/second-factor/", "/admin/account/confirm/"
DEAD = "redis://127.0.0.1:1/0"


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def required(settings):
    settings.REQUIRE_STAFF_MFA = True


def sign_in(visitor, app, name="ana", *, steps=0, **more):
    visitor.sign_in(name, **more)
    return visitor.send(CODE, {"code": app.code(steps=steps)})


def set_up(visitor):
    """Enrol through the pages; the app and the recovery codes."""
    app = App(visitor.get(SET_UP).context["secret"])
    page = visitor.send(SET_UP, {"code": app.code()})
    return app, page.context["codes"]


# Setting up


def test_set_up_takes_a_code_of_the_app_and_shows_ten_recovery_codes_once(visitor, clock):
    user = person()
    visitor.sign_in("ana")
    page = visitor.get(SET_UP)
    assert page.context["qr"].startswith("data:image/svg+xml;base64,")
    assert not authenticators.is_enrolled(user)
    app, codes = set_up(visitor)
    assert authenticators.is_enrolled(user)
    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"\d{4} \d{4}", code) for code in codes)
    overview = visitor.get(OVERVIEW).text
    assert "10 of 10 left" in overview
    for secret in (*codes, app.secret):
        assert secret not in overview
    entry = AuditEntry.objects.get(action="account.set_up_second_factor")
    assert entry.changes == {"replaced": False, "sessions_ended": 0}
    assert app.secret not in str(entry.changes)


def test_set_up_with_a_wrong_code_changes_nothing_and_keeps_the_secret(visitor, clock):
    user = person()
    visitor.sign_in("ana")
    secret = visitor.get(SET_UP).context["secret"]
    wrong = str((int(App(secret).code()) + 1) % 10**6).zfill(6)
    page = visitor.send(SET_UP, {"code": wrong})
    assert "This is not the code of the app now." in page.text
    assert page.context["secret"] == secret
    assert not authenticators.is_enrolled(user)


def test_set_up_rotates_the_session_and_ends_all_others(visitor, clock):
    person()
    visitor.sign_in("ana")
    elsewhere = Visitor()
    elsewhere.sign_in("ana")
    before = visitor.cookies["coai_session"].value
    set_up(visitor)
    assert visitor.cookies["coai_session"].value != before
    assert [visitor.is_in(), elsewhere.is_in()] == [True, False]


def test_set_up_asks_to_confirm_before_it_shows_a_secret(visitor, clock):
    person()
    visitor.sign_in("ana")
    clock.shift(timedelta(minutes=11))
    for response in (visitor.get(SET_UP), visitor.send(SET_UP, {"code": "123456"})):
        assert response.headers["Location"].startswith(CONFIRM)
    assert "second_factor_pending" not in Session.objects.get().get_decoded()


def test_secrets_are_kept_encrypted_under_the_key_of_the_site(visitor, clock, settings):
    user = person()
    visitor.sign_in("ana")
    secret = visitor.get(SET_UP).context["secret"].replace(" ", "")
    assert secret not in str(Session.objects.get().get_decoded())
    set_up(visitor)
    rows = Authenticator.objects.filter(user=user)
    assert secret not in str([row.data for row in rows])
    old = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another-key" * 5, [old]
    clock.shift(timedelta(minutes=1))
    assert authenticators.accept_code(user, App(secret).code(), now=now())
    settings.SECRET_KEY_FALLBACKS = []  # what was used since is sealed under the new key
    clock.shift(timedelta(minutes=1))
    assert authenticators.accept_code(user, App(secret).code(), now=now())


def test_recovery_codes_come_under_a_new_key_when_the_app_is_used(visitor, clock, settings):
    user = person()
    visitor.sign_in("ana")
    app, codes = set_up(visitor)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key" * 5
    clock.shift(timedelta(minutes=1))
    assert authenticators.accept_code(user, app.code(), now=now())
    settings.SECRET_KEY_FALLBACKS = []
    assert authenticators.accept_recovery_code(user, codes[0], now=now())


def test_secrets_under_a_lost_key_let_nobody_in_and_can_be_reset(visitor, clock, settings):
    user = person()
    visitor.sign_in("ana")
    app, codes = set_up(visitor)
    settings.SECRET_KEY = "another-key" * 5
    other = Visitor()
    for code in (app.code(steps=1), codes[0]):
        other.sign_in("ana")
        assert other.send(CODE, {"code": code}).status_code == 200
        assert not other.is_in()
    assert authenticators.enrolment(user).codes_left == 0
    assert authenticators.is_enrolled(user)


# Signing in


def test_sign_in_asks_for_the_code_before_one_is_in(visitor, clock):
    user, app = enrolled(role=Role.SUPER_ADMIN)
    response = visitor.sign_in("ana", next="/admin/audit/")
    assert response.headers["Location"] == CODE
    assert not visitor.is_in()
    assert visitor.get("/admin/users/").headers["Location"].startswith("/admin/account/sign-in/")
    assert not AuditEntry.objects.filter(action="account.sign_in").exists()
    before = visitor.cookies["coai_session"].value
    response = visitor.send(CODE, {"code": app.code()})
    assert response.headers["Location"] == "/admin/audit/"
    assert visitor.is_in()
    assert visitor.cookies["coai_session"].value != before
    entry = AuditEntry.objects.get(action="account.sign_in")
    assert (entry.actor_id, entry.changes) == (user.pk, {"second_factor": "totp"})


@pytest.mark.parametrize("steps", [-2, 2, 100])
def test_code_of_another_time_does_not_sign_in(visitor, clock, steps):
    _user, app = enrolled()
    assert "This code is wrong" in sign_in(visitor, app, steps=steps).text
    assert not visitor.is_in()


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_code_of_a_clock_that_differs_by_half_a_minute_signs_in(visitor, clock, steps):
    _user, app = enrolled()
    sign_in(visitor, app, steps=steps)
    assert visitor.is_in()


@pytest.mark.parametrize(
    "code",
    ["", "12345", "abcdef", "１２３４５６", "123456" * 20, "\u202e123456", "-00001", "0x1f2a"],
)
def test_what_is_no_code_does_not_sign_in(visitor, clock, code):
    enrolled()
    visitor.sign_in("ana")
    assert visitor.send(CODE, {"code": code}).status_code == 200
    assert not visitor.is_in()


def test_code_counts_once_in_any_session_also_when_the_cache_was_emptied(visitor, clock):
    _user, app = enrolled()
    sign_in(visitor, app)
    cache.clear()
    other = Visitor()
    assert "was used before" in sign_in(other, app).text
    assert not other.is_in()


def test_code_older_than_one_that_was_used_does_not_count(visitor, clock):
    _user, app = enrolled()
    sign_in(visitor, app, steps=1)
    other = Visitor()
    sign_in(other, app, steps=0)
    assert not other.is_in()


def test_code_of_the_set_up_does_not_sign_in(visitor, clock):
    person()
    visitor.sign_in("ana")
    app, _codes = set_up(visitor)
    other = Visitor()
    sign_in(other, app)
    assert not other.is_in()


def test_recovery_code_signs_in_once(visitor, clock):
    person(role=Role.SUPPORT)
    visitor.sign_in("ana")
    _app, codes = set_up(visitor)
    for expected in (True, False):
        other = Visitor()
        other.sign_in("ana")
        other.send(CODE, {"code": codes[3]})
        assert other.is_in() is expected
    entry = AuditEntry.objects.filter(action="account.sign_in").latest("pk")
    assert entry.changes == {"second_factor": "recovery_codes"}
    assert "9 of 10 left" in visitor.get(OVERVIEW).text


def test_code_of_somebody_else_does_not_sign_in(visitor, clock):
    enrolled("ana")
    eve, _app = enrolled("eve")
    Authenticator.objects.filter(user=eve).update(
        data={"secret": authenticators.Adapter().encrypt("GEZDGNBVGY3TQOJQ"), "last_counter": 0}
    )
    visitor.sign_in("eve")
    visitor.send(CODE, {"code": App(SECRET).code()})
    assert not visitor.is_in()


def test_code_page_is_for_who_gave_the_password(visitor, clock):
    enrolled()
    assert visitor.get(CODE).headers["Location"] == reverse("account:sign_in")
    assert visitor.send(CODE, {"code": "123456"}).headers["Location"] == reverse("account:sign_in")


def test_password_given_is_forgotten_after_a_quarter_of_an_hour(visitor, clock):
    _user, app = enrolled()
    visitor.sign_in("ana")
    clock.shift(timedelta(minutes=15, seconds=1))
    assert visitor.send(CODE, {"code": app.code()}).headers["Location"] == reverse(
        "account:sign_in"
    )
    assert not visitor.is_in()


@pytest.mark.parametrize("what", ["password", "suspended", "closed", "gone"])
def test_what_changes_between_password_and_code_counts(visitor, clock, what):
    user, app = enrolled()
    visitor.sign_in("ana")
    clock.shift(timedelta(minutes=1))
    if what == "password":
        set_password(user, "purple monkey dishwasher", now=now())
    elif what == "suspended":
        suspend([user.pk], actor=make_staff(), reason_code="spam", ends_at=None, reason="x")
    elif what == "closed":
        User.objects.filter(pk=user.pk).update(closed_at=now())
    else:
        Authenticator.objects.filter(user=user).delete()
    visitor.send(CODE, {"code": app.code()})
    assert not visitor.is_in()


def test_guesses_are_limited_for_the_account_whatever_the_address(clock):
    _user, app = enrolled()
    visitors = [Visitor() for _number in range(7)]
    for visitor in visitors:
        visitor.sign_in("ana")
    answers = [visitor.send(CODE, {"code": "000000"}).status_code for visitor in visitors]
    assert answers == [200] * 5 + [429] * 2
    last = visitors[-1]
    assert last.send(CODE, {"code": app.code()}).status_code == 429
    assert not last.is_in()


def test_code_is_closed_while_attempts_cannot_be_counted(visitor, clock, settings):
    _user, app = enrolled()
    visitor.sign_in("ana")
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": DEAD}}
    assert visitor.send(CODE, {"code": app.code()}).status_code == 503
    assert not visitor.is_in()


def test_form_typed_before_the_session_ended_comes_back_after_the_code(visitor, clock):
    _user, app = enrolled(role=Role.SUPER_ADMIN)
    sign_in(visitor, app)
    clock.shift(timedelta(minutes=31))
    url = reverse("operate:one", args=[person("bob").pk, "users.suspend"])
    visitor.send(url, {"reason": "what ana typed"})
    response = sign_in(visitor, app, next=url)
    assert response.headers["Location"] == url
    assert "what ana typed" in visitor.get(url).text


# Replacing, removing


def test_recovery_code_allows_a_new_second_factor_and_nothing_else_that_asks(visitor, clock):
    user = person(role=Role.SUPER_ADMIN)
    visitor.sign_in("ana")
    old, codes = set_up(visitor)
    lost = Visitor()
    lost.sign_in("ana")
    lost.send(CODE, {"code": codes[0]})
    assert lost.get(CONFIRM).status_code == 200  # it would ask
    assert lost.get(reverse("service_keys:new")).headers["Location"].startswith(CONFIRM)
    lost.send(CONFIRM, {"password": PASSWORD, "code": codes[1]})
    assert lost.get(CONFIRM).status_code == 200  # recovery codes do not confirm
    clock.shift(timedelta(minutes=1))
    new, _codes = set_up(lost)
    clock.shift(timedelta(minutes=1))
    assert not authenticators.accept_code(user, old.code(), now=now())
    assert not authenticators.accept_recovery_code(user, codes[5], now=now())
    assert authenticators.accept_code(user, new.code(), now=now())
    assert not visitor.is_in()


def test_leave_of_a_recovery_code_lasts_ten_minutes(visitor, clock):
    person()
    visitor.sign_in("ana")
    _app, codes = set_up(visitor)
    visitor.send(reverse("account:sign_out"))
    visitor.sign_in("ana")
    visitor.send(CODE, {"code": codes[0]})
    assert visitor.get(SET_UP).status_code == 200
    clock.shift(timedelta(minutes=10))
    assert visitor.get(SET_UP).headers["Location"].startswith(CONFIRM)


def test_new_recovery_codes_void_the_old_ones(visitor, clock):
    user = person()
    visitor.sign_in("ana")
    _app, old = set_up(visitor)
    page = visitor.send(reverse("account:renew_recovery_codes"))
    assert not set(page.context["codes"]) & set(old)
    assert not authenticators.accept_recovery_code(user, old[0], now=now())
    assert authenticators.accept_recovery_code(user, page.context["codes"][0], now=now())
    assert AuditEntry.objects.filter(action="account.renew_recovery_codes").exists()


@pytest.mark.parametrize("name", ["renew_recovery_codes", "remove_second_factor"])
def test_changing_the_second_factor_asks_to_confirm_and_needs_a_post(visitor, clock, name):
    person()
    visitor.sign_in("ana")
    set_up(visitor)
    clock.shift(timedelta(minutes=11))
    url, before = reverse(f"account:{name}"), checksum.database()
    assert visitor.get(url).status_code == 405
    assert visitor.send(url).headers["Location"].startswith(CONFIRM)
    assert visitor.post(url).status_code == 403  # without a token
    assert checksum.database() == before


def test_removed_second_factor_is_not_asked_for(visitor, clock):
    user = person()
    visitor.sign_in("ana")
    set_up(visitor)
    visitor.send(reverse("account:remove_second_factor"))
    assert not Authenticator.objects.filter(user=user).exists()
    other = Visitor()
    other.sign_in("ana")
    assert other.is_in()
    assert AuditEntry.objects.filter(action="account.remove_second_factor").exists()


def test_required_second_factor_is_replaced_but_not_removed(visitor, clock, required):
    user, app = enrolled(role=Role.SUPPORT)
    sign_in(visitor, app)
    page = visitor.get(OVERVIEW).text
    assert reverse("account:remove_second_factor") not in page
    visitor.send(reverse("account:remove_second_factor"))
    assert authenticators.is_enrolled(user)
    clock.shift(timedelta(minutes=1))
    set_up(visitor)
    assert visitor.get("/admin/users/").status_code == 200


# Required of staff


def test_staff_without_a_second_factor_reaches_its_set_up_and_then_the_rest(
    visitor, clock, required
):
    person(role=Role.SUPER_ADMIN)
    visitor.sign_in("ana")
    assert visitor.get("/admin/users/").headers["Location"] == SET_UP
    page = visitor.get(SET_UP)
    assert "Set yours up before you go on." in page.text
    offered = [item.url for part in page.context["navigation"] for item in part.items]
    assert offered == [reverse("account:password")]
    set_up(visitor)
    assert visitor.get("/admin/users/").status_code == 200


def test_fragment_without_a_second_factor_is_led_away(visitor, clock, required):
    person(role=Role.SUPER_ADMIN)
    visitor.sign_in("ana")
    response = visitor.get("/admin/users/", headers={"HX-Request": "true"})
    assert (response.status_code, response.headers["HX-Redirect"]) == (204, SET_UP)


def test_session_must_have_used_the_second_factor_not_only_its_owner_have_one(
    visitor, clock, required
):
    person(role=Role.SUPER_ADMIN)
    visitor.sign_in("ana")
    user, app = User.objects.get(username="ana"), App(SECRET)
    seal = authenticators.Adapter().encrypt
    Authenticator.objects.create(
        user=user, type=authenticators.TOTP, data={"secret": seal(SECRET), "last_counter": 0}
    )
    response = visitor.get("/admin/users/?q=x")
    assert response.headers["Location"] == f"{CONFIRM}?next=%2Fadmin%2Fusers%2F%3Fq%3Dx"
    assert visitor.get(CONFIRM).status_code == 200  # although the sign-in was just now
    answer = visitor.send(CONFIRM, {"password": PASSWORD, "code": app.code(), "next": "/admin/"})
    assert answer.headers["Location"] == "/admin/"
    assert visitor.get("/admin/users/").status_code == 200


def test_second_factor_is_not_required_of_customers(visitor, clock, required):
    person()
    visitor.sign_in("ana")
    assert visitor.get(reverse("account:sessions")).status_code == 200


def test_staff_who_must_change_their_password_do_that_first(visitor, clock, required):
    person(role=Role.SUPPORT, must_change_password=True)
    visitor.sign_in("ana")
    page = reverse("account:password")
    assert visitor.get(SET_UP).headers["Location"] == page
    new = "purple monkey dishwasher"
    visitor.send(page, {"current": PASSWORD, "new": new, "again": new})
    assert visitor.get("/admin/").headers["Location"] == SET_UP


def test_customer_who_becomes_staff_owes_a_second_factor_at_once(visitor, clock, required):
    user = person()
    visitor.sign_in("ana")
    User.objects.filter(pk=user.pk).update(role=Role.SUPPORT)
    assert visitor.get(reverse("account:sessions")).headers["Location"] == SET_UP


def test_development_says_that_it_asks_no_second_factor(visitor, clock):
    person(role=Role.SUPPORT)
    visitor.sign_in("ana")
    assert "staff need no second factor" in visitor.get("/admin/").text


ARGUMENTS = {
    "int": 1,
    "uuid": uuid.UUID(int=1),
    "slug": "0" * 32,
    "operation": "users.suspend",
    "str": "x",
}


def routes(patterns, prefix="/"):
    """Every address of the resolver, with its view."""
    for pattern in patterns:
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            fill = lambda found: str(ARGUMENTS[found[1] or "str"])  # noqa: E731
            yield re.sub(r"<(?:(\w+):)?\w+>", fill, route), pattern.callback


# What a session of staff without its second factor may open, beside public pages
OPEN = {SET_UP, CONFIRM, "/admin/account/password/"}


def test_every_route_is_closed_to_a_session_of_staff_without_second_factor(settings):
    """Whatever its method, nothing is written and nothing is shown; also under /api/."""
    settings.REQUIRE_STAFF_MFA = True
    client = Client()
    client.force_login(make_staff(Role.SUPER_ADMIN))
    before, asked = checksum.database(), 0
    for address, view in routes(get_resolver().url_patterns):
        is_public = view.access.kind == "public" and not address.startswith("/api/")
        if is_public or address in OPEN:
            continue
        for method in ("get", "post", "put", "patch", "delete", "options", "head"):
            response = getattr(client, method)(address)
            asked += 1
            if address.startswith("/api/"):
                assert response.status_code in (401, 403), (method, address)
            else:
                assert response.headers.get("Location") == SET_UP, (method, address)
    assert asked > 100
    assert checksum.database() == before


def test_open_routes_are_the_known_ones():
    found = {
        address
        for address, view in routes(get_resolver().url_patterns)
        if view.access.while_second_factor_is_due and view.access.kind != "public"
    }
    assert found == OPEN


# One's own account


def test_own_account_shows_what_there_is(visitor, clock):
    user, app = enrolled(role=Role.SUPPORT)
    sign_in(visitor, app)
    page = visitor.get(reverse("account:own"))
    assert page.context["enrolment"].codes_left == 0
    assert [each["second_factor"] for each in page.context["sign_ins"]] == ["totp"]
    assert visitor.defaults["REMOTE_ADDR"] in page.text
    assert page.context["confirmed_until"] == START + timedelta(minutes=10)
    assert user.username in page.text


def test_own_account_shows_only_ones_own_sign_ins(visitor, clock):
    person("eve")
    other = Visitor()
    other.sign_in("eve")
    person()
    visitor.sign_in("ana")
    page = visitor.get(reverse("account:own"))
    assert len(page.context["sign_ins"]) == 1
    assert other.defaults["REMOTE_ADDR"] not in page.text


def test_shortcuts_are_switched_off_and_on(visitor, clock):
    user = person(role=Role.SUPPORT)
    visitor.sign_in("ana")
    url = reverse("account:shortcuts")
    visitor.send(url, {})
    user.refresh_from_db()
    assert user.preferences.shortcuts is False
    assert visitor.get(reverse("account:own")).context["shortcuts"] is False
    visitor.send(url, {"shortcuts": "on"})
    assert visitor.get(reverse("account:own")).context["shortcuts"] is True


@pytest.mark.parametrize("rows", [1, 3])
def test_own_account_takes_as_many_statements_for_three_sign_ins_as_for_one(
    visitor, clock, rows, django_assert_num_queries
):
    person()
    for _row in range(rows):
        visitor = Visitor()
        visitor.sign_in("ana")
    with django_assert_num_queries(6):
        visitor.get(reverse("account:own"))
