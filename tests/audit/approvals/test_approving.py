"""Two people for what one must not do alone."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils.timezone import now

from audit import operations
from audit.execution import ApprovalNeeded, OperationRefused
from audit.models import Act, Approval, AuditEntry, OutboxMessage, Run
from audit.people import SYSTEM
from audit.registry import operations as registered
from audit.runs import approving, asking, drafting, steering
from billing.models import Account
from tests import checksum
from tests.audit.approvals.asked import approval_of, ask, large_gift, role_for, work
from tests.audit.runs.prepared import GIFT, draft, worked
from tests.factories import make_staff, make_user, make_users
from users import console_settings
from users.models import User
from users.restrictions import services as restrictions
from users.roles import Role
from users.staff import services as staffing

pytestmark = pytest.mark.django_db


SUSPENSION = {"reason_code": ["spam"], "ends_at": ["3d"], "internal_note": [""]}
ITS_OWN = {"audit_run", "audit_approval", "audit_entry", "audit_personal", "audit_outbox"}


def balances(ids):
    return set(Account.objects.filter(user__in=ids).values_list("balance", flat=True))


def approve(run, actor, **more):
    approving.approve(run.pk, actor=actor, now=more.pop("at", None) or now(), **more)


def refused(run, actor, match, **more):
    """That approving is refused with these words, and that nothing is written."""
    before = checksum.database()
    with pytest.raises(OperationRefused, match=match):
        approve(run, actor, **more)
    assert checksum.database() == before


def ended(run, actor, match, decision, **more):
    """That approving ends the request, which changes nobody."""
    people = checksum.database(without=ITS_OWN)
    with pytest.raises(OperationRefused, match=match):
        approve(run, actor, **more)
    assert approval_of(run).decision == decision
    run.refresh_from_db()
    assert run.state == Run.State.CANCELLED
    work()
    assert checksum.database(without=ITS_OWN) == people


def actions(run):
    entries = AuditEntry.objects.filter(act_id=run.pk).order_by("pk")
    return list(entries.values_list("action", "actor_id"))


# From asking to done


def test_act_is_done_in_the_name_of_who_asked_once_a_colleague_approves():
    boss, other, ana = make_staff(Role.SUPER_ADMIN), make_staff(Role.SUPER_ADMIN), make_user()

    run = role_for(ana, actor=boss)

    work()
    ana.refresh_from_db()
    assert (run.state, ana.role) == (Run.State.WAITING, Role.NONE)
    assert not Act.objects.filter(pk=run.pk).exists()
    approve(run, other, note="agreed on the phone")
    work()
    ana.refresh_from_db()
    assert ana.role == Role.SUPPORT
    act = Act.objects.get(pk=run.pk)
    assert (act.actor_id, act.reason, act.ticket) == (boss.pk, "an outage", "T-9")
    approval = approval_of(run)
    assert (approval.decision, approval.decided_by) == ("approved", other)
    assert actions(run) == [
        ("audit.ask_approval", boss.pk),
        ("audit.approve_run", other.pk),
        ("users.grant_role", boss.pk),
    ]
    entry = AuditEntry.objects.get(act_id=run.pk, action="audit.approve_run")
    assert entry.reason == "agreed on the phone"
    assert entry.changes["digest"] == approval.digest


def test_refusal_ends_it_with_the_note_and_changes_nobody():
    other, ana = make_staff(Role.SUPER_ADMIN), make_user()
    run = role_for(ana)

    approving.refuse(run.pk, actor=other, now=now(), note="who is that?")

    work()
    ana.refresh_from_db()
    run.refresh_from_db()
    assert (ana.role, run.state) == (Role.NONE, Run.State.CANCELLED)
    assert "who is that?" in run.why
    assert actions(run)[-1] == ("audit.refuse_run", other.pk)
    assert not Act.objects.filter(pk=run.pk).exists()


# When it is asked for


@pytest.mark.parametrize(
    ("role", "code", "data"),
    [
        (Role.SUPER_ADMIN, "users.grant_role", {"role": "support"}),
        (Role.SUPER_ADMIN, "billing.adjust_credits", {"delta": Decimal(100_001)}),
        (Role.USER_ADMIN, "billing.adjust_credits", {"delta": Decimal(10_001)}),
    ],
)
def test_act_that_takes_two_people_is_not_done_by_one(role, code, data):
    ids, actor = make_users(1), make_staff(role)
    before = checksum.database()
    with pytest.raises(ApprovalNeeded):
        operations.perform(
            registered()[code], ids, data, actor=actor, now=now(), reason="alone", ticket=""
        )
    assert checksum.database() == before
    assert operations.preview(registered()[code], ids, data, actor=actor, now=now()).approval


def test_support_is_refused_over_its_cap_whoever_would_approve():
    ids, actor = make_users(1), make_staff(Role.SUPPORT)
    with pytest.raises(OperationRefused, match="at most 50") as refusal:
        operations.perform(
            registered()["billing.adjust_credits"],
            ids,
            {"delta": Decimal(60)},
            actor=actor,
            now=now(),
            reason="x",
        )
    assert not isinstance(refusal.value, ApprovalNeeded)
    with pytest.raises((OperationRefused, PermissionDenied)):
        large_gift(ids, actor=actor, delta="60")


def test_credits_of_all_targets_together_count():
    ids, actor = make_users(3), make_staff(Role.SUPER_ADMIN)
    adjust, each = registered()["billing.adjust_credits"], {"delta": Decimal(40_000)}
    assert not operations.preview(adjust, ids[:2], each, actor=actor, now=now()).approval
    assert operations.preview(adjust, ids, each, actor=actor, now=now()).approval


def test_run_on_more_users_than_one_person_may_waits_when_it_is_confirmed():
    console_settings.shelf.known = {"approvals": {"users": 10, "credits": "100000"}}
    actor, other, ids = make_staff(Role.USER_ADMIN), make_staff(Role.USER_ADMIN), make_users(11)
    run = worked(draft(ids, actor=actor))

    run = steering.confirm(run.pk, actor=actor, now=now(), reason="an outage")

    assert run.state == Run.State.WAITING
    assert approval_of(run).reasons == ["More than 10 users."]
    work()
    assert balances(ids) == {Decimal(0)}
    approve(run, other)
    work()
    assert balances(ids) == {Decimal(5)}


def test_run_within_what_one_person_may_starts_when_it_is_confirmed():
    actor, ids = make_staff(Role.USER_ADMIN), make_users(11)
    run = worked(draft(ids, actor=actor))
    run = steering.confirm(run.pk, actor=actor, now=now(), reason="an outage")
    assert run.state == Run.State.RUNNING


def test_run_over_the_cap_of_its_owner_waits():
    actor, ids = make_staff(Role.USER_ADMIN), make_users(3)
    run = worked(draft(ids, actor=actor, data=GIFT | {"delta": ["5000"]}))
    run = steering.confirm(run.pk, actor=actor, now=now(), reason="an outage")
    assert run.state == Run.State.WAITING
    approve(run, make_staff(Role.SUPER_ADMIN))
    work()
    assert balances(ids) == {Decimal(5000)}


def test_runs_that_together_go_over_a_cap_halt_where_it_is_reached():
    actor, ids = make_staff(Role.USER_ADMIN), make_users(2)
    console_settings.shelf.known = {
        "credit_limits.user_admin": {
            "per_act": "100",
            "per_day": "100",
            "acts_per_day": None,
            "per_user_a_month": None,
        }
    }
    drafts = [worked(draft([pk], actor=actor, data=GIFT | {"delta": ["60"]})) for pk in ids]
    runs = [steering.confirm(run.pk, actor=actor, now=now(), reason="x") for run in drafts]
    assert {run.state for run in runs} == {Run.State.RUNNING}

    work()

    for run in runs:
        run.refresh_from_db()
    assert sorted(run.state for run in runs) == [Run.State.DONE, Run.State.HALTED]
    assert sorted(balances(ids)) == [Decimal(0), Decimal(60)]


def test_nothing_is_asked_for_that_one_person_may_do():
    actor, before = make_staff(Role.SUPER_ADMIN), Run.objects.count()
    with pytest.raises(OperationRefused, match="One person is enough"):
        large_gift(actor=actor, delta="5")
    assert (Run.objects.count(), Approval.objects.count()) == (before, 0)


def test_asking_twice_with_the_same_id_asks_once():
    actor, ana = make_staff(Role.SUPER_ADMIN), make_user()
    data = {"role": ["support"]}
    run = ask("users.grant_role", [ana.pk], data, actor=actor)
    again = ask("users.grant_role", [ana.pk], data, actor=actor, run_id=run.pk)
    assert (again, Approval.objects.count()) == (run, 1)


def test_the_system_asks_nobody():
    ids = make_users(1)
    adjust = registered()["billing.adjust_credits"]
    done = operations.perform(
        adjust, ids, {"delta": Decimal(10**6)}, actor=SYSTEM, now=now(), reason="x"
    )
    assert done.changed


# Who may decide


def test_maker_does_not_approve_their_own():
    boss = make_staff(Role.SUPER_ADMIN)
    refused(large_gift(actor=boss), boss, "asked for this yourself")


def test_beneficiary_does_not_approve_what_is_done_to_them():
    boss, other = make_staff(Role.SUPER_ADMIN), make_staff(Role.SUPER_ADMIN)
    User.objects.filter(pk=boss.pk).update(password="of some kind")
    run = ask("users.suspend", [*make_users(2), other.pk], SUSPENSION, actor=boss)
    refused(run, other, "done to your own account")


def test_who_is_only_refused_by_it_approves_it():
    """All are selected, colleagues included, to whom nothing is done."""
    boss, other, ids = make_staff(Role.USER_ADMIN), make_staff(Role.SUPER_ADMIN), make_users(2)
    run = large_gift([*ids, boss.pk, other.pk], actor=boss, delta="10000")
    assert (run.changed, run.refused) == (2, 2)
    assert approval_of(run).reasons == [
        "This role moves at most 10,000.00 credits at once; this would be 20,000.00."
    ]
    approve(run, other)
    work()
    assert balances(ids) == {Decimal(10_000)}
    assert balances([other.pk]) == {Decimal(0)}


def test_two_are_not_needed_for_a_super_admin_to_whom_nothing_is_done():
    boss, ids = make_staff(Role.SUPER_ADMIN), make_users(2)
    run = worked(draft([*ids, boss.pk], code="users.suspend", data=SUSPENSION, actor=boss))
    run = steering.confirm(run.pk, actor=boss, now=now(), reason="spam")
    assert run.state == Run.State.RUNNING


@pytest.mark.parametrize("role", [Role.USER_ADMIN, Role.SUPPORT, Role.READ_ONLY, Role.NONE])
def test_lower_rank_does_not_approve(role):
    refused(large_gift(), make_user(role=role), "ranks no lower")


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.READ_ONLY])
def test_only_who_could_do_it_approves(role):
    run = large_gift(actor=make_staff(Role.USER_ADMIN), delta="10001")
    refused(run, make_staff(role), "ranks no lower")
    approve(run, make_staff(Role.USER_ADMIN))


def test_suspended_or_closed_colleague_does_not_approve():
    run = large_gift()
    suspended = make_staff(Role.SUPER_ADMIN)
    restrictions.suspend([suspended.pk], actor=SYSTEM, reason_code="spam", ends_at=None, reason="x")
    refused(run, suspended, "ranks no lower")
    refused(run, make_staff(Role.SUPER_ADMIN, closed_at=now()), "ranks no lower")


def test_colleagues_are_those_whose_approval_would_be_taken():
    boss, other = make_staff(Role.SUPER_ADMIN), make_staff(Role.SUPER_ADMIN)
    target = make_staff(Role.SUPER_ADMIN)
    make_staff(Role.USER_ADMIN)
    User.objects.filter(pk=boss.pk).update(password="of some kind")
    run = ask("users.suspend", [*make_users(1), target.pk], SUSPENSION, actor=boss)
    able = approving.colleagues([approval_of(run)], now=now())
    assert able == {run.pk: {other.pk: other.username}}


# What is approved is what was asked for


TAMPERED = {
    "form": """UPDATE audit_run SET params = '{"delta": {"decimal": "999999"}}' WHERE id = %s""",
    "targets": "UPDATE audit_runchunk SET ids = ids || {extra} WHERE run_id = %s",
    "reason": "UPDATE audit_run SET reason = 'another' WHERE id = %s",
    "owner": "UPDATE audit_run SET owner_id = {colleague} WHERE id = %s",
    "totals": "UPDATE audit_run SET forecast = jsonb_set(forecast, '{totals}', '{}') WHERE id = %s",
}


def tamper(run, what):
    statement = TAMPERED[what].replace("{extra}", str(make_users(1)[0]))
    statement = statement.replace("{colleague}", str(make_staff(Role.SUPER_ADMIN).pk))
    with connection.cursor() as cursor:
        cursor.execute(statement, [run.pk])


@pytest.mark.parametrize("what", sorted(TAMPERED))
def test_changed_payload_voids_the_request(what):
    run, other = large_gift(), make_staff(Role.SUPER_ADMIN)
    tamper(run, what)
    ended(run, other, "not any more what was asked for", "void")
    assert actions(run)[-1] == ("audit.void_approval", None)


@pytest.mark.parametrize("what", ["form", "targets"])
def test_payload_changed_after_the_approval_halts_the_run_before_its_first_batch(what):
    ids = make_users(1)
    run = large_gift(ids)
    approve(run, make_staff(Role.SUPER_ADMIN))
    tamper(run, what)
    work()
    run.refresh_from_db()
    assert (run.state, run.changed) == (Run.State.HALTED, 0)
    assert balances(ids) == {Decimal(0)}


def test_request_of_who_lost_the_role_is_void():
    maker = make_staff(Role.USER_ADMIN)
    run = large_gift(actor=maker, delta="10001")
    staffing.revoke_role([maker.pk], actor=SYSTEM, reason="left")
    ended(run, make_staff(Role.SUPER_ADMIN), "may not do it any more", "void")


def test_request_of_a_suspended_maker_is_void():
    maker = make_staff(Role.USER_ADMIN)
    run = large_gift(actor=maker, delta="10001")
    restrictions.suspend([maker.pk], actor=SYSTEM, reason_code="spam", ends_at=None, reason="x")
    ended(run, make_staff(Role.SUPER_ADMIN), "may not do it any more", "void")


# Time, and others at the same time


def test_request_is_over_after_a_day_though_no_job_ran():
    run = large_gift()
    later = run.created_at + timedelta(hours=24)
    ended(run, make_staff(Role.SUPER_ADMIN), "within 24 hours", "expired", at=later)


def test_job_ends_what_nobody_approved_and_leaves_the_rest():
    old, new = large_gift(), large_gift()
    Approval.objects.filter(run=old).update(expires_at=now())
    assert approving.expire(now()) == 1
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.state, new.state) == (Run.State.CANCELLED, Run.State.WAITING)
    assert actions(old)[-1] == ("audit.expire_approval", None)
    assert approving.expire(now()) == 0


def test_request_that_was_withdrawn_is_not_approved():
    maker = make_staff(Role.SUPER_ADMIN)
    run = large_gift(actor=maker)
    steering.cancel(run.pk, actor=maker, now=now())
    assert approval_of(run).decision == "withdrawn"
    refused(run, make_staff(Role.SUPER_ADMIN), "decided already: withdrawn")


def test_approved_request_is_not_decided_again():
    run = large_gift()
    approve(run, make_staff(Role.SUPER_ADMIN))
    refused(run, make_staff(Role.SUPER_ADMIN), "decided already: approved")


@pytest.mark.django_db(transaction=True)
def test_two_who_approve_at_once_approve_once():
    ids = make_users(1)
    run = large_gift(ids)
    others = [make_staff(Role.SUPER_ADMIN) for _ in range(2)]
    gate, told = threading.Barrier(2), []

    def go(actor):
        gate.wait()
        try:
            approve(run, actor)
            told.append("approved")
        except OperationRefused as refusal:
            told.append(str(refusal))
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=[actor]) for actor in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(told) == ["This was decided already: approved.", "approved"]
    work()
    assert balances(ids) == {Decimal(150_000)}
    assert AuditEntry.objects.filter(act_id=run.pk, action="audit.approve_run").count() == 1


# Undo, super admins


def test_undo_of_what_took_two_people_takes_two():
    boss, other, ana = make_staff(Role.SUPER_ADMIN), make_staff(Role.SUPER_ADMIN), make_user()
    run = role_for(ana, actor=boss)
    approve(run, other)
    work()
    act, grant = Act.objects.get(pk=run.pk), registered()["users.grant_role"]
    with pytest.raises(ApprovalNeeded):
        operations.undo(grant, act, actor=boss, now=now(), reason="back")

    undoing = asking.ask_to_undo(act, actor=boss, now=now(), reason="back")
    approve(undoing, other)
    work()

    ana.refresh_from_db()
    assert ana.role == Role.NONE
    assert Act.objects.get(pk=undoing.pk).undoes == act


def test_undo_of_a_run_by_a_user_admin_waits():
    maker = make_staff(Role.USER_ADMIN)
    ids = make_users(2)
    run = worked(draft(ids, actor=maker))
    steering.confirm(run.pk, actor=maker, now=now(), reason="x")
    work()
    Act.objects.filter(pk=run.pk).update(changed=1_001)
    act = Act.objects.get(pk=run.pk)
    undoing = worked(drafting.draft_undo(act, actor=maker, now=now()))
    assert steering.confirm(undoing.pk, actor=maker, now=now(), reason="x").state == "waiting"


def test_super_admin_is_made_and_unmade_by_two():
    boss, other, ana = make_staff(Role.SUPER_ADMIN), make_staff(Role.SUPER_ADMIN), make_user()
    run = role_for(ana, "super_admin", actor=boss)
    approve(run, other)
    work()
    ana.refresh_from_db()
    assert ana.role == Role.SUPER_ADMIN

    away = ask("users.revoke_role", [ana.pk], {}, actor=boss)
    assert "act on another super admin" in " ".join(approval_of(away).reasons)
    approve(away, other)
    work()
    ana.refresh_from_db()
    assert ana.role == Role.NONE


def test_super_admin_is_suspended_by_two_and_by_nobody_alone():
    boss, other, ana = (make_staff(Role.SUPER_ADMIN) for _ in range(3))
    User.objects.filter(pk=other.pk).update(password="of some kind")
    run = ask("users.suspend", [ana.pk], SUSPENSION, actor=boss)
    approve(run, other)
    work()
    assert User.objects.restricted("suspension", now()).filter(pk=ana.pk).exists()


def test_selection_of_versions_seen_is_kept_until_the_approval():
    ids, boss = make_users(1), make_staff(Role.SUPER_ADMIN)
    setting, data = registered()["billing.set_credits"], {"balance": ["200000"]}
    looked = operations.preview(setting, ids, {"balance": Decimal(200_000)}, actor=boss, now=now())
    seen = {row.target_id: row.version for row in looked.rows}
    with pytest.raises(OperationRefused, match="changed since"):
        ask("billing.set_credits", ids, data, actor=boss, seen={ids[0]: -1})
    run = ask("billing.set_credits", ids, data, actor=boss, seen=seen)
    operations.perform(
        registered()["billing.adjust_credits"],
        ids,
        {"delta": Decimal(1)},
        actor=boss,
        now=now(),
        reason="meanwhile",
    )
    approve(run, make_staff(Role.SUPER_ADMIN))
    work()
    run.refresh_from_db()
    assert (run.changed, run.refused) == (0, 1)


def test_drafts_that_wait_or_were_decided_are_not_forgotten_with_the_others():
    waiting, over = large_gift(), large_gift()
    approving.refuse(over.pk, actor=make_staff(Role.SUPER_ADMIN), now=now(), note="no")
    plain = draft(make_users(1))
    steering.forget_drafts(now() + timedelta(days=2))
    assert set(Run.objects.values_list("pk", flat=True)) == {waiting.pk, over.pk}
    assert plain.pk not in {waiting.pk, over.pk}
    steering.forget_drafts(now() + timedelta(days=32))
    assert set(Run.objects.values_list("pk", flat=True)) == {waiting.pk}


def test_messages_go_out_when_it_is_asked_and_when_it_is_over():
    run = large_gift()
    kinds = lambda: list(OutboxMessage.objects.order_by("pk").values_list("kind", flat=True))  # noqa: E731
    assert kinds() == ["audit.approval_asked"]
    approve(run, make_staff(Role.SUPER_ADMIN))
    assert kinds() == ["audit.approval_asked", "audit.approval_over"]
