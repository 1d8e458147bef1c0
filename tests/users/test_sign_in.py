"""Signing in: who gets in, who does not, and what an attempt costs."""

import secrets
import threading
import time

import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.urls import reverse
from django.utils.crypto import get_random_string

from audit.models import AuditEntry
from tests.hashing import PASSWORD, coai_hash, hash_of
from tests.users.conftest import Visitor, person
from users.models import Session, User
from users.passwords import checking
from users.passwords.hashers import from_coai, wrap
from users.restrictions import services
from users.roles import Role
from users.sessions.store import digest

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

SIGN_IN = "/admin/account/sign-in/"
DEAD = "redis://127.0.0.1:1/0"


def signed_in_as(visitor):
    row = Session.objects.filter(pk=digest(visitor.cookies["coai_session"].value)).first()
    return row and row.user


# Names


@pytest.mark.parametrize(
    "name", ["Ana", "ana", "ANA", " ana ", "Ana@example.org", "ANA@EXAMPLE.ORG"]
)
def test_sign_in_by_username_or_email_in_any_case(visitor, name):
    ana = person("Ana", email="ana@example.org")
    assert visitor.sign_in(name).status_code == 302
    assert signed_in_as(visitor) == ana


def test_sign_in_collision_each_gets_in_by_the_exact_old_name(visitor):
    first = person("Bob")
    second = person("bob~9", legacy_username="bob", password_hash=hash_of("second password"))
    assert visitor.sign_in("Bob").status_code == 302
    assert signed_in_as(visitor) == first
    other = Visitor()
    assert other.sign_in("bob", "second password").status_code == 302
    assert signed_in_as(other) == second


def test_sign_in_collision_exact_old_name_wins_over_another_case(visitor):
    person("Bob")
    second = person("bob~9", legacy_username="bob")
    visitor.sign_in("bob")  # both have the same password
    assert signed_in_as(visitor) == second


def test_sign_in_old_name_does_not_win_over_who_bears_it_now(visitor):
    person("alice2", legacy_username="alice")  # renamed since
    now_alice = person("alice")
    visitor.sign_in("alice")
    assert signed_in_as(visitor) == now_alice


def test_sign_in_same_old_name_from_two_sources(visitor):
    person("alice")
    second = person("alice~7", legacy_username="alice", password_hash=hash_of("of the second"))
    visitor.sign_in("alice", "of the second")
    assert signed_in_as(visitor) == second


def test_sign_in_username_that_is_anothers_address(visitor):
    person("eve@example.org", email=None, password_hash=hash_of("password of eve"))
    owner = person("owner", email="eve@example.org")
    visitor.sign_in("eve@example.org")
    assert signed_in_as(visitor) == owner


def test_sign_in_old_name_must_be_exact(visitor):
    person("bob~9", legacy_username="bob")
    assert visitor.sign_in("BOB").status_code == 200
    assert not visitor.is_in()


# Refusals


def test_sign_in_wrong_password_and_unknown_name_read_the_same(visitor):
    person("ana")
    wrong = visitor.sign_in("ana", "not the password")
    unknown = visitor.sign_in("nobody", "not the password")
    by_mail = visitor.sign_in("nobody@example.org", "not the password")
    sentence = "The name or the password is wrong."
    for response in (wrong, unknown, by_mail):
        assert response.status_code == 200
        assert sentence in response.text
        assert "not the password" not in response.text
    assert not visitor.is_in()


def test_sign_in_failed_keeps_the_name(visitor):
    assert 'value="ana"' in visitor.sign_in("ana", "wrong").text


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        ({"closed_at": "2026-01-01T00:00Z"}, "This account is closed."),
        ({"suspend": None}, "This account is suspended for good."),
        (
            {"suspend": "2999-12-12T14:00+00:00"},
            "This account is suspended until 12 Dec 2999, 14:00",
        ),
    ],
)
def test_sign_in_refused_with_a_sentence_after_the_right_password_only(visitor, prepare, sentence):
    from django.utils.dateparse import parse_datetime

    from audit.people import SYSTEM

    user = person("ana")
    if "suspend" in prepare:
        until = prepare["suspend"] and parse_datetime(prepare["suspend"])
        services.suspend([user.pk], actor=SYSTEM, reason_code="spam", ends_at=until, reason="spam")
    else:
        User.objects.filter(pk=user.pk).update(**prepare)
    assert sentence not in visitor.sign_in("ana", "wrong password").text
    response = visitor.sign_in("ana")
    assert sentence in response.text
    assert not visitor.is_in()
    assert not Session.objects.filter(user=user).exists()


def test_sign_in_works_again_when_the_suspension_has_ended(visitor):
    from datetime import timedelta

    import time_machine
    from django.utils.timezone import now

    from audit.people import SYSTEM

    user = person("ana")
    end = now() + timedelta(days=1)
    services.suspend([user.pk], actor=SYSTEM, reason_code="spam", ends_at=end, reason="spam")
    visitor.sign_in("ana")
    assert not visitor.is_in()
    with time_machine.travel(end, tick=False):
        assert visitor.sign_in("ana").status_code == 302
        assert visitor.is_in()


def test_suspended_person_is_out_at_the_next_request_and_stays_out(visitor):
    from audit.people import SYSTEM

    user = person("ana")
    visitor.sign_in("ana")
    assert visitor.is_in()
    services.suspend([user.pk], actor=SYSTEM, reason_code="spam", ends_at=None, reason="spam")
    assert not visitor.is_in()
    services.lift_restriction([user.pk], actor=SYSTEM, reason="appeal")
    assert not visitor.is_in()  # the old cookie does not come back to life


def test_suspension_that_begins_later_ends_a_session_then(visitor):
    from datetime import timedelta

    import time_machine
    from django.utils.timezone import now

    from users.models import Restriction

    user = person("ana")
    visitor.sign_in("ana")
    start = now() + timedelta(minutes=5)
    Restriction.objects.create(user=user, kind="suspension", reason_id="spam", starts_at=start)
    assert visitor.is_in()
    with time_machine.travel(start, tick=False):
        assert not visitor.is_in()


def test_closed_account_is_out_at_the_next_request(visitor):
    user = person("ana")
    visitor.sign_in("ana")
    User.objects.filter(pk=user.pk).update(closed_at="2026-01-01T00:00Z")
    assert not visitor.is_in()


# What an attempt costs


@pytest.mark.parametrize(
    "prepare",
    [
        lambda: None,
        lambda: person("ana"),
        lambda: person("ana", closed_at="2026-01-01T00:00Z"),
        lambda: person("ana", password_hash="!unusable"),
        lambda: person("ana", password_hash=from_coai(coai_hash(PASSWORD))),
    ],
    ids=["unknown", "known", "closed", "unusable", "imported"],
)
def test_failed_attempt_costs_one_hash_whoever_is_meant(visitor, prepare, quick_hashes):
    prepare()
    visitor.token()
    quick_hashes.computed = 0
    visitor.sign_in("ana", "a wrong guess")
    assert quick_hashes.computed == 1


# Imported passwords


@pytest.mark.parametrize("typed", ["old secret", "  old secret\t", "\u00a0old secret"])
@pytest.mark.parametrize("stage", [lambda encoded: encoded, wrap], ids=["import", "wrapped"])
def test_imported_password_signs_in_and_becomes_argon2(visitor, typed, stage):
    user = person("ana", password_hash=stage(from_coai(coai_hash("old secret"))))
    assert visitor.sign_in("ana", typed).status_code == 302
    user.refresh_from_db()
    assert user.password.startswith("argon2$")
    assert user.password_changed_at is None
    assert visitor.is_in()
    for again in ("old secret", " old secret "):
        other = Visitor()
        assert other.sign_in("ana", again).status_code == 302


def test_imported_password_python_would_trim_but_go_does_not(visitor):
    user = person("ana", password_hash=from_coai(coai_hash("\x1cold secret")))
    assert visitor.sign_in("ana", "old secret").status_code == 200
    assert visitor.sign_in("ana", "\x1cold secret").status_code == 302
    user.refresh_from_db()
    assert user.password.startswith("argon2$")


def test_imported_staff_waits_until_wrapped(visitor):
    imported = from_coai(coai_hash(PASSWORD))
    user = person("root", role=Role.SUPER_ADMIN, password_hash=imported)
    response = visitor.sign_in("root")
    assert "still being put under stronger protection" in response.text
    assert not visitor.is_in()
    user.refresh_from_db()
    assert user.password == imported
    User.objects.filter(pk=user.pk).update(password=wrap(imported))
    assert visitor.sign_in("root").status_code == 302
    assert visitor.is_in()


def test_wrapping_during_sign_in_does_not_undo_the_upgrade(visitor):
    """The job stores a wrapped hash only where the imported one still stands."""
    imported = from_coai(coai_hash(PASSWORD))
    user = person("ana", password_hash=imported)
    wrapped = wrap(imported)
    visitor.sign_in("ana")
    assert User.objects.filter(pk=user.pk, password=imported).update(password=wrapped) == 0
    assert visitor.is_in()


# Sessions and ways onward


def test_sign_in_rotates_the_session(visitor):
    person("ana")
    planted = get_random_string(32, VALID_KEY_CHARS)
    visitor.cookies["coai_session"] = planted
    visitor.sign_in("ana")
    assert visitor.cookies["coai_session"].value != planted
    stranger = Visitor()
    stranger.cookies["coai_session"] = planted
    assert not stranger.is_in()


def test_sign_in_rotates_an_anonymous_session_that_exists(visitor):
    person("ana")
    response = visitor.send("/admin/users/", {"q": "typed"})  # makes an anonymous session
    assert response.status_code == 302
    before = visitor.cookies["coai_session"].value
    visitor.sign_in("ana")
    after = visitor.cookies["coai_session"].value
    assert before != after
    assert not Session.objects.filter(pk=digest(before)).exists()


def test_sign_in_rotates_the_csrf_token(visitor):
    person("ana")
    before = visitor.token()
    visitor.sign_in("ana")
    assert visitor.cookies["csrftoken"].value != before


def test_session_key_is_not_in_the_database(visitor):
    person("ana")
    visitor.sign_in("ana")
    key = visitor.cookies["coai_session"].value
    row = Session.objects.get(user__username="ana")
    assert key != row.pk
    thief = Visitor()
    thief.cookies["coai_session"] = row.pk
    assert not thief.is_in()


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ("/admin/users/?q=x", "/admin/users/?q=x"),
        ("https://evil.example/", "/admin/"),
        ("//evil.example/", "/admin/"),
        ("/\\evil.example", "/admin/"),
        ("javascript:alert(1)", "/admin/"),
        ("http:///evil.example", "/admin/"),
        ("\x09//evil.example", "/admin/"),
    ],
)
def test_sign_in_leads_onward_within_the_site_only(visitor, wanted, place):
    person("ana", role=Role.USER_ADMIN)
    assert visitor.sign_in("ana", next=wanted).headers["Location"] == place
    assert visitor.get(SIGN_IN, {"next": wanted}).headers["Location"] == place


def test_sign_in_without_a_role_leads_to_ones_own_sessions(visitor):
    person("ana")
    assert visitor.sign_in("ana").headers["Location"] == reverse("account:sessions")


def test_sign_in_is_recorded(visitor):
    user = person("ana", role=Role.SUPPORT)
    visitor.sign_in("ana")
    entry = AuditEntry.objects.get(action="account.sign_in")
    assert (entry.actor_id, entry.target_id) == (user.pk, user.pk)
    assert entry.personal.ip == visitor.defaults["REMOTE_ADDR"]
    assert entry.request_id
    user.refresh_from_db()
    assert user.last_seen_at is not None


def test_failed_sign_in_is_logged_without_what_was_typed(visitor, caplog):
    typed = secrets.token_hex(8)
    visitor.sign_in(f"name-{typed}", typed)
    assert "sign_in_failed" in caplog.text
    assert typed not in caplog.text


def test_no_sign_up_and_none_of_allauths_pages(client):
    for path in ("signup", "password/reset", "email", "login", "logout", "confirm-email"):
        assert client.get(f"/accounts/{path}/").status_code == 404
        assert client.get(f"/admin/account/{path}/").status_code == 404


def test_admin_login_only_redirects(client):
    assert client.get("/admin/login/").headers["Location"] == SIGN_IN
    assert client.post("/admin/login/", {"username": "x", "password": "y"}).status_code == 302


# Throttles


def fail(visitor, name, times):
    return [visitor.sign_in(name, "wrong").status_code for _attempt in range(times)]


def test_attempts_on_one_name_are_limited_before_hashing(visitor, quick_hashes):
    person("ana")
    assert fail(visitor, "ana", 5) == [200] * 5
    quick_hashes.computed = 0
    response = visitor.sign_in("ana")
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 300
    assert "Too many attempts" in response.text
    assert quick_hashes.computed == 0
    assert not visitor.is_in()


def test_attempts_on_a_name_in_another_case_count_together(visitor):
    assert fail(visitor, "ana", 3) + fail(visitor, "ANA", 2) == [200] * 5
    assert visitor.sign_in("Ana", "wrong").status_code == 429


def test_attempts_from_elsewhere_lock_nobody_out(visitor):
    person("ana")
    attacker = Visitor()
    fail(attacker, "ana", 6)
    assert attacker.sign_in("ana").status_code == 429
    assert visitor.sign_in("ana").status_code == 302


def test_attempts_on_many_names_from_one_address_are_limited(visitor, quick_hashes):
    assert [visitor.sign_in(f"name{n}", "x").status_code for n in range(10)] == [200] * 10
    quick_hashes.computed = 0
    assert visitor.sign_in("name10", "x").status_code == 429
    assert quick_hashes.computed == 0


def test_attempts_are_not_freed_by_signing_in_between(visitor):
    person("ana")
    fail(visitor, "victim", 5)
    assert visitor.sign_in("ana").status_code == 302
    visitor.send(reverse("account:sign_out"))
    assert visitor.sign_in("victim", "wrong").status_code == 429


def test_successful_sign_ins_do_not_use_up_the_attempts_at_a_name(visitor):
    person("ana")
    for _time in range(7):
        assert visitor.sign_in("ana").status_code == 302
        visitor.send(reverse("account:sign_out"))


def test_forwarded_address_of_a_stranger_does_not_split_the_count(visitor):
    for number in range(5):
        visitor.send(
            SIGN_IN,
            {"login": "ana", "password": "wrong"},
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
        )
    response = visitor.send(
        SIGN_IN,
        {"login": "ana", "password": "wrong"},
        headers={"X-Forwarded-For": "198.51.100.99"},
    )
    assert response.status_code == 429


def test_addresses_of_one_ipv6_subscriber_count_together():
    codes = [
        Visitor(REMOTE_ADDR=f"2001:db8:1:1::{number:x}").sign_in("ana", "wrong").status_code
        for number in range(6)
    ]
    assert codes == [200] * 5 + [429]
    assert Visitor(REMOTE_ADDR="2001:db8:1:2::1").sign_in("ana", "wrong").status_code == 200


def test_sign_in_is_closed_without_valkey_and_sessions_go_on(visitor, settings, quick_hashes):
    person("ana")
    inside = Visitor()
    inside.sign_in("ana")
    dead = {**django_settings.CACHES["default"], "LOCATION": DEAD}
    settings.CACHES = {"default": dead}
    assert visitor.get(SIGN_IN).status_code == 200
    quick_hashes.computed = 0
    response = visitor.sign_in("ana")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "Signing in is closed" in response.text
    assert quick_hashes.computed == 0
    assert not visitor.is_in()
    assert inside.get(reverse("account:sessions")).status_code == 200
    assert inside.is_in()


def test_sign_in_waits_its_turn_and_gives_up(visitor, monkeypatch, quick_hashes):
    person("ana")
    monkeypatch.setattr(checking, "_AT_ONCE", threading.BoundedSemaphore(1))
    monkeypatch.setattr(checking, "_PATIENCE", 0.05)
    visitor.token()
    quick_hashes.computed = 0
    with checking.one_hash():
        response = visitor.sign_in("ana")
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert quick_hashes.computed == 0
    assert visitor.sign_in("ana").status_code == 302


def test_no_more_passwords_are_hashed_at_once_than_there_are_places(monkeypatch):
    monkeypatch.setattr(checking, "_AT_ONCE", threading.BoundedSemaphore(2))
    inside, most, lock = [], [], threading.Lock()

    def hash_one():
        with checking.one_hash():
            with lock:
                inside.append(1)
                most.append(len(inside))
            time.sleep(0.01)
            with lock:
                inside.pop()

    threads = [threading.Thread(target=hash_one) for _number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 2
    assert len(most) == 12
