"""Views of the user table: kept, shared, ordered, deleted and brought back; their counts; and that
nobody learns by one what their role does not see."""

import re
from datetime import UTC, datetime

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry
from coai_admin.console import counts
from tests import checksum
from tests.factories import make_staff, make_user, make_users
from tests.users.test_table_page import HTMX, rows_in, text_of
from users import saved_views
from users.models import Preferences, SavedView
from users.roles import ROLES, Role
from users.saved_views import Picture, ViewRefused
from users.table import USERS
from users.table.views import STARTING, kept_of

pytestmark = pytest.mark.django_db

LIST, VIEWS = reverse("users:list"), reverse("views:list")
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def signed_in(role=Role.SUPER_ADMIN):
    user = make_staff(role)
    client = Client()
    client.force_login(user)
    return user, client


def make_view(owner, name="Big spenders", query="q=used%3A%3E100", shared_with=(), **picture):
    columns = picture.pop("columns", ["username", "used"])
    return saved_views.keep(
        owner, name, Picture(query, columns, **picture), shared_with=shared_with, now=NOW
    )


def tabs_of(html):
    part = re.search(r'<nav class="tabs" aria-label="Views">.*?</nav>', html, re.DOTALL)[0]
    return re.findall(
        r'<a href="([^"]*)"( aria-current="page")?[^>]*>.*?<span class="cut">([^<]*)', part
    )


@pytest.mark.parametrize("role", ROLES)
def test_starting_views_work_for_every_role(role):
    _user, client = signed_in(role)
    for view in STARTING:
        response = client.get(f"{LIST}?{view.query}")
        assert response.status_code == 200
        current = [label for _url, now, label in tabs_of(response.content.decode()) if now]
        assert current == [str(view.label)]


def test_starting_views_ask_in_the_words_of_the_table():
    for view in STARTING:
        assert kept_of(view.query) == view.query
        USERS.read(QueryDict(view.query), viewer=make_staff(Role.SUPPORT), now=NOW)


def test_bytes_that_are_half_a_surrogate_pair_are_another_character_in_a_name():
    _user, client = signed_in()
    kind = "application/x-www-form-urlencoded"
    response = client.post(reverse("views:new"), b"name=a%ED%A0%BDb", content_type=kind)
    assert response.status_code == 302
    assert SavedView.objects.get().name == "a���b"


def test_what_is_on_screen_is_kept_and_shown_again():
    user, client = signed_in()
    rich = make_user("rich")
    Preferences.objects.create(user=user, columns=["username", "tier"], density="compact")
    query = "q=rich+tier%3A0&sort=-credits&columns=credits,tags"
    assert "Not" not in text_of(client.get(f"{reverse('views:new')}?{query}"))[:200]
    response = client.post(f"{reverse('views:new')}?{query}", {"name": " Rich ones "})
    view = SavedView.objects.get()
    assert (view.name, view.columns, view.density, view.owner) == (
        "Rich ones",
        ["username", "credits", "tags"],
        "compact",
        user,
    )
    assert QueryDict(view.query).dict() == {"q": "rich tier:0", "sort": "-credits"}
    page = client.get(response.url)
    assert rows_in(page) == [rich.pk]
    html = page.content.decode()
    assert [label for _url, now, label in tabs_of(html) if now] == ["Rich ones"]
    assert re.findall(r'id="sort-(\w+)"', html) == ["username", "credits"]
    assert "Update “Rich ones”" not in html


def test_selection_and_place_are_not_kept():
    assert kept_of("selection=x&after=y&count=exact&view=3&columns=a&tier=2&q=b") == "q=b&tier=2"


def test_view_leads_to_its_list_and_says_when_the_list_went_on():
    user, client = signed_in()
    view = make_view(user)
    url = client.get(reverse("views:open", args=[view.pk])).url
    assert url == f"{LIST}?q=used%3A%3E100&view={view.pk}"
    assert "Update “" not in text_of(client.get(url))
    html = text_of(client.get(f"{url}&tier=1"))
    assert "Update “Big spenders”" in html
    client.post(f"{reverse('views:redraw', args=[view.pk])}?q=used%3A%3E100&tier=1&view={view.pk}")
    view.refresh_from_db()
    assert QueryDict(view.query).dict() == {"q": "used:>100", "tier": "1"}


def test_view_is_renamed_and_shared():
    owner, client = signed_in(Role.USER_ADMIN)
    view = make_view(owner)
    url = reverse("views:edit", args=[view.pk])
    response = client.post(url, {"name": "Whales", "shared_with": ["support", "read_only"]})
    assert (response.status_code, response.url) == (302, VIEWS)
    for role, sees in ((Role.SUPPORT, True), (Role.READ_ONLY, True), (Role.USER_ADMIN, False)):
        _user, other = signed_in(role)
        assert ("Whales" in text_of(other.get(LIST))) is sees
        assert ("Whales" in text_of(other.get(VIEWS))) is sees


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "x" * 61}, "at most 60"),
        ({"name": "TAKEN"}, "called “TAKEN” already"),
        ({"name": "New", "shared_with": ["nobody"]}, "Select a valid choice"),
        ({"name": "New", "shared_with": ["super_admin"]}, "Select a valid choice"),
    ],
)
def test_wrong_form_keeps_what_was_typed_and_writes_nothing(form, sentence):
    owner, client = signed_in(Role.USER_ADMIN)
    make_view(owner, "Taken")
    before = checksum.database()
    response = client.post(f"{reverse('views:new')}?tier=2", form)
    assert response.status_code == 422
    assert sentence in text_of(response)
    assert f'value="{form["name"]}"' in response.content.decode() or not form["name"]
    assert checksum.database() == before


def test_sharing_upwards_and_too_many_views_are_refused():
    owner = make_staff(Role.SUPPORT)
    with pytest.raises(ViewRefused, match="ranks above"):
        make_view(owner, shared_with=["user_admin"])
    for number in range(saved_views.MOST):
        make_view(owner, f"view {number}")
    with pytest.raises(ViewRefused, match="Delete one"):
        make_view(owner, "one more")


def test_views_are_put_in_order():
    owner, client = signed_in()
    first, second, third = (make_view(owner, name) for name in ("A", "B", "C"))
    url = reverse("views:move", args=[third.pk])
    client.post(url, {"to": "up"})
    assert [view.name for view in saved_views.visible_to(owner)] == ["A", "C", "B"]
    client.post(reverse("views:move", args=[first.pk]), {"to": "up"})
    client.post(reverse("views:move", args=[second.pk]), {"to": "down"})
    assert [view.name for view in saved_views.visible_to(owner)] == ["A", "C", "B"]
    assert client.post(url, {"to": "sideways"}).status_code == 400


def test_deleted_view_comes_back_by_the_banner():
    owner, client = signed_in()
    view = make_view(owner, shared_with=["support"])
    response = client.post(reverse("views:delete", args=[view.pk]), follow=True)
    assert not SavedView.objects.exists()
    undo = re.search(r'action="(/admin/views/restore/[^"]+)"', response.content.decode())[1]
    _other, thief = signed_in()
    assert "not yours" in text_of(thief.post(undo, follow=True))
    assert not SavedView.objects.exists()
    assert "is back" in text_of(client.post(undo, follow=True))
    back = SavedView.objects.get()
    assert (back.name, back.query, back.columns, back.shared_with, back.owner) == (
        view.name,
        view.query,
        view.columns,
        ["support"],
        owner,
    )
    assert "already" in text_of(client.post(undo, follow=True))
    assert "no longer" in text_of(client.post(reverse("views:restore", args=["x"]), follow=True))


@pytest.mark.parametrize("act", ["edit", "redraw", "move", "delete"])
def test_nobody_changes_the_view_of_another(act):
    owner, _client = signed_in()
    view = make_view(owner, shared_with=["super_admin"])
    hidden = make_view(owner, "Hidden")
    _other, client = signed_in()
    before = checksum.database()
    for pk in (view.pk, hidden.pk, 987654321):
        response = client.post(reverse(f"views:{act}", args=[pk]), {"name": "Mine", "to": "up"})
        assert response.status_code == 404
    assert client.get(reverse("views:open", args=[hidden.pk])).status_code == 404
    assert checksum.database() == before


def test_view_that_vanished_is_left_out_of_the_address_and_said():
    _user, client = signed_in()
    response = client.get(LIST, {"view": "987654321", "q": "ana"}, follow=True)
    assert response.redirect_chain[0][0] == f"{LIST}?q=ana"
    assert "does not exist any more" in text_of(response)
    assert client.get(reverse("users:columns"), {"view": "987654321"}).status_code == 404


@pytest.mark.parametrize(
    "query",
    ["q=email%3Agma", "q=role%3Asupport", "role=support", "sort=email", "q=ip%3A203.0.113.7"],
)
def test_view_that_a_role_may_not_use_says_so_and_tells_nothing(query):
    owner, client = signed_in()
    make_user("secretive", email="gma.secret@gmail.example")
    view = make_view(owner, query=query, shared_with=["support"], columns=["username", "role"])
    assert client.get(reverse("views:open", args=[view.pk])).status_code == 302
    _support, other = signed_in(Role.SUPPORT)
    response = other.get(reverse("views:open", args=[view.pk]))
    assert response.status_code == 403
    text = response.content.decode()
    assert "Your role cannot use this view" in text
    for secret in ("gma", "203.0.113.7", "role=support", "role%3A", "sort=email", query):
        assert secret not in text
    page = other.get(LIST).content.decode()
    assert view.name in page
    assert query not in page
    counted = other.get(reverse("views:counts")).content.decode()
    assert re.search(rf'{view.name}</span><span class="count">–<', counted)


def test_columns_of_a_shared_view_that_a_role_does_not_see_are_left_out():
    owner, _client = signed_in()
    view = make_view(
        owner, query="tier=0", columns=["username", "role", "tier"], shared_with=["support"]
    )
    _support, client = signed_in(Role.SUPPORT)
    html = client.get(f"{LIST}?tier=0&view={view.pk}").content.decode()
    assert re.findall(r'id="sort-(\w+)"', html) == ["username", "tier"]


def test_counts_come_in_one_request_capped_and_stay_for_a_minute(
    monkeypatch, django_assert_num_queries
):
    user, client = signed_in()
    make_users(5)
    view = make_view(user, "All", query="tier=0", shared_with=["user_admin"])
    first = client.get(LIST).content.decode()
    assert f'hx-get="{reverse("views:counts")}?"' in first
    monkeypatch.setattr(counts, "CAP", 3)
    counted = client.get(reverse("views:counts")).content.decode()
    assert re.search(r'All</span><span class="count">3\+<', counted)
    assert "hx-get" not in counted
    make_users(2)
    with django_assert_num_queries(3):  # session, person with preferences, views
        again = client.get(reverse("views:counts"))
    assert re.search(r'All</span><span class="count">3\+<', again.content.decode())
    assert "views/counts" not in client.get(LIST).content.decode()
    saved_views.redraw(view, Picture("tier=3", ["username"]), now=datetime.now(UTC))
    assert "views/counts" in client.get(LIST).content.decode()


def test_fragment_brings_the_views_along():
    _user, client = signed_in()
    html = client.get(f"{LIST}?q=seen:never", headers=HTMX).content.decode()
    assert '<div class="views" id="views" hx-swap-oob="true"' in html
    assert [label for _url, now, label in tabs_of(html) if now] == ["Never seen"]


@pytest.mark.parametrize("size", [1, 3])
def test_pages_of_views_cost_the_same_statements_for_one_and_for_three(
    size, django_assert_num_queries
):
    user, client = signed_in()
    for number in range(size):
        make_view(user, f"view {number}")
        make_view(make_staff(), f"other {number}", shared_with=["user_admin"])
        make_view(make_staff(Role.SUPER_ADMIN), f"shared {number}", shared_with=["super_admin"])
    client.get(VIEWS)
    with django_assert_num_queries(3):  # session, person, views
        client.get(VIEWS)


def test_nobody_without_a_role_opens_views():
    client = Client()
    client.force_login(make_user())
    for name in ("views:list", "views:new", "views:counts", "users:columns", "users:words"):
        assert client.get(reverse(name)).status_code == 403
        assert Client().get(reverse(name)).status_code == 302


def test_table_and_counts_stand_without_valkey(settings):
    _user, client = signed_in()
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    }
    assert client.get(LIST).status_code == 200
    answer = client.get(reverse("views:counts"))
    assert answer.status_code == 200
    assert "hx-get" not in answer.content.decode()  # else it would ask again and again


# What stands in the audit log


def entries():
    found = AuditEntry.objects.filter(action="users.edit_shared_view").select_related("personal")
    return [(one.changes, one.personal.changes) for one in found.order_by("pk")]


def test_what_colleagues_are_shown_stands_in_the_audit_log():
    owner = make_staff(Role.SUPER_ADMIN)
    view = make_view(owner, "Big", "q=ana", shared_with=["support"])
    saved_views.change(view, name="Bigger", shared_with=["support", "user_admin"], now=NOW)
    saved_views.redraw(view, Picture("q=bob", ["username", "used"]), now=NOW)
    token = saved_views.delete(view, now=NOW)
    saved_views.restore(token, owner=owner, now=NOW)
    kept, changed, redrawn, deleted, restored = entries()
    assert kept[0]["name"] == [None, "Big"]
    assert kept[0]["shared_with"] == [None, ["support"]]
    assert kept[1] == {"query": [None, "q=ana"]}
    assert changed == (
        {"name": ["Big", "Bigger"], "shared_with": [["support"], ["support", "user_admin"]]},
        None,
    )
    assert redrawn == ({}, {"query": ["q=ana", "q=bob"]})
    assert deleted[0]["name"] == ["Bigger", None]
    assert restored[0]["name"] == [None, "Bigger"]
    entry = AuditEntry.objects.select_related("personal").latest("pk")
    assert (entry.actor_id, entry.target_type) == (owner.pk, "view")
    assert entry.personal.target_name == "Bigger"


def test_sharing_a_view_and_taking_it_back_are_told_and_what_is_ones_own_is_not():
    owner = make_staff(Role.SUPER_ADMIN)
    view = make_view(owner, "Mine")
    saved_views.change(view, name="Still mine", shared_with=[], now=NOW)
    saved_views.redraw(view, Picture("q=bob", ["username"]), now=NOW)
    assert entries() == []
    saved_views.change(view, name="Ours", shared_with=["support"], now=NOW)
    saved_views.change(view, name="Mine", shared_with=[], now=NOW)
    shared, taken = entries()
    assert shared[0]["shared_with"] == [None, ["support"]]
    assert taken[0]["shared_with"] == [["support"], None]
    saved_views.delete(view, now=NOW)
    assert len(entries()) == 2


def test_refused_view_leaves_no_entry():
    owner = make_staff(Role.USER_ADMIN)
    make_view(owner, "Ours", shared_with=["support"])
    before = checksum.database()
    with pytest.raises(ViewRefused):
        make_view(owner, "ours", shared_with=["support"])
    assert checksum.database() == before


def test_audit_page_tells_of_a_shared_view_in_words():
    owner, client = signed_in()
    make_view(owner, "Big spenders", "q=ana%40example.org", shared_with=["support", "user_admin"])
    html = text_of(client.get(reverse("audit")))
    assert "Change a shared view" in html
    assert "Support, User admin" in html
    _masked, reader = signed_in(Role.READ_ONLY)
    assert "ana%40example.org" not in text_of(reader.get(reverse("audit")))
