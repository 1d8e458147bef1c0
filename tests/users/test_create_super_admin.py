"""The command that makes the first super admin."""

import os
import pty
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from audit.models import AuditEntry
from tests.factories import make_user
from tests.hashing import hash_of
from users.models import Session, User
from users.roles import Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

GIVEN = "a password that was given"


def run(*arguments):
    output = StringIO()
    call_command("create_super_admin", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch, settings):
    monkeypatch.setattr(sys, "stdin", StringIO())
    settings.ADMIN_PASSWORD = ""


def test_super_admin_is_made_with_a_password_shown_once(visitor):
    output = run()
    password = output.rpartition(": ")[2].strip()
    assert len(password) >= 20
    user = User.objects.get()
    assert (user.username, user.role) == ("admin", Role.SUPER_ADMIN)
    assert password not in user.password
    assert visitor.sign_in("admin", password).headers["Location"] == reverse("home")


def test_super_admin_generated_passwords_differ():
    first = run().rpartition(": ")[2]
    assert run("--reset").rpartition(": ")[2] != first


def test_super_admin_takes_the_given_password_and_does_not_print_it(settings, visitor):
    settings.ADMIN_PASSWORD = GIVEN
    output = run("--username", "chief", "--email", "chief@example.org")
    assert GIVEN not in output
    assert User.objects.get().email == "chief@example.org"
    assert visitor.sign_in("chief@example.org", GIVEN).status_code == 302


@pytest.mark.parametrize("weak", ["short", "password1234", "123456789012", "admin-admin1"])
def test_super_admin_weak_password_is_refused(settings, weak):
    settings.ADMIN_PASSWORD = weak
    with pytest.raises(CommandError, match="COAI_ADMIN_PASSWORD is not accepted"):
        run("--username", "admin-admin")
    assert not User.objects.exists()


def test_super_admin_second_is_refused():
    run()
    before = User.objects.get().password
    with pytest.raises(CommandError, match=r"There is a super admin already: admin\."):
        run("--username", "second")
    assert User.objects.get().password == before


def test_super_admin_name_of_a_customer_is_refused():
    make_user("Admin")
    with pytest.raises(CommandError, match="Admin is an account already"):
        run()
    assert User.objects.get().role == Role.NONE


@pytest.mark.parametrize("email", ["nonsense", "a@b@c"])
def test_super_admin_wrong_email_is_refused(email):
    with pytest.raises(CommandError, match="not an email address"):
        run("--email", email)
    assert not User.objects.exists()


def test_super_admin_email_of_another_is_refused():
    make_user("ana", email="ana@example.org")
    with pytest.raises(CommandError, match="the address of another account"):
        run("--email", "ANA@example.org")


def test_reset_gives_a_new_password_and_ends_sessions(visitor):
    password = run().rpartition(": ")[2].strip()
    visitor.sign_in("admin", password)
    assert visitor.is_in()
    again = run("--reset").rpartition(": ")[2].strip()
    assert not visitor.is_in()
    assert not Session.objects.filter(user__isnull=False).exists()
    assert visitor.sign_in("admin", password).status_code == 200
    assert visitor.sign_in("admin", again).status_code == 302


def test_reset_promotes_and_reopens_the_account_named():
    run()
    user = make_user("ana", password=None, closed_at="2026-01-01T00:00Z")
    User.objects.filter(pk=user.pk).update(password=hash_of(), must_change_password=True)
    run("--reset", "--username", "ANA")
    user.refresh_from_db()
    assert (user.role, user.closed_at, user.must_change_password) == (Role.SUPER_ADMIN, None, False)
    assert User.objects.filter(role=Role.SUPER_ADMIN).count() == 2


def test_super_admin_is_recorded_without_the_password():
    password = run().rpartition(": ")[2].strip()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_id) == ("users.create_super_admin", None)
    assert entry.changes["role"] == [None, "super_admin"]
    assert password not in str(entry.changes) + entry.reason


def _in_a_terminal(answers, monkeypatch):
    """Run the command with a terminal at its standard input."""
    ours, theirs = pty.openpty()
    answers = list(answers)
    monkeypatch.setattr(
        "users.management.commands.create_super_admin.getpass.getpass",
        lambda prompt: answers.pop(0),
    )
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        try:
            return run()
        finally:
            monkeypatch.setattr(sys, "stdin", StringIO())
            os.close(ours)


def test_super_admin_password_is_asked_for_in_a_terminal(monkeypatch, visitor):
    output = _in_a_terminal([GIVEN, GIVEN], monkeypatch)
    assert "Password" not in output
    assert visitor.sign_in("admin", GIVEN).status_code == 302


def test_super_admin_password_typed_differently_is_refused(monkeypatch):
    with pytest.raises(CommandError, match="The two do not match"):
        _in_a_terminal([GIVEN, "another password"], monkeypatch)
    assert not User.objects.exists()


def test_super_admin_nothing_typed_makes_a_password(monkeypatch):
    assert "shown only this once" in _in_a_terminal([""], monkeypatch)


def test_no_account_is_usable_after_installation():
    """Migrations bring no account, so there is no default password."""
    assert not User.objects.exists()
