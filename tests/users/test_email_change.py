"""Another email address: unused until its reader verifies it, told to the old one, which can keep
itself. All states, in and out of order, and at the same time."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit import operations
from audit.models import Act, AuditEntry, AuditPersonal, OutboxMessage
from tests import checksum
from tests.factories import make_session, make_staff, make_user
from users.email import changes, changing, verifying
from users.email.changes import KEEP, LinkOver
from users.email.operations import CHANGE_EMAIL, RESEND_VERIFICATION, VERIFY_EMAIL
from users.models import EmailChange, PasswordLink, Session, User
from users.passwords import sending
from users.roles import Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

OLD, NEW = "old@example.org", "new@example.org"


@pytest.fixture
def admin():
    return make_staff(Role.USER_ADMIN)


@pytest.fixture
def ivan():
    user = make_user("ivan", email=OLD)
    User.objects.filter(pk=user.pk).update(email_verified_at=time_now())
    user.refresh_from_db()
    return user


def perform(operation, user, actor, **params):
    return operations.perform(
        operation, [user.pk], params, actor=actor, now=time_now(), reason="asked"
    )


def change(user, actor, to=NEW):
    done = perform(CHANGE_EMAIL, user, actor, email=to)
    return Act.objects.get(pk=done.act_id) if done.act_id else None


def undo(act, actor):
    return operations.undo(CHANGE_EMAIL, act, actor=actor, now=time_now(), reason="undo")


def letters(post):
    """By recipient."""
    return {letter.recipients[0]: letter for letter in post.fetch()}


def address(user):
    user.refresh_from_db()
    return user.email


def refusal(done):
    [row] = done.refused
    return str(row.refusal.sentence)


# In order


def test_new_address_counts_only_once_it_is_verified(post, admin, ivan, visitor):
    change(ivan, admin)
    assert address(ivan) == OLD
    sent = letters(post)
    assert set(sent) == {OLD, NEW}
    assert sent[NEW].subject == "Verify your new email address"
    assert sent[OLD].subject == "Your email address is about to change"
    assert NEW in sent[OLD].text

    page = visitor.get(sent[NEW].path)
    assert page.status_code == 200
    assert page["Referrer-Policy"] == "strict-origin"
    assert "Is this your address?" in page.text
    assert address(ivan) == OLD  # opening is not verifying

    done = visitor.send(sent[NEW].path)
    assert "The address is verified" in done.text
    assert address(ivan) == NEW
    assert ivan.email_verified_at > time_now() - timedelta(minutes=1)
    [told] = post.fetch()
    assert told.recipients == [OLD]
    assert told.subject == "Your email address was changed"
    entry = AuditEntry.objects.get(action="account.verify_email")
    assert AuditPersonal.objects.get(entry=entry).changes == {"email": [OLD, NEW]}


def test_password_link_goes_to_the_old_address_while_a_change_is_pending(post, admin, ivan):
    change(ivan, admin)
    letters(post)
    sending.send_password_link([ivan.pk], actor=admin, reason="x")
    [letter] = post.fetch()
    assert letter.recipients == [OLD]


def test_verifying_ends_sessions_and_password_links_but_ones_own_session(post, admin, ivan):
    make_session(ivan)
    sending.send_password_link([ivan.pk], actor=admin, reason="x")
    change(ivan, admin)
    sent = letters(post)
    own = Client()
    own.force_login(ivan)
    assert own.post(sent[NEW].path).status_code == 200
    assert Session.objects.filter(user=ivan).count() == 1
    assert own.get(reverse("account:ping")).json()["authenticated"]
    assert PasswordLink.objects.get().revoked_at is not None


def test_old_address_stops_a_pending_change(post, admin, ivan, visitor):
    make_session(ivan)
    change(ivan, admin)
    sent = letters(post)
    assert "Keep your address?" in visitor.get(sent[OLD].path).text
    assert EmailChange.objects.get().cancelled_at is None
    assert "Your address is kept" in visitor.send(sent[OLD].path).text
    assert EmailChange.objects.get().cancelled_at is not None
    assert not Session.objects.filter(user=ivan).exists()
    assert visitor.send(sent[NEW].path).status_code == 410
    assert visitor.send(sent[OLD].path).status_code == 410
    assert address(ivan) == OLD


def test_old_address_has_itself_back_after_the_change(post, admin, ivan, visitor):
    change(ivan, admin)
    sent = letters(post)
    visitor.send(sent[NEW].path)
    make_session(ivan)
    sending.send_password_link([ivan.pk], actor=admin, reason="x")
    told = letters(post)
    assert told[OLD].path == sent[OLD].path

    assert "Your address is kept" in visitor.send(told[OLD].path).text

    assert address(ivan) == OLD
    assert ivan.email_verified_at is not None
    assert not Session.objects.filter(user=ivan).exists()
    assert PasswordLink.objects.get().revoked_at is not None
    assert EmailChange.objects.get().undone_at is not None
    assert AuditEntry.objects.filter(action="account.keep_email").count() == 1
    before = checksum.database()
    for path in (sent[OLD].path, sent[NEW].path):
        assert visitor.get(path).status_code == 410
        assert visitor.send(path).status_code == 410
    assert checksum.database() == before


def test_old_address_cannot_undo_after_72_hours(post, admin, ivan, visitor):
    change(ivan, admin)
    sent = letters(post)
    visitor.send(sent[NEW].path)
    row = EmailChange.objects.get()
    assert row.undo_until - row.verified_at == timedelta(hours=72)
    assert not changes.why_not(row, KEEP, row.undo_until - timedelta(microseconds=1))
    assert changes.why_not(row, KEEP, row.undo_until)
    EmailChange.objects.update(undo_until=time_now())
    assert visitor.send(sent[OLD].path).status_code == 410
    assert address(ivan) == NEW


def test_link_to_verify_expires_after_48_hours(post, admin, ivan, visitor):
    change(ivan, admin)
    sent = letters(post)
    row = EmailChange.objects.get()
    assert row.expires_at - row.created_at == timedelta(hours=48)
    EmailChange.objects.update(expires_at=time_now())
    assert "expired" in visitor.send(sent[NEW].path).text
    assert visitor.get(sent[OLD].path).status_code == 410
    assert address(ivan) == OLD


def test_user_without_an_address_gets_a_first_one(post, admin, visitor):
    user = make_user()
    User.objects.filter(pk=user.pk).update(email=None)
    change(user, admin)
    sent = letters(post)
    assert set(sent) == {NEW}
    visitor.send(sent[NEW].path)
    assert address(user) == NEW
    assert post.fetch() == []


# Several


def test_newer_change_takes_the_place_of_the_pending_one(post, admin, ivan, visitor):
    change(ivan, admin, "first@example.org")
    first = letters(post)
    change(ivan, admin, "second@example.org")
    second = letters(post)
    assert visitor.send(first["first@example.org"].path).status_code == 410
    assert visitor.send(second["second@example.org"].path).status_code == 200
    assert address(ivan) == "second@example.org"
    assert EmailChange.objects.filter(changes.OPEN).count() == 0


def test_same_change_twice_is_one(admin, ivan):
    assert change(ivan, admin)
    assert change(ivan, admin) is None
    assert EmailChange.objects.count() == 1


def test_first_owner_wins_over_later_changes(post, admin, ivan, visitor):
    """Somebody who took the account over changes the address twice, to be rid of the undo."""
    change(ivan, admin, "evil1@example.org")
    first = letters(post)
    visitor.send(first["evil1@example.org"].path)
    change(ivan, admin, "evil2@example.org")
    second = letters(post)
    visitor.send(second["evil2@example.org"].path)
    change(ivan, admin, "evil3@example.org")
    third = letters(post)

    visitor.send(first[OLD].path)

    assert address(ivan) == OLD
    for letter in (second["evil1@example.org"], third["evil2@example.org"]):
        assert visitor.send(letter.path).status_code == 410
    assert visitor.send(third["evil3@example.org"].path).status_code == 410
    assert address(ivan) == OLD


# Addresses of others


@pytest.mark.parametrize("email", ["taken@example.org", "TAKEN@Example.ORG", "tAken@example.org"])
def test_address_of_somebody_else_is_refused_in_any_case(admin, ivan, email):
    make_user(email="Taken@example.org")
    before = checksum.database()
    assert refusal(perform(CHANGE_EMAIL, ivan, admin, email=email)) == (
        "Somebody else has this address."
    )
    assert checksum.database() == before


def test_ones_own_address_in_another_case_can_be_changed_to(post, admin, ivan, visitor):
    change(ivan, admin, "Old@example.org")
    visitor.send(letters(post)["Old@example.org"].path)
    assert address(ivan) == "Old@example.org"


def test_address_taken_meanwhile_is_refused_when_it_is_verified(post, admin, ivan, visitor):
    change(ivan, admin)
    sent = letters(post)
    make_user(email=NEW.upper())
    before = checksum.database()
    answer = visitor.send(sent[NEW].path)
    assert answer.status_code == 410
    assert "Another account has this address" in answer.text
    assert checksum.database() == before
    assert address(ivan) == OLD


def test_address_that_changed_otherwise_meanwhile_is_left_alone(post, admin, ivan, visitor):
    change(ivan, admin)
    sent = letters(post)
    User.objects.filter(pk=ivan.pk).update(email="imported@example.org")
    before = checksum.database()
    assert visitor.send(sent[NEW].path).status_code == 410
    assert checksum.database() == before


def test_old_address_taken_meanwhile_cannot_be_had_back(post, admin, ivan, visitor):
    act = change(ivan, admin)
    sent = letters(post)
    visitor.send(sent[NEW].path)
    make_user(email=OLD)
    assert "Another account" in visitor.send(sent[OLD].path).text
    assert address(ivan) == NEW
    assert refusal(undo(act, admin)) == "Somebody else has the old address now."


@pytest.mark.parametrize(
    "email",
    [
        "ｎew@example.org",
        "new@ｅxample.org",
        "new@exam\u2024ple.org",
        "a@example.org,b@example.org",
        "Ivan <new@example.org>",
        "new@example.org\r\nBcc: eve@example.org",
        "new",
        f"{'x' * 250}@example.org",
        "",
    ],
)
def test_what_is_no_plain_address_is_refused(email):
    form = CHANGE_EMAIL.form({"email": email, "reason": "x"}, now=time_now())
    assert "email" in form.errors


def test_twin_by_turkish_i_is_the_databases_to_judge(admin, ivan):
    make_user(email="info@example.org")
    assert refusal(perform(CHANGE_EMAIL, ivan, admin, email="INFO@example.org"))
    form = CHANGE_EMAIL.form({"email": "ınfo@example.org", "reason": "x"}, now=time_now())
    assert "email" in form.errors


# Undo by staff


def test_undo_cancels_while_pending(post, admin, ivan, visitor):
    act = change(ivan, admin)
    sent = letters(post)
    assert undo(act, admin).changed
    for letter in sent.values():
        assert visitor.send(letter.path).status_code == 410
    assert address(ivan) == OLD


def test_undo_restores_address_and_what_was_known_of_it(post, admin, ivan, visitor):
    was = ivan.email_verified_at
    User.objects.filter(pk=ivan.pk).update(email_state="bouncing")
    act = change(ivan, admin)
    visitor.send(letters(post)[NEW].path)
    make_session(ivan)
    held = Session.objects.filter(user=ivan).count()
    [row] = undo(act, admin).changed
    assert (row.before["sessions"], row.after["sessions"]) == (held, 0)
    assert address(ivan) == OLD
    assert (ivan.email_verified_at, ivan.email_state) == (was, "bouncing")
    assert not Session.objects.filter(user=ivan).exists()


def test_undo_of_a_change_that_another_followed_is_refused(post, admin, ivan, visitor):
    act = change(ivan, admin)
    visitor.send(letters(post)[NEW].path)
    change(ivan, admin, "third@example.org")
    visitor.send(letters(post)["third@example.org"].path)
    assert refusal(undo(act, admin)) == "The address changed again since."
    assert address(ivan) == "third@example.org"


def test_undo_after_the_owner_kept_the_address_is_refused(post, admin, ivan, visitor):
    act = change(ivan, admin)
    visitor.send(letters(post)[OLD].path)
    assert refusal(undo(act, admin)) == "The change was cancelled or undone since."


# Tokens


def test_tokens_fit_their_own_purpose_only(post, admin, ivan, visitor):
    change(ivan, admin)
    sent = letters(post)
    token = {to: letter.path.rstrip("/").rpartition("/")[2] for to, letter in sent.items()}
    before = checksum.database()
    for page, wrong in (
        ("verify_email", token[OLD]),
        ("keep_email", token[NEW]),
        ("choose_password", token[NEW]),
        ("verify_email", token[NEW][:-1] + "_"),
    ):
        url = reverse(f"account:{page}", args=[wrong])
        assert visitor.get(url).status_code == 404
        answer = visitor.send(url)
        assert answer.status_code == 404
        assert "ivan" not in answer.text
    assert checksum.database() == before


def test_links_stand_nowhere(post, admin, ivan):
    change(ivan, admin)
    stored = str([*OutboxMessage.objects.values(), *EmailChange.objects.values()])
    for letter in letters(post).values():
        signature = letter.path.rstrip("/").rpartition("/")[2].partition("-")[2]
        assert signature not in stored


def test_new_address_does_not_stand_in_the_act(admin, ivan):
    act = change(ivan, admin)
    assert NEW not in str(act.params)
    entry = AuditEntry.objects.get(act_id=act.pk)
    assert NEW not in str(entry.changes)
    assert AuditPersonal.objects.get(entry=entry).changes == {"email_change": [None, NEW]}


def test_closed_account_changes_no_more(post, admin, ivan, visitor):
    change(ivan, admin)
    sent = letters(post)
    User.objects.filter(pk=ivan.pk).update(closed_at=time_now())
    for letter in sent.values():
        assert visitor.send(letter.path).status_code == 410
    assert refusal(perform(CHANGE_EMAIL, ivan, admin, email="x@example.org"))


# At the same time


def _at_once(*doings):
    barrier, outcomes = threading.Barrier(len(doings)), []

    def run(number, do):
        barrier.wait()
        try:
            outcomes.append((number, do() or "done"))
        except LinkOver as error:
            outcomes.append((number, str(error)))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(doings)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == len(doings)
    return [outcome for _number, outcome in sorted(outcomes)]


@pytest.mark.django_db(transaction=True)
def test_two_users_who_verify_one_address_at_once_do_not_both_get_it(admin):
    people = [make_user() for _number in range(6)]
    for user in people:
        changing.change_email([user.pk], actor=admin, email=NEW, reason="x")
    verify = [
        lambda row=row: changes.verify(row, keep_session=None, now=time_now())
        for row in EmailChange.objects.select_related("user")
    ]
    outcomes = _at_once(*verify)
    assert outcomes.count("done") == 1
    assert User.objects.filter(email=NEW).count() == 1


@pytest.mark.django_db(transaction=True)
def test_verifying_and_keeping_at_once_ends_with_the_old_address(admin):
    for _round in range(5):
        user = make_user()
        was = user.email
        changing.change_email([user.pk], actor=admin, email=NEW, reason="x")
        row = EmailChange.objects.select_related("user").get(user=user)
        _at_once(
            lambda row=row: changes.verify(row, keep_session=None, now=time_now()),
            lambda row=row: changes.keep(row, now=time_now()),
        )
        assert address(user) == was


@pytest.mark.django_db(transaction=True)
def test_two_changes_asked_for_at_once_leave_one_pending(admin, ivan):
    _at_once(
        *(
            lambda n=n: bool(
                changing.change_email([ivan.pk], actor=admin, email=f"n{n}@example.org", reason="x")
            )
            for n in range(6)
        )
    )
    assert EmailChange.objects.filter(changes.OPEN).count() == 1


# Verified by hand, and asked again


def test_verified_by_hand_and_back(admin):
    user = make_user()
    done = perform(VERIFY_EMAIL, user, admin)
    user.refresh_from_db()
    assert user.email_verified_at is not None
    assert perform(VERIFY_EMAIL, user, admin).unchanged
    act = Act.objects.get(pk=done.act_id)
    operations.undo(VERIFY_EMAIL, act, actor=admin, now=time_now(), reason="x")
    user.refresh_from_db()
    assert user.email_verified_at is None


def test_verification_asked_again_clears_a_bounce_and_verifies(post, admin, visitor):
    user = make_user(email_state="bouncing")
    perform(RESEND_VERIFICATION, user, admin)
    user.refresh_from_db()
    assert (user.email_state, user.email_verified_at) == ("ok", None)
    [letter] = post.fetch()
    assert letter.recipients == [user.email]
    assert visitor.get(letter.path).status_code == 200
    user.refresh_from_db()
    assert user.email_verified_at is None
    assert "is verified" in visitor.send(letter.path).text
    user.refresh_from_db()
    assert user.email_verified_at is not None
    once = checksum.database()
    assert visitor.send(letter.path).status_code == 200
    assert checksum.database() == once
    assert perform(RESEND_VERIFICATION, user, admin).unchanged


@pytest.mark.parametrize("state", ["complained", "suppressed"])
def test_verification_is_not_mailed_to_who_wants_no_mail(post, admin, state):
    user = make_user(email_state=state)
    assert refusal(perform(RESEND_VERIFICATION, user, admin))
    assert post.fetch() == []


def test_verification_asked_again_of_a_pending_change_goes_to_the_new_address(
    post, admin, ivan, visitor
):
    change(ivan, admin)
    first = letters(post)[NEW]
    assert perform(RESEND_VERIFICATION, ivan, admin).changed
    [again] = post.fetch()
    assert again.recipients == [NEW]
    assert again.path == first.path
    visitor.send(again.path)
    assert address(ivan) == NEW


def test_link_that_verifies_the_present_address_ends_with_it_and_after_two_days(
    post, admin, visitor
):
    user = make_user()
    perform(RESEND_VERIFICATION, user, admin)
    [letter] = post.fetch()
    token = letter.path.rstrip("/").rpartition("/")[2]
    assert verifying.by_token(token, now=time_now() + timedelta(days=2)) == user
    assert verifying.by_token(token, now=time_now() + timedelta(days=3)) is None
    User.objects.filter(pk=user.pk).update(email="else@example.org")
    assert visitor.send(letter.path).status_code == 404


# Where staff see it


def test_user_page_says_what_is_changing_masked_where_it_must_be(admin, ivan):
    change(ivan, admin)
    client = Client()
    for role, shown in ((Role.USER_ADMIN, True), (Role.READ_ONLY, False)):
        client.force_login(make_staff(role))
        page = client.get(reverse("user", args=[ivan.pk])).text
        assert "changing to" in page
        assert "not verified yet" in page
        assert (NEW in page) is shown
    EmailChange.objects.update(expires_at=time_now())
    assert "changing to" not in client.get(reverse("user", args=[ivan.pk])).text
