"""Confirming that it is oneself: what asks for it, how long it holds, what it takes, its lock."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from audit import outbox
from audit.models import Act, AuditEntry
from tests import checksum
from tests.clients import step_down
from tests.factories import make_key, make_staff, make_user, make_users
from tests.users.codes import enrolled
from tests.users.conftest import PASSWORD, Visitor, person
from users import roles
from users.models import Session, User
from users.restrictions import services
from users.roles import Role
from users.sessions.store import digest
from users.sign_in.step_up import needs_step_up

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

CONFIRM = "/admin/account/confirm/"
START = now().replace(microsecond=0) + timedelta(hours=1)
DEAD = "redis://127.0.0.1:1/0"


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def boss(visitor, clock):
    """A super admin who signed in eleven minutes ago, without a second factor."""
    person("boss", role=Role.SUPER_ADMIN)
    visitor.sign_in("boss")
    clock.shift(timedelta(minutes=11))
    return visitor


def confirm(visitor, password=PASSWORD, code="", **more):
    return visitor.send(CONFIRM, {"password": password, "code": code, **more})


def is_stepped_up(visitor):
    return visitor.get(CONFIRM).status_code == 302


def lift_page(target):
    return reverse("operate:one", args=[target, "users.lift_restriction"])


def suspended():
    [target] = make_users(1)
    services.suspend(
        [target], actor=make_staff(Role.SUPER_ADMIN), reason_code="spam", ends_at=None, reason="x"
    )
    return target


LIFT = {"kind": "suspension", "reason_code": "", "reason": "an appeal", "ticket": "T-7"}


def confirmed_act(visitor, url, data=LIFT, **kwargs):
    """Preview, then send the button that does it."""
    attempt = visitor.send(url, data | {"step": "preview"}).context["attempt"]
    form = {"step": "confirm", "act": str(attempt.act_id), "previewed": attempt.fingerprint}
    return visitor.send(url, data | form | {"seen": attempt.seen}, **kwargs)


# What asks


@pytest.mark.parametrize("role", Role)
def test_needs_step_up_is_s_or_2_of_the_matrix(role):
    asked = {code for code in roles.ROWS if needs_step_up(role, code)}
    assert asked == {code for code in roles.ROWS if set(roles.grant(role, code)) & {"S", "2"}}
    assert asked <= roles.permissions(role)


def test_sign_in_counts_as_step_up_for_ten_minutes(visitor, clock):
    person("boss", role=Role.SUPER_ADMIN)
    visitor.sign_in("boss")
    assert is_stepped_up(visitor)
    clock.shift(timedelta(minutes=9, seconds=59))
    assert is_stepped_up(visitor)
    clock.shift(timedelta(seconds=1))
    assert not is_stepped_up(visitor)


def test_step_up_is_not_prolonged_by_use(boss, clock):
    confirm(boss)
    for _minute in range(9):
        clock.shift(timedelta(minutes=1))
        assert is_stepped_up(boss)
    clock.shift(timedelta(minutes=1))
    assert not is_stepped_up(boss)


def test_step_up_is_of_one_session(boss, clock):
    other = Visitor()
    other.sign_in("boss")
    clock.shift(timedelta(minutes=11))
    confirm(boss)
    assert is_stepped_up(boss)
    assert not is_stepped_up(other)


def test_confirming_an_act_asks_once_and_keeps_what_was_typed(boss):
    target = suspended()
    url, before = lift_page(target), checksum.database()
    assert boss.get(url).status_code == 200  # looking and previewing are free
    response = confirmed_act(boss, url)
    assert response.headers["Location"].startswith(CONFIRM)
    assert checksum.database() == before
    back = confirm(boss, next=url)
    assert back.headers["Location"] == url
    page = boss.get(url)
    assert page.context["form"]["reason"].value() == "an appeal"
    assert page.context["form"]["ticket"].value() == "T-7"
    assert page.context["attempt"].receipts.changed  # and its preview is there again
    assert not Act.objects.filter(code="users.lift_restriction").exists()
    assert confirmed_act(boss, url).headers["Location"] == reverse("user", args=[target])
    assert Act.objects.filter(code="users.lift_restriction").exists()


def test_act_that_is_plainly_allowed_asks_nothing(boss):
    [target] = make_users(1)
    data = {"reason_code": "spam", "ends_at": "3d", "reason": "spam wave"}
    url = reverse("operate:one", args=[target, "users.suspend"])
    assert confirmed_act(boss, url, data).headers["Location"] == reverse("user", args=[target])


@pytest.mark.parametrize(
    ("ends_at", "role", "asks"),
    [
        ("3d", Role.NONE, False),
        ("7d", Role.NONE, False),
        ("14d", Role.NONE, True),
        ("for_good", Role.NONE, True),
        ("3d", Role.SUPPORT, True),
    ],
)
def test_suspension_asks_when_it_is_long_or_of_staff(boss, ends_at, role, asks):
    url = reverse("operate:one", args=[make_user(role=role).pk, "users.suspend"])
    data = {"reason_code": "spam", "ends_at": ends_at, "reason": "spam wave"}
    response = confirmed_act(boss, url, data)
    assert response.headers["Location"].startswith(CONFIRM) is asks
    assert Act.objects.filter(code="users.suspend").exists() is not asks


def test_page_of_an_act_says_that_it_will_ask(boss):
    url = lift_page(suspended())
    sentence = "You will be asked to confirm that it is you."
    assert sentence in boss.send(url, LIFT | {"step": "preview"}).text
    confirm(boss)
    assert sentence not in boss.send(url, LIFT | {"step": "preview"}).text


def test_act_on_many_asks_although_the_act_alone_would_not(boss):
    ids = make_users(2)
    boss.send(reverse("users:select"), {"shown": ids, "pick": ids, "act": ""})
    chosen = boss.send(
        reverse("users:select"),
        {"shown": " ".join(map(str, ids)), "pick": ids, "act": "users.suspend"},
    )
    url = chosen.headers["Location"]
    data = {"reason_code": "spam", "ends_at": "3d", "reason": "spam wave"}
    before = checksum.database()
    assert confirmed_act(boss, url, data).headers["Location"].startswith(CONFIRM)
    assert checksum.database() == before


def test_undo_of_an_act_that_needs_step_up_asks(boss, clock):
    target = suspended()
    confirm(boss)
    confirmed_act(boss, lift_page(target))
    act = Act.objects.get(code="users.lift_restriction")
    clock.shift(timedelta(minutes=11))
    before = checksum.database()
    response = boss.send(reverse("operate:undo", args=[act.pk]))
    assert response.headers["Location"].startswith(CONFIRM)
    assert checksum.database() == before
    page = confirm(boss, next=reverse("operate:act", args=[act.pk])).headers["Location"]
    assert boss.get(page).status_code == 200
    assert boss.send(reverse("operate:undo", args=[act.pk])).status_code == 302
    assert Act.objects.filter(undoes=act).exists()


def test_undo_of_a_suspension_by_a_colleague_asks_as_lifting_it_does(boss):
    target, mine = make_user(), make_user()
    words = {"reason_code": "spam", "ends_at": None, "reason": "spam wave"}
    owner = User.objects.get(username="boss")
    services.suspend([target.pk], actor=make_staff(), **words)
    services.suspend([mine.pk], actor=owner, **words)
    theirs, own = Act.objects.exclude(actor=owner).get(), Act.objects.get(actor=owner)
    before = checksum.database()
    for url in (reverse("operate:undo", args=[theirs.pk]), f"/api/v1/acts/{theirs.pk}/undo/"):
        answer = boss.send(url, {"reason": "a slip"})
        assert answer.status_code == 403 or answer.headers["Location"].startswith(CONFIRM)
    assert checksum.database() == before
    assert boss.send(reverse("operate:undo", args=[own.pk])).status_code == 302
    assert Act.objects.get(undoes=own).actor == owner
    confirm(boss)
    assert boss.send(reverse("operate:undo", args=[theirs.pk])).status_code == 302
    assert Act.objects.filter(undoes=theirs).exists()


def test_fragment_gets_the_address_of_a_dialog_and_nothing_is_written(boss):
    target = suspended()
    before = checksum.database()
    response = confirmed_act(boss, lift_page(target), headers={"HX-Request": "true"})
    assert response.status_code == 403
    dialog = response.headers["X-Step-Up"]
    assert dialog.startswith(CONFIRM)
    assert checksum.database() == before
    fragment = {"HX-Request": "true"}
    assert "<form" in boss.get(dialog, headers=fragment).text
    assert "<html" not in boss.get(dialog, headers=fragment).text
    form = {"password": PASSWORD}
    done = boss.send(CONFIRM, form, headers=fragment)
    assert (done.status_code, done.headers["HX-Trigger"]) == (204, "stepped-up")
    assert confirmed_act(boss, lift_page(target), headers=fragment).status_code == 200


def test_reveal_by_support_asks_when_acting(visitor, clock):
    person("sue", role=Role.SUPPORT)
    visitor.sign_in("sue")
    clock.shift(timedelta(minutes=11))
    [target] = make_users(1)
    url = reverse("user_reveal", args=[target])
    assert visitor.get(url).status_code == 200
    response = visitor.send(url, {"reason": "she called"})
    assert response.headers["Location"].startswith(CONFIRM)
    assert not AuditEntry.objects.filter(action="users.reveal").exists()
    confirm(visitor)
    assert 'value="she called"' in visitor.get(url).text
    assert not AuditEntry.objects.filter(action="users.reveal").exists()
    assert "Shown once" in visitor.send(url, {"reason": "she called"}).text


def test_export_asks_for_whole_addresses_only(boss):
    url = reverse("users:export") + "?status=active"
    masked = boss.send(url)
    assert masked.headers["Content-Type"].startswith("text/csv")
    list(masked.streaming_content)
    entries = AuditEntry.objects.filter(action="exports.users").count()
    response = boss.send(url, {"whole": "on", "reason": "the auditors"})
    assert response.headers["Location"].startswith(CONFIRM)
    assert "status%3Dactive" in response.headers["Location"]
    assert AuditEntry.objects.filter(action="exports.users").count() == entries
    confirm(boss)
    page = boss.get(url)
    assert page.headers["Content-Type"].startswith("text/html")  # shown, not done
    assert "the auditors" in page.text


def test_page_that_is_all_act_asks_at_once(boss):
    url = reverse("service_keys:new")
    response = boss.get(url)
    assert response.headers["Location"].startswith(CONFIRM)
    confirm(boss)
    assert boss.get(url).status_code == 200


@pytest.mark.parametrize(
    ("page", "typed"),
    [
        ("/admin/tiers/1/", {"name": "Silver plus", "reason": "a new name"}),
        ("/admin/reason-codes/code/spam/", {"label": "Unasked mail", "reason": "clearer"}),
        ("/admin/reason-codes/new/", {"label": "Scraping", "code": "scraping", "reason": "new"}),
        ("/admin/service-keys/new/", {"name": "the gateway"}),
    ],
)
def test_what_was_typed_while_the_step_up_ended_is_shown_again_and_not_done(
    boss, clock, page, typed
):
    confirm(boss)
    before = checksum.database()
    assert boss.get(page).status_code == 200
    clock.shift(timedelta(minutes=11))
    answer = boss.send(page, typed, headers={"Referer": f"http://testserver{page}"})
    assert answer.headers["Location"].startswith(CONFIRM)
    assert checksum.database() == before
    assert confirm(boss, next=page).headers["Location"] == page
    before = checksum.database()
    shown = boss.get(page)
    assert shown.status_code in (200, 422)
    for text in typed.values():
        assert text in shown.text
    assert checksum.database() == before


def test_program_in_a_browser_session_gets_a_403(console, clock):
    client = Client()
    client.force_login(make_staff(Role.SUPER_ADMIN))
    assert client.get("/api/test/keys/").status_code == 200
    step_down(client)
    response = client.get("/api/test/keys/")
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert client.get("/api/test/browse/").status_code == 200


@pytest.fixture
def console(settings):
    settings.ROOT_URLCONF = "tests.console_urls"


# What it takes


def test_confirming_takes_the_password_alone_where_no_second_factor_is(boss):
    before = boss.cookies["coai_session"].value
    response = confirm(boss, next="/admin/users/?q=x")
    assert response.headers["Location"] == "/admin/users/?q=x"
    assert boss.cookies["coai_session"].value != before
    thief = Visitor()
    thief.cookies["coai_session"] = before
    assert not thief.is_in()
    entry = AuditEntry.objects.get(action="account.step_up")
    assert entry.actor_id == entry.target_id


def test_confirming_rotates_the_session_without_prolonging_it(boss):
    began = Session.objects.get().created_at
    confirm(boss)
    row = Session.objects.get()
    assert row.pk == digest(boss.cookies["coai_session"].value)
    assert (row.created_at, row.user.username) == (began, "boss")


@pytest.mark.parametrize(
    "onward", ["https://evil.example/", "//evil.example", "\\evil", "javascript:1"]
)
def test_confirming_leads_to_pages_of_this_site_only(boss, onward):
    assert confirm(boss, next=onward).headers["Location"] == reverse("account:own")


@pytest.mark.parametrize(
    ("password", "steps", "right"),
    [(PASSWORD, 0, True), ("wrong", 0, False), (PASSWORD, -9, False), (PASSWORD, None, False)],
)
def test_confirming_takes_password_and_code_where_one_is_enrolled(
    visitor, clock, password, steps, right
):
    _user, app = enrolled(role=Role.SUPER_ADMIN)
    visitor.sign_in("ana")
    visitor.send(reverse("account:sign_in_code"), {"code": app.code()})
    clock.shift(timedelta(minutes=11))
    code = "" if steps is None else app.code(steps=steps)
    confirm(visitor, password, code)
    assert is_stepped_up(visitor) is right


def test_code_of_the_sign_in_does_not_confirm(visitor, clock):
    _user, app = enrolled(role=Role.SUPER_ADMIN)
    visitor.sign_in("ana")
    visitor.send(reverse("account:sign_in_code"), {"code": app.code()})
    visitor.send(reverse("account:leave_step_up"))
    assert not is_stepped_up(visitor)
    confirm(visitor, code=app.code())
    assert not is_stepped_up(visitor)
    confirm(visitor, code=app.code(steps=1))
    assert is_stepped_up(visitor)


def test_leaving_needs_a_post_and_ends_it(boss):
    confirm(boss)
    leave = reverse("account:leave_step_up")
    assert boss.get(leave).status_code == 405
    assert is_stepped_up(boss)
    boss.send(leave)
    assert not is_stepped_up(boss)


def test_typed_password_is_not_shown_again(boss):
    response = confirm(boss, "not the password")
    assert response.status_code == 200
    assert "This is not your password." in response.text
    assert "not the password" not in response.text


# The lock


def test_fifth_wrong_attempt_locks_for_fifteen_minutes_and_only_step_up(boss, clock, quick_hashes):
    answers = [confirm(boss, "wrong").status_code for _attempt in range(5)]
    assert answers == [200] * 4 + [429]
    quick_hashes.computed = 0
    locked = confirm(boss)
    assert locked.status_code == 429
    assert locked.headers["Retry-After"] == "900"
    assert quick_hashes.computed == 0  # nothing was even checked
    assert boss.get("/admin/users/").status_code == 200
    entry = AuditEntry.objects.get(action="account.step_up_locked")
    assert entry.changes == {"wrong_attempts": 5}
    clock.shift(timedelta(minutes=14, seconds=59))
    assert confirm(boss).status_code == 429
    clock.shift(timedelta(seconds=1))
    assert confirm(boss).status_code == 302
    assert is_stepped_up(boss)


def test_lock_is_told_to_the_person_by_mail(boss, mailoutbox):
    for _attempt in range(5):
        confirm(boss, "wrong")
    outbox.deliver(now=now())
    assert [letter.subject for letter in mailoutbox] == [
        "Five wrong passwords or codes in your session"
    ]


def test_lock_holds_for_the_person_in_every_session_and_for_nobody_else(boss, clock):
    other, colleague = Visitor(), Visitor()
    person("eve", role=Role.SUPER_ADMIN)
    for name, each in (("boss", other), ("eve", colleague)):
        each.sign_in(name)
    clock.shift(timedelta(minutes=11))
    for _attempt in range(5):
        confirm(boss, "wrong")
    assert confirm(other).status_code == 429
    assert confirm(colleague).status_code == 302
    assert Visitor().sign_in("boss").status_code == 302  # signing in is not locked


def test_right_attempt_forgets_the_wrong_ones(boss, clock):
    for _round in range(2):
        for _attempt in range(4):
            confirm(boss, "wrong")
        assert confirm(boss).status_code == 302
        clock.shift(timedelta(minutes=11))


def test_step_up_is_closed_while_attempts_cannot_be_counted(boss, settings, quick_hashes):
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": DEAD},
    }
    quick_hashes.computed = 0
    response = confirm(boss)
    assert response.status_code == 503
    assert quick_hashes.computed == 0
    assert boss.get(reverse("account:own")).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_attempts_at_the_same_time_are_five_at_most(settings, quick_hashes):
    person("boss", role=Role.SUPER_ADMIN)
    visitors = []
    for _number in range(12):
        visitor = Visitor()
        visitor.sign_in("boss")
        visitor.send(reverse("account:leave_step_up"))
        visitors.append(visitor)
    quick_hashes.computed = 0
    answers = []

    def attempt(visitor):
        try:
            answers.append(confirm(visitor, "wrong").status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt, args=[visitor]) for visitor in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == len(visitors)
    assert quick_hashes.computed == 5
    assert AuditEntry.objects.filter(action="account.step_up_locked").count() == 1
    cache.clear()


# One's own account


def test_own_password_asks_for_the_second_factor_too(visitor, clock):
    _user, app = enrolled(role=Role.SUPPORT)
    visitor.sign_in("ana")
    visitor.send(reverse("account:sign_in_code"), {"code": app.code()})
    page = reverse("account:password")
    assert visitor.get(page).status_code == 200
    clock.shift(timedelta(minutes=11))
    new = {
        "current": PASSWORD,
        "new": "purple monkey dishwasher",
        "again": "purple monkey dishwasher",
    }
    response = visitor.send(page, new)
    assert response.headers["Location"].startswith(CONFIRM)
    assert "purple" not in str(Session.objects.get().get_decoded())


def test_passwords_typed_after_the_end_of_the_session_are_not_kept(visitor, clock):
    person()
    visitor.sign_in("ana")
    clock.shift(timedelta(minutes=31))
    typed = {"current": PASSWORD, "new": "purple monkey dishwasher", "again": "purple"}
    visitor.send(reverse("account:password"), typed)
    assert not Session.objects.exists()


def test_ending_other_sessions_asks_but_signing_out_does_not(boss, clock):
    other = Visitor()
    other.sign_in("boss")
    make_key(person("eve"))
    response = boss.send(reverse("account:end_others"))
    assert response.headers["Location"].startswith(CONFIRM)
    assert other.is_in()
    key = digest(boss.cookies["coai_session"].value)
    boss.send(reverse("account:end_session", args=[key]))
    assert not boss.is_in()
