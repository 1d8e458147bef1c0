"""Resetting somebody's second factor: what waits a day, who is told and can stop it, what is taken
then, and how it is done at once from the server."""

import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from django.utils.timezone import now

from audit import operations
from audit.models import Act, AuditEntry, AuditPersonal, OutboxMessage, Receipt
from audit.people import SYSTEM
from audit.registry import actions
from tests import checksum
from tests.factories import make_session, make_staff, make_user
from tests.users.codes import App, enrolled
from tests.users.conftest import Visitor, person
from users import factor_resets
from users.email.changes import LinkOver
from users.models import SecondFactorReset, Session, User
from users.profile.services import close
from users.roles import Role
from users.second_factor import cancelling, taking
from users.second_factor.authenticators import Authenticator, is_enrolled
from users.second_factor.operations import RESET_SECOND_FACTOR
from users.second_factor.resets import reset_second_factor
from users.tasks import take_second_factors

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

PROOF = {"identity_proof": "called back on the known number"}
DAY = timedelta(hours=24)
OWN = reverse("account:second_factor")
KEEP = reverse("account:cancel_second_factor_reset")


@pytest.fixture
def boss():
    return make_staff(Role.SUPER_ADMIN)


def ask(user, actor=SYSTEM, at=None):
    return reset_second_factor([user.pk], actor=actor, reason="lost the phone", now=at, **PROOF)


def ask_as(actor, user):
    done = operations.perform(
        RESET_SECOND_FACTOR, [user.pk], PROOF, actor=actor, now=now(), reason="lost the phone"
    )
    return Act.objects.get(pk=done.act_id)


def asked_a_day_ago(user, actor=SYSTEM):
    ask(user, actor, at=now() - DAY)
    return SecondFactorReset.objects.get(user=user, cancelled_at=None)


def undo(act, actor):
    return operations.undo(RESET_SECOND_FACTOR, act, actor=actor, now=now(), reason="a slip")


def refusal(done):
    [row] = done.refused
    return row.refusal.sentence


def signed_in(user, app):
    visitor = Visitor()
    visitor.sign_in(user.username)
    visitor.send(reverse("account:sign_in_code"), {"code": app.code()})
    assert visitor.is_in()
    return visitor


def the_link(post):
    [letter] = post.fetch()
    return letter.path


# Asked for


def test_asking_takes_nothing_and_tells_at_once(post):
    user, app = enrolled()
    visitor = signed_in(user, app)
    moment = now()
    ask(user, at=moment)
    assert taking.take_due(now=moment + DAY - timedelta(microseconds=1)) == 0
    assert is_enrolled(user)
    assert visitor.is_in()
    reset = SecondFactorReset.objects.get()
    assert (reset.requested_at, reset.due_at) == (moment, moment + DAY)
    [letter] = post.fetch()
    assert letter.recipients == [user.email]
    assert letter.subject == "Your second factor is about to be reset"
    assert f"{reset.due_at:%H:%M} UTC" in letter.text


def test_asking_again_is_refused_while_one_waits(boss):
    user, _app = enrolled()
    ask(user, at=now() - timedelta(hours=1))
    before = checksum.database()
    again = operations.perform(
        RESET_SECOND_FACTOR, [user.pk], PROOF, actor=boss, now=now(), reason="again"
    )
    reset = SecondFactorReset.objects.get()
    assert refusal(again) == (
        f"It was asked for on {reset.requested_at:%-d %b %Y, %H:%M} UTC"
        f" and takes effect on {reset.due_at:%-d %b %Y, %H:%M} UTC."
    )
    assert checksum.database() == before
    menu = operations.menus([RESET_SECOND_FACTOR], [user.pk], actor=boss, now=now())
    assert menu[user.pk][0].refusal == refusal(again)


def test_asking_keeps_the_proof_on_record_and_nothing_of_the_secret(boss):
    user, app = enrolled()
    act = ask_as(boss, user)
    assert act.params == PROOF
    entry = AuditEntry.objects.get(act_id=act.pk)
    assert set(entry.changes) == {"second_factor_reset"}
    assert app.secret not in str(entry.changes)


@pytest.mark.parametrize(
    ("fields", "sentence"), [({"closed_at": now()}, "The account is closed."), ({}, None)]
)
def test_reset_of_who_has_none_changes_nothing(fields, sentence):
    user = person(**fields)
    before = checksum.database()
    done = ask(user)
    assert not done.changed
    assert [row.refusal.sentence for row in done.refused] == ([sentence] if sentence else [])
    assert checksum.database() == before


def test_reset_needs_a_proof_of_identity():
    form = RESET_SECOND_FACTOR.form({"reason": "asked", "identity_proof": " "}, now=now())
    assert list(form.errors) == ["identity_proof"]


def test_who_has_no_address_is_warned_of_and_gets_no_letter(post):
    user, _app = enrolled()
    User.objects.filter(pk=user.pk).update(email=None)
    told, _app = enrolled("told")
    assert "no letter" in RESET_SECOND_FACTOR.caution([user.pk], now())
    assert RESET_SECOND_FACTOR.caution([told.pk], now()) == ""
    ask(user)
    assert post.fetch() == []


def test_database_holds_one_open_reset_of_a_user():
    user, _app = enrolled()
    reset = asked_a_day_ago(user)
    with pytest.raises(IntegrityError, match="secondfactorreset_one_open"), transaction.atomic():
        factor_resets.ask([user.pk], act_id=reset.act_id, now=now())


def test_reset_is_seen_by_staff_while_it_waits(client, boss):
    user, _app = enrolled("somebody.else")
    client.force_login(boss)
    page, found = reverse("user", args=[user.pk]), f"{reverse('users:list')}?q=has:2fa_reset"
    assert "to be reset" not in client.get(page).text
    assert user.username not in client.get(found).text
    ask(user, boss)
    assert "to be reset" in client.get(page).text
    assert user.username in client.get(found).text
    factor_resets.cancel([user.pk], now=now())
    assert "to be reset" not in client.get(page).text
    assert user.username not in client.get(found).text


# Due


def test_due_reset_takes_factor_and_sessions_and_tells(post):
    user, app = enrolled()
    signed_in(user, app)
    other = make_session(person("eve"))
    reset = asked_a_day_ago(user)
    post.fetch()
    take_second_factors()
    assert not Authenticator.objects.filter(user=user).exists()
    assert list(Session.objects.values_list("pk", flat=True)) == [other.pk]
    reset.refresh_from_db()
    assert reset.done_at is not None
    [letter] = post.fetch()
    assert letter.recipients == [user.email]
    assert letter.subject == "Your second factor was reset"
    again = Visitor()
    again.sign_in("ana")
    assert again.is_in()


def test_due_reset_is_on_record_with_the_act_it_belongs_to(boss):
    user, app = enrolled()
    signed_in(user, app)
    reset = asked_a_day_ago(user, boss)
    take_second_factors()
    entry = AuditEntry.objects.get(action="users.take_second_factor")
    assert entry.action in actions()
    assert (entry.act_id, entry.actor_id, entry.target_id) == (reset.act_id, None, user.pk)
    assert AuditPersonal.objects.get(entry=entry).actor_name == "system"
    assert entry.changes["second_factor"][1] is None
    assert entry.changes["sessions"] == [1, 0]
    assert app.secret not in str(entry.changes)


def test_page_of_the_act_shows_what_it_asked_not_what_came_of_it(client, boss):
    user, _app = enrolled()
    reset = asked_a_day_ago(user, boss)
    take_second_factors()
    client.force_login(boss)
    page = client.get(reverse("operate:act", args=[reset.act_id])).text
    assert "Reset of the second factor" in page
    assert "takes effect" in page


def test_due_reset_of_staff_leads_them_to_set_up_a_new_one(visitor, settings):
    settings.REQUIRE_STAFF_MFA = True
    user, _app = enrolled(role=Role.SUPPORT)
    asked_a_day_ago(user)
    take_second_factors()
    visitor.sign_in("ana")
    assert visitor.get("/admin/").headers["Location"] == reverse("account:set_up_second_factor")


def test_job_run_twice_does_it_once():
    user, _app = enrolled()
    asked_a_day_ago(user)
    assert taking.take_due(now=now()) == 1
    before = checksum.database()
    assert taking.take_due(now=now()) == 0
    assert checksum.database() == before


def test_after_a_reset_another_can_be_asked_for():
    user, _app = enrolled()
    asked_a_day_ago(user)
    take_second_factors()
    Authenticator.objects.create(user=user, type="totp", data={})
    assert ask(user).changed


def test_closed_meanwhile_nothing_is_taken(post, boss):
    user, _app = enrolled()
    asked_a_day_ago(user)
    path = the_link(post)
    close([user.pk], actor=boss, reason="asked to")
    reset = SecondFactorReset.objects.get()
    assert reset.cancelled_at is not None
    assert taking.take_due(now=now()) == 0
    assert is_enrolled(user)
    assert Visitor().get(path).status_code == 410


def test_job_skips_who_was_closed_without_cancelling_or_has_none_any_more(post):
    closed, _app = enrolled()
    without, _app = enrolled("eve")
    for user in (closed, without):
        asked_a_day_ago(user)
    User.objects.filter(pk=closed.pk).update(closed_at=now())
    Authenticator.objects.filter(user=without).delete()
    post.fetch()
    assert taking.take_due(now=now()) == 0
    assert is_enrolled(closed)
    assert not SecondFactorReset.objects.filter(factor_resets.OPEN).exists()
    assert post.fetch() == []


# Cancelled


def test_link_keeps_the_second_factor_without_signing_in(post, visitor):
    user, _app = enrolled()
    reset = asked_a_day_ago(user)  # due, and not taken yet
    path = the_link(post)
    page = visitor.get(path)
    assert page.status_code == 200
    assert page["Referrer-Policy"] == "strict-origin"
    assert "Keep your second factor?" in page.text
    assert SecondFactorReset.objects.get().cancelled_at is None  # opening is not cancelling
    assert "Your second factor stays" in visitor.send(path).text
    assert taking.take_due(now=now() + DAY) == 0
    assert is_enrolled(user)
    entry = AuditEntry.objects.get(action="account.keep_second_factor")
    assert (entry.actor_id, entry.act_id) == (user.pk, reset.act_id)
    before = checksum.database()
    assert visitor.get(path).status_code == 410
    assert "cancelled already" in visitor.send(path).text
    assert checksum.database() == before


def test_link_after_it_was_taken_says_so(post, visitor):
    user, _app = enrolled()
    asked_a_day_ago(user)
    path = the_link(post)
    take_second_factors()
    before = checksum.database()
    answer = visitor.send(path)
    assert answer.status_code == 410
    assert "taken already" in answer.text
    assert checksum.database() == before


def test_link_that_is_not_genuine_tells_nothing(post, visitor):
    user, _app = enrolled()
    asked_a_day_ago(user)
    token = the_link(post).rstrip("/").rpartition("/")[2]
    assert token.partition("-")[2] not in str(
        [*OutboxMessage.objects.values(), *SecondFactorReset.objects.values()]
    )
    before = checksum.database()
    for name, wrong in (
        ("keep_second_factor", token[:-1] + ("A" if token[-1] != "A" else "B")),
        ("keep_second_factor", "1-x"),
        ("keep_email", token),
    ):
        url = reverse(f"account:{name}", args=[wrong])
        for answer in (visitor.get(url), visitor.send(url)):
            assert answer.status_code == 404
            assert user.username not in answer.text
    assert checksum.database() == before


def test_letter_that_comes_too_late_is_not_sent(post):
    user, _app = enrolled()
    ask(user)
    factor_resets.cancel([user.pk], now=now())
    assert post.fetch() == []


def test_own_page_tells_of_it_and_cancels():
    user, app = enrolled()
    visitor = signed_in(user, app)
    assert "A reset was asked for" not in visitor.get(OWN).text
    ask(user)
    assert "A reset was asked for" in visitor.get(OWN).text
    assert visitor.send(KEEP).headers["Location"] == OWN
    assert SecondFactorReset.objects.get().cancelled_at is not None
    page = visitor.get(OWN).text
    assert "A reset was asked for" not in page
    assert "your second factor stays" in page
    before = checksum.database()
    assert visitor.send(KEEP).status_code == 302
    assert checksum.database() == before


def test_own_page_cancels_no_reset_of_others():
    user, app = enrolled()
    other, _app = enrolled("eve")
    ask(other)
    signed_in(user, app).send(KEEP)
    assert SecondFactorReset.objects.get().cancelled_at is None


def test_signing_in_with_a_code_cancels_nothing():
    user, app = enrolled()
    ask(user)
    signed_in(user, app)
    assert SecondFactorReset.objects.get().cancelled_at is None


def test_own_removal_cancels_what_waits():
    user, app = enrolled()
    visitor = signed_in(user, app)
    ask(user)
    visitor.send(reverse("account:remove_second_factor"))
    assert SecondFactorReset.objects.get().cancelled_at is not None
    entry = AuditEntry.objects.get(action="account.remove_second_factor")
    assert entry.changes == {"reset_cancelled": True}


def test_new_second_factor_is_not_taken_by_the_reset_of_the_old_one():
    user, app = enrolled()
    visitor = signed_in(user, app)
    ask(user)
    page = reverse("account:set_up_second_factor")
    secret = visitor.get(page).context["secret"]
    visitor.send(page, {"code": App(secret).code()})
    assert SecondFactorReset.objects.get().cancelled_at is not None
    assert taking.take_due(now=now() + DAY) == 0
    assert is_enrolled(user)


def test_undo_cancels_while_it_waits(post, boss, visitor):
    user, _app = enrolled()
    act = ask_as(boss, user)
    path = the_link(post)
    assert undo(act, boss).changed
    assert taking.take_due(now=now() + DAY) == 0
    assert is_enrolled(user)
    assert visitor.send(path).status_code == 410
    assert ask(user).changed


def test_undo_after_it_was_cancelled_or_taken_is_refused(boss):
    kept, _app = enrolled()
    lost, _app = enrolled("eve")
    first, second = ask_as(boss, kept), ask_as(boss, lost)
    factor_resets.cancel([kept.pk], now=now())
    taking.take_due(now=now() + DAY)
    assert refusal(undo(first, boss)) == "The reset was cancelled since."
    assert refusal(undo(second, boss)) == "The second factor was taken already."


def test_undo_leaves_a_later_reset_alone(boss):
    user, _app = enrolled()
    first = ask_as(boss, user)
    factor_resets.cancel([user.pk], now=now())
    ask(user)
    assert refusal(undo(first, boss)) == "The reset was cancelled since."
    assert SecondFactorReset.objects.filter(factor_resets.OPEN).count() == 1


# At the same time


def _at_once(*doings):
    barrier, outcomes = threading.Barrier(len(doings)), []

    def run(do):
        barrier.wait()
        try:
            outcomes.append(do())
        except LinkOver as error:
            outcomes.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[do]) for do in doings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == len(doings)
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_asked_for_several_times_at_once_waits_once(boss):
    user, _app = enrolled()
    done = _at_once(*[lambda: ask(user, boss)] * 6)
    assert sorted(len(each.changed) for each in done) == [0] * 5 + [1]
    assert SecondFactorReset.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_several_workers_take_it_once():
    people = [enrolled(f"u{n}")[0] for n in range(4)]
    for user in people:
        asked_a_day_ago(user)
    assert sum(_at_once(*[lambda: taking.take_due(now=now())] * 4)) == len(people)
    assert AuditEntry.objects.filter(action="users.take_second_factor").count() == len(people)
    letters = OutboxMessage.objects.filter(payload__letter="second_factor_reset")
    assert letters.count() == len(people)


@pytest.mark.django_db(transaction=True)
def test_taking_and_keeping_at_once_is_one_of_both(boss):
    for number in range(5):
        user, _app = enrolled(f"u{number}")
        reset = asked_a_day_ago(user, boss)
        act = Act.objects.get(pk=reset.act_id)
        _at_once(
            lambda: taking.take_due(now=now()),
            lambda reset=reset: cancelling.keep(reset, now=now()),
            lambda act=act: undo(act, boss),
        )
        reset.refresh_from_db()
        assert (reset.done_at is None) != (reset.cancelled_at is None)
        assert is_enrolled(user) == (reset.done_at is None)


# At once, from the server


def run(*arguments):
    output = StringIO()
    call_command("reset_second_factor", *arguments, stdout=output)
    return output.getvalue().strip()


WORDS = ("ana", "--reason", "lost the phone", "--proof", "stands beside me")


def test_command_resets_that_of_a_super_admin_at_once(post):
    user, _app = enrolled(role=Role.SUPER_ADMIN)
    make_session(user)
    assert run(*WORDS) == "ana has no second factor any more."
    assert not is_enrolled(user)
    assert not Session.objects.filter(user=user).exists()
    [letter] = post.fetch()
    assert letter.subject == "Your second factor was reset"
    entry = AuditEntry.objects.get(action="users.reset_second_factor")
    assert set(entry.changes) == {"second_factor", "sessions"}
    assert run(*WORDS) == "Nothing to do: it is so already."
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        run("nobody", *WORDS[1:])


def test_command_cancels_the_reset_that_waits(post):
    user, _app = enrolled()
    ask(user)
    path = the_link(post)
    run(*WORDS)
    assert not is_enrolled(user)
    assert SecondFactorReset.objects.get().cancelled_at is not None
    entry = AuditEntry.objects.filter(action="users.reset_second_factor").order_by("-pk")[0]
    assert entry.changes["second_factor_reset"][1] is None
    assert Visitor().get(path).status_code == 410


def test_command_has_no_undo(boss):
    enrolled()
    run(*WORDS)
    act = Act.objects.get()
    assert Receipt.objects.get(act=act).undo is None
    assert refusal(undo(act, boss)) == "The second factor was taken already."


# Besides


def test_own_change_of_the_second_factor_is_told_too(post):
    user, app = enrolled()
    visitor = signed_in(user, app)
    visitor.send(reverse("account:remove_second_factor"))
    assert [(letter.recipients, letter.subject) for letter in post.fetch()] == [
        ([user.email], "Your second factor was changed")
    ]


def test_with_second_factor_are_those_who_have_one():
    user, _app = enrolled()
    make_user("eve")
    assert list(User.objects.with_second_factor()) == [user]
