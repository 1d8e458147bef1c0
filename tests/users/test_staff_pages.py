"""Creating a user, the staff list, and the page of the roles."""

import json
import re

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from audit import record
from audit.models import AuditEntry
from audit.people import SYSTEM
from tests import checksum
from tests.factories import make_session, make_staff, make_user
from users import roles
from users.models import Invitation, Note, User
from users.restrictions import services
from users.roles import ROLES, Role
from users.staff.services import grant_role

pytestmark = pytest.mark.django_db


def as_role(role, **fields):
    client = Client()
    client.force_login(make_staff(role, **fields))
    return client


# Creating a user


def create(client, **data):
    typed = {"username": "ana", "email": "", "note": "", "reason": "asked by phone"} | data
    return client.post(reverse("user_new"), typed)


def test_new_user_has_no_password_no_role_and_no_credits():
    response = create(as_role(Role.USER_ADMIN), email="ana@example.org", note="Met in Lisbon.")
    user = User.objects.get(username="ana")
    assert response["Location"] == reverse("user", args=[user.pk])
    assert not user.has_usable_password()
    assert (user.role, user.email, user.email_verified_at) == (Role.NONE, "ana@example.org", None)
    assert user.account.balance == 0
    assert user.standing.subscription is None
    assert Note.objects.get(user=user).text == "Met in Lisbon."
    entry = AuditEntry.objects.get(action="users.create")
    assert (entry.target_id, entry.reason) == (user.pk, "asked by phone")
    assert "ana" not in json.dumps(entry.changes)
    assert entry.personal.changes["email"] == [None, "ana@example.org"]


@pytest.mark.parametrize(("email", "offered"), [("ana@example.org", True), ("", False)])
def test_new_user_is_offered_a_password_link_where_it_can_be_mailed(email, offered):
    response = create(as_role(Role.SUPER_ADMIN), email=email)
    [message] = get_messages(response.wsgi_request)
    assert ("users.send_password_link" in json.loads(message.message).get("link", "")) == offered


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "two words"}, "username"),
        ({"username": "BEN"}, "username"),
        ({"username": "old.ben"}, "username"),
        ({"username": "асе"}, "username"),
        ({"email": "Ben@Example.org"}, "email"),
        ({"email": "no address"}, "email"),
        ({"reason": " "}, "reason"),
        ({"note": "x" * 4_001}, "note"),
    ],
)
def test_new_user_that_cannot_be_is_refused_beside_the_field(data, field):
    make_user("Ben", email="ben@example.org", legacy_username="old.ben")
    make_user("ace")
    client = as_role(Role.USER_ADMIN)
    before = checksum.database()
    response = create(client, ticket="T-4711", **data)
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert "T-4711" in response.text
    assert checksum.database() == before


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.READ_ONLY])
def test_new_user_is_not_for_everybody(role):
    client = as_role(role)
    before = checksum.database()
    assert create(client).status_code == 403
    assert checksum.database() == before


@pytest.mark.parametrize("role", ROLES)
def test_new_user_is_offered_beside_the_table_to_who_may(role):
    page = as_role(role).get(reverse("users:list")).text
    assert (reverse("user_new") in page) == ("users.create" in roles.permissions(role))


@pytest.mark.parametrize("role", [Role.SUPER_ADMIN, Role.USER_ADMIN])
def test_staff_and_invitations_lead_to_each_other(role):
    client = as_role(role)
    for name, other in (("staff", "invitations:list"), ("invitations:list", "staff")):
        [acts] = re.findall(
            r'<div class="acts">(.*?)</div>', client.get(reverse(name)).text, re.DOTALL
        )
        assert f'href="{reverse(other)}"' in acts


def test_staff_page_offers_no_invitations_to_those_who_may_not_invite():
    assert reverse("invitations:list") not in as_role(Role.READ_ONLY).get(reverse("staff")).text


# The staff list


def test_staff_list_tells_who_gave_the_role():
    boss, user = make_staff(Role.SUPER_ADMIN, username="boss"), make_user("ana")
    make_session(user)
    grant_role([user.pk], actor=SYSTEM, role="read_only", reason="x")
    grant_role([user.pk], actor=boss, role="support", reason="x")
    make_session(user)
    client = Client()
    client.force_login(boss)
    response = client.get(reverse("staff"))
    [ana] = [one for one in response.context["people"] if one.username == "ana"]
    assert (ana.role_label, ana.sessions, ana.second_factor) == ("Support", 1, False)
    assert (ana.grant.actor_id, ana.grant.actor) == (boss.pk, "boss")
    assert reverse("audit_entry", args=[ana.grant.entry_id]) in response.text


def test_staff_list_names_who_invited():
    boss, user = make_staff(Role.SUPER_ADMIN, username="boss"), make_staff(Role.SUPPORT)
    Invitation.objects.create(
        email="x@example.org", role="support", invited_by=boss, user=user, expires_at=now()
    )
    record.entry(
        "users.accept_invitation",
        actor=user,
        now=now(),
        target=("user", user.pk, user.username),
    )
    people = as_role(Role.SUPER_ADMIN).get(reverse("staff")).context["people"]
    [grant] = [one.grant for one in people if one.id == user.pk]
    assert (grant.actor_id, grant.actor) == (boss.pk, "boss")


def test_staff_list_is_ordered_by_rank_and_filtered_by_role():
    for role in (Role.READ_ONLY, Role.USER_ADMIN, Role.SUPPORT):
        make_staff(role, username=role.value)
    make_user("customer")
    client = as_role(Role.SUPER_ADMIN, username="boss")
    everybody = client.get(reverse("staff")).context["people"]
    assert [one.username for one in everybody] == ["boss", "user_admin", "support", "read_only"]
    some = client.get(reverse("staff"), {"role": "support"}).context["people"]
    assert [one.username for one in some] == ["support"]


def test_staff_list_shows_who_is_closed_or_suspended():
    make_staff(Role.SUPPORT, username="gone", closed_at=now())
    user = make_staff(Role.SUPPORT, username="held")
    services.suspend([user.pk], actor=SYSTEM, reason_code="spam", ends_at=None, reason="x")
    people = as_role(Role.SUPER_ADMIN).get(reverse("staff")).context["people"]
    states = {one.username: one.status for one in people}
    assert (states["gone"], states["held"]) == ("closed", "banned")


def test_staff_list_is_masked_for_read_only_and_closed_to_support():
    make_staff(Role.USER_ADMIN, email="longname@mailbox.example")
    assert "longname@mailbox.example" in as_role(Role.USER_ADMIN).get(reverse("staff")).text
    assert "longname@mailbox.example" not in as_role(Role.READ_ONLY).get(reverse("staff")).text
    assert as_role(Role.SUPPORT).get(reverse("staff")).status_code == 403


@pytest.mark.parametrize("parameters", [{"role": "emperor"}, {"nonsense": "1"}, {"role": "none"}])
def test_staff_list_names_the_word_it_does_not_know(parameters):
    response = as_role(Role.SUPER_ADMIN).get(reverse("staff"), parameters)
    assert response.status_code == 400
    assert next(iter(parameters.values())) in response.text or "nonsense" in response.text


def test_staff_list_takes_as_many_statements_for_three_as_for_one(django_assert_num_queries):
    client = as_role(Role.SUPER_ADMIN)
    client.get(reverse("staff"))
    with django_assert_num_queries(6):
        client.get(reverse("staff"))
    for _ in range(2):
        user = make_user()
        grant_role([user.pk], actor=SYSTEM, role="support", reason="x")
        make_session(user)
    with django_assert_num_queries(6):
        client.get(reverse("staff"))


# The roles


@pytest.mark.parametrize("role", ROLES)
def test_roles_page_is_the_matrix(role):
    response = as_role(role).get(reverse("roles"))
    rows = {row["code"]: row for area in response.context["areas"] for row in area["rows"]}
    assert set(rows) == set(roles.ROWS)
    for code, row in rows.items():
        for each, cell in zip(ROLES, row["cells"], strict=True):
            words = {str(meaning.word) for meaning in cell.meanings}
            assert ("no" in words) == (code not in roles.permissions(each)), code
            assert cell.own == (each == role)
        assert f'id="{code}"' in response.text


@pytest.mark.parametrize(
    ("word", "found"),
    [("password link", ["users.send_password_link"]), ("USERS.CLOSE", ["users.close"])],
)
def test_roles_page_is_filtered_by_a_word(word, found):
    response = as_role(Role.SUPPORT).get(reverse("roles"), {"q": word})
    assert [row["code"] for area in response.context["areas"] for row in area["rows"]] == found


def test_roles_page_without_a_match_says_so():
    response = as_role(Role.SUPPORT).get(reverse("roles"), {"q": "<i>nothing</i>"})
    assert "No permission is called that" in response.text
    assert "<i>nothing" not in response.text


def test_roles_page_offers_questions_only_to_who_may_ask_them():
    assert reverse("may") in as_role(Role.READ_ONLY).get(reverse("roles")).text
    assert reverse("may") not in as_role(Role.SUPPORT).get(reverse("roles")).text
