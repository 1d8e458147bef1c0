"""Resetting somebody's second factor: what ends, who is told, and what it does not do."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils.timezone import now

from audit import operations, outbox
from audit.models import Act, AuditEntry, OutboxMessage
from audit.people import SYSTEM
from tests import checksum
from tests.factories import make_session, make_staff
from tests.users.codes import enrolled
from tests.users.conftest import Visitor, person
from users.models import Session, User
from users.roles import Role
from users.second_factor.authenticators import Authenticator, is_enrolled
from users.second_factor.operations import RESET_SECOND_FACTOR
from users.second_factor.resets import reset_second_factor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

PROOF = {"identity_proof": "called back on the known number"}


def reset(user, actor=SYSTEM):
    return reset_second_factor([user.pk], actor=actor, reason="lost the phone", **PROOF)


def test_reset_ends_sessions_and_the_password_alone_signs_in(visitor):
    user, app = enrolled()
    visitor.sign_in("ana")
    visitor.send(reverse("account:sign_in_code"), {"code": app.code()})
    other = make_session(person("eve"))
    reset(user)
    assert not is_enrolled(user)
    assert not Authenticator.objects.filter(user=user).exists()
    assert list(Session.objects.values_list("pk", flat=True)) == [other.pk]
    again = Visitor()
    again.sign_in("ana")
    assert again.is_in()


def test_reset_of_staff_leads_them_to_set_up_a_new_one(visitor, settings):
    settings.REQUIRE_STAFF_MFA = True
    user, _app = enrolled(role=Role.SUPPORT)
    reset(user)
    visitor.sign_in("ana")
    assert visitor.get("/admin/").headers["Location"] == reverse("account:set_up_second_factor")


def test_reset_is_told_to_the_person_by_mail(mailoutbox):
    user, _app = enrolled()
    reset(user)
    OutboxMessage.objects.get()
    outbox.deliver(now=now())
    [letter] = mailoutbox
    assert letter.to == [user.email]
    assert letter.subject == "Your second factor was reset"


def test_own_change_of_the_second_factor_is_told_too(visitor, mailoutbox):
    user, app = enrolled()
    visitor.sign_in("ana")
    visitor.send(reverse("account:sign_in_code"), {"code": app.code()})
    visitor.send(reverse("account:remove_second_factor"))
    outbox.deliver(now=now())
    assert [(letter.to, letter.subject) for letter in mailoutbox] == [
        ([user.email], "Your second factor was changed")
    ]


def test_reset_keeps_the_proof_on_record_and_nothing_of_the_secret():
    user, app = enrolled()
    receipts = reset(user, actor=make_staff(Role.SUPER_ADMIN))
    act = Act.objects.get(pk=receipts.act_id)
    assert act.params == PROOF
    entry = AuditEntry.objects.get(act_id=act.pk)
    assert set(entry.changes) == {"second_factor", "sessions"}
    assert app.secret not in str(entry.changes)


def test_reset_has_no_undo():
    user, _app = enrolled()
    boss = make_staff(Role.SUPER_ADMIN)
    act = Act.objects.get(pk=reset(user, actor=boss).act_id)
    why = operations.why_not_undo(RESET_SECOND_FACTOR, act, actor=boss, now=now())
    assert why == "This act has no undo."


@pytest.mark.parametrize(
    ("fields", "sentence"), [({"closed_at": now()}, "The account is closed."), ({}, None)]
)
def test_reset_of_who_has_none_changes_nothing(fields, sentence):
    user = person(**fields)
    before = checksum.database(without=("audit_receipt", "audit_act"))
    receipts = reset(user)
    assert not receipts.changed
    assert [row.refusal.sentence for row in receipts.refused] == ([sentence] if sentence else [])
    assert checksum.database(without=("audit_receipt", "audit_act")) == before


def test_reset_needs_a_proof_of_identity():
    form = RESET_SECOND_FACTOR.form({"reason": "asked", "identity_proof": " "}, now=now())
    assert list(form.errors) == ["identity_proof"]


def test_with_second_factor_are_those_who_have_one():
    user, _app = enrolled()
    person("eve")
    assert list(User.objects.with_second_factor()) == [user]


def run(*arguments):
    output = StringIO()
    call_command("reset_second_factor", *arguments, stdout=output)
    return output.getvalue().strip()


def test_command_resets_that_of_a_super_admin():
    user, _app = enrolled(role=Role.SUPER_ADMIN)
    words = ("ana", "--reason", "lost the phone", "--proof", "stands beside me")
    assert run(*words) == "ana has no second factor any more."
    assert not is_enrolled(user)
    assert run(*words) == "Nothing to do: it is so already."
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        run("nobody", *words[1:])
