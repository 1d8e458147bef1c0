"""Keeping an address when somebody else had the account meanwhile: the password they chose is void,
and whoever reads the restored address chooses another."""

from datetime import timedelta

import pytest
from django.utils.timezone import now as time_now

from audit.models import AuditEntry, OutboxMessage
from tests import checksum
from tests.factories import make_staff
from tests.hashing import PASSWORD
from tests.users.conftest import person
from users.email import changing
from users.models import EmailChange, PasswordLink, Session, User
from users.passwords import sending
from users.roles import Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

OLD, NEW = "old@example.org", "evil@example.org"
THEIRS, OWN = "a wholly different battery", "the owner's own new words"
VOIDED = "account.void_password"


@pytest.fixture
def admin():
    return make_staff(Role.USER_ADMIN)


@pytest.fixture
def ivan():
    return person("ivan", email=OLD, must_change_password=True)


def letters(post):
    """By recipient and subject."""
    return {(letter.recipients[0], letter.subject): letter for letter in post.fetch()}


def change(user, admin, post):
    """Ask for the new address: the links to verify it, and to keep the old one."""
    changing.change_email([user.pk], actor=admin, email=NEW, reason="x")
    sent = {recipient: letter for (recipient, _subject), letter in letters(post).items()}
    return sent[NEW].path, sent[OLD].path


def choose(user, admin, post, visitor, password):
    sending.send_password_link([user.pk], actor=admin, reason="x")
    [letter] = [each for (_to, subject), each in letters(post).items() if "Choose" in subject]
    assert visitor.send(letter.path, {"new": password, "again": password}).status_code == 302
    letters(post)


def taken_over(user, admin, post, visitor):
    """Somebody verifies another address and chooses a password there: the owner's link."""
    verify, keep = change(user, admin, post)
    visitor.send(verify)
    choose(user, admin, post, visitor, THEIRS)
    return keep


def may_sign_in(visitor, password):
    return visitor.sign_in("ivan", password).status_code == 302


def test_password_chosen_after_the_change_is_void_once_the_address_is_kept(
    post, admin, ivan, visitor
):
    keep = taken_over(ivan, admin, post, visitor)
    assert may_sign_in(visitor, THEIRS)
    page = visitor.get(keep)
    assert "Choose a new password" not in page.text
    assert may_sign_in(visitor, THEIRS)  # opening is not keeping

    done = visitor.send(keep)

    assert "Choose a new password: we have mailed you a link." in " ".join(done.text.split())
    ivan.refresh_from_db()
    assert (ivan.email, ivan.has_usable_password()) == (OLD, False)
    assert not ivan.must_change_password
    assert ivan.password_changed_at > time_now() - timedelta(minutes=1)
    assert not Session.objects.filter(user=ivan).exists()
    assert not may_sign_in(visitor, THEIRS)
    assert not may_sign_in(visitor, PASSWORD)


def test_owner_chooses_a_password_by_the_link_that_is_mailed(post, admin, ivan, visitor):
    visitor.send(taken_over(ivan, admin, post, visitor))
    [letter] = post.fetch()
    assert (letter.recipients, letter.subject) == ([OLD], "Choose a new password")
    assert "no password" in letter.text
    assert "Your present password" not in letter.text
    assert visitor.send(letter.path, {"new": OWN, "again": OWN}).status_code == 302
    assert may_sign_in(visitor, OWN)


def test_voided_password_stands_in_the_audit_log_beside_the_kept_address(
    post, admin, ivan, visitor
):
    visitor.send(taken_over(ivan, admin, post, visitor))
    kept = AuditEntry.objects.get(action="account.keep_email")
    voided = AuditEntry.objects.get(action=VOIDED)
    assert (voided.actor_id, voided.target_id) == (ivan.pk, ivan.pk)
    assert voided.created_at == kept.created_at
    assert voided.changes["password"] == "void"
    assert voided.changes["password_link"][1].startswith("valid until")


def test_password_older_than_the_change_is_kept(post, admin, ivan, visitor):
    choose(ivan, admin, post, visitor, OWN)
    verify, keep = change(ivan, admin, post)
    visitor.send(verify)
    post.fetch()
    done = visitor.send(keep)
    assert "Your address is kept" in done.text
    assert "we have mailed you a link" not in done.text
    assert post.fetch() == []
    assert may_sign_in(visitor, OWN)
    assert not AuditEntry.objects.filter(action=VOIDED).exists()


def test_password_chosen_between_the_request_and_the_change_is_void(post, admin, ivan, visitor):
    """The link went to the old address; only whoever asked for the change is known to be no
    owner, so nothing chosen since is trusted."""
    verify, keep = change(ivan, admin, post)
    choose(ivan, admin, post, visitor, THEIRS)
    visitor.send(verify)
    visitor.send(keep)
    ivan.refresh_from_db()
    assert not ivan.has_usable_password()


def test_change_that_was_never_verified_voids_nothing(post, admin, ivan, visitor):
    _verify, keep = change(ivan, admin, post)
    choose(ivan, admin, post, visitor, OWN)
    assert "Your address is kept" in visitor.send(keep).text
    assert post.fetch() == []
    assert may_sign_in(visitor, OWN)


def test_later_change_is_undone_and_its_password_void(post, admin, ivan, visitor):
    keep = taken_over(ivan, admin, post, visitor)
    changing.change_email([ivan.pk], actor=admin, email="evil2@example.org", reason="x")
    sent = {recipient: letter for (recipient, _subject), letter in letters(post).items()}
    visitor.send(sent["evil2@example.org"].path)
    post.fetch()
    visitor.send(keep)
    [letter] = post.fetch()
    assert letter.recipients == [OLD]
    assert not User.objects.get(pk=ivan.pk).has_usable_password()


def test_link_that_was_used_voids_no_password_again(post, admin, ivan, visitor):
    keep = taken_over(ivan, admin, post, visitor)
    visitor.send(keep)
    [letter] = post.fetch()
    visitor.send(letter.path, {"new": OWN, "again": OWN})
    before = checksum.database()
    assert visitor.send(keep).status_code == 410
    assert checksum.database() == before
    assert may_sign_in(visitor, OWN)


def test_closed_account_keeps_its_address_and_password_as_they_are(post, admin, ivan, visitor):
    keep = taken_over(ivan, admin, post, visitor)
    User.objects.filter(pk=ivan.pk).update(closed_at=time_now())
    before = checksum.database()
    assert visitor.send(keep).status_code == 410
    assert checksum.database() == before


def test_address_taken_meanwhile_leaves_the_password_and_mails_nothing(post, admin, ivan, visitor):
    keep = taken_over(ivan, admin, post, visitor)
    person("olga", email=OLD)
    before = checksum.database()
    assert visitor.send(keep).status_code == 410
    assert checksum.database() == before
    assert not OutboxMessage.objects.filter(delivered_at=None).exists()


def test_link_that_was_mailed_to_the_other_address_is_revoked(post, admin, ivan, visitor):
    keep = taken_over(ivan, admin, post, visitor)
    sending.send_password_link([ivan.pk], actor=admin, reason="x")
    theirs = letters(post)[NEW, "Choose a new password"]
    visitor.send(keep)
    assert visitor.get(theirs.path).status_code == 410
    open_links = PasswordLink.objects.filter(used_at=None, revoked_at=None)
    assert [link.email for link in open_links] == [OLD]
    assert EmailChange.objects.get().undone_at is not None
