"""Granting and revoking roles: the ceiling, sessions, and the last super admin."""

from functools import partial
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from audit import operations
from audit.execution import ApprovalNeeded, OperationRefused, execute
from audit.models import Act, AuditEntry, Receipt
from audit.people import SYSTEM
from audit.runs import approving, asking
from tests import checksum
from tests.audit.approvals.asked import role_for, work
from tests.billing.holders import at_once
from tests.factories import make_session, make_staff, make_user
from users.models import ReasonCode, Restriction, User
from users.passwords.hashers import ImportHasher
from users.restrictions import services
from users.restrictions.operations import LIFT_RESTRICTION
from users.roles import Role
from users.sign_in.signing_in import why_not_in
from users.staff.operations import GRANT_ROLE, REVOKE_ROLE
from users.staff.services import grant_role, revoke_role
from users.staff.staffing import usable_super_admins

pytestmark = pytest.mark.django_db

LAST = "One usable super admin must remain, and there is no other."


def make_super(**fields):
    """A super admin who can sign in."""
    user = make_staff(Role.SUPER_ADMIN)
    User.objects.filter(pk=user.pk).update(**({"password": "a hash of something"} | fields))
    user.refresh_from_db()
    return user


def suspend(user, **more):
    return services.suspend(
        [user.pk], actor=SYSTEM, reason_code="spam", ends_at=None, reason="x", **more
    )


def demote(user):
    return revoke_role([user.pk], actor=SYSTEM, reason="race")


def refusals(receipts):
    return [row.refusal.sentence for row in receipts.refused]


def role_of(user):
    return User.objects.get(pk=user.pk).role


# The ceiling


@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.SUPPORT, Role.USER_ADMIN])
def test_grant_by_a_super_admin_ends_the_sessions(role):
    boss, user = make_super(), make_user()
    make_session(user)
    run = role_for(user, role, actor=boss)
    approving.approve(run.pk, actor=make_super(), now=now())
    work()
    assert role_of(user) == role
    assert not user.sessions.exists()


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.SUPER_ADMIN])
def test_grant_is_asked_for_on_the_page_and_not_done_by_the_operation(role):
    boss, user = make_super(), make_user()
    before = checksum.database()
    with pytest.raises(ApprovalNeeded):
        operations.perform(GRANT_ROLE, [user.pk], {"role": role}, actor=boss, now=now(), reason="x")
    client = Client()
    client.force_login(boss)
    url = reverse("operate:one", args=[user.pk, "users.grant_role"])
    page = client.post(url, {"role": role, "reason": "x", "step": "preview"})
    assert "Ask for approval" in page.content.decode()
    assert checksum.database() == before


@pytest.mark.parametrize("operation", [GRANT_ROLE, REVOKE_ROLE])
def test_role_of_a_super_admin_or_oneself_is_out_of_reach(operation):
    boss, other = make_super(), make_super()
    for target in (boss, other):
        receipts = execute(
            operation.procedure,
            [target.pk],
            {"role": "support"},
            actor=boss,
            now=now(),
            reason="x",
            guards=operation.guards,
        )
        assert receipts.refused
    assert role_of(boss) == role_of(other) == Role.SUPER_ADMIN


def test_grant_to_the_closed_and_the_suspended_is_refused():
    closed, suspended = make_user(closed_at=now()), make_user()
    suspend(suspended)
    receipts = grant_role([closed.pk, suspended.pk], actor=SYSTEM, role="support", reason="x")
    assert refusals(receipts) == [
        "The account is closed.",
        "The account is suspended; lift the suspension first.",
    ]


def test_grant_of_the_role_one_has_is_no_change():
    assert grant_role(
        [make_staff(Role.SUPPORT).pk], actor=SYSTEM, role="support", reason="x"
    ).unchanged


def test_grant_keeps_an_imported_password_out_until_it_is_wrapped():
    user = make_user()
    User.objects.filter(pk=user.pk).update(password=f"{ImportHasher.algorithm}$x")
    user.refresh_from_db()
    assert why_not_in(user, now=now()) == ""
    grant_role([user.pk], actor=SYSTEM, role="support", reason="x")
    user.refresh_from_db()
    assert "stronger protection" in why_not_in(user, now=now())


# Undo


def test_undo_of_a_grant_ends_the_sessions_of_the_meantime():
    boss, user = make_super(), make_user()
    receipts = grant_role([user.pk], actor=boss, role="support", reason="x")
    make_session(user)
    act = Act.objects.get(pk=receipts.act_id)
    run = asking.ask_to_undo(act, actor=boss, now=now(), reason="undo")
    approving.approve(run.pk, actor=make_super(), now=now())
    work()
    assert role_of(user) == Role.NONE
    assert not user.sessions.exists()


def test_undo_makes_nobody_super_admin():
    boss, other = make_super(), make_super()
    act = Act.objects.get(pk=revoke_role([other.pk], actor=SYSTEM, reason="x").act_id)
    with pytest.raises(OperationRefused, match="Nobody would be changed"):
        asking.ask_to_undo(act, actor=boss, now=now(), reason="undo")
    assert role_of(other) == Role.NONE


def test_undo_of_a_revocation_after_the_role_changed_or_the_account_closed_is_refused():
    boss = make_super()
    changed, closed = make_staff(Role.SUPPORT), make_staff(Role.SUPPORT)
    receipts = revoke_role([changed.pk, closed.pk], actor=boss, reason="x")
    grant_role([changed.pk], actor=boss, role="user_admin", reason="x")
    User.objects.filter(pk=closed.pk).update(closed_at=now())
    act = Act.objects.get(pk=receipts.act_id)
    undone = operations.undo(REVOKE_ROLE, act, actor=boss, now=now(), reason="undo")
    assert refusals(undone) == [
        "The role was changed again since.",
        "The account was closed or suspended since.",
    ]


# The last super admin


def test_usable_is_open_not_suspended_and_with_a_password():
    usable = make_super()
    make_super(password="!unusable")
    make_super(closed_at=now())
    suspend(make_super())
    assert list(usable_super_admins()) == [usable]


@pytest.mark.parametrize("spare", ["!unusable", None])
def test_last_usable_super_admin_is_neither_demoted_nor_suspended(spare):
    last = make_super()
    if spare:
        make_super(password=spare)
    before = checksum.database()
    assert refusals(revoke_role([last.pk], actor=SYSTEM, reason="x")) == [LAST]
    assert refusals(grant_role([last.pk], actor=SYSTEM, role="support", reason="x")) == [LAST]
    assert refusals(suspend(last)) == [LAST]
    assert checksum.database() == before


def test_all_super_admins_at_once_are_refused_and_the_others_not():
    one, two, support = make_super(), make_super(), make_staff(Role.SUPPORT)
    receipts = revoke_role([one.pk, two.pk, support.pk], actor=SYSTEM, reason="x")
    assert refusals(receipts) == [LAST, LAST]
    assert role_of(support) == Role.NONE
    assert revoke_role([one.pk], actor=SYSTEM, reason="x").changed


def test_undoing_a_lifted_suspension_spares_the_last_super_admin():
    one, two = make_super(), make_super()
    suspend(one)
    lifted = services.lift_restriction([one.pk], actor=SYSTEM, reason="x")
    revoke_role([two.pk], actor=SYSTEM, reason="x")
    act = Act.objects.get(pk=lifted.act_id)
    receipts = dict(Receipt.objects.filter(act=act).values_list("target_id", "undo"))
    undone = execute(
        LIFT_RESTRICTION.inverse,
        receipts,
        {"act": act.pk, "receipts": receipts},
        actor=SYSTEM,
        now=now(),
        reason="undo",
        undoes=act.pk,
    )
    assert refusals(undone) == [LAST]
    assert not Restriction.objects.live(now()).filter(user=one).exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("races")
def test_last_two_super_admins_demoted_or_suspended_at_once_leave_one():
    ReasonCode.objects.get_or_create(code="spam", defaults={"label": "Spam", "public_text": "x"})
    for attempt in range(6):
        one, two = make_super(), make_super()
        others = usable_super_admins().exclude(pk__in=[one.pk, two.pk])
        User.objects.filter(pk__in=list(others.values_list("pk", flat=True))).update(password="!")
        results = at_once(partial(demote, one), partial(suspend if attempt % 2 else demote, two))
        assert sorted(len(result.changed) for result in results) == [0, 1]
        assert usable_super_admins().count() == 1


# The commands


def run(*arguments):
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue().strip()


def test_command_makes_and_unmakes_a_super_admin():
    make_super()
    user = make_user("Ana")
    assert run("grant_role", "ana", "super_admin", "--reason", "cover") == "Ana is Super admin now."
    assert role_of(user) == Role.SUPER_ADMIN
    assert run("grant_role", "ana", "super_admin", "--reason", "x").startswith("Nothing to do")
    done = run("revoke_role", str(user.pk), "--reason", "back")
    assert done == "Ana has no role any more."
    entry = AuditEntry.objects.filter(target_id=user.pk).latest("id")
    assert (entry.action, entry.reason, entry.actor_id) == ("users.revoke_role", "back", None)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["revoke_role", "nobody", "--reason", "x"], "no user 'nobody'"),
        (["revoke_role", "chief", "--reason", "x"], "must remain"),
        (["revoke_role", "chief", "--reason", " "], "reason is empty"),
        (["revoke_role", "chief"], "--reason"),
        (["grant_role", "chief", "emperor", "--reason", "x"], "invalid choice"),
        (["grant_role", "9" * 30, "support", "--reason", "x"], "no user"),
    ],
)
def test_command_says_what_is_wrong_and_writes_nothing(arguments, why):
    user = make_super()
    User.objects.filter(pk=user.pk).update(username="chief")
    before = checksum.database()
    with pytest.raises(CommandError, match=why):
        run(*arguments)
    assert checksum.database() == before
