"""The command palette: what it finds, for whom, and at which cost."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import make_staff, make_user, make_users
from users.models import SavedView, User
from users.roles import ROLES, Role, grant

pytestmark = pytest.mark.django_db

URL = reverse("palette")
HTMX = {"HX-Request": "true"}


def as_role(role=Role.SUPER_ADMIN):
    client = Client()
    client.force_login(make_staff(role, username=f"colleague.{role.value}"))
    return client


def found(client, text="", **more):
    """Labels and addresses of what was found, by group."""
    response = client.get(URL, {"q": text, **more}, headers=HTMX)
    assert response.status_code == 200
    groups = {}
    for part in response.content.decode().split('<div role="group"')[1:]:
        [heading] = re.findall(r"<b aria-hidden[^>]*>(.*?)</b>", part)
        links = re.findall(r'href="([^"]*)".*?<bdi class="cut">(.*?)</bdi>', part)
        groups[heading] = {label: url for url, label in links}
    return groups


def test_user_is_found_by_name_email_and_id():
    user = make_user("ana.silva", email="silvana@example.com")
    client, url = as_role(), reverse("user", args=[user.pk])
    for text in ("ana.si", "silvana", str(user.pk), "ANA.SILVA"):
        assert found(client, text)["Users"]["ana.silva"] == url


def test_exact_name_stands_before_longer_ones_and_eight_are_enough():
    make_users(12)
    for n in range(12):
        make_user(f"banana{n:02}")
    make_user("nana")
    names = list(found(as_role(), "nana")["Users"])
    assert names[0] == "nana"
    assert len(names) == 8


def test_question_of_a_shared_view_is_not_told_to_those_who_may_not_ask_it():
    boss = make_staff(username="boss")
    view = SavedView.objects.create(
        owner=boss, name="Odd ones", query="q=email%3Asilvana*", shared_with=["support"]
    )
    support = as_role(Role.SUPPORT)
    assert found(support, "odd")["Saved views"] == {
        "Odd ones": reverse("views:open", args=[view.pk])
    }
    assert "silvana" not in support.get(URL, {"q": "odd"}).content.decode()


def test_masked_roles_see_masked_addresses_and_find_by_whole_ones_only():
    make_user("ana", email="silvana@example.com")
    support = as_role(Role.SUPPORT)
    body = support.get(URL, {"q": "ana"}, headers=HTMX).content.decode()
    assert "silvana@" not in body
    assert "s•••@e•••.com" in body
    assert "Users" not in found(support, "silvana@exam")
    assert "ana" in found(support, "silvana@example.com")["Users"]


@pytest.mark.parametrize("role", ROLES)
def test_pages_are_those_of_the_navigation(role):
    client = as_role(role)
    page = client.get(reverse("users:list")).content.decode()
    [side] = re.findall(r'<nav class="side".*?</nav>', page, re.DOTALL)
    offered = set(re.findall(r'href="([^"]*)"', side))
    shown = set(found(client)["Pages"].values())
    parts = {reverse(f"account:{name}") for name in ("password", "second_factor", "sessions")}
    of_the_table = {reverse("views:list")}
    if grant(role, "imports.users") != "–":
        of_the_table.add(reverse("uploads:list"))
    assert shown == offered | parts | of_the_table
    assert ("Audit" in found(client, "aud")["Pages"]) is (reverse("audit") in offered)


def test_views_are_ones_own_and_those_shared_with_the_role():
    mine = make_staff(Role.SUPPORT)
    other = make_staff(Role.SUPER_ADMIN)
    kept = SavedView.objects.create(owner=mine, name="Mine", query="status=banned")
    SavedView.objects.create(owner=other, name="Ours", shared_with=["support"])
    SavedView.objects.create(owner=other, name="Theirs", shared_with=["user_admin"])
    client = Client()
    client.force_login(mine)
    views = found(client)["Saved views"]
    assert set(views) == {"Mine", "Ours"}
    assert views["Mine"] == reverse("views:open", args=[kept.pk])


def test_name_and_act_lead_to_the_act_in_either_order():
    user = make_user("ana")
    url = reverse("operate:one", args=[user.pk, "users.suspend"])
    client = as_role()
    for text in ("ana suspend", "suspend ana", "ana susp"):
        assert url in found(client, text)["Acts"].values()


def test_acts_on_the_page_of_a_user_need_no_name():
    user = make_user("ana")
    acts = found(as_role(), "adjust", user=user.pk)["Acts"]
    assert acts == {
        "Adjust credits: ana": reverse("operate:one", args=[user.pk, "billing.adjust_credits"])
    }


def test_acts_that_the_role_or_a_guard_forbids_are_not_offered():
    user, boss = make_user("ana"), make_staff(Role.SUPER_ADMIN, username="boss")
    assert "Acts" not in found(as_role(Role.READ_ONLY), "ana suspend")
    admin = as_role(Role.USER_ADMIN)
    assert "Acts" not in found(admin, "boss suspend")
    assert "Acts" not in found(admin, "suspend", user=boss.pk)
    assert "Acts" in found(admin, "suspend", user=user.pk)
    assert "Acts" not in found(admin, "suspend", user=10**9)


def test_without_scripts_it_is_a_page_of_links():
    user = make_user("ana")
    body = as_role().get(URL, {"q": "ana"}).content.decode()
    assert "<!doctype html>" in body
    assert f'href="{reverse("user", args=[user.pk])}"' in body
    assert 'role="option"' not in body


def test_hostile_names_and_texts_are_text():
    User.objects.filter(pk=make_user("x").pk).update(username="<b>ana</b>")
    body = as_role().get(URL, {"q": "<b>ana"}, headers=HTMX).content.decode()
    assert "<b>ana" not in body
    assert "&lt;b&gt;ana" in body


@pytest.mark.parametrize("text", ["", "a", "is:", "tier:9", '"', "-", "%", "\\", "x" * 400, "𝕬 小"])
def test_any_text_gets_an_answer(text):
    assert as_role().get(URL, {"q": text}, headers=HTMX).status_code == 200


@pytest.mark.parametrize(
    ("asked", "named"),
    [({"q": "sk-secret"}, "API key"), ({"user": "x"}, "“user”"), ({"sort": "id"}, "“sort”")],
)
def test_wrong_parameters_are_named(asked, named):
    response = as_role().get(URL, asked)
    assert response.status_code == 400
    assert named in response.content.decode()
    assert "sk-secret" not in response.content.decode()


def test_nobody_without_a_role_opens_it():
    client = Client()
    assert client.get(URL).status_code == 302
    assert client.get(URL, headers=HTMX).status_code == 401
    client.force_login(make_user())
    assert client.get(URL).status_code == 403


@pytest.mark.parametrize("size", [1, 3])
def test_cost_is_the_same_for_one_and_for_three(size, django_assert_num_queries):
    for n in range(size):
        make_user(f"ana{n}")
    client = as_role()
    with django_assert_num_queries(7):
        client.get(URL, {"q": "ana"}, headers=HTMX)


def test_numbers_of_thousands_of_digits_are_no_ids():
    client, digits = as_role(), "9" * 5_000
    assert client.get(URL, {"user": digits}).status_code == 400
    assert client.get(reverse("users:list"), {"id": digits}).status_code == 400
    assert client.get("/api/v1/users/", {"id": digits}).status_code == 400
