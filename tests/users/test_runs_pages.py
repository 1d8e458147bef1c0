"""Runs as people meet them: from the selection over the preview to the result, one page for all."""

import re
import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from audit import operations as door
from audit.models import Act, AuditEntry, Run
from audit.people import SYSTEM
from audit.runs import drafting, steering, working
from billing.models import Account
from tests import checksum
from tests.audit.runs.prepared import (
    draft,
    finished,
    is_in,
    previewed,
    select,
    started,
    worked,
)
from tests.clients import step_down
from tests.factories import make_staff, make_users
from users.models import Session, User
from users.roles import Role

pytestmark = pytest.mark.django_db

ADJUST = "billing.adjust_credits"


@pytest.fixture
def boss():
    return make_staff(Role.SUPER_ADMIN)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def client(boss):
    return signed_in(boss)


@pytest.fixture
def few_at_once(monkeypatch):
    """Three at once are the most: what needs a thousand and one users elsewhere."""
    monkeypatch.setattr(door, "MOST_AT_ONCE", 3)


def page_of(client, run, status=200):
    response = client.get(reverse("runs:detail", args=[run.pk]))
    assert response.status_code == status
    return response.content.decode()


def act_page(selection, code=ADJUST):
    return reverse("operate:many", args=[selection.pk, code])


def send(client, selection, *, act=None, code=ADJUST, **form):
    return client.post(act_page(selection, code), {"act": act or uuid.uuid4(), **form})


def confirm(client, run, **form):
    form.setdefault("reason", "an outage")
    return client.post(reverse("runs:confirm", args=[run.pk]), form)


def balances(ids):
    return set(Account.objects.filter(user__in=ids).values_list("balance", flat=True))


# From the selection


def test_large_selection_is_asked_what_to_do_and_becomes_a_run(client, boss, few_at_once):
    ids = make_users(5)
    chosen = select(ids, boss)
    html = client.get(act_page(chosen)).content.decode()
    assert "Count what would change for 5 users" in html
    assert 'name="reason"' not in html

    response = send(client, chosen, delta="5")

    run = Run.objects.get()
    assert response.headers["Location"] == reverse("runs:detail", args=[run.pk])
    assert (run.owner_id, run.total, run.state) == (boss.pk, 5, "previewing")
    assert balances(ids) == {Decimal(0)}


def test_ids_of_a_large_selection_stay_in_the_database(
    client, boss, few_at_once, django_assert_max_num_queries
):
    chosen = select(make_users(5), boss)
    with django_assert_max_num_queries(20) as queries:
        client.get(act_page(chosen))
        send(client, chosen, delta="5")
    read = [query["sql"] for query in queries if '"audit_selection"."ids"' in query["sql"]]
    assert all("cardinality" in sql and 'SELECT "audit_selection"."ids"' not in sql for sql in read)


def test_up_to_the_most_at_once_are_acted_on_at_once_as_ever(client, boss, few_at_once):
    html = client.get(act_page(select(make_users(3), boss))).content.decode()
    assert "Count what would change" not in html
    assert 'value="preview"' in html


def test_sending_the_form_twice_makes_one_run(client, boss, few_at_once):
    chosen, act = select(make_users(5), boss), uuid.uuid4()
    first = send(client, chosen, act=act, delta="5")
    second = send(client, chosen, act=act, delta="5")
    assert first.headers["Location"] == second.headers["Location"]
    assert Run.objects.count() == 1


def test_other_words_sent_from_the_browsers_history_are_another_run(client, boss, few_at_once):
    chosen, act = select(make_users(5), boss), uuid.uuid4()
    send(client, chosen, act=act, delta="5")
    send(client, chosen, act=act, delta="500")
    assert sorted(Run.objects.values_list("params", flat=True), key=str) == [
        {"delta": {"decimal": "5"}},
        {"delta": {"decimal": "500"}},
    ]


def test_wrong_form_of_a_large_selection_keeps_what_was_typed(client, boss, few_at_once):
    chosen = select(make_users(5), boss)
    response = send(client, chosen, delta="many")
    assert response.status_code == 422
    assert 'value="many"' in response.content.decode()
    assert not Run.objects.exists()


def test_unknown_parameter_makes_no_run_of_everybody(client, boss, few_at_once):
    chosen = select(make_users(5), boss)
    response = send(client, chosen, delta="5", everybody="1")
    assert response.status_code == 422
    assert "everybody" in response.content.decode()
    assert not Run.objects.exists()


def test_act_id_that_is_none_is_a_400(client, boss, few_at_once):
    assert send(client, select(make_users(5), boss), act="x", delta="5").status_code == 400


def test_colleagues_selection_is_not_found(client, few_at_once):
    chosen = select(make_users(5), make_staff(Role.SUPER_ADMIN))
    assert send(client, chosen, delta="5").status_code == 404


def test_empty_selection_is_said_to_be_empty(client, boss):
    chosen = select([], boss)
    assert "Nobody is selected" in client.get(act_page(chosen)).content.decode()


# Its page


def test_pages_of_runs_name_a_parameter_that_they_do_not_know(client, boss):
    run = draft(make_users(3), actor=boss)
    for url in (reverse("runs:detail", args=[run.pk]), reverse("runs:now"), reverse("runs:list")):
        response = client.get(url, {"colour": "red"})
        assert response.status_code == 400
        assert "colour" in response.content.decode()


def test_run_that_is_counted_says_so_and_looks_again(client, boss):
    run = draft(make_users(3), actor=boss)
    html = page_of(client, run)
    assert "Counting what would change" in html
    assert 'hx-trigger="every 1s"' in html
    assert "Look again" in html


def test_progress_is_the_bar_alone_until_the_state_changes(client, boss):
    run = draft(make_users(3), actor=boss)
    url = reverse("runs:progress", args=[run.pk])
    bar = client.get(url, {"shown": "previewing"})
    assert bar.content.decode().strip().startswith('<div id="progress"')
    worked(run)
    whole = client.get(url, {"shown": "previewing"})
    assert whole.headers["HX-Retarget"] == "#run"
    assert "Add 5 credits to 3 users" in whole.content.decode()
    assert "every 1s" not in whole.content.decode()


def test_looking_at_progress_does_not_prolong_the_session(client, boss):
    run = draft(make_users(3), actor=boss)
    long_ago = now() - timedelta(minutes=5)
    Session.objects.update(seen_at=long_ago)
    client.get(reverse("runs:progress", args=[run.pk]))
    assert Session.objects.get().seen_at == long_ago


def test_preview_says_how_many_change_who_is_refused_and_the_first_changes(client, boss):
    ids = make_users(4)
    User.objects.filter(pk=ids[0]).update(closed_at=now())
    run = previewed(ids, actor=boss)
    html = page_of(client, run)
    assert "Add 5 credits to 3 users" in html
    assert "+15.00" in html
    assert "Refused, by reason" in html
    assert User.objects.get(pk=ids[1]).username in html
    assert 'name="reason"' in html


def test_confirmed_run_runs_and_tells_what_it_did(client, boss):
    ids = make_users(4)
    run = previewed(ids, actor=boss)
    response = confirm(client, run, ticket="T-1")
    assert response.headers["Location"] == reverse("runs:detail", args=[run.pk])
    assert is_in(run, "RUNNING")
    assert "Pause" in page_of(client, run)

    worked(run)

    html = page_of(client, run)
    assert balances(ids) == {Decimal(5)}
    assert f"/admin/acts/{run.pk}/?outcome=changed" in html
    assert "Undo for 4 users" in html
    assert (run.reason, run.ticket) == ("an outage", "T-1")


def test_run_is_not_confirmed_without_a_reason(client, boss):
    run = previewed(make_users(2), actor=boss)
    assert confirm(client, run, reason="").status_code == 422
    assert is_in(run, "PREVIEWED")


def test_double_click_on_confirm_starts_one_run_and_complains_of_nothing(client, boss):
    ids = make_users(2)
    run = previewed(ids, actor=boss)
    confirm(client, run)
    again = confirm(client, run)
    assert again.headers["Location"] == reverse("runs:detail", args=[run.pk])
    worked(run)
    assert balances(ids) == {Decimal(5)}
    assert "is not waiting" not in page_of(client, run)


def test_confirming_asks_who_it_is_and_keeps_what_was_typed(client, boss):
    run = previewed(make_users(2), actor=boss)
    step_down(client)
    response = confirm(client, run, reason="because of rain")
    assert "/account/confirm/" in response.headers["Location"]
    assert is_in(run, "PREVIEWED")
    assert "because of rain" in page_of(client, run)


def test_grave_act_on_many_is_confirmed_by_the_number_of_users(client, boss):
    ids = make_users(51)
    run = previewed(ids, code="users.end_sessions", data={}, actor=boss)
    assert not run.changed  # nobody is in
    run = previewed(
        ids, code="users.suspend", data={"reason_code": ["spam"], "ends_at": ["3d"]}, actor=boss
    )
    assert confirm(client, run).status_code == 422
    assert confirm(client, run, number="50").status_code == 422
    assert is_in(run, "PREVIEWED")
    confirm(client, run, number="51")
    assert is_in(run, "RUNNING")


@pytest.mark.parametrize(("delta", "status"), [("5", 302), ("-5", 422)])
def test_taking_credits_from_many_is_grave_and_giving_them_is_not(client, boss, delta, status):
    from billing.services import adjust_credits

    ids = make_users(51)
    adjust_credits(ids, actor=SYSTEM, delta=Decimal(9), reason="x")
    run = previewed(ids, data={"delta": [delta]}, actor=boss)
    assert confirm(client, run).status_code == status


def test_expired_preview_is_not_confirmed(client, boss):
    run = previewed(make_users(2), actor=boss)
    Run.objects.update(expires_at=now())
    assert "over a day old" in page_of(client, run)
    confirm(client, run)
    assert is_in(run, "PREVIEWED")
    assert not Act.objects.exists()


def test_role_lost_between_preview_and_confirming_starts_nothing(client, boss):
    run = previewed(make_users(2), actor=boss)
    User.objects.filter(pk=boss.pk).update(role=Role.SUPPORT)
    assert confirm(client, run).status_code == 403
    assert is_in(run, "PREVIEWED")


# Whose it is


def test_colleagues_preview_is_seen_but_not_confirmed(client):
    run = previewed(make_users(2))
    assert "has not confirmed it" in page_of(client, run)
    assert confirm(client, run).status_code == 403
    assert is_in(run, "PREVIEWED")


def test_support_finds_no_run_of_a_colleague():
    run = previewed(make_users(2))
    support = signed_in(make_staff(Role.SUPPORT))
    page_of(support, run, status=404)
    assert support.get(reverse("runs:progress", args=[run.pk])).status_code == 404


@pytest.mark.parametrize("what", ["pause", "cancel"])
def test_user_admin_steers_only_their_own_runs(what):
    mine = make_staff(Role.USER_ADMIN)
    own, other = started(make_users(2), actor=mine), started(make_users(2))
    client = signed_in(mine)
    client.post(reverse(f"runs:{what}", args=[other.pk]))
    assert is_in(other, "RUNNING")
    client.post(reverse(f"runs:{what}", args=[own.pk]))
    assert not is_in(own, "RUNNING")


def test_super_admin_cancels_a_colleagues_run_after_confirming_who_it_is(client):
    run = started(make_users(2), actor=make_staff(Role.USER_ADMIN))
    step_down(client)
    url = reverse("runs:cancel", args=[run.pk])
    assert "/account/confirm/" in client.post(url).headers["Location"]
    assert is_in(run, "RUNNING")
    from tests.clients import step_up

    step_up(client)
    client.post(url)
    assert is_in(run, "CANCELLED")


def test_own_run_is_cancelled_without_confirming_who_it_is(client, boss):
    run = started(make_users(2), actor=boss)
    step_down(client)
    client.post(reverse("runs:cancel", args=[run.pk]))
    assert is_in(run, "CANCELLED")
    assert "Cancelled after 0 of 2 users" in page_of(client, run)


def test_page_tells_who_did_what_with_the_run_and_nothing_of_its_users(client, boss):
    run = started(make_users(3), actor=boss)
    for step in ("pause", "resume"):
        client.post(reverse(f"runs:{step}", args=[run.pk]))
    run = worked(run)
    record = page_of(client, run).partition('id="record-title"')[2].partition("</section>")[0]
    names = re.findall(r'<a class="name" href="[^"]+">([^<]+)</a>', record)
    assert names == ["Pause a run", "Resume a run"]
    assert record.count(boss.username) == 2


def test_paused_run_goes_on(client, boss):
    ids = make_users(2)
    run = started(ids, actor=boss)
    client.post(reverse("runs:pause", args=[run.pk]))
    assert "Resume" in page_of(client, run)
    client.post(reverse("runs:resume", args=[run.pk]))
    worked(run)
    assert balances(ids) == {Decimal(5)}


# Afterwards


def test_undo_of_an_act_on_many_becomes_a_run(client, boss, few_at_once):
    ids = make_users(5)
    run = finished(ids, actor=boss)
    response = client.post(reverse("operate:undo", args=[run.pk]))
    undo = Run.objects.get(undoes=run.pk)
    assert response.headers["Location"] == reverse("runs:detail", args=[undo.pk])
    worked(undo)
    assert "Undo “Adjust credits” for 5 users" in page_of(client, undo)
    confirm(client, undo, reason="a mistake")
    worked(undo)
    assert balances(ids) == {Decimal(0)}
    assert "This was undone" in page_of(client, run)


def test_act_of_a_run_under_way_is_not_undone(client, boss):
    run = started(make_users(3), actor=boss)
    client.post(reverse("operate:undo", args=[run.pk]))
    act = client.get(reverse("operate:act", args=[run.pk])).content.decode()
    assert "not over yet" in act
    assert Act.objects.filter(undoes=run.pk).count() == 0


def test_refused_users_are_tried_again_by_a_run_of_their_own(client, boss):
    ids = make_users(4)
    User.objects.filter(pk__in=ids[:2]).update(closed_at=now())
    run = finished(ids, actor=boss)
    assert "Try the refused again" in page_of(client, run)
    response = client.post(reverse("runs:retry", args=[run.pk]))
    again = Run.objects.get(retries=run.pk)
    assert response.headers["Location"] == reverse("runs:detail", args=[again.pk])
    assert again.total == 2


def test_refused_users_are_not_tried_again_twice(client, boss):
    ids = make_users(4)
    User.objects.filter(pk=ids[0]).update(closed_at=now())
    run = finished(ids, actor=boss)
    User.objects.filter(pk=ids[0]).update(closed_at=None)
    retry = reverse("runs:retry", args=[run.pk])
    page = client.post(retry).headers["Location"]
    again = worked(Run.objects.get(retries=run.pk))
    assert page == reverse("runs:detail", args=[again.pk])
    confirm(client, again)
    worked(again)
    shown = page_of(client, run)
    assert "The refused, tried again" in shown
    assert "Try the refused again…" not in shown
    client.post(retry)
    assert Run.objects.filter(retries=run.pk).count() == 1


def test_run_that_was_cancelled_offers_to_go_on_with_the_others(client, boss):
    run = started(make_users(4), actor=boss)
    Run.objects.update(batch=1)
    claim = working.take_up()
    working.step(claim)
    working.release(claim)
    client.post(reverse("runs:cancel", args=[run.pk]))
    assert "Go on with the other 3 users" in page_of(client, run)
    client.post(reverse("runs:resume", args=[run.pk]))
    run = worked(run)
    assert (run.state, run.changed) == ("done", 4)
    assert "Go on with" not in page_of(client, run)


def test_going_on_after_a_cancellation_asks_who_it_is(client, boss):
    run = started(make_users(4), actor=boss)
    steering.cancel(run.pk, actor=boss, now=now())
    step_down(client)
    answer = client.post(reverse("runs:resume", args=[run.pk]))
    assert reverse("account:confirm") in answer.headers["Location"]
    run.refresh_from_db()
    assert run.state == Run.State.CANCELLED


def test_page_tells_how_far_an_undo_came(client, boss):
    run = finished(make_users(4), actor=boss)
    undo = worked(drafting.draft_undo(Act.objects.get(pk=run.pk), actor=boss, now=now()))
    confirm(client, undo)
    assert "This is being undone." in page_of(client, run)
    Run.objects.filter(pk=undo.pk).update(batch=1)
    claim = working.take_up()
    working.step(claim)
    working.release(claim)
    client.post(reverse("runs:cancel", args=[undo.pk]))
    said = "Its undo stopped after 1 of 4 users, and can go on."
    assert said in page_of(client, run)
    assert said in client.get(reverse("operate:act", args=[run.pk])).content.decode()
    client.post(reverse("runs:resume", args=[undo.pk]))
    worked(undo)
    assert "This was undone." in page_of(client, run)


@pytest.mark.parametrize(
    ("role", "shown"), [(Role.SUPER_ADMIN, True), (Role.USER_ADMIN, True), (Role.READ_ONLY, False)]
)
def test_words_by_which_users_were_found_are_not_for_who_sees_addresses_masked(role, shown):
    run = finished(make_users(2))
    Run.objects.filter(pk=run.pk).update(query="q=email%3Aana%40corp.example")
    viewer = signed_in(make_staff(role))
    assert ("ana%40corp.example" in page_of(viewer, run)) is shown


def test_results_are_a_file_for_who_ran_it_and_on_record(client, boss):
    ids = make_users(3)
    User.objects.filter(pk=ids[0]).update(closed_at=now())
    User.objects.filter(pk=ids[1]).update(username="=cmd()")
    run = finished(ids, actor=boss)
    response = client.post(reverse("runs:results", args=[run.pk]))
    lines = b"".join(response.streaming_content).decode("utf-8-sig").splitlines()
    assert lines[0] == "ID,Username,Outcome,Reason,Credits before,Credits after"
    assert lines[1].startswith(f"{ids[0]},")
    assert ",refused," in lines[1]
    assert lines[2] == f"{ids[1]},'=cmd(),changed,,0,5"
    assert AuditEntry.objects.filter(action="exports.run", act_id=run.pk).count() == 2


def test_results_of_a_colleagues_run_are_not_downloaded(client):
    run = finished(make_users(2))
    before = checksum.database()
    assert client.post(reverse("runs:results", args=[run.pk])).status_code == 403
    assert checksum.database() == before


# The list


@pytest.mark.parametrize("number", [1, 3])
def test_list_of_runs_costs_the_same_for_one_and_three(
    client, boss, number, django_assert_num_queries
):
    for _each in range(number):
        draft(make_users(2), actor=boss)
    client.get(reverse("runs:list"))
    with django_assert_num_queries(5):
        html = client.get(reverse("runs:list")).content.decode()
    assert html.count("<tr data-row") == number


def test_list_is_asked_for_ones_own_a_state_and_an_act(client, boss):
    mine, other = draft(make_users(2), actor=boss), finished(make_users(2))

    def listed(**query):
        html = client.get(reverse("runs:list"), query).content.decode()
        return {run for run in (mine, other) if f"/admin/runs/{run.pk}/" in html}

    assert listed() == {mine, other}
    assert listed(whose="mine") == {mine}
    assert listed(state="done") == {other}
    assert listed(act="users.tag") == set()
    assert client.get(reverse("runs:list"), {"nonsense": "1"}).status_code == 400


def test_support_lists_only_its_own_runs():
    draft(make_users(2))
    html = signed_in(make_staff(Role.SUPPORT)).get(reverse("runs:list")).content.decode()
    assert "No run yet" in html


def test_parameters_stand_in_the_order_of_the_form(client, boss):
    data = {"amount": ["5"], "unit": ["days"]}
    run = previewed(make_users(2), actor=boss, code="subscriptions.extend", data=data)
    page = page_of(client, run)
    assert page.index("<dt>Amount</dt>") < page.index("<dt>Unit</dt>")
