"""The page of the user table: what it answers, to whom, and at which cost."""

import hashlib
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit.models import Selection
from tests.factories import make_key, make_staff, make_user, make_users
from users.models import ApiKey, User
from users.restrictions import services
from users.roles import ROLES, Role

pytestmark = pytest.mark.django_db

LIST = reverse("users:list")
HTMX = {"HX-Request": "true", "HX-Target": "listing"}


def as_role(role=Role.SUPER_ADMIN):
    client = Client()
    client.force_login(make_staff(role))
    return client


def rows_in(response):
    return [int(pk) for pk in re.findall(r'<tr id="row-(\d+)"', response.content.decode())]


def text_of(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


@pytest.mark.parametrize("role", ROLES)
def test_every_role_sees_the_table(role):
    client = as_role(role)
    user = make_user("ana", email="ana@example.com")
    response = client.get(LIST)
    assert response.status_code == 200
    assert user.pk in rows_in(response)
    whole = role in {Role.SUPER_ADMIN, Role.USER_ADMIN}
    assert ("ana@example.com" in response.content.decode()) is whole
    assert ('name="pick"' in response.content.decode()) is whole


def test_nobody_without_a_role_sees_it():
    client = Client()
    assert client.get(LIST).status_code == 302
    client.force_login(make_user())
    assert client.get(LIST).status_code == 403


@pytest.mark.parametrize("size", [1, 3])
def test_page_costs_the_same_queries_for_one_row_and_for_three(size, django_assert_num_queries):
    client = as_role()
    ids = make_users(size)
    client.get(LIST)
    query = {"id": ",".join(map(str, ids)), "sort": "-credits"}
    # session, person with preferences, views, count with ids, order of ids, restrictions, facts
    with django_assert_num_queries(7):
        response = client.get(LIST, query)
    assert len(rows_in(response)) == size


def test_page_with_staff_and_a_selection_stays_within_the_budget(django_assert_max_num_queries):
    client = as_role()
    ids = [*make_users(20), *(make_staff(role).pk for role in ROLES)]
    chosen = select(client, ids)
    with django_assert_max_num_queries(12):
        client.get(LIST, {"selection": chosen})


def select(client, ids, **more):
    """Tick users on a page; the id of the selection."""
    words = {"shown": " ".join(map(str, ids)), "pick": ids, **more}
    response = client.post(reverse("users:select"), words)
    assert response.status_code == 302, response.content
    return re.search(r"selection=([0-9a-f-]{36})", response.url)[1]


def test_fragment_is_only_the_list_and_tells_its_address():
    client = as_role()
    make_users(3)
    response = client.get(f"{LIST}?sort=-credits&tier=", headers=HTMX)
    assert b"<html" not in response.content
    assert (
        response.content.lstrip().startswith(b'<div id="listing"')
        or b'<div id="listing"' in response.content
    )
    assert response.headers["HX-Push-Url"] == f"{LIST}?sort=-credits"


def test_typing_replaces_the_address_instead_of_filling_the_history():
    response = as_role().get(f"{LIST}?q=an", headers={**HTMX, "HX-Trigger-Name": "q"})
    assert response.headers["HX-Replace-Url"] == f"{LIST}?q=an"
    assert "HX-Push-Url" not in response.headers


def test_blank_fields_of_a_form_leave_the_address():
    response = as_role().get(LIST, {"username": "", "tier": ["2", "3"], "credits_min": " "})
    assert (response.status_code, response.url) == (302, f"{LIST}?tier=2&tier=3")


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("foo=1", "foo"),
        ("sort=password", "password"),
        ("after=abc", "after"),
        ("tier=7", "7"),
        ("credits_min=many", "Credits from"),
        ("selection=abc", "selection"),
        ("tier=1&q=a&q=b", "q"),
    ],
)
def test_wrong_parameter_is_a_400_that_names_the_word_and_shows_nobody(query, word):
    client = as_role()
    make_users(3)
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 400
    assert word in text_of(response)
    assert rows_in(response) == []


def test_wrong_filter_keeps_what_was_typed_beside_its_error():
    client = as_role()
    response = client.get(f"{LIST}?email_state=bouncing&months_min=1.5&username=ana")
    html = response.content.decode()
    assert response.status_code == 400
    assert 'value="ana"' in html
    assert (
        'value="bouncing" checked' in html.replace('id="id_email_state_2" ', "")
        or 'value="bouncing"' in html
    )
    fragment = client.get(f"{LIST}?months_min=1.5", headers=HTMX)
    assert fragment.status_code == 422
    assert fragment.headers["HX-Retarget"] == "#filter-panel"


def test_filter_page_works_without_scripts_and_keeps_search_and_order():
    client = as_role()
    html = client.get(reverse("users:filters"), {"q": "ana", "sort": "-used"}).content.decode()
    assert '<form class="filter-panel" method="get"' in html
    assert '<input type="hidden" name="q" value="ana">' in html
    assert '<option value="-used" selected>' in html


def test_search_by_post_leads_to_the_list():
    client = as_role()
    response = client.post(
        reverse("users:search"), {"q": " ana ", "query": "tier=2&after=xyz&q=old"}
    )
    assert (response.status_code, response.url) == (302, f"{LIST}?tier=2&q=ana")


@pytest.mark.parametrize("revoked", [False, True])
def test_whole_api_key_leads_to_its_owner(revoked):
    client = as_role(Role.SUPPORT)
    user = make_user()
    key = make_key(user)
    secret = "sk-5f0c1e1e2d3c4b5a69788796a5b4c3d2e1f0"
    ApiKey.objects.filter(pk=key.pk).update(
        digest=hashlib.sha256(secret.encode()).digest(), revoked_at=time_now() if revoked else None
    )
    response = client.post(reverse("users:search"), {"q": secret})
    assert (response.status_code, response.url) == (302, reverse("user", args=[user.pk]))
    by_htmx = client.post(reverse("users:search"), {"q": secret}, headers=HTMX)
    assert by_htmx.headers["HX-Redirect"] == reverse("user", args=[user.pk])


def test_unknown_api_key_is_said_and_stands_in_no_address_and_no_log(caplog):
    client = as_role()
    secret = "sk-unknown-unknown-unknown"
    response = client.post(reverse("users:search"), {"q": secret}, follow=True)
    assert "No user has this API key" in text_of(response)
    assert all("sk-" not in url for url, _status in response.redirect_chain)
    assert secret not in response.content.decode()
    assert secret not in caplog.text


def test_api_key_in_an_address_is_refused_without_repeating_it():
    response = as_role().get(LIST, {"q": "sk-secretsecretsecret"})
    assert response.status_code == 400
    assert "secretsecret" not in response.content.decode()


def test_half_typed_api_key_changes_nothing():
    headers = {**HTMX, "HX-Trigger-Name": "q"}
    response = as_role().post(reverse("users:search"), {"q": "sk-half"}, headers=headers)
    assert response.status_code == 204
    assert "HX-Redirect" not in response.headers


def test_no_match_no_page_and_no_users_are_told_apart():
    client = as_role()
    assert "No user matches" in text_of(client.get(LIST, {"q": "zzzzzz"}))
    link = client.get(LIST, {"sort": "id"}).context["reading"]
    first = link.order.cursor(link.order.read(link.rows, limit=1)[-1])
    User.objects.exclude(role=Role.SUPER_ADMIN).delete()
    assert "nobody on this page" in text_of(client.get(LIST, {"sort": "id", "after": first}))


def test_row_of_colleague_of_same_rank_cannot_be_ticked_and_says_why():
    client = as_role()
    other = make_staff(Role.SUPER_ADMIN)
    lower = make_staff(Role.SUPPORT)
    html = client.get(LIST).content.decode()
    box = re.search(rf'<tr id="row-{other.pk}".*?</tr>', html, re.DOTALL)[0]
    assert "disabled" in box
    assert "Ranks at or above you." in box
    assert "disabled" not in re.search(rf'<tr id="row-{lower.pk}".*?</tr>', html, re.DOTALL)[0]


def test_row_is_drawn_anew_after_an_act():
    client = as_role()
    actor = User.objects.get(role=Role.SUPER_ADMIN)
    user = make_user()
    url = reverse("users:row", args=[user.pk])
    assert "Active" in text_of(client.get(url))
    services.suspend(
        [user.pk],
        actor=actor,
        reason_code="spam",
        ends_at=time_now() + timedelta(days=3),
        reason="because",
    )
    assert "Suspended to" in text_of(client.get(url))
    assert client.get(reverse("users:row", args=[0])).status_code == 404


def test_hostile_names_are_text():
    client = as_role()
    make_user('<img src=x onerror="alert(1)">', email="a@b.example")
    html = client.get(LIST).content.decode()
    assert "<img" not in html
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;" in html


def test_page_has_no_inline_script_or_style():
    client = as_role()
    make_users(2)
    html = client.get(LIST).content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", html)
    assert not re.search(r"\sstyle=", html)
    assert not re.search(r"\son[a-z]+=", html)


class TestSelection:
    """What is selected is kept by the server, exact, one's own."""

    def test_ticks_survive_another_search_and_another_page(self):
        client = as_role()
        ids = make_users(5)
        chosen = select(client, ids[:2])
        html = client.get(LIST, {"q": "zzz", "selection": chosen}).content.decode()
        assert "2 selected" in html
        again = client.post(
            reverse("users:select") + "?q=many",
            {"selection": chosen, "shown": " ".join(map(str, ids[2:])), "pick": [ids[4]]},
        )
        assert again.url == f"{LIST}?q=many&selection={chosen}"
        html = client.get(LIST, {"selection": chosen}).content.decode()
        assert "3 selected" in html
        assert {
            int(pk) for pk in re.findall(r'value="(\d+)" form="selection" data-pick checked', html)
        } == {
            *ids[:2],
            ids[4],
        }

    def test_untick_takes_away_only_what_was_shown(self):
        client = as_role()
        ids = make_users(4)
        chosen = select(client, ids)
        select(client, [], selection=chosen, shown=str(ids[0]))
        assert "3 selected" in client.get(LIST, {"selection": chosen}).content.decode()

    def test_all_that_match_are_frozen(self):
        client = as_role()
        ids = make_users(60)
        others = make_users(3)
        query = f"?id={','.join(map(str, ids))}"
        response = client.post(reverse("users:select") + query, {"act": "all", "shown": ""})
        html = client.get(response.url).content.decode()
        assert "60 selected" in html
        late = make_users(2)
        chosen = re.search(r"selection=([0-9a-f-]{36})", response.url)[1]
        assert set(Selection.objects.get(pk=chosen).ids) == set(ids)
        assert not set(Selection.objects.get(pk=chosen).ids) & {*others, *late}

    def test_all_that_match_joins_what_was_ticked_before(self):
        client = as_role()
        ids = make_users(3)
        chosen = select(client, ids[:1])
        query = f"?id={ids[1]},{ids[2]}"
        client.post(
            reverse("users:select") + query, {"selection": chosen, "act": "all", "shown": ""}
        )
        assert "3 selected" in client.get(LIST, {"selection": chosen}).content.decode()

    def test_all_that_match_leads_back_to_the_bar_and_ticks_do_not(self):
        client = as_role()
        [first, *_rest] = make_users(3)
        data = {"shown": str(first), "pick": [first]}
        assert client.post(reverse("users:select"), data | {"act": "all"}).url.endswith(
            "#selection"
        )
        assert "#" not in client.post(reverse("users:select"), data).url

    def test_few_acts_are_buttons_and_the_rest_are_a_menu(self):
        html = as_role().get(LIST).content.decode()
        bar = html[html.index('id="selection"') :]
        buttons, menu = bar.split("<details", 1)
        for code in ("billing.adjust_credits", "users.suspend", "users.tag", "export"):
            assert f'value="{code}"' in buttons
        assert buttons.count('class="btn" name="act"') == 5
        for code in ("users.close", "users.add_note", "subscriptions.set_tier"):
            assert f'value="{code}"' in menu

    def test_all_with_a_wrong_filter_selects_nobody(self):
        client = as_role()
        make_users(3)
        for query in ("?tier=7", "?foo=1"):
            response = client.post(reverse("users:select") + query, {"act": "all", "shown": ""})
            assert response.status_code == 400
        assert not Selection.objects.exists()

    def test_tick_by_htmx_answers_with_the_bar_and_the_address(self):
        client = as_role()
        ids = make_users(3)
        response = client.post(
            reverse("users:select") + "?sort=-used",
            {"shown": " ".join(map(str, ids)), "pick": ids[:1]},
            headers={"HX-Request": "true"},
        )
        assert (
            response.content.lstrip().startswith(b"<form") or b'id="selection"' in response.content
        )
        assert "1 selected" in response.content.decode()
        assert re.fullmatch(
            rf"{LIST}\?sort=-used&selection=[0-9a-f-]{{36}}", response.headers["HX-Replace-Url"]
        )

    def test_act_on_the_selection_leads_to_its_page(self):
        client = as_role()
        ids = make_users(2)
        response = client.post(
            reverse("users:select"),
            {"shown": " ".join(map(str, ids)), "pick": ids, "act": "users.suspend"},
        )
        assert re.fullmatch(r"/admin/selections/[0-9a-f-]{36}/users\.suspend/", response.url)

    def test_more_than_a_thousand_are_counted_before_anything_is_done(self):
        client = as_role()
        make_users(1_001)
        response = client.post(reverse("users:select"), {"act": "all", "shown": ""}, follow=True)
        assert "1,002 selected" in text_of(response)
        chosen = re.search(r"selection=([0-9a-f-]{36})", response.redirect_chain[-1][0])[1]
        act = client.post(
            reverse("users:select"), {"selection": chosen, "act": "users.suspend"}, follow=True
        )
        assert "Count what would change for 1,002 users" in text_of(act)

    def test_selection_of_somebody_else_is_left_out_and_said(self):
        mine, theirs = as_role(), as_role(Role.USER_ADMIN)
        ids = make_users(2)
        chosen = select(mine, ids)
        response = theirs.get(LIST, {"selection": chosen, "sort": "id"}, follow=True)
        assert "not yours" in text_of(response)
        assert response.redirect_chain[0][0] == f"{LIST}?sort=id"
        stolen = theirs.post(
            reverse("users:select"), {"selection": chosen, "shown": str(ids[0]), "pick": []}
        )
        assert stolen.status_code == 400
        assert "2 selected" in mine.get(LIST, {"selection": chosen}).content.decode()

    @pytest.mark.parametrize("role", [Role.SUPPORT, Role.READ_ONLY])
    def test_roles_without_the_right_select_nobody(self, role):
        client = as_role(role)
        ids = make_users(1)
        response = client.post(reverse("users:select"), {"shown": str(ids[0]), "pick": ids})
        assert response.status_code == 403
        assert not Selection.objects.exists()

    @pytest.mark.parametrize(
        "words",
        [
            {"shown": "1 x"},
            {"shown": "1", "pick": ["-1"]},
            {"shown": "1", "pick": ["99999999999999999999"]},
            {"shown": " ".join(map(str, range(51)))},
            {"shown": "", "act": "users.nothing"},
            {"shown": "", "selection": "abc"},
        ],
    )
    def test_nonsense_is_refused(self, words):
        assert as_role().post(reverse("users:select"), words).status_code == 400

    def test_only_shown_users_can_be_ticked(self):
        client = as_role()
        ids = make_users(2)
        select(client, ids[:1])
        response = client.post(reverse("users:select"), {"shown": str(ids[0]), "pick": ids})
        assert "1 selected" in client.get(response.url).content.decode()


@pytest.mark.parametrize("address", ["users:list", "home", "audit"])
def test_page_has_one_box_to_search_users(address):
    html = as_role().get(reverse(address)).content.decode()
    assert html.count('aria-label="Search users"') == 1


def test_wrong_query_is_mended_in_the_one_box():
    html = as_role().get(LIST, {"q": "is:baned"}).content.decode()
    assert html.count('aria-label="Search users"') == 1
