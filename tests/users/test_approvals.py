"""The pages, letters and command of approvals."""

import uuid
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from audit import outbox
from audit.models import AuditEntry, Run
from audit.runs import approving
from billing.services import adjust_credits
from tests import checksum
from tests.audit.approvals.asked import LARGE, approval_of, large_gift, role_for, work
from tests.audit.runs.prepared import previewed
from tests.factories import make_staff, make_user, make_users
from users import approvals, console_settings
from users.roles import Role

pytestmark = pytest.mark.django_db

QUERIES = {"waiting": 7, "over": 8}


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def page_of(run):
    return reverse("approvals:one", args=[run.pk])


def look(client, url, **more):
    return client.get(url, **more).content.decode()


def test_grant_is_asked_for_on_its_page_and_done_when_a_colleague_approves_on_theirs():
    boss, other, ana = make_staff(Role.SUPER_ADMIN), make_staff(Role.SUPER_ADMIN), make_user("ana")
    client, url = client_of(boss), reverse("operate:one", args=[ana.pk, "users.grant_role"])
    typed = {"role": "support", "reason": "joins us", "ticket": "T-1"}
    page = client.post(url, typed | {"step": "preview"})
    assert "Ask for approval: Make 1 user Support" in page.content.decode()
    seen = page.context["attempt"]

    asked = client.post(
        url,
        typed | {"step": "ask", "act": str(seen.act_id), "previewed": seen.fingerprint},
        follow=True,
    )

    assert "Waiting for approval by a second person" in asked.content.decode()
    run = Run.objects.get()
    theirs = client_of(other)
    assert "Make 1 user Support" in look(theirs, reverse("approvals:list"))
    page = look(theirs, page_of(run))
    for shown in ("joins us", "T-1", boss.username, "ana", "Approve: Make 1 user Support"):
        assert shown in page
    done = theirs.post(page_of(run), {"decision": "approve", "note": "known to me"}, follow=True)
    assert "Approved; it starts now." in done.content.decode()
    work()
    ana.refresh_from_db()
    assert ana.role == Role.SUPPORT
    assert approval_of(run).note == "known to me"


def test_what_was_previewed_as_done_alone_is_not_asked_for_in_silence():
    boss, [target] = make_staff(Role.USER_ADMIN), make_users(1)
    client = client_of(boss)
    url = reverse("operate:one", args=[target, "billing.adjust_credits"])
    typed = {"delta": "10001", "reason": "x"}
    seen = client.post(url, typed | {"step": "preview"}).context["attempt"]
    before = checksum.database()
    for step in ("confirm", "ask"):
        sent = typed | {"step": step, "act": str(seen.act_id), "previewed": "0" * 16}
        assert "Ask for approval" in client.post(url, sent).content.decode()
    assert checksum.database() == before


def test_own_request_is_withdrawn_and_not_decided_on_its_page():
    boss = make_staff(Role.SUPER_ADMIN)
    run, client = large_gift(actor=boss), client_of(boss)
    page = look(client, page_of(run))
    assert "Withdraw" in page
    assert 'value="approve"' not in page
    refused = client.post(page_of(run), {"decision": "approve"})
    assert (refused.status_code, approval_of(run).decision) == (422, "")
    client.post(page_of(run), {"decision": "withdraw"})
    assert approval_of(run).decision == "withdrawn"


def test_withdrawing_what_was_approved_meanwhile_takes_nothing_back():
    boss, ids = make_staff(Role.SUPER_ADMIN), make_users(1)
    run = large_gift(ids, actor=boss)
    approving.approve(run.pk, actor=make_staff(Role.SUPER_ADMIN), now=now())
    page = client_of(boss).post(page_of(run), {"decision": "withdraw"})
    assert page.status_code == 422
    assert "it has begun" in page.content.decode()
    run.refresh_from_db()
    assert run.state == Run.State.RUNNING


def asked_by_form(client, url, **typed):
    """Ask by the form of an act, as its page was shown."""
    typed = {"reason": "an outage", "ticket": ""} | typed
    act = typed.setdefault("act", str(uuid.uuid4()))
    seen = client.post(url, typed | {"step": "preview"}).context["attempt"]
    sent = typed | {"step": "ask", "act": act, "previewed": seen.fingerprint}
    return client.post(url, sent, follow=True)


def test_other_words_sent_from_the_browsers_history_are_another_request():
    boss, [target] = make_staff(Role.SUPER_ADMIN), make_users(1)
    client = client_of(boss)
    url, act = reverse("operate:one", args=[target, "billing.adjust_credits"]), str(uuid.uuid4())
    for delta in ("150000", "150000", "200000"):
        asked_by_form(client, url, act=act, delta=delta)
    totals = Run.objects.values_list("forecast__totals__credits", flat=True)
    assert sorted(totals) == ["150000", "200000"]


def test_request_with_the_id_of_an_act_hides_no_act():
    boss, [target] = make_staff(Role.SUPER_ADMIN), make_users(1)
    act = adjust_credits([target], actor=boss, delta=Decimal(5), reason="a gift").act_id
    client = client_of(boss)
    url = reverse("operate:one", args=[target, "billing.adjust_credits"])
    asked_by_form(client, url, act=str(act), delta="150000")
    assert Run.objects.get().pk != act
    assert client.get(reverse("operate:act", args=[act])).status_code == 200


def test_act_with_the_id_of_a_run_does_not_keep_the_run_from_its_own():
    boss, [target, other] = make_staff(Role.SUPER_ADMIN), make_users(2)
    run = large_gift([target], actor=boss)
    client = client_of(make_staff(Role.SUPPORT))
    url = reverse("operate:one", args=[other, "users.tag"])
    typed = {"add": "met", "reason": "met them", "act": str(run.pk)}
    seen = client.post(url, typed | {"step": "preview"}).context["attempt"]
    done = client.post(url, typed | {"step": "confirm", "previewed": seen.fingerprint})
    assert done.status_code == 302
    approving.approve(run.pk, actor=make_staff(Role.SUPER_ADMIN), now=now())
    work()
    run.refresh_from_db()
    assert (run.state, run.changed) == (Run.State.DONE, 1)


def test_undo_that_takes_two_is_asked_for_once_by_a_double_click():
    boss = make_staff(Role.SUPER_ADMIN)
    run = role_for(make_user(), actor=boss)
    approving.approve(run.pk, actor=make_staff(Role.SUPER_ADMIN), now=now())
    work()
    client = client_of(boss)
    for _click in range(2):
        client.post(reverse("operate:undo", args=[run.pk]))
    assert Run.objects.filter(undoes=run.pk).count() == 1


def test_refusing_asks_for_a_note_and_keeps_what_was_typed():
    run, client = large_gift(), client_of(make_staff(Role.SUPER_ADMIN))
    page = client.post(page_of(run), {"decision": "refuse", "note": " "})
    assert page.status_code == 422
    assert "Write why you refuse it" in page.content.decode()
    client.post(page_of(run), {"decision": "refuse", "note": "twice the price"})
    assert approval_of(run).decision == "refused"
    assert "twice the price" in look(client, page_of(run))


@pytest.mark.parametrize("decision", ["", "maybe"])
def test_other_decisions_are_no_words_of_the_form(decision):
    run, client = large_gift(), client_of(make_staff(Role.SUPER_ADMIN))
    assert client.post(page_of(run), {"decision": decision}).status_code == 400


def test_lower_rank_sees_the_request_without_buttons_and_decides_nothing():
    run, client = large_gift(), client_of(make_staff(Role.USER_ADMIN))
    page = look(client, page_of(run))
    assert "ranks no lower" in page
    assert 'value="approve"' not in page
    before = checksum.database()
    assert client.post(page_of(run), {"decision": "approve"}).status_code == 422
    assert checksum.database() == before


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.READ_ONLY])
def test_who_approves_nothing_opens_nothing(role):
    run, client = large_gift(), client_of(make_staff(role))
    for url in (reverse("approvals:list"), page_of(run)):
        assert client.get(url).status_code == 403
        assert client.post(url).status_code == 403


def test_deciding_asks_to_confirm_that_it_is_them_and_keeps_the_note():
    run, other = large_gift(), make_staff(Role.SUPER_ADMIN)
    client = client_of(other)
    session = client.session
    session.pop("stepped_up_at", None)
    session.save()
    asked = client.post(page_of(run), {"decision": "approve", "note": "yes"})
    assert asked["Location"].startswith(reverse("account:confirm"))
    assert approval_of(run).decision == ""


def test_unknown_request_is_a_404_and_an_unknown_tab_a_400():
    client = client_of(make_staff(Role.SUPER_ADMIN))
    nothing = reverse("approvals:one", args=["00000000-0000-0000-0000-000000000000"])
    assert client.get(nothing).status_code == 404
    assert client.post(nothing, {"decision": "approve"}).status_code == 404
    assert client.get(reverse("approvals:list"), {"show": "all"}).status_code == 400
    assert client.get(reverse("approvals:list"), {"page": "2"}).status_code == 400


def test_tabs_hold_what_waits_for_whom():
    boss, other = make_staff(Role.SUPER_ADMIN), make_staff(Role.SUPER_ADMIN)
    mine, theirs = large_gift(actor=boss), large_gift(actor=other)
    over = large_gift(actor=other)
    approving.refuse(over.pk, actor=boss, now=now(), note="no")
    client = client_of(boss)

    def listed(show):
        page = client.get(reverse("approvals:list"), {"show": show})
        return [line.approval.run_id for line in page.context["lines"]]

    assert (listed("waiting"), listed("asked")) == ([theirs.pk], [mine.pk])
    assert (listed("others"), listed("over")) == ([], [over.pk])


@pytest.mark.parametrize("show", ["waiting", "over"])
def test_queue_takes_as_many_queries_for_three_as_for_one(show, django_assert_num_queries):
    boss, other = make_staff(Role.SUPER_ADMIN), make_staff(Role.SUPER_ADMIN)
    client, url = client_of(boss), reverse("approvals:list")

    def one_more():
        run = role_for(make_user(), actor=other)
        if show == "over":
            approving.refuse(run.pk, actor=boss, now=now(), note="no")

    one_more()
    client.get(url)
    for _more in range(2):
        with django_assert_num_queries(QUERIES[show]):
            assert client.get(url, {"show": show}).context["lines"]
        one_more()
        one_more()


def test_navigation_counts_what_waits_for_the_reader():
    boss, other = make_staff(Role.SUPER_ADMIN), make_staff(Role.SUPER_ADMIN)
    large_gift(actor=boss)
    counted = '<span class="count">1<span class="hush"> waiting</span></span>'
    for reader, shown in ((boss, False), (other, True)):
        approvals.shelf.forget()
        assert (counted in look(client_of(reader), reverse("home"))) == shown


@pytest.mark.parametrize(
    ("role", "words"),
    [
        (Role.SUPER_ADMIN, ("It takes a colleague who is: Super admin.", "grant_role NAME")),
        (Role.USER_ADMIN, ("Invite a second admin", "approve_run")),
    ],
)
def test_single_admin_is_told_who_could_approve_and_what_to_do(role, words):
    boss = make_staff(role)
    page = look(client_of(boss), page_of(large_gift(actor=boss)))
    for shown in words:
        assert shown in page


def test_request_names_the_colleagues_who_can_approve():
    boss, other = make_staff(Role.SUPER_ADMIN), make_staff(Role.SUPER_ADMIN)
    page = look(client_of(boss), page_of(large_gift(actor=boss)))
    assert other.username in page


def test_run_says_on_its_page_that_it_will_wait_that_it_waits_and_that_it_was_refused():
    console_settings.shelf.known = {"approvals": {"users": 10, "credits": "100000"}}
    boss, other = make_staff(Role.SUPER_ADMIN), make_staff(Role.SUPER_ADMIN)
    run = previewed(make_users(11), actor=boss)
    client, url = client_of(boss), reverse("runs:detail", args=[run.pk])
    assert "Ask for approval: Add 5 credits to 11 users" in look(client, url)
    client.post(reverse("runs:confirm", args=[run.pk]), {"reason": "an outage", "ticket": ""})
    assert "Waiting for approval by a second person." in look(client, url)
    approving.refuse(run.pk, actor=other, now=now(), note="not for this")
    assert "not for this" in look(client, url)


def test_audit_leads_to_the_request_before_there_is_an_act():
    boss = make_staff(Role.SUPER_ADMIN)
    run = large_gift(actor=boss)
    entry = AuditEntry.objects.get(act_id=run.pk)
    client = client_of(boss)
    assert client.get(reverse("audit_entry", args=[entry.pk])).status_code == 200
    there = client.get(reverse("operate:act", args=[run.pk]))
    assert there["Location"] == page_of(run)


# The API


def test_api_does_nothing_that_takes_two_and_says_so():
    boss, [target] = make_staff(Role.SUPER_ADMIN), make_users(1)
    client, before = client_of(boss), checksum.database()
    answer = client.post(
        "/api/v1/operations/billing.adjust_credits/",
        {"users": [target], "delta": LARGE, "reason": "x"},
        content_type="application/json",
        headers={"Idempotency-Key": "k1"},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "approval_required")
    assert "More than 100,000.00 credits" in answer.json()["detail"]
    assert checksum.database() == before


# Letters


def letters(post):
    while outbox.deliver(now=now()):
        pass
    return [(letter.recipients[0], letter.subject) for letter in post.letters]


def test_colleagues_get_one_letter_and_who_asked_is_told_the_end(post):
    boss, other = make_staff(Role.SUPER_ADMIN), make_staff(Role.SUPER_ADMIN)
    make_staff(Role.USER_ADMIN)
    run = role_for(make_user(), actor=boss)
    assert letters(post) == [(other.email, "Something waits for your approval")]
    approving.refuse(run.pk, actor=other, now=now(), note="not now")
    assert letters(post)[1:] == [(boss.email, "Make 1 user Support: refused")]


# The command


def test_command_approves_under_the_name_of_the_operator():
    ana = make_user()
    run, out = role_for(ana), StringIO()
    call_command("approve_run", str(run.pk), "--reason", "nobody else is here", stdout=out)
    assert "Approved" in out.getvalue()
    work()
    ana.refresh_from_db()
    assert ana.role == Role.SUPPORT
    entry = AuditEntry.objects.select_related("personal").get(
        act_id=run.pk, action="audit.approve_run"
    )
    assert (entry.actor_id, entry.reason) == (None, "nobody else is here")
    assert entry.personal.actor_name.startswith("server operator ")
    with pytest.raises(CommandError, match="decided already"):
        call_command("approve_run", str(run.pk), "--reason", "again")


def test_command_on_an_unknown_run_says_so():
    with pytest.raises(CommandError, match="Nothing of this id"):
        call_command("approve_run", "00000000-0000-0000-0000-000000000000", "--reason", "x")
