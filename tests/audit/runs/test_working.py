"""Runs from selection to receipts: exactly once, whatever happens to those who work on them."""

import itertools
import os
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection
from django.utils.timezone import now

from audit import registry
from audit.models import Act, AuditEntry, Receipt, Run, RunChunk
from audit.people import SYSTEM
from audit.runs import drafting, starting, steering, targets, working
from billing import reports
from billing.models import Account, Transfer
from billing.services import adjust_credits
from tests import checksum
from tests.audit.runs.prepared import (
    GIFT,
    draft,
    finished,
    is_in,
    previewed,
    select,
    started,
    worked,
)
from tests.factories import make_staff, make_users
from users.models import User
from users.roles import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def small_chunks(monkeypatch):
    """Steps of ten, so that a run of fifty takes many."""
    monkeypatch.setattr(working, "CHUNK", 10)
    monkeypatch.setattr(starting, "CHUNK", 10)


def balances(ids):
    return set(Account.objects.filter(user__in=ids).values_list("balance", flat=True))


def test_run_changes_everybody_once_and_accounts_for_each():
    ids = make_users(30)

    run = finished(ids)

    assert is_in(run, "DONE")
    assert (run.changed, run.unchanged, run.refused, run.failed) == (30, 0, 0, 0)
    assert balances(ids) == {Decimal(5)}
    act = Act.objects.get(pk=run.pk)
    assert (act.changed, act.reason, act.ticket) == (30, "an outage", "T-9")
    assert act.actor_id == run.owner_id
    assert set(act.receipts.values_list("target_id", "outcome")) == {(pk, 1) for pk in ids}
    assert AuditEntry.objects.filter(act_id=run.pk).count() == 30


def test_preview_counts_all_and_writes_nothing_but_the_run():
    ids = make_users(25)
    User.objects.filter(pk__in=ids[:3]).update(closed_at=now())
    run = draft(ids)
    before = balances(ids)

    run = worked(run)

    assert is_in(run, "PREVIEWED")
    assert (run.changed, run.refused) == (22, 3)
    assert sum(run.refusals.values()) == 3
    assert run.forecast["totals"] == {"credits": "110"}
    assert len(run.forecast["first"]) == 22
    assert run.forecast["first"][0]["after"] == {"credits": "5"}
    assert [each["id"] for each in run.forecast["refused"]] == ids[:3]
    assert balances(ids) == before
    assert not Act.objects.filter(pk=run.pk).exists()


def test_run_acts_on_those_who_were_selected_when_it_was_drafted():
    ids = make_users(5)
    actor = make_staff(Role.SUPER_ADMIN)
    chosen = select(ids, actor)
    run = drafting.draft(
        registry.operations()["billing.adjust_credits"],
        chosen,
        {"delta": ["5"], "reason": ["x"]},
        actor=actor,
        now=now(),
    )
    late = make_users(3)
    chosen.ids = [*ids, *late]
    chosen.save()

    run = worked(run)
    steering.confirm(run.pk, actor=actor, now=now(), reason="x")
    worked(run)

    assert balances(ids) == {Decimal(5)}
    assert balances(late) == {Decimal(0)}


def test_drafting_twice_with_the_same_id_makes_one_run():
    ids = make_users(2)
    run = draft(ids)

    again = drafting.draft(
        registry.operations()[run.code],
        select(ids, run.owner),
        GIFT,
        actor=run.owner,
        now=now(),
        run_id=run.pk,
    )

    assert again == run
    assert Run.objects.count() == 1


def test_frozen_targets_are_whole_and_in_order_over_many_chunks(monkeypatch):
    monkeypatch.setattr(targets, "CHUNK", 7)
    ids = make_users(23)
    run = draft(reversed(ids))

    chunks = RunChunk.objects.filter(run=run).order_by("number").values_list("ids", flat=True)

    assert [len(chunk) for chunk in chunks] == [7, 7, 7, 2]
    assert [pk for chunk in chunks for pk in chunk] == sorted(ids)
    assert run.total == 23


def test_worker_that_lost_its_lease_writes_nothing(small_chunks):
    ids = make_users(30)
    run = started(ids)
    sleeper = working.take_up()
    assert working.step(sleeper)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_run SET lease_until = now() - interval '1 s'")
    heir = working.take_up()
    assert heir.token == sleeper.token + 1
    before = checksum.database()

    assert not working.step(sleeper)

    assert checksum.database() == before
    while working.step(heir):
        pass
    assert is_in(run, "DONE")
    assert balances(ids) == {Decimal(5)}
    assert Transfer.objects.count() == 30


def test_run_that_is_held_is_not_taken_up():
    started(make_users(3))

    assert working.take_up() is not None
    assert working.take_up() is None


def test_worker_that_lets_go_can_be_followed_at_once():
    started(make_users(3))
    claim = working.take_up()
    working.release(claim)

    heir = working.take_up()

    assert heir.token == claim.token + 1


def test_letting_go_of_a_run_that_somebody_else_holds_does_not_free_it():
    started(make_users(3))
    claim = working.take_up()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_run SET lease_until = now() - interval '1 s'")
    assert working.take_up() is not None

    working.release(claim)

    assert working.take_up() is None


def crash(procedure, when):
    """The procedure, whose write fails for a batch that ``when`` says."""

    def write(changes, act):
        undo = procedure.write(changes, act)
        if when([row.target_id for row, _change in changes]):
            raise ZeroDivisionError
        return undo

    return replace(procedure, write=write)


def with_procedure(monkeypatch, code, procedure):
    known = dict(registry.operations())
    known[code] = replace(known[code], procedure=procedure)
    monkeypatch.setattr("audit.runs.deeds.operation_of", known.get)


def test_poisonous_targets_are_set_aside_and_all_others_served(monkeypatch):
    ids = make_users(60)
    poison = {ids[7], ids[8], ids[41]}
    run = started(ids)
    sound = registry.operations()[run.code].procedure
    with_procedure(monkeypatch, run.code, crash(sound, lambda batch: poison & set(batch)))

    run = worked(run)

    assert is_in(run, "DONE")
    assert (run.changed, run.failed) == (57, 3)
    failed = Receipt.objects.filter(act=run.pk, outcome=Receipt.Outcome.FAILED)
    assert set(failed.values_list("target_id", flat=True)) == poison
    assert "ZeroDivisionError" in failed.first().refusal
    assert balances(poison) == {Decimal(0)}
    assert balances(set(ids) - poison) == {Decimal(5)}
    assert Receipt.objects.filter(act=run.pk).count() == 60


@pytest.mark.parametrize("what", ["pause", "cancel"])
def test_run_stops_before_the_next_batch(what, small_chunks):
    ids = make_users(50)
    run = started(ids)
    claim = working.take_up()
    assert working.step(claim)
    getattr(steering, what)(run.pk, actor=run.owner, now=now())

    assert not working.step(claim)

    assert working.take_up() is None
    run.refresh_from_db()
    assert (run.cursor, run.changed) == (10, 10)
    assert AuditEntry.objects.filter(action=f"audit.{what}_run", act_id=run.pk).count() == 1
    if what == "pause":
        steering.resume(run.pk, actor=run.owner, now=now())
        worked(run)
        assert balances(ids) == {Decimal(5)}
    else:
        assert sorted(balances(ids)) == [Decimal(0), Decimal(5)]


def test_run_halts_when_its_owner_loses_the_role(small_chunks):
    ids = make_users(30)
    run = started(ids)
    claim = working.take_up()
    working.step(claim)
    User.objects.filter(pk=run.owner_id).update(role=Role.SUPPORT)

    assert not working.step(claim)

    assert is_in(run, "HALTED")
    assert run.why == "Your role does not allow this."
    assert Transfer.objects.count() == 10


def test_run_halts_when_its_owner_is_suspended(small_chunks):
    from users.restrictions.services import suspend

    run = started(make_users(30))
    claim = working.take_up()
    working.step(claim)
    suspend([run.owner_id], actor=SYSTEM, reason_code="spam", ends_at=None, reason="x")

    assert not working.step(claim)

    assert is_in(run, "HALTED")


def test_forbidden_target_is_refused_alone():
    ids = make_users(5)
    colleague = make_staff(Role.SUPER_ADMIN)
    actor = make_staff(Role.SUPER_ADMIN)

    run = finished([*ids, colleague.pk, actor.pk], actor=actor)

    assert (run.changed, run.refused) == (5, 2)
    assert balances([colleague.pk, actor.pk]) == {Decimal(0)}


def test_undo_of_a_run_reverses_what_was_not_changed_since():
    ids = make_users(20)
    run = finished(ids)
    adjust_credits([ids[0]], actor=SYSTEM, delta=Decimal(-5), reason="spent")
    act = Act.objects.get(pk=run.pk)

    undo = worked(drafting.draft_undo(act, actor=run.owner, now=now()))
    assert (undo.changed, undo.refused) == (19, 1)
    steering.confirm(undo.pk, actor=run.owner, now=now(), reason="a mistake")
    undo = worked(undo)

    assert is_in(undo, "DONE")
    assert balances(ids) == {Decimal(0)}
    assert Act.objects.get(pk=undo.pk).undoes_id == act.pk
    with pytest.raises(steering.OperationRefused, match="already"):
        drafting.draft_undo(act, actor=run.owner, now=now())


def test_undo_that_was_prepared_twice_is_done_once():
    run = finished(make_users(3))
    act = Act.objects.get(pk=run.pk)
    first, second = (
        worked(drafting.draft_undo(act, actor=run.owner, now=now())) for _each in range(2)
    )
    steering.confirm(first.pk, actor=run.owner, now=now(), reason="a mistake")
    worked(first)

    with pytest.raises(steering.OperationRefused, match="already"):
        steering.confirm(second.pk, actor=run.owner, now=now(), reason="a mistake")


def test_retry_takes_up_who_was_refused():
    ids = make_users(6)
    User.objects.filter(pk__in=ids[:2]).update(closed_at=now())
    run = finished(ids)
    assert (run.changed, run.refused) == (4, 2)
    User.objects.filter(pk__in=ids[:2]).update(closed_at=None)

    again = worked(drafting.draft_retry(run, actor=run.owner, now=now()))
    assert (again.total, again.changed) == (2, 2)
    steering.confirm(again.pk, actor=run.owner, now=now(), reason="once more")
    worked(again)

    assert balances(ids) == {Decimal(5)}


def test_setting_credits_refuses_those_that_moved_after_the_preview():
    ids = make_users(10)
    run = previewed(ids, code="billing.set_credits", data={"balance": ["7"], "reason": ["x"]})
    adjust_credits([ids[3]], actor=SYSTEM, delta=Decimal(2), reason="meanwhile")

    steering.confirm(run.pk, actor=run.owner, now=now(), reason="x")
    run = worked(run)

    assert (run.changed, run.refused) == (9, 1)
    assert Account.objects.get(user=ids[3]).balance == 2


@pytest.mark.parametrize("stage", [draft, started])
def test_somebody_else_does_not_steer_a_run_without_the_right(stage):
    run = stage(make_users(2))
    stranger = make_staff(Role.USER_ADMIN)

    with pytest.raises(steering.OperationRefused):
        steering.confirm(run.pk, actor=stranger, now=now(), reason="x")


def test_drafts_are_forgotten_after_a_day_and_started_runs_never():
    _old, kept = draft(make_users(2)), started(make_users(2))
    Run.objects.update(expires_at=now())

    assert steering.forget_drafts(now()) > 0

    assert list(Run.objects.all()) == [kept]


def worker_that_dies(point):
    """A worker in a process of its own, which takes up a run and is gone at this point of its life:
    at a statement, before a commit, or after one. Whether it came so far."""
    connection.close()  # two processes cannot share one
    child = os.fork()
    if not child:
        _live_until(point)
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0


def _live_until(point):
    passed = itertools.count()
    commit = connection.commit

    def come():
        if next(passed) == point:
            os._exit(9)

    def at_statements(execute, sql, params, many, context):
        come()
        return execute(sql, params, many, context)

    def dying_commit():
        come()
        commit()
        come()

    connection.commit = dying_commit
    with connection.execute_wrapper(at_statements):
        claim = working.take_up()
        while working.step(claim):
            pass


@pytest.mark.django_db(transaction=True)
def test_run_of_fifty_survives_a_crash_at_every_point(monkeypatch):
    """A run for each point at which its worker can die; another one finishes it."""
    monkeypatch.setattr(starting, "CHUNK", 25)
    monkeypatch.setattr(working, "CHUNK", 25)
    ids = make_users(50)
    actor = make_staff(Role.SUPER_ADMIN)
    for point in itertools.count():
        run = started(ids, actor=actor)
        died = worker_that_dies(point)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE audit_run SET lease_until = now() - interval '1 s'")
        run = worked(run)
        assert is_in(run, "DONE"), point
        assert (run.changed, run.failed) == (50, 0), point
        assert Transfer.objects.filter(group_id=run.pk).count() == 50, point
        assert Receipt.objects.filter(act=run.pk, outcome=1).count() == 50, point
        assert AuditEntry.objects.filter(act_id=run.pk, action=run.code).count() == 50, point
        if not died:
            break
    assert point > 25
    assert balances(ids) == {Decimal(5) * (point + 1)}
    assert list(reports.defects()) == []
