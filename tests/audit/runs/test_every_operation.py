"""What holds for every operation as a run, present and future: it needs nothing for it but the
sample arguments that tests/test_operations.py keeps."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from audit.models import Act, AuditEntry, Run
from audit.registry import operations
from audit.runs import drafting, working
from tests.audit.runs import prepared
from tests.audit.runs.prepared import confirmed, finished, is_in, previewed, worked
from tests.factories import make_staff, make_users
from tests.test_operations import SAMPLES, perform, sample, state
from users.roles import Role

pytestmark = pytest.mark.django_db

every_operation_on_many = pytest.mark.parametrize(
    "code", sorted(code for code in SAMPLES if operations()[code].many)
)


@pytest.fixture
def moment(monkeypatch):
    """One moment for whoever prepares a run and whoever works on it."""
    moment = now()
    monkeypatch.setattr(prepared, "now", lambda: moment)
    monkeypatch.setattr(working, "time_now", lambda: moment)
    return moment


def filled_in(code):
    return {name: [value] for name, value in SAMPLES[code]["data"].items()}


def recorded(act_id):
    """What the audit log says of an act, by target."""
    entries = AuditEntry.objects.filter(act_id=act_id, action=Act.objects.get(pk=act_id).code)
    return {entry.target_id: entry.changes for entry in entries}


def without_row_ids(found):
    """A state without the ids of rows, of which two ways to the same have different ones."""
    subscribed = {
        "standings": [(pk, *rest) for pk, _subscription, *rest in found["standings"]],
        "subscriptions": [tuple(rest) for _pk, *rest in found["subscriptions"]],
        "periods": [tuple(rest) for _pk, _subscription, *rest in found["periods"]],
    }
    return found | subscribed


@every_operation_on_many
def test_operation_as_a_run_does_what_its_preview_showed(code, moment):
    ids = make_users(3)
    sample(code, ids)
    before = state(ids)

    run = previewed(ids, code=code, data=filled_in(code))
    assert state(ids) == before
    foreseen = (run.changed, run.unchanged, run.refused, run.failed)
    first = {
        each["id"]: {
            name: [each["before"].get(name), value] for name, value in each["after"].items()
        }
        for each in run.forecast["first"]
    }
    confirmed(run, reason="as previewed")
    run = worked(run)

    assert is_in(run, "DONE")
    assert foreseen == (3, 0, 0, 0)
    assert sorted(first) == ids
    assert (run.changed, run.unchanged, run.refused, run.failed) == foreseen
    done = recorded(run.pk)
    assert first == done
    assert state(ids) != before


@every_operation_on_many
def test_operation_as_a_run_changes_what_it_changes_at_once(code, moment):
    ids = make_users(3)
    operation, _form = sample(code, ids)
    form = operation.form(SAMPLES[code]["data"], now=moment)
    assert form.is_valid()
    actor = make_staff(Role.SUPER_ADMIN)
    with transaction.atomic():
        perform(operation, ids, form.params, actor=actor, now=moment, reason="at once")
        at_once = without_row_ids(state(ids))
        transaction.set_rollback(True)
    assert without_row_ids(state(ids)) != at_once

    finished(ids, code=code, data=filled_in(code), actor=actor)

    assert without_row_ids(state(ids)) == at_once


@every_operation_on_many
def test_operation_as_a_run_is_undone_by_a_run(code):
    ids = make_users(3)
    operation, _form = sample(code, ids)
    before = state(ids)
    run = finished(ids, code=code, data=filled_in(code))
    assert state(ids) != before
    act = Act.objects.get(pk=run.pk)

    if operation.inverse is None:
        with pytest.raises(drafting.OperationRefused, match="no undo"):
            drafting.draft_undo(act, actor=run.owner, now=now())
        return
    undo = worked(drafting.draft_undo(act, actor=run.owner, now=now()))
    assert undo.changed == 3
    confirmed(undo, reason="a mistake")
    undo = worked(undo)

    assert (undo.state, undo.changed) == (Run.State.DONE, 3)
    assert state(ids) == before


@every_operation_on_many
@pytest.mark.parametrize("stage", ["preview", "act"])
def test_operation_as_a_run_takes_as_many_statements_for_one_as_for_many(code, stage):
    counts = []
    for ids in (make_users(1), make_users(300)):
        sample(code, ids)
        make = prepared.draft if stage == "preview" else prepared.started
        make(ids, code=code, data=filled_in(code))
        claim = working.take_up()
        with CaptureQueriesContext(connection) as queries:
            assert not working.step(claim)
        counts.append(len(queries))
    assert counts[0] == counts[1]
