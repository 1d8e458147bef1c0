"""Sessions: their limits, their end, what is written down, and forms typed after the end."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils.timezone import now

from tests.users.conftest import Visitor, person
from users.kept_forms import kept_form
from users.models import Session, User
from users.roles import Role
from users.sessions.ending import end_sessions
from users.sessions.store import SessionStore, digest
from users.tasks import forget_ended_sessions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

PING = "/admin/account/ping/"
START = now().replace(microsecond=0) + timedelta(hours=1)


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


def pass_by(clock, **span):
    clock.shift(timedelta(**span))


# Limits


def test_session_ends_when_it_was_idle_for_half_an_hour(visitor, clock):
    person()
    visitor.sign_in("ana")
    pass_by(clock, minutes=29, seconds=59)
    assert visitor.is_in()  # asking does not prolong
    pass_by(clock, seconds=1)
    assert not visitor.is_in()
    assert not Session.objects.exists()


def test_session_lives_on_while_it_is_used_but_no_longer_than_twelve_hours(visitor, clock):
    person()
    visitor.sign_in("ana")
    for _half in range(23):
        pass_by(clock, minutes=29)
        assert visitor.get(reverse("account:sessions")).status_code == 200
    pass_by(clock, minutes=29)
    assert visitor.get(reverse("account:sessions")).status_code == 200
    clock.move_to(START + timedelta(hours=12) - timedelta(seconds=1))
    assert visitor.is_in()
    visitor.send(PING)  # prolonging does not go beyond
    clock.move_to(START + timedelta(hours=12))
    assert not visitor.is_in()


def test_session_use_is_written_down_at_most_once_a_minute(
    visitor, clock, django_assert_num_queries
):
    user = person()
    visitor.sign_in("ana")
    page = reverse("account:sessions")
    pass_by(clock, seconds=59)
    with django_assert_num_queries(3):  # session, user, and the page's own list
        visitor.get(page)
    assert Session.objects.get().seen_at == START
    pass_by(clock, seconds=1)
    with django_assert_num_queries(5):
        visitor.get(page)
    assert Session.objects.get().seen_at == START + timedelta(minutes=1)
    user.refresh_from_db()
    assert user.last_seen_at == START + timedelta(minutes=1)


def test_ping_tells_the_limits_and_only_post_prolongs(visitor, clock):
    person()
    visitor.sign_in("ana")
    pass_by(clock, minutes=10)
    answer = visitor.get(PING).json()
    assert answer["idle_ends"] == (START + timedelta(minutes=30)).isoformat()
    assert answer["absolute_ends"] == (START + timedelta(hours=12)).isoformat()
    assert answer["csrf"]
    assert Session.objects.get().seen_at == START
    prolonged = visitor.send(PING).json()
    assert prolonged["idle_ends"] == (START + timedelta(minutes=40)).isoformat()
    assert visitor.get(PING).json()["idle_ends"] == prolonged["idle_ends"]


def test_ping_gives_a_csrf_token_that_works(visitor):
    person()
    visitor.sign_in("ana")
    token = visitor.get(PING).json()["csrf"]
    assert visitor.post(PING, headers={"X-CSRFToken": token}).status_code == 200


def test_ping_of_a_stranger_makes_no_session(visitor):
    assert visitor.get(PING).json() == {"authenticated": False}
    assert visitor.send(PING).json() == {"authenticated": False}
    assert "coai_session" not in visitor.cookies
    assert not Session.objects.exists()


def test_page_knows_its_clock(visitor, clock):
    person(role=Role.SUPPORT)
    visitor.sign_in("ana")
    response = visitor.get(reverse("account:sessions"))
    assert response.context["session_clock"] == {
        "idle_ends": START + timedelta(minutes=30),
        "absolute_ends": START + timedelta(hours=12),
        "ping_url": PING,
    }


# Ending


def test_end_sessions_of_many_takes_one_statement(django_assert_num_queries):
    people = [person(f"user-{number}") for number in range(3)]
    browsers = [Client() for _ in range(3)]
    for user, browser in zip(people, browsers, strict=True):
        browser.force_login(user)
    with django_assert_num_queries(1):
        assert end_sessions([people[0].pk, people[1].pk]) == 2
    page = reverse("account:sessions")
    assert [browser.get(page).status_code for browser in browsers] == [302, 302, 200]


def test_sign_out_ends_the_session_on_the_server(visitor):
    person()
    visitor.sign_in("ana")
    cookie = visitor.cookies["coai_session"].value
    response = visitor.send(reverse("account:sign_out"))
    assert response.headers["Location"] == reverse("account:sign_in")
    thief = Visitor()
    thief.cookies["coai_session"] = cookie
    assert not thief.is_in()


def test_sign_out_needs_a_post_with_a_token(visitor):
    person()
    visitor.sign_in("ana")
    assert visitor.get(reverse("account:sign_out")).status_code == 405
    assert visitor.post(reverse("account:sign_out")).status_code == 403
    assert visitor.is_in()


def test_session_ended_during_its_own_request_leads_to_the_sign_in(visitor):
    person()
    visitor.sign_in("ana")
    request = RequestFactory().get("/")
    request.COOKIES["coai_session"] = visitor.cookies["coai_session"].value
    from django.http import HttpResponse

    from users.sessions.middleware import SessionMiddleware

    def view(request):
        request.session["touched"] = True
        Session.objects.all().delete()
        return HttpResponse()

    response = SessionMiddleware(view)(request)
    assert response.headers["Location"] == reverse("account:sign_in")


def test_forgetting_deletes_ended_sessions_only(clock):
    for _number in range(2):
        Client().force_login(person(f"user{_number}"))
    Session.objects.filter(user__username="user0").update(expire_date=START)
    forget_ended_sessions()
    assert Session.objects.get().user.username == "user1"


def test_expired_session_is_deleted_when_it_is_met(visitor, clock):
    user = person()
    visitor.sign_in("ana")
    store = SessionStore(visitor.cookies["coai_session"].value)
    pass_by(clock, minutes=31)
    assert store.load() == {}
    assert store.ended_user_id == user.pk
    assert not Session.objects.exists()


def test_changed_role_counts_at_the_next_request(visitor):
    user = person(role=Role.SUPER_ADMIN)
    visitor.sign_in("ana")
    assert visitor.get(reverse("users:list")).status_code == 200
    User.objects.filter(pk=user.pk).update(role=Role.NONE)
    assert visitor.get(reverse("users:list")).status_code == 403


def test_session_remembers_where_it_began(visitor):
    person()
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    visitor.sign_in("ana")
    row = Session.objects.get()
    assert row.ip == visitor.defaults["REMOTE_ADDR"]
    other = Visitor(HTTP_USER_AGENT=agent * 10)
    other.sign_in("ana")
    assert Session.objects.exclude(pk=row.pk).get().agent == (agent * 10)[:400]


# One's own sessions


@pytest.fixture
def two(visitor):
    """Ana, signed in at two places: (here, elsewhere)."""
    person()
    visitor.sign_in("ana")
    elsewhere = Visitor(
        HTTP_USER_AGENT="Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/604.1"
    )
    elsewhere.sign_in("ana")
    return visitor, elsewhere


def key_of(browser):
    return digest(browser.cookies["coai_session"].value)


def test_own_sessions_are_listed_without_their_keys(two):
    here, elsewhere = two
    person("bob")
    bob = Visitor()
    bob.sign_in("bob")
    page = here.get(reverse("account:sessions")).text
    assert "Safari on iPhone" in page
    assert "This one" in page
    assert elsewhere.defaults["REMOTE_ADDR"] in page
    assert bob.defaults["REMOTE_ADDR"] not in page
    for browser in (here, elsewhere):
        assert browser.cookies["coai_session"].value not in page


def test_one_own_session_is_ended(two):
    here, elsewhere = two
    here.send(reverse("account:end_session", args=[key_of(elsewhere)]))
    assert here.is_in()
    assert not elsewhere.is_in()


def test_all_other_own_sessions_are_ended(two):
    here, elsewhere = two
    third = Visitor()
    third.sign_in("ana")
    here.send(reverse("account:end_others"))
    assert [browser.is_in() for browser in (here, elsewhere, third)] == [True, False, False]


def test_ending_the_session_one_is_in_signs_out(two):
    here, elsewhere = two
    response = here.send(reverse("account:end_session", args=[key_of(here)]))
    assert response.headers["Location"] == reverse("account:sign_in")
    assert [here.is_in(), elsewhere.is_in()] == [False, True]


def test_session_of_somebody_else_is_not_ended(two):
    here, _elsewhere = two
    person("bob")
    bob = Visitor()
    bob.sign_in("bob")
    here.send(reverse("account:end_session", args=[key_of(bob)]))
    assert bob.is_in()


# Forms typed after the end

FORM = "/admin/users/?page=2"


def post_when_out(visitor, data, **kwargs):
    return visitor.send("/admin/users/", data, **kwargs)


def shown_again(visitor, path="/admin/users/"):
    """What the page of ``path`` is told that was typed."""
    request = RequestFactory().get(path)
    request.session = SessionStore(visitor.cookies["coai_session"].value)
    request.user = get_user_model().objects.get(pk=request.session["_auth_user_id"])
    form = kept_form(request)
    request.session.save()
    return form and form.dict()


def test_form_posted_after_the_end_is_shown_again_once(visitor, clock):
    person(role=Role.SUPER_ADMIN)
    visitor.sign_in("ana")
    pass_by(clock, minutes=31)
    typed = {"delta": "12", "reason": "très\nbien", "password": "secret!", "new_password2": "s"}
    response = post_when_out(visitor, typed)
    assert response.headers["Location"] == f"{reverse('account:sign_in')}?next=%2Fadmin%2Fusers%2F"
    visitor.sign_in("ana", next="/admin/users/")
    assert shown_again(visitor) == {"delta": "12", "reason": "très\nbien"}
    assert shown_again(visitor) is None


def test_form_posted_after_the_end_leads_back_to_the_page_it_was_on(visitor, clock):
    headers = {"Referer": "http://testserver/admin/users/42/?tab=access"}
    response = post_when_out(visitor, {"reason": "x"}, headers=headers)
    assert response.headers["Location"].endswith("next=%2Fadmin%2Fusers%2F42%2F%3Ftab%3Daccess")
    headers = {"Referer": "http://evil.example/admin/"}
    response = post_when_out(visitor, {"reason": "x"}, headers=headers)
    assert response.headers["Location"].endswith("next=%2Fadmin%2Fusers%2F")


def test_kept_form_belongs_to_its_page(visitor):
    person()
    post_when_out(visitor, {"reason": "x"})
    visitor.sign_in("ana")
    assert shown_again(visitor, "/admin/audit/") is None
    assert shown_again(visitor) == {"reason": "x"}


def test_kept_form_is_not_shown_to_another_person(visitor, clock):
    person("ana")
    person("bob")
    visitor.sign_in("ana")
    pass_by(clock, minutes=31)
    post_when_out(visitor, {"reason": "what ana typed"})
    visitor.sign_in("bob")
    assert shown_again(visitor) is None
    assert "kept_form" not in SessionStore(visitor.cookies["coai_session"].value).load()


def test_form_too_large_to_keep_is_not_kept(visitor):
    person()
    post_when_out(visitor, {"reason": "x" * 70_000})
    visitor.sign_in("ana")
    assert shown_again(visitor) is None


def test_form_of_a_fragment_is_not_kept_since_its_page_stays(visitor):
    response = post_when_out(visitor, {"reason": "x"}, headers={"HX-Request": "true"})
    assert response.status_code == 401
    assert not Session.objects.exists()


def test_form_without_a_csrf_token_is_not_kept(visitor):
    assert visitor.post("/admin/users/", {"reason": "x"}).status_code == 403
    assert not Session.objects.exists()
