"""A link to choose a password: mailed to the stored address, good once and for a day, and for
nobody who cannot show it."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit import operations
from audit.models import Act, AuditEntry, OutboxMessage
from tests import checksum
from tests.factories import NOON, make_session, make_staff, make_user
from tests.hashing import PASSWORD
from tests.users.conftest import person
from users import password_links, tokens
from users.models import PasswordLink, Session, User
from users.passwords import sending
from users.passwords.operations import SEND_PASSWORD_LINK
from users.roles import Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

NEW = "a wholly different battery"
TYPED = {"new": NEW, "again": NEW}


@pytest.fixture
def admin():
    return make_staff(Role.USER_ADMIN)


def send(*users, actor, now=None):
    return operations.perform(
        SEND_PASSWORD_LINK,
        [user.pk for user in users],
        {},
        actor=actor,
        now=now or time_now(),
        reason="forgot it",
    )


def letter_to(user, post, actor):
    send(user, actor=actor)
    [letter] = post.fetch()
    return letter


def test_link_is_mailed_and_a_password_chosen_by_it(post, admin, visitor):
    user = person("ivan", must_change_password=True)
    make_session(user)
    letter = letter_to(user, post, admin)
    assert letter.recipients == [user.email]
    assert letter.subject == "Choose a new password"
    assert "ivan" in letter.text
    assert PasswordLink.objects.get().sent_at is not None

    page = visitor.get(letter.path)
    assert page.status_code == 200
    assert page["Referrer-Policy"] == "strict-origin"
    assert "no-store" in page["Cache-Control"]
    link = PasswordLink.objects.get()
    assert (link.opened_at is not None, link.used_at) == (True, None)

    done = visitor.send(letter.path, TYPED)

    assert done.status_code == 302
    assert done["Location"] == reverse("account:sign_in")
    user.refresh_from_db()
    assert user.check_password(NEW)
    assert not user.must_change_password
    assert user.email_verified_at is not None
    assert not Session.objects.filter(user=user).exists()
    assert PasswordLink.objects.get().used_at is not None
    entry = AuditEntry.objects.get(action="account.choose_password")
    assert (entry.actor_id, entry.target_id) == (user.pk, user.pk)
    [told] = post.fetch()
    assert told.subject == "Your password was changed"
    assert visitor.sign_in("ivan", NEW).status_code == 302


def test_link_stands_neither_in_the_outbox_nor_in_the_database_nor_in_the_audit(post, admin):
    user = make_user()
    letter = letter_to(user, post, admin)
    signature = letter.path.rstrip("/").rpartition("/")[2].partition("-")[2]
    assert len(signature) > 40
    stored = [*OutboxMessage.objects.values(), *PasswordLink.objects.values()]
    stored += [*Act.objects.values(), *AuditEntry.objects.values()]
    assert signature not in str(stored)


def test_token_has_the_shape_that_logs_leave_out():
    from coai_admin.console.logs import censor

    token = tokens.make("password_link", 17, "bound")
    assert censor(None, "", {"path": f"/x/{token}/"}) == {"path": "/x/17-(not-logged)/"}


def test_link_is_on_the_sites_own_name_whatever_host_is_asked(post, admin, settings):
    settings.SITE_URL = "https://console.example"
    settings.ALLOWED_HOSTS = ["*"]
    user = make_user()
    client = Client(headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    client.force_login(make_staff(Role.SUPER_ADMIN))
    url = reverse("operate:one", args=[user.pk, SEND_PASSWORD_LINK.code])
    page = client.post(url, {"reason": "x", "step": "preview"})
    attempt = page.context["attempt"]
    client.post(
        url,
        {
            "reason": "x",
            "step": "confirm",
            "act": str(attempt.act_id),
            "previewed": attempt.fingerprint,
        },
    )
    [letter] = post.fetch()
    assert letter.links[0].startswith("https://console.example/admin/account/choose-password/")


@pytest.mark.parametrize(
    "extra", [{"email": "eve@example.org"}, {"email": ["a@b.org", "c@d.org"]}, {"to": "e@e.org"}]
)
def test_whoever_asks_cannot_name_the_address(admin, extra):
    form = SEND_PASSWORD_LINK.form({"reason": "x", **extra}, now=NOON)
    assert not form.is_valid()


def test_link_works_once(post, admin, visitor):
    user = make_user()
    path = letter_to(user, post, admin).path
    assert visitor.send(path, TYPED).status_code == 302
    before = checksum.database()
    for again in (visitor.get(path), visitor.send(path, TYPED)):
        assert again.status_code == 410
        assert "used already" in again.text
        assert user.username not in again.text
        assert user.email not in again.text
    assert checksum.database() == before


def test_link_expires_after_a_day(post, admin, visitor):
    path = letter_to(make_user(), post, admin).path
    PasswordLink.objects.update(expires_at=time_now())
    before = checksum.database()
    for late in (visitor.get(path), visitor.send(path, TYPED)):
        assert late.status_code == 410
        assert "expired" in late.text
    assert checksum.database() == before


def test_link_lives_for_exactly_a_day(admin):
    user = make_user()
    send(user, actor=admin, now=NOON)
    link = PasswordLink.objects.get()
    assert password_links.is_open(link, NOON + timedelta(hours=24, microseconds=-1))
    assert not password_links.is_open(link, NOON + timedelta(hours=24))


def test_newer_link_revokes_the_one_before(post, admin, visitor):
    user = make_user()
    first = letter_to(user, post, admin).path
    second = letter_to(user, post, admin).path
    assert first != second
    assert visitor.get(first).status_code == 410
    assert "withdrawn" in visitor.send(first, TYPED).text
    assert visitor.send(second, TYPED).status_code == 302


def test_undo_revokes_the_link_unless_it_was_used(post, admin, visitor):
    users = [make_user(), make_user()]
    done = send(*users, actor=admin)
    used, _open = post.fetch()
    visitor.send(used.path, TYPED)
    act = Act.objects.get(pk=done.act_id)
    undone = operations.undo(SEND_PASSWORD_LINK, act, actor=admin, now=time_now(), reason="oops")
    assert [row.target_id for row in undone.changed] == [users[1].pk]
    assert [str(row.refusal.sentence) for row in undone.refused] == [
        "The link was used: a password was chosen by it."
    ]


def test_link_revoked_before_it_left_is_not_mailed(post, admin):
    done = send(make_user(), actor=admin)
    act = Act.objects.get(pk=done.act_id)
    operations.undo(SEND_PASSWORD_LINK, act, actor=admin, now=time_now(), reason="oops")
    assert post.fetch() == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token[:20],
        lambda token: token.partition("-")[0],
        lambda token: f"0{token}",
        lambda token: f"{int(token.partition('-')[0]) + 1}-{token.partition('-')[2]}",
        lambda token: "9" * 40 + "-x",
        lambda token: "-",
        lambda token: tokens.make("keep_email", int(token.partition("-")[0])),
    ],
)
def test_token_that_is_not_ours_is_a_404_that_tells_nothing(post, admin, visitor, spoil):
    user = make_user()
    make_user()
    path = letter_to(user, post, admin).path
    token = path.rstrip("/").rpartition("/")[2]
    wrong = reverse("account:choose_password", args=[spoil(token)])
    before = checksum.database()
    for answer in (visitor.get(wrong), visitor.send(wrong, TYPED)):
        assert answer.status_code == 404
        assert user.username not in answer.text
        assert answer["Referrer-Policy"] == "strict-origin"
    assert checksum.database() == before


def test_link_made_under_a_former_key_works_while_it_is_a_fallback(post, admin, visitor, settings):
    path = letter_to(make_user(), post, admin).path
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another" * 10
    assert visitor.get(path).status_code == 404
    settings.SECRET_KEY_FALLBACKS = [former]
    assert visitor.get(path).status_code == 200


def test_link_ends_when_the_password_or_the_address_changes_otherwise(post, admin, visitor):
    from users.email import addresses
    from users.passwords.checking import set_password

    changes = [
        lambda user: set_password(user, NEW, now=time_now()),
        lambda user: addresses.readdress(
            user, "else@example.org", verified_at=None, now=time_now()
        ),
        lambda user: User.objects.filter(pk=user.pk).update(email="elsewhere@example.org"),
        lambda user: User.objects.filter(pk=user.pk).update(closed_at=time_now()),
    ]
    for change in changes:
        user = make_user()
        path = letter_to(user, post, admin).path
        change(user)
        assert visitor.get(path).status_code == 410
        assert visitor.send(path, TYPED).status_code == 410
    assert not PasswordLink.objects.exclude(used_at=None).exists()


def test_reading_programs_that_open_the_link_do_not_use_it_up(post, admin, visitor):
    path = letter_to(make_user(), post, admin).path
    for _time in range(3):
        assert Client().head(path).status_code == 200
    assert PasswordLink.objects.get().opened_at is None
    opened = [Client().get(path) and PasswordLink.objects.get().opened_at for _time in range(3)]
    assert len(set(opened)) == 1
    assert visitor.send(path, TYPED).status_code == 302


@pytest.mark.parametrize(
    ("new", "again", "says"),
    [
        ("short", "short", "too short"),
        ("password1234", "password1234", "too common"),
        (NEW, NEW + "x", "do not match"),
        ("", "", "required"),
    ],
)
def test_password_that_is_too_weak_is_refused_and_the_link_stays_good(
    post, admin, visitor, new, again, says
):
    user = make_user()
    path = letter_to(user, post, admin).path
    answer = visitor.send(path, {"new": new, "again": again})
    assert answer.status_code == 200
    assert says in answer.text
    assert PasswordLink.objects.get().used_at is None
    assert visitor.send(path, TYPED).status_code == 302


def test_form_without_its_token_is_refused(post, admin):
    user = make_user()
    path = letter_to(user, post, admin).path
    before = checksum.database()
    assert Client(enforce_csrf_checks=True).post(path, TYPED).status_code == 403
    assert checksum.database() == before


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"email": None}, "Has no email address."),
        ({"email_state": "bouncing"}, "Mail to this address comes back."),
        ({"email_state": "complained"}, "reported our mail as unwanted"),
        ({"email_state": "suppressed"}, "No mail is sent to this address."),
        ({"email": "not an address"}, "is none"),
        ({"closed_at": NOON}, "The account is closed."),
    ],
)
def test_whoever_cannot_be_mailed_is_refused(admin, post, fields, why):
    user = make_user()
    User.objects.filter(pk=user.pk).update(**fields)
    before = checksum.database()
    [receipt] = send(user, actor=admin).rows
    assert why in receipt.refusal.sentence
    assert checksum.database() == before
    assert post.fetch() == []


def test_present_password_works_until_another_is_chosen(post, admin, visitor):
    user = person("ivan")
    letter_to(user, post, admin)
    assert visitor.sign_in("ivan", PASSWORD).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_link_followed_by_many_at_once_sets_one_password(post, admin):
    user = make_user()
    send(user, actor=admin)
    token = password_links.token_of(PasswordLink.objects.get())
    barrier, won = threading.Barrier(8), []

    def follow(number):
        barrier.wait()
        if sending.choose_password(token, f"{NEW} {number}", now=time_now()):
            won.append(number)
        connection.close()

    threads = [threading.Thread(target=follow, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    user.refresh_from_db()
    assert user.check_password(f"{NEW} {won[0]}")
    assert AuditEntry.objects.filter(action="account.choose_password").count() == 1


def test_access_tab_shows_the_life_of_each_link(post, admin, visitor):
    user = make_user(email="ivan@example.org")
    client = Client()
    client.force_login(admin)
    url = f"{reverse('user', args=[user.pk])}?tab=access"
    assert "No link was mailed" in client.get(url).text
    send(user, actor=admin)
    assert "not sent yet" in client.get(url).text
    [letter] = post.fetch()
    visitor.get(letter.path)
    assert "opened" in client.get(url).text
    visitor.send(letter.path, TYPED)
    page = client.get(url).text
    assert "used" in page
    assert "ivan@example.org" in page
    assert "Send another" in page

    client.force_login(make_staff(Role.READ_ONLY))
    masked = client.get(url).text
    assert "ivan@example.org" not in masked
    assert "Send another" not in masked
