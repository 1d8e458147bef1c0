"""Invitations: one account each, for three days, with a role below the inviter's."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit.models import AuditEntry, AuditPersonal, OutboxMessage
from audit.people import SYSTEM
from tests import checksum
from tests.factories import make_staff, make_user
from users.invitations import inviting
from users.invitations.inviting import InvitationRefused
from users.models import Invitation, Restriction, User
from users.restrictions import services
from users.roles import Role

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick_hashes")]

LIST = "/admin/staff/invitations/"
EVA = "eva@example.org"
SECRET = "a wholly different battery"
TYPED = {"username": "eva", "new": SECRET, "again": SECRET}


@pytest.fixture
def boss():
    return make_staff(Role.SUPER_ADMIN)


def invite(actor, role=Role.SUPPORT, email=EVA):
    return inviting.invite(email, role, actor=actor, reason="joins us", now=time_now())


def letter_to(post, actor, role=Role.SUPPORT, email=EVA):
    invite(actor, role, email)
    [letter] = post.fetch()
    return letter


def as_(user):
    client = Client()
    client.force_login(user)
    return client


def test_invitation_is_mailed_and_makes_an_account(post, boss, visitor):
    letter = letter_to(post, boss)
    assert letter.recipients == [EVA]
    assert letter.subject == "You are invited"
    assert "Support" in letter.text
    page = visitor.get(letter.path)
    assert page.status_code == 200
    assert page["Referrer-Policy"] == "strict-origin"
    assert "Support" in page.text
    assert not User.objects.filter(username="eva").exists()

    done = visitor.send(letter.path, TYPED)

    assert done["Location"] == reverse("account:sign_in")
    eva = User.objects.get(username="eva")
    assert (eva.email, eva.role) == (EVA, Role.SUPPORT)
    assert eva.email_verified_at is not None
    assert eva.check_password(SECRET)
    row = Invitation.objects.get()
    assert row.user == eva
    assert row.sent_at <= row.opened_at <= row.accepted_at
    entry = AuditEntry.objects.get(action="users.accept_invitation")
    assert (entry.actor_id, entry.target_id) == (eva.pk, eva.pk)
    assert visitor.sign_in("eva", SECRET).status_code == 302


def test_whoever_joins_the_staff_sets_up_a_second_factor_first(post, boss, visitor, settings):
    settings.REQUIRE_STAFF_MFA = True
    letter = letter_to(post, boss)
    visitor.send(letter.path, TYPED)
    visitor.sign_in("eva", SECRET)
    answer = visitor.get("/admin/")
    assert answer.status_code == 302
    assert "second-factor" in answer["Location"]


def test_invitation_works_once(post, boss, visitor):
    path = letter_to(post, boss).path
    visitor.send(path, TYPED)
    before = checksum.database()
    for again in (visitor.get(path), visitor.send(path, TYPED | {"username": "eve"})):
        assert again.status_code == 410
        assert "accepted already" in again.text
        assert EVA not in again.text
    assert checksum.database() == before


@pytest.mark.django_db(transaction=True)
def test_twenty_who_accept_at_once_make_one_account(boss):
    invitation = invite(boss)
    people = User.objects.count()
    barrier, made = threading.Barrier(20), []

    def accept(number):
        barrier.wait()
        try:
            made.append(inviting.join(invitation, f"eva{number}", SECRET, now=time_now()))
        except InvitationRefused:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=accept, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert User.objects.count() == people + 1
    assert Invitation.objects.get().user == made[0]
    assert AuditEntry.objects.filter(action="users.accept_invitation").count() == 1


def test_invitation_expires_after_three_days(post, boss, visitor):
    path = letter_to(post, boss).path
    row = Invitation.objects.get()
    assert row.expires_at - row.created_at == timedelta(hours=72)
    assert not inviting.why_not_join(row, row.expires_at - timedelta(microseconds=1))
    assert inviting.why_not_join(row, row.expires_at)
    Invitation.objects.update(expires_at=time_now())
    assert "expired" in visitor.send(path, TYPED).text
    assert not User.objects.filter(username="eva").exists()


def test_newer_invitation_of_an_address_takes_the_place_of_the_one_before(post, boss, visitor):
    first = letter_to(post, boss, Role.USER_ADMIN).path
    second = letter_to(post, boss, Role.READ_ONLY, EVA.upper()).path
    assert visitor.send(first, TYPED).status_code == 410
    assert visitor.send(second, TYPED).status_code == 302
    assert User.objects.get(username="eva").role == Role.READ_ONLY


def test_revoked_invitation_opens_nothing_and_is_not_mailed(post, boss, visitor):
    path = letter_to(post, boss).path
    row = Invitation.objects.get()
    assert inviting.revoke(row.pk, actor=boss, now=time_now())
    assert not inviting.revoke(row.pk, actor=boss, now=time_now())
    assert visitor.get(path).status_code == 410
    row = invite(boss, email="other@example.org")
    inviting.revoke(row.pk, actor=boss, now=time_now())
    assert post.fetch() == []
    assert AuditEntry.objects.filter(action="users.revoke_invitation").count() == 2


# Who may invite, and to what


def test_roles_one_may_invite_to_lie_below_ones_own():
    open_to = {
        role: inviting.roles_open_to(make_user(role=role))
        for role in (Role.SUPER_ADMIN, Role.USER_ADMIN, Role.SUPPORT, Role.READ_ONLY, Role.NONE)
    }
    assert set(open_to[Role.SUPER_ADMIN]) == {
        Role.NONE,
        Role.READ_ONLY,
        Role.SUPPORT,
        Role.USER_ADMIN,
    }
    assert open_to[Role.USER_ADMIN] == [Role.NONE]
    assert [open_to[role] for role in (Role.SUPPORT, Role.READ_ONLY, Role.NONE)] == [[], [], []]


@pytest.mark.parametrize(
    ("actor_role", "role"),
    [
        (Role.SUPER_ADMIN, Role.SUPER_ADMIN),
        (Role.USER_ADMIN, Role.READ_ONLY),
        (Role.USER_ADMIN, Role.USER_ADMIN),
        (Role.SUPPORT, Role.NONE),
    ],
)
def test_invitation_above_what_one_may_give_is_refused(actor_role, role):
    actor = make_staff(actor_role)
    before = checksum.database()
    with pytest.raises(InvitationRefused):
        invite(actor, role)
    client = as_(actor)
    answer = client.post(LIST, {"email": EVA, "role": role, "reason": "x"})
    assert answer.status_code in (403, 422)
    assert checksum.database() == before


@pytest.mark.parametrize(
    "fall", [{"role": Role.USER_ADMIN}, {"role": Role.NONE}, {"closed_at": time_now()}]
)
def test_invitation_falls_with_the_right_of_whoever_wrote_it(post, boss, visitor, fall):
    path = letter_to(post, boss).path
    User.objects.filter(pk=boss.pk).update(**fall)
    assert visitor.send(path, TYPED).status_code == 410
    assert not User.objects.filter(username="eva").exists()


def test_address_that_somebody_has_is_not_invited(boss):
    make_user(email="Eva@Example.org")
    with pytest.raises(InvitationRefused, match="has an account"):
        invite(boss)
    assert not Invitation.objects.exists()


def test_address_taken_before_it_is_accepted_makes_no_account(post, boss, visitor):
    path = letter_to(post, boss).path
    make_user(email=EVA.upper())
    answer = visitor.send(path, TYPED)
    assert answer.status_code == 200
    assert "Somebody has this username, or this address" in answer.text
    assert Invitation.objects.get().accepted_at is None


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"username": "TAKEN"}, "taken"),
        ({"username": "e v a"}, "no spaces"),
        ({"username": "eva@example.org"}, "no “@”"),
        ({"new": "short", "again": "short"}, "too short"),
        ({"again": "x"}, "do not match"),
        (
            {"username": "wholly.battery", "new": "wholly.battery", "again": "wholly.battery"},
            "too similar",
        ),
    ],
)
def test_what_does_not_do_is_refused_and_the_invitation_stays_good(
    post, boss, visitor, typed, says
):
    make_user("taken")
    path = letter_to(post, boss).path
    answer = visitor.send(path, TYPED | typed)
    assert answer.status_code == 200
    assert says in answer.text
    assert Invitation.objects.get().accepted_at is None
    assert visitor.send(path, TYPED).status_code == 302


@pytest.mark.parametrize(
    "more", [{"role": "super_admin"}, {"email": "x@example.org"}, {"is_staff": "1"}]
)
def test_role_and_address_are_the_invitations_whatever_is_sent(post, boss, visitor, more):
    path = letter_to(post, boss, Role.READ_ONLY).path
    visitor.send(path, TYPED | more)
    eva = User.objects.get(username="eva")
    assert (eva.role, eva.email) == (Role.READ_ONLY, EVA)


def test_link_is_bound_to_its_role_and_address(post, boss, visitor):
    path = letter_to(post, boss).path
    for spoil in ({"role": Role.USER_ADMIN}, {"email": "else@example.org"}):
        kept = Invitation.objects.values(*spoil).get()
        Invitation.objects.update(**spoil)
        assert visitor.get(path).status_code == 404
        Invitation.objects.update(**kept)
    assert visitor.get(path).status_code == 200


def test_link_stands_nowhere(post, boss):
    letter = letter_to(post, boss)
    signature = letter.path.rstrip("/").rpartition("/")[2].partition("-")[2]
    stored = [*OutboxMessage.objects.values(), *Invitation.objects.values()]
    stored += [*AuditEntry.objects.values(), *AuditPersonal.objects.values()]
    assert signature not in str(stored)


# The page


def test_page_invites_revokes_and_sends_again(post, boss):
    client = as_(boss)
    sent = client.post(LIST, {"email": EVA, "role": "none", "reason": "a customer"}, follow=True)
    assert "An invitation goes out to eva@example.org." in sent.text
    row = Invitation.objects.get()
    assert "not sent yet" in sent.text
    [first] = post.fetch()
    again = client.post(LIST, {"email": EVA, "role": "none", "reason": "Sent again"}, follow=True)
    assert again.status_code == 200
    [second] = post.fetch()
    assert first.path != second.path
    row.refresh_from_db()
    assert row.revoked_at is not None
    newest = Invitation.objects.latest("pk")
    gone = client.post(reverse("invitations:revoke", args=[newest.pk]), follow=True)
    assert "is revoked" in gone.text
    gone = client.post(reverse("invitations:revoke", args=[newest.pk]), follow=True)
    assert "nothing to revoke" in gone.text
    assert client.post(reverse("invitations:revoke", args=[10**15])).status_code == 404


def test_inviting_to_a_staff_role_asks_who_one_is(boss):
    client = as_(boss)
    session = client.session
    session.pop("stepped_up_at", None)
    session.save()
    before = Invitation.objects.count()
    answer = client.post(LIST, {"email": EVA, "role": "support", "reason": "joins"})
    assert answer.status_code == 302
    assert reverse("account:confirm") in answer["Location"]
    assert Invitation.objects.count() == before


def test_user_admin_neither_revokes_nor_renews_what_a_super_admin_wrote(boss):
    row = invite(boss, Role.SUPPORT)
    client = as_(make_staff(Role.USER_ADMIN))
    page = client.get(LIST)
    assert EVA in page.text
    assert "Send again" not in page.text
    client.post(reverse("invitations:revoke", args=[row.pk]))
    row.refresh_from_db()
    assert row.revoked_at is None


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.READ_ONLY, Role.NONE])
def test_page_is_closed_to_who_may_not_create_users(boss, role):
    row = invite(boss)
    client = as_(make_user(role=role))
    before = checksum.database()
    assert client.get(LIST).status_code == 403
    assert client.post(LIST, {"email": "x@example.org", "role": "none"}).status_code == 403
    assert client.post(reverse("invitations:revoke", args=[row.pk])).status_code == 403
    assert checksum.database() == before


def test_wrong_address_keeps_what_was_typed(boss):
    answer = as_(boss).post(LIST, {"email": "ıda@example.org", "role": "none", "reason": "why so"})
    assert answer.status_code == 422
    assert "only look like others" in answer.text
    assert "why so" in answer.text
    assert not Invitation.objects.exists()


def test_list_takes_as_many_statements_for_three_as_for_one(boss, django_assert_num_queries):
    client = as_(boss)
    invite(boss)
    client.get(LIST)
    with django_assert_num_queries(3):
        client.get(LIST)
    for number in range(2):
        invite(boss, email=f"more{number}@example.org")
    with django_assert_num_queries(3):
        client.get(LIST)


def test_unknown_parameter_is_a_400(boss):
    assert as_(boss).get(f"{LIST}?state=open").status_code == 400


def test_invitation_of_somebody_suspended_opens_nothing_until_they_are_free(post, boss, visitor):
    letter = letter_to(post, boss)
    services.suspend([boss.pk], actor=SYSTEM, reason_code="spam", ends_at=None, reason="stolen")
    before = checksum.database()
    assert visitor.get(letter.path).status_code == 410
    assert visitor.send(letter.path, TYPED).status_code == 410
    assert checksum.database() == before
    Restriction.objects.update(lifted_at=time_now())
    assert visitor.send(letter.path, TYPED).status_code == 302
