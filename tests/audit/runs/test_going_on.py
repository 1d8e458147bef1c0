"""What runs do after they were cut off, killed, tried again or undone halfway: nobody twice, nobody
left out."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils.timezone import now

from audit import frozen, registry
from audit.execution import OperationRefused
from audit.models import Act, Approval, AuditEntry, Receipt, Run, RunChunk
from audit.people import SYSTEM
from audit.runs import approving, drafting, starting, steering, targets, working
from billing.models import Account
from billing.services import adjust_credits
from tests.audit.approvals.asked import ask
from tests.audit.runs.prepared import GIFT, confirmed, draft, finished, is_in, started, worked
from tests.factories import make_staff, make_users
from tests.test_operations import SAMPLES, sample
from users import console_settings
from users.models import ReasonCode, Restriction, User
from users.roles import Role

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Steps of ten."""
    monkeypatch.setattr(working, "CHUNK", 10)
    monkeypatch.setattr(starting, "CHUNK", 10)


def balances(ids):
    return set(Account.objects.filter(user__in=ids).values_list("balance", flat=True))


def step():
    """One batch of the run that is due."""
    claim = working.take_up()
    working.step(claim)
    working.release(claim)


def lease_is_over():
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE audit_run SET lease_until = now() - interval '1 s' WHERE lease_until > now()"
        )


def undo_of(run):
    return worked(drafting.draft_undo(Act.objects.get(pk=run.pk), actor=run.owner, now=now()))


# Cut off, and on


@pytest.mark.parametrize("how", ["cancelled", "halted"])
def test_run_that_was_cut_off_goes_on_with_the_others(how):
    ids = make_users(30)
    run = started(ids)
    step()
    if how == "cancelled":
        steering.cancel(run.pk, actor=run.owner, now=now())
    else:
        User.objects.filter(pk=run.owner_id).update(role=Role.SUPPORT)
        step()
        User.objects.filter(pk=run.owner_id).update(role=Role.SUPER_ADMIN)
    run.refresh_from_db()
    assert (run.state, run.cursor) == (how, 10)

    steering.resume(run.pk, actor=User.objects.get(pk=run.owner_id), now=now())
    run = worked(run)

    assert (run.state, run.changed, run.why) == ("done", 30, "")
    assert balances(ids) == {Decimal(5)}
    assert AuditEntry.objects.filter(action="audit.resume_run", act_id=run.pk).count() == 1


def test_undo_that_was_cut_off_goes_on_to_its_end():
    ids = make_users(30)
    run = finished(ids)
    undo = undo_of(run)
    confirmed(undo, reason="a mistake")
    step()
    steering.cancel(undo.pk, actor=run.owner, now=now())
    assert balances(ids) == {Decimal(0), Decimal(5)}

    steering.resume(undo.pk, actor=run.owner, now=now())
    worked(undo)

    assert balances(ids) == {Decimal(0)}


def test_run_whose_beginning_was_undone_does_not_go_on():
    ids = make_users(30)
    run = started(ids)
    step()
    steering.cancel(run.pk, actor=run.owner, now=now())
    undo = undo_of(run)
    confirmed(undo, reason="a mistake")
    worked(undo)
    with pytest.raises(OperationRefused, match="was undone"):
        steering.resume(run.pk, actor=run.owner, now=now())
    assert balances(ids) == {Decimal(0)}


def test_undo_of_a_run_that_went_on_meanwhile_is_not_begun():
    run = started(make_users(30))
    step()
    steering.cancel(run.pk, actor=run.owner, now=now())
    undo = undo_of(run)
    steering.resume(run.pk, actor=run.owner, now=now())
    with pytest.raises(OperationRefused, match="is not over yet"):
        steering.confirm(undo.pk, actor=run.owner, now=now(), reason="a mistake")


@pytest.mark.parametrize("how", ["pause", "cancel"])
def test_owner_does_not_let_go_on_what_a_super_admin_stopped(how):
    owner, boss = make_staff(Role.USER_ADMIN), make_staff(Role.SUPER_ADMIN)
    run = started(make_users(30), actor=owner)
    step()
    getattr(steering, how)(run.pk, actor=boss, now=now())
    with pytest.raises(OperationRefused, match="A colleague stopped it"):
        steering.resume(run.pk, actor=owner, now=now())
    steering.resume(run.pk, actor=boss, now=now())
    assert is_in(run, "RUNNING")


def test_approved_run_goes_on_for_a_day_only():
    boss, ids = make_staff(Role.SUPER_ADMIN), make_users(30)
    run = ask("billing.adjust_credits", ids, {"delta": ["5000"]}, actor=boss)
    approving.approve(run.pk, actor=make_staff(Role.SUPER_ADMIN), now=now())
    step()
    steering.cancel(run.pk, actor=boss, now=now())
    Approval.objects.update(decided_at=now() - timedelta(days=1))
    with pytest.raises(OperationRefused, match="approved over a day ago"):
        steering.resume(run.pk, actor=boss, now=now())


def test_run_that_is_done_has_nobody_left():
    run = finished(make_users(3))
    with pytest.raises(OperationRefused):
        steering.resume(run.pk, actor=run.owner, now=now())


def test_what_has_begun_is_not_discarded():
    run = started(make_users(30))
    step()
    with pytest.raises(OperationRefused, match="has begun"):
        steering.discard(run.pk, actor=run.owner, now=now())
    assert is_in(run, "RUNNING")


# Tried again


def test_those_who_were_refused_are_tried_again_once():
    ids = make_users(6)
    User.objects.filter(pk__in=ids[:2]).update(closed_at=now())
    run = finished(ids)
    User.objects.filter(pk__in=ids[:2]).update(closed_at=None)
    first, second = (
        worked(drafting.draft_retry(run, actor=run.owner, now=now())) for _each in range(2)
    )
    confirmed(first, reason="once more")
    worked(first)

    with pytest.raises(OperationRefused, match="tried again already"):
        steering.confirm(second.pk, actor=run.owner, now=now(), reason="and again")
    with pytest.raises(OperationRefused, match=f"by run {first.number}"):
        drafting.draft_retry(run, actor=run.owner, now=now())
    assert balances(ids) == {Decimal(5)}


# Killed


def test_only_the_user_on_whom_workers_die_is_set_aside():
    ids = make_users(40)
    run = started(ids)
    fatal = ids[17]
    deaths = 0
    while not is_in(run, "DONE"):
        claim = working.take_up()
        current = Run.objects.get(pk=run.pk)
        batch = targets.next_batch(run.pk, cursor=current.cursor, size=working._size(current))
        if fatal in batch.ids and not working._alone_and_fatal(current):
            deaths += 1
            lease_is_over()  # the worker is gone
            continue
        working.step(claim)
        working.release(claim)
    run.refresh_from_db()
    assert (run.changed, run.failed) == (39, 1)
    assert Receipt.objects.get(act=run.pk, outcome=Receipt.Outcome.FAILED).target_id == fatal
    assert balances(set(ids) - {fatal}) == {Decimal(5)}
    assert deaths < 10


def test_run_whose_worker_was_killed_comes_before_the_others():
    killed = started(make_users(30))
    working.take_up()
    others = [started(make_users(30)) for _ in range(3)]
    lease_is_over()
    claim = working.take_up()
    assert claim.run_id == killed.pk
    assert {run.pk for run in others} >= {working.take_up().run_id}


def test_runs_take_turns_and_none_waits_for_another_to_end():
    for _ in range(3):
        started(make_users(2))
    Run.objects.update(state="previewing")  # none of them comes to its end here
    first = set()
    for _turn in range(60):
        claim = working.take_up()
        first.add(claim.run_id)
        working.release(claim)
    assert len(first) == 3


# What was seen


def test_target_that_could_not_be_counted_takes_nobody_elses_version(monkeypatch):
    ids = make_users(12)
    for place, pk in enumerate(ids):  # versions that all differ
        for _ in range(place + 1):
            adjust_credits([pk], actor=SYSTEM, delta=Decimal(1), reason="before")
    known = registry.operations()["billing.set_credits"]

    def decide(row, params, moment):
        if row.target_id == ids[4]:
            raise ZeroDivisionError
        return known.procedure.decide(row, params, moment)

    faulty = replace(known, procedure=replace(known.procedure, decide=decide))
    monkeypatch.setattr("audit.runs.deeds.operation_of", {known.code: faulty}.get)
    run = worked(draft(ids, code=known.code, data={"balance": ["70"], "reason": ["x"]}))
    versions = RunChunk.objects.get(run=run).versions
    assert (run.changed, run.failed) == (11, 1)
    assert [place for place, version in enumerate(versions) if version is None] == [4]

    confirmed(run, reason="x")
    run = worked(run)
    assert (run.changed, run.refused, run.failed) == (11, 1, 0)
    assert balances(set(ids) - {ids[4]}) == {Decimal(70)}


# What was meant


@pytest.mark.parametrize("code", sorted(SAMPLES))
def test_parameters_come_back_as_they_were_frozen(code):
    _operation, form = sample(code, make_users(1))
    kept = json.loads(json.dumps(frozen.freeze(form.params)))
    thawed = frozen.thaw(kept)
    assert thawed == {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in form.params.items()
    }
    assert {name: type(value) for name, value in thawed.items() if value} == {
        name: list if isinstance(value, tuple) else type(value)
        for name, value in form.params.items()
        if value
    }


def test_what_cannot_come_back_is_not_frozen():
    with pytest.raises(TypeError):
        frozen.freeze({"when": object()})


def test_suspension_means_what_it_meant_when_it_was_asked_for():
    ids, boss = make_users(2), make_staff(Role.SUPER_ADMIN)
    ReasonCode.objects.filter(code="spam").update(default_days=3, public_text="As it was.")
    run = worked(
        draft(ids, code="users.suspend", data={"reason_code": ["spam"], "ends_at": ["usual"]})
    )
    ReasonCode.objects.filter(code="spam").update(
        default_days=None, public_text="Otherwise.", active=False
    )
    confirmed(run, reason="spam")
    run = worked(run)
    assert (run.state, run.changed) == ("done", 2)
    for restriction in Restriction.objects.filter(user__in=ids):
        assert restriction.ends_at is not None
        assert restriction.public_text == "As it was."
    assert boss.pk not in ids


# How much one person moves


def test_run_that_moves_more_than_was_counted_stops_before_it_is_too_much():
    ids, boss = make_users(30), make_staff(Role.SUPER_ADMIN)
    console_settings.shelf.read("")
    console_settings.shelf.known = {"approvals": {"users": 1000, "credits": "60"}}
    console_settings.shelf.fresh_until = float("inf")
    User.objects.filter(pk__in=ids[10:]).update(closed_at=now())
    try:
        run = worked(draft(ids, data=GIFT, actor=boss))
        assert run.forecast["moved"] == {"credits": "50.000000"}
        run = steering.confirm(run.pk, actor=boss, now=now(), reason="an outage")
        User.objects.filter(pk__in=ids).update(closed_at=None)
        run = worked(run)
    finally:
        console_settings.shelf.forget()
    assert (run.state, run.changed) == ("halted", 10)
    assert "60" in run.why
    assert balances(ids) == {Decimal(0), Decimal(5)}


# Asking with an id of one's own choice


def test_request_sent_again_after_it_was_refused_is_another_one():
    boss, other = make_staff(Role.SUPER_ADMIN), make_staff(Role.SUPER_ADMIN)
    [pk] = make_users(1)
    wish = ("users.grant_role", [pk], {"role": ["support"]})
    name = draft([pk], actor=boss).pk  # an id that is free
    Run.objects.all().delete()
    first = ask(*wish, actor=boss, run_id=name)
    assert ask(*wish, actor=boss, run_id=name) == first
    approving.refuse(first.pk, actor=other, now=now(), note="no")
    assert ask(*wish, actor=boss, run_id=name) != first
