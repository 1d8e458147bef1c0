"""Traps that other consoles fell into when one acts on many, each by a test of its own: a list, a
selection, a run, through the pages as people go through them. Their like elsewhere:

* column permissions, formulas and masks of exports: test_export.py, test_spreadsheets.py
* lock-outs, messages that tell a password was right: test_sign_in.py
* the last super admin, under a race: test_role_acts.py
* ends of restrictions without any job, two that overlap: test_restrictions_at_once.py, below
"""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from audit import operations as door
from audit import registry
from audit.models import Act, AuditEntry, OutboxMessage, Receipt, Run
from audit.people import SYSTEM
from audit.runs import steering, working
from tests import checksum
from tests.audit.runs import prepared
from tests.audit.runs.prepared import confirmed, worked
from tests.factories import make_keys, make_sessions, make_staff, make_user, make_users
from users.models import ApiKey, Restriction, Session, Tagging, User
from users.restrictions import services
from users.roles import Role
from users.staff.staffing import usable_super_admins

pytestmark = pytest.mark.django_db

LIST = reverse("users:list")
END = now() + timedelta(days=30)


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch):
    """Three at once are the most: what needs a thousand and one users elsewhere."""
    monkeypatch.setattr(door, "MOST_AT_ONCE", 3)


@pytest.fixture
def boss():
    return make_staff(Role.SUPER_ADMIN, username="boss")


@pytest.fixture
def client(boss):
    client = Client()
    client.force_login(boss)
    return client


def selection_in(response):
    return re.search(r"selection=([0-9a-f-]{36})", response.redirect_chain[-1][0])[1]


def select_all(client, query, selection=""):
    """Press “Select all that match” over the list of this query."""
    data = {"act": "all", "shown": "", "selection": selection}
    response = client.post(f"{reverse('users:select')}?{query}", data, follow=True)
    assert response.status_code == 200
    return selection_in(response)


def act_page(selection, code):
    return reverse("operate:many", args=[selection, code])


def draft(client, selection, code="users.tag", **form):
    """Send the form of an act on a large selection; the run it becomes, not counted yet."""
    form = {"add": "met"} if code == "users.tag" else form
    answer = client.get(act_page(selection, code))
    act = re.search(r'name="act" value="([^"]+)"', answer.content.decode())[1]
    client.post(act_page(selection, code), form | {"act": act})
    return Run.objects.order_by("-number").first()


def done(run):
    """The run after somebody confirmed it and workers did it."""
    run = worked(run)
    confirmed(run, reason="a trap")
    return worked(run)


def tagged():
    return set(Tagging.objects.values_list("user_id", flat=True))


# Who is acted on


def test_all_that_match_are_more_than_the_page_shows(client):
    ids = make_users(60)
    run = done(draft(client, select_all(client, "q=many")))
    assert run.total == 60
    assert tagged() == set(ids)


def test_nobody_outside_the_filter_is_acted_on(client):
    ids, others = make_users(5), [make_user(f"else{n}").pk for n in range(5)]
    done(draft(client, select_all(client, "q=many")))
    assert tagged() == set(ids)
    assert not tagged() & set(others)


def test_a_search_that_hides_the_selected_leaves_them_selected_and_counted(client):
    ids, others = make_users(5), [make_user(f"else{n}").pk for n in range(4)]
    chosen = select_all(client, "q=many")
    page = client.get(LIST, {"q": "else", "selection": chosen}).content.decode()
    assert "5 selected" in page
    chosen = select_all(client, "q=else", chosen)
    assert "9 selected" in client.get(LIST, {"selection": chosen}).content.decode()
    done(draft(client, chosen))
    assert tagged() == {*ids, *others}


def test_rows_that_one_does_not_tick_stay_as_they_are(client):
    ids = make_users(6)
    data = {"shown": " ".join(map(str, ids)), "pick": ids[:4]}
    chosen = selection_in(client.post(reverse("users:select"), data, follow=True))
    done(draft(client, chosen))
    assert tagged() == set(ids[:4])


@pytest.mark.parametrize("before", ["the form", "the counting", "the confirming", "the work"])
def test_who_arrives_later_is_not_acted_on(client, before):
    ids = make_users(5)
    chosen = select_all(client, "q=many")
    steps = {
        "the form": lambda: draft(client, chosen),
        "the counting": lambda: worked(Run.objects.get()),
        "the confirming": lambda: confirmed(Run.objects.get(), reason="a trap"),
        "the work": lambda: worked(Run.objects.get()),
    }
    for name, step in steps.items():
        if name == before:
            make_user("many-who-come-late")
        step()
    assert Run.objects.get().total == 5
    assert tagged() == set(ids)


def test_who_does_not_match_any_more_is_still_selected(client):
    """What is selected are people, not a question that is asked again."""
    ids = make_users(5)
    chosen = select_all(client, "q=many")
    User.objects.filter(pk=ids[0]).update(username="renamed")
    done(draft(client, chosen))
    assert tagged() == set(ids)


@pytest.mark.parametrize("query", ["banned=1", "q=many&colour=red", "tier=many", "q=is:baned"])
def test_filter_that_is_not_understood_selects_nobody(client, query):
    make_users(5)
    before = checksum.database()
    response = client.post(f"{reverse('users:select')}?{query}", {"act": "all", "shown": ""})
    assert response.status_code == 400
    assert checksum.database() == before


@pytest.mark.parametrize("name", ["users", "query", "everyone", "pick"])
def test_parameter_that_no_act_has_makes_no_run(client, name):
    make_users(5)
    chosen = select_all(client, "q=many")
    form = {"add": "met", "act": "0d2c9a4e-3c39-4d0e-9d5c-0d6f1a4ab111", name: "all"}
    response = client.post(act_page(chosen, "users.tag"), form)
    assert response.status_code == 422
    assert not Run.objects.exists()


# What is refused, and what fails


def test_one_forbidden_row_stops_nobody_else(client):
    ids = make_users(5)
    colleague = make_staff(Role.SUPER_ADMIN, username="many-powers")
    run = done(draft(client, select_all(client, "q=many")))
    assert (run.changed, run.refused, run.state) == (5, 1, Run.State.DONE)
    assert tagged() == set(ids)
    refused = Receipt.objects.get(act=run.pk, outcome=Receipt.Outcome.REFUSED)
    assert refused.target_id == colleague.pk
    assert refused.refusal


def test_forbidden_rows_are_told_by_reason_before_anything_is_done(client):
    make_users(5)
    make_staff(Role.SUPER_ADMIN, username="many-powers")
    run = worked(draft(client, select_all(client, "q=many")))
    assert sum(run.refusals.values()) == 1
    page = client.get(reverse("runs:detail", args=[run.pk])).content.decode()
    assert "Refused, by reason" in page
    assert "many-powers" in page
    assert not tagged()


def poison(monkeypatch, code, targets):
    """An act that fails after it wrote, for batches with one of these."""
    sound = registry.operations()[code].procedure

    def write(changes, act):
        undo = sound.write(changes, act)
        if targets & {row.target_id for row, _change in changes}:
            raise ZeroDivisionError
        return undo

    operation = replace(registry.operations()[code], procedure=replace(sound, write=write))
    monkeypatch.setitem(registry.operations(), code, operation)


def test_nobody_is_written_to_about_what_was_rolled_back(client, monkeypatch):
    ids = make_users(6)
    User.objects.filter(pk__in=ids).update(email_verified_at=now())
    for pk in ids:
        User.objects.filter(pk=pk).update(email=f"u{pk}@mailbox.example")
    poison(monkeypatch, "users.send_password_link", {ids[2]})

    run = done(draft(client, select_all(client, "q=many"), "users.send_password_link"))

    assert (run.changed, run.failed) == (5, 1)
    letters = OutboxMessage.objects.filter(kind__startswith="users.mail")
    assert letters.count() == 5


def test_no_record_is_left_of_what_was_rolled_back(client, monkeypatch):
    ids = make_users(6)
    poison(monkeypatch, "users.tag", {ids[2]})
    run = done(draft(client, select_all(client, "q=many")))
    entries = AuditEntry.objects.filter(act_id=run.pk, action="users.tag")
    assert set(entries.values_list("target_id", flat=True)) == set(ids) - {ids[2]} == tagged()


# Access


SUSPENSION = {"reason_code": "spam", "ends_at": "3d"}


def test_suspension_of_many_leaves_no_key_and_no_session_alive(client):
    ids = make_users(5)
    make_keys(ids)
    make_sessions(ids)
    run = done(draft(client, select_all(client, "q=many"), "users.suspend", **SUSPENSION))
    assert run.changed == 5
    assert not ApiKey.objects.filter(user__in=ids, revoked_at__isnull=True).exists()
    assert not Session.objects.filter(user__in=ids).exists()


def test_lifting_one_of_two_restrictions_frees_nobody(client):
    ids = make_users(4)
    for code in ("spam", "ban_evasion"):
        services.suspend(ids, actor=SYSTEM, reason_code=code, ends_at=END, reason="a trap")
    lift = {"kind": "suspension", "reason_code": "spam"}
    run = done(draft(client, select_all(client, "q=many"), "users.lift_restriction", **lift))
    assert run.changed == 4
    assert set(User.objects.restricted("suspension", now()).values_list("pk", flat=True)) == {*ids}


def test_restriction_whose_end_is_past_holds_nobody_though_no_job_ran():
    ana = make_user("ana")
    Restriction.objects.create(
        user=ana,
        kind="suspension",
        reason_id="spam",
        starts_at=now() - timedelta(days=2),
        ends_at=now() - timedelta(seconds=1),
    )
    assert not User.objects.restricted("suspension", now()).exists()


def test_a_run_over_all_super_admins_leaves_one_who_can_sign_in(boss):
    ids = [make_staff(Role.SUPER_ADMIN).pk for _number in range(4)]
    User.objects.filter(pk__in=ids).update(password="a hash of something")
    run = prepared.draft(ids, code="users.revoke_role", data={}, actor=boss)
    Run.objects.update(batch=1)  # each of the first batches by itself leaves three
    run = worked(run)
    confirmed(run, reason="a trap")
    Run.objects.update(batch=1)
    run = worked(run)
    assert run.changed < 4
    assert usable_super_admins().exists()


def test_export_of_the_suspended_needs_nobody_to_be_freed(client):
    ids = make_users(2)
    services.suspend(ids, actor=SYSTEM, reason_code="spam", ends_at=None, reason="a trap")
    answer = client.post(f"{reverse('users:export')}?q=is%3Abanned")
    lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
    assert len(lines) == 3
    assert Restriction.objects.filter(lifted_at__isnull=True).count() == 2


# The record


def test_what_jobs_and_commands_do_is_on_record():
    [pk] = make_users(1)
    services.suspend([pk], actor=SYSTEM, reason_code="spam", ends_at=END, reason="a job")
    entry = AuditEntry.objects.get(target_id=pk)
    assert (entry.action, entry.personal.actor_name) == ("users.suspend", "system")


def test_each_filter_of_the_record_finds_what_it_names(client, boss):
    make_users(4)
    run = done(draft(client, select_all(client, "q=many")))
    act = Act.objects.get(pk=run.pk)
    for query in (
        f"act={act.pk}",
        "action=users.tag",
        f"actor={boss.username}",
        "reason=trap",
        "kind=change",
    ):
        page = client.get(f"{reverse('audit')}?{query}").content.decode()
        assert "many" in page, query


def test_cancelled_run_says_how_far_it_came_and_takes_back_only_that(client, boss):
    ids = make_users(6)
    run = worked(draft(client, select_all(client, "q=many")))
    confirmed(run, reason="a trap")
    Run.objects.update(batch=2)
    claim = working.take_up()
    working.step(claim)
    steering.cancel(run.pk, actor=boss, now=now())
    assert not working.step(claim)
    assert tagged() == set(ids[:2])
    page = client.get(reverse("runs:detail", args=[run.pk])).content.decode()
    assert "Cancelled after 2 of 6 users" in page
    assert "Undo for 2 users" in page
