"""Letters leave by the outbox: to the stored address, with nothing secret on the way, until the
server takes them."""

import smtplib
from datetime import timedelta

import pytest
from django.db import transaction

from audit import outbox
from audit.models import OutboxMessage
from tests.factories import NOON, make_user
from users import mail
from users.mail import Letter
from users.models import User

pytestmark = pytest.mark.django_db


def of_subject(row, written_at, now):
    """A finder: the subject is the user's name, as it stands."""
    user = User.objects.get(pk=row)
    return Letter(to=user.email, context={"name": user.username})


def test_letter_arrives_at_the_stored_address(post):
    user = make_user("ana", email="ana@example.org")
    mail.send("password_changed", user.pk, now=NOON)
    User.objects.filter(pk=user.pk).update(email="new@example.org")

    [letter] = post.fetch(NOON)

    assert letter.recipients == ["new@example.org"]
    assert letter.message["To"] == "new@example.org"
    assert letter.subject == "Your password was changed"
    assert "Hello ana," in letter.text
    assert "20 Nov 2026, 12:00 UTC" in letter.text
    assert "Hello ana," in letter.html
    assert post.fetch(NOON) == []


def test_letter_names_the_site_as_its_sender(post, settings):
    settings.DEFAULT_FROM_EMAIL = "CoAI <no-reply@console.example>"
    mail.send("password_changed", make_user().pk, now=NOON)
    [letter] = post.fetch(NOON)
    assert letter.message["From"] == "CoAI <no-reply@console.example>"
    assert letter.sender == "no-reply@console.example"
    assert letter.message["Auto-Submitted"] == "auto-generated"


def test_letter_that_the_server_does_not_take_is_tried_again_under_the_same_id(post, settings):
    settings.SITE_URL = "https://console.example"
    mail.send("password_changed", make_user().pk, now=NOON)
    payload = OutboxMessage.objects.get().payload

    post.answer = "451 later"
    assert post.fetch(NOON) == []
    message = OutboxMessage.objects.get()
    assert message.delivered_at is None
    assert message.attempts == 1
    assert smtplib.SMTPDataError.__name__ in message.last_error

    post.answer = None
    [letter] = post.fetch(NOON + timedelta(minutes=1))
    assert letter.message["Message-ID"] == f"<{payload['message_id']}@console.example>"
    OutboxMessage.objects.update(delivered_at=None)  # as after a crash before the commit
    [again] = post.fetch(NOON + timedelta(minutes=2))
    assert again.message["Message-ID"] == letter.message["Message-ID"]


def test_letter_waits_while_the_server_is_away(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    mail.send("password_changed", make_user().pk, now=NOON)
    assert outbox.deliver(now=NOON) == 0
    assert OutboxMessage.objects.get().attempts == 1


def test_letters_of_one_delivery_go_over_one_connection(post):
    for number in range(5):
        user = make_user(email=f"u{number}@example.org")
        mail.send("password_changed", user.pk, now=NOON)
    assert len(post.fetch(NOON)) == 5
    assert post.connections == 1
    mail.send("password_changed", user.pk, now=NOON)
    assert len(post.fetch(NOON)) == 1
    assert post.connections == 2  # none is kept open in between


def test_address_that_the_server_refuses_does_not_keep_other_letters(post):
    users = [make_user(email=f"u{number}@example.org") for number in range(4)]
    post.refused = {"u1@example.org"}
    for user in users:
        mail.send("password_changed", user.pk, now=NOON)
    arrived = [letter.recipients for letter in post.fetch(NOON)]
    assert arrived == [["u0@example.org"], ["u2@example.org"], ["u3@example.org"]]
    [waiting] = OutboxMessage.objects.filter(delivered_at=None)
    assert (waiting.payload["row"], waiting.attempts) == (users[1].pk, 1)
    assert "unknown here" in waiting.last_error
    assert post.connections == 2


def test_delivery_without_a_letter_calls_no_server(post):
    assert post.fetch(NOON) == []
    assert post.connections == 0


def test_letter_of_a_transaction_that_failed_is_never_sent(post):
    user = make_user()
    with transaction.atomic():
        mail.send("password_changed", user.pk, now=NOON)
        transaction.set_rollback(True)
    assert post.fetch(NOON) == []


@pytest.mark.parametrize(
    "name", ["ivan\r\nBcc: eve@example.org", "ivan\nBcc: eve@example.org\n\nbody", "ivan\x0bx"]
)
def test_name_with_line_breaks_adds_no_header(post, settings, name):
    settings.LETTERS = {"password_changed": f"{__name__}.of_subject"}
    mail._finder.cache_clear()
    try:
        user = make_user(name)
        mail.send("password_changed", user.pk, now=NOON)
        [letter] = post.fetch(NOON)
    finally:
        mail._finder.cache_clear()
    assert letter.message["Bcc"] is None
    assert letter.recipients == [user.email]


@pytest.mark.parametrize(
    "address",
    [
        "a@example.org,eve@example.org",
        "a@example.org\r\nBcc: eve@example.org",
        "Ana <a@example.org>",
        "<a@example.org>",
        "nobody",
        "ıvan@example.org",
        "",
    ],
)
def test_nothing_is_sent_to_what_is_not_one_address(post, address):
    user = make_user()
    User.objects.filter(pk=user.pk).update(email=address or None)
    mail.send("password_changed", user.pk, now=NOON)
    assert post.fetch(NOON) == []
    assert OutboxMessage.objects.get().delivered_at == NOON


def test_news_that_could_not_be_told_for_days_is_dropped(post):
    mail.send("password_changed", make_user().pk, now=NOON)
    assert post.fetch(NOON + timedelta(days=4)) == []
    assert OutboxMessage.objects.get().delivered_at is not None


def test_markup_in_a_name_stays_text(post):
    user = make_user("<b>ivan</b> & co")
    mail.send("password_changed", user.pk, now=NOON)
    [letter] = post.fetch(NOON)
    assert "Hello <b>ivan</b> & co," in letter.text
    assert "Hello &lt;b&gt;ivan&lt;/b&gt; &amp; co," in letter.html


def test_unknown_letter_is_refused_at_once():
    with pytest.raises(KeyError):
        mail.send("nothing", 1, now=NOON)
    assert not OutboxMessage.objects.exists()


def test_a_thousand_letters_are_written_in_one_statement(django_assert_num_queries):
    with django_assert_num_queries(1):
        mail.send_many("password_changed", range(1_000), now=NOON)
    assert OutboxMessage.objects.count() == 1_000
