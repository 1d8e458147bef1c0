"""The executor, with small acts of its own: chunks, preconditions, caps, races, crashes in the
middle."""

import threading
import uuid
from dataclasses import dataclass

import pytest
from django.db import connection, transaction

from audit import execution, record
from audit.execution import OperationRefused
from audit.models import Act, AuditEntry, AuditPersonal, Receipt
from audit.people import SYSTEM
from audit.procedures import Change, Over, Procedure, Refusal
from coai_admin.console import circumstances
from tests import checksum
from tests.factories import NOON, make_staff, make_users
from users.models import User


@dataclass(frozen=True)
class Row:
    target_id: int
    country: str


def load(ids, *, lock, params):
    rows = User.objects.filter(pk__in=ids).order_by("pk")
    if lock:
        rows = rows.select_for_update(no_key=True)
    return [Row(pk, country) for pk, country in rows.values_list("pk", "country")]


def decide(row, params, now):
    if row.country == params["country"]:
        return None
    if row.country == "XX":
        return Refusal(f"User {row.target_id} has no country.", "No country")
    return Change({"country": row.country}, {"country": params["country"]})


def write(changes, act):
    User.objects.filter(pk__in=[row.target_id for row, _ in changes]).update(
        country=act.params["country"]
    )
    return {row.target_id: {"was": row.country} for row, _ in changes}


MOVE = Procedure(code="users.move", load=load, decide=decide, write=write)


def move(ids, country="DE", *, procedure=MOVE, actor=SYSTEM, **more):
    return execution.execute(
        procedure, ids, {"country": country}, actor=actor, now=NOON, reason="moved", **more
    )


@pytest.mark.django_db
def test_execute_tells_changed_unchanged_and_refused_apart():
    changes, stays, refused = make_users(3)
    User.objects.filter(pk=stays).update(country="DE")
    User.objects.filter(pk=refused).update(country="XX")
    done = move([refused, stays, changes])
    assert [row.target_id for row in done.rows] == sorted([changes, stays, refused])
    assert [row.target_id for row in done.changed] == [changes]
    assert [row.target_id for row in done.unchanged] == [stays]
    assert done.refused_by_reason == {"No country": 1}
    act = Act.objects.get(pk=done.act_id)
    assert (act.changed, act.unchanged, act.refused) == (1, 1, 1)
    assert Receipt.objects.get(act=act, target_id=refused).refusal.endswith("has no country.")
    assert Receipt.objects.get(act=act, target_id=changes).undo == {"was": ""}
    entry = AuditEntry.objects.get(act_id=act.pk)
    assert (entry.target_id, entry.changes) == (changes, {"country": ["", "DE"]})


@pytest.mark.django_db
def test_execute_that_changes_nothing_leaves_no_trace():
    ids = make_users(2)
    User.objects.filter(pk__in=ids).update(country="DE")
    before = checksum.database()
    assert move(ids).act_id is None
    assert checksum.database() == before


@pytest.mark.django_db
def test_execute_counts_over_chunks_with_the_first_refused_whole(monkeypatch):
    monkeypatch.setattr(execution, "CHUNK", 2)
    ids = make_users(5)
    User.objects.filter(pk__in=ids[:2]).update(country="XX")
    done = move(ids)
    act = Act.objects.get(pk=done.act_id)
    assert (act.changed, act.refused) == (3, 2)
    assert Receipt.objects.filter(act=act).count() == 5
    assert AuditEntry.objects.filter(act_id=act.pk).count() == 3


@pytest.mark.django_db
def test_execute_names_each_target_once_however_often_it_is_given():
    [pk] = make_users(1)
    assert len(move([pk, pk, pk]).rows) == 1


@pytest.mark.django_db
def test_execute_refuses_a_row_that_changed_since_it_was_seen():
    ids = make_users(2)
    versioned = Procedure(
        code="users.move",
        load=load,
        decide=decide,
        write=write,
        version=lambda row: len(row.country),
    )
    User.objects.filter(pk=ids[1]).update(country="FR")
    done = move(ids, procedure=versioned, seen=dict.fromkeys(ids, 0))
    assert [row.target_id for row in done.changed] == [ids[0]]
    assert [row.target_id for row in done.refused] == [ids[1]]
    assert "look again" in done.refused[0].refusal.sentence


@pytest.mark.django_db
def test_execute_over_a_cap_is_refused_whole():
    ids = make_users(3)
    before = checksum.database()
    with pytest.raises(OperationRefused, match="at most two"):
        move(ids, cap=lambda act, changing: Over("at most two") if len(changing) > 2 else None)
    assert checksum.database() == before


@pytest.mark.django_db
def test_execute_keeps_personal_fields_apart():
    [pk] = make_users(1)
    private = Procedure(
        code="users.move", load=load, decide=decide, write=write, personal=frozenset({"country"})
    )
    with circumstances.under("request-1", "203.0.113.9"):
        done = move([pk], procedure=private)
    entry = AuditEntry.objects.get(act_id=done.act_id)
    assert entry.changes == {}
    assert entry.request_id == "request-1"
    assert entry.personal.changes == {"country": ["", "DE"]}
    assert entry.personal.ip == "203.0.113.9"


@pytest.mark.django_db
def test_audit_failure_aborts_the_act(monkeypatch):
    ids = make_users(2)
    before = checksum.database()

    def fails(*args, **kwargs):
        raise RuntimeError("no room for the record")

    monkeypatch.setattr(record, "acts", fails)
    with pytest.raises(RuntimeError):
        move(ids)
    assert checksum.database() == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET action = 'nothing'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
    ],
)
def test_audit_entries_cannot_be_changed(statement):
    move(make_users(1))
    with (
        pytest.raises(Exception, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.django_db
def test_audit_personal_can_be_erased_while_the_entry_stays():
    done = move(make_users(1))
    AuditPersonal.objects.filter(entry__act_id=done.act_id).delete()
    assert AuditEntry.objects.filter(act_id=done.act_id).exists()


@pytest.mark.django_db(transaction=True)
def test_execute_of_one_act_from_two_browsers_at_once_acts_once():
    ids, actor, act_id = make_users(1), make_staff(), uuid.uuid4()
    start, outcomes = threading.Barrier(2), []

    def press():
        start.wait()
        try:
            outcomes.append(len(move(ids, actor=actor, act_id=act_id).changed))
        except execution.AlreadyPerformed:
            outcomes.append("already")
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes, key=str) == [1, "already"]
    assert Act.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_execute_on_overlapping_sets_in_opposite_order_never_deadlocks():
    ids = make_users(40)
    actors = [make_staff() for _ in range(4)]
    start, failures = threading.Barrier(4), []

    def press(actor, country):
        start.wait()
        try:
            for _ in range(5):
                move(ids if country < "K" else reversed(ids), country, actor=actor)
        except Exception as error:  # noqa: BLE001
            failures.append(error)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=press, args=(actor, country))
        for actor, country in zip(actors, ["AA", "BB", "PP", "QQ"], strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    last = User.objects.filter(pk__in=ids).values_list("country", flat=True).distinct()
    assert len(last) == 1


@pytest.mark.django_db(transaction=True)
def test_execute_judges_rank_under_lock_not_from_memory():
    """A promotion that commits while the act waits is seen by the guard."""
    from audit.operations import outranks
    from users.roles import Role

    actor, [target] = make_staff(Role.USER_ADMIN), make_users(1)
    waiting, outcome = threading.Event(), []

    def press():
        waiting.set()
        outcome.append(move([target], actor=actor, guards=(outranks,)))
        connection.close()

    with transaction.atomic():
        User.objects.select_for_update().get(pk=target)
        User.objects.filter(pk=target).update(role=Role.SUPER_ADMIN)
        thread = threading.Thread(target=press)
        thread.start()
        waiting.wait(5)
        thread.join(0.3)
    thread.join(10)
    assert [row.refusal.sentence for row in outcome[0].refused] == ["Ranks at or above you."]
