"""The columns of the user table: chosen, ordered, kept for a person; what each shows, to whom."""

import csv
import io
import re
from datetime import UTC, datetime

import pytest
from allauth.mfa.models import Authenticator
from django.http import QueryDict
from django.urls import reverse

from coai_admin.console.columns import Sight
from coai_admin.console.filters import BadParameter
from tests import checksum
from tests.factories import make_session, make_staff, make_user
from tests.users.test_table_page import HTMX, as_role, text_of
from users.models import Preferences, Tag, Tagging, User
from users.roles import Role
from users.table import USERS
from users.table.cells import CELLS

pytestmark = pytest.mark.django_db

LIST, COLUMNS = reverse("users:list"), reverse("users:columns")
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FURTHER = ("tags", "second_factor", "sessions", "password_changed", "locale", "legacy_id")


def headings(response):
    return re.findall(r'id="sort-(\w+)"', response.content.decode())


def shown(query, viewer, columns=()):
    reading = USERS.read(QueryDict(query), viewer=viewer, now=NOW, columns=columns)
    return [column.name for column, _sight in reading.shown]


def make_known():
    """Somebody of whom every column knows something."""
    user = make_user("ana", password_changed_at=NOW, locale="pt", legacy_source="x", legacy_id=77)
    for name in ("vip", "<b>bold"):
        Tagging.objects.create(user=user, tag=Tag.objects.create(name=name))
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={})
    make_session(user)
    return user


def test_every_column_of_the_page_has_a_cell():
    assert {column.name for column in USERS.columns if column.on_page} == CELLS.keys()


def test_usual_columns_are_those_that_fit_a_window():
    viewer = make_staff(Role.SUPER_ADMIN)
    names = shown("", viewer)
    assert names[0] == "username"
    assert not {*FURTHER, "email_state", "status_until"} & {*names}
    assert not {"subscription", "months", "country", "role"} & {*names}  # 1440 px have no room
    assert names[-1] == "joined"


def test_address_chooses_columns_and_their_order():
    viewer = make_staff(Role.SUPER_ADMIN)
    assert shown("columns=tags,credits", viewer) == ["username", "tags", "credits"]
    assert shown("columns=credits,username,credits", viewer) == ["username", "credits"]
    assert shown("", viewer, columns=["seen", "tier"]) == ["username", "seen", "tier"]
    assert shown("columns=id", viewer, columns=["seen"]) == ["username", "id"]


@pytest.mark.parametrize("name", ["nonsense", "status_until", "password", "ID"])
def test_unknown_column_is_refused_by_its_name(name):
    with pytest.raises(BadParameter, match=name):
        shown(f"columns={name}", make_staff(Role.SUPER_ADMIN))


def test_column_that_a_role_does_not_see_is_refused_when_asked_and_left_out_when_liked():
    support = make_staff(Role.SUPPORT)
    with pytest.raises(BadParameter, match="role"):
        shown("columns=role", support)
    assert shown("", support, columns=["role", "tier"]) == ["username", "tier"]


def test_further_columns_tell_what_is_known():
    make_known()
    client = as_role()
    html = client.get(LIST, {"q": "ana", "columns": ",".join(FURTHER)}).content.decode()
    row = re.search(r'<tr id="row-\d+".*?</tr>', html, re.DOTALL)[0]
    assert "&lt;b&gt;bold" in row
    assert "<b>bold" not in row
    for text in (">vip<", ">On<", ">1</td>", "20 Nov 2026", ">pt</td>", ">77</td>"):
        assert text in row, text


@pytest.mark.parametrize("size", [1, 3])
def test_columns_cost_one_statement_each_and_only_when_shown(size, django_assert_num_queries):
    client = as_role()
    for number in range(size):
        make_user(f"column.cost{number}")
    client.get(LIST)
    usual = 7  # session, person with preferences, views, count with ids, order, restrictions, facts
    for columns, more in (
        ("tier", 0),
        ("locale,legacy_id", 0),
        ("tags", 1),
        ("tags,sessions,second_factor", 3),
    ):
        with django_assert_num_queries(usual + more):
            client.get(LIST, {"q": "column.cost", "columns": columns})


def test_row_after_an_act_keeps_the_columns_of_the_page():
    user = make_known()
    url = reverse("users:row", args=[user.pk])
    html = as_role().get(url, {"columns": "tags"}).content.decode()
    assert html.count("<td") == 3  # box, tags, menu
    assert ">vip<" in html


def test_chosen_columns_are_kept_for_the_person_alone():
    client = as_role()
    chosen = {
        "order": ["tags", "credits", "tier"],
        "column": ["credits", "tags"],
        "density": "compact",
    }
    response = client.post(f"{COLUMNS}?q=ana&columns=tier", {**chosen, "act": "save"})
    assert (response.status_code, response.url) == (302, f"{LIST}?q=ana")
    html = client.get(LIST).content.decode()
    assert 'class="list cards compact"' in html
    assert re.findall(r'<th scope="col" class="[^"]*"[^>]*>(?:<a[^>]*>)?([A-Z][a-z ]+)', html)[
        :3
    ] == [
        "Username",
        "Tags",
        "Credits",
    ]
    other = as_role(Role.USER_ADMIN)
    assert 'class="list cards comfortable"' in other.get(LIST).content.decode()
    assert headings(other.get(LIST)) != headings(client.get(LIST))


def test_columns_for_once_stand_in_the_address_and_nowhere_else():
    client = as_role()
    before = checksum.database()
    response = client.post(
        f"{COLUMNS}?sort=-used", {"column": ["tags"], "order": ["tags"], "act": "once"}
    )
    assert response.url == f"{LIST}?sort=-used&columns=username%2Ctags"
    assert checksum.database() == before


def test_usual_columns_come_back():
    client = as_role()
    client.post(COLUMNS, {"column": ["tags"], "act": "save", "density": "compact"})
    client.post(COLUMNS, {"act": "reset"})
    kept = Preferences.objects.get()
    assert (kept.columns, kept.density) == ([], "comfortable")


def test_no_column_ticked_leaves_the_name():
    client = as_role()
    client.post(COLUMNS, {"act": "save"})
    assert headings(client.get(LIST)) == ["username"]


def test_columns_move_without_scripts_and_nothing_is_kept_yet():
    client = as_role()
    form = {"order": ["tier", "credits", "tags"], "column": ["tier", "tags"], "act": "down:tier"}
    html = client.post(COLUMNS, form).content.decode()
    order = re.findall(r'name="order" value="(\w+)"', html)
    assert order[:3] == ["credits", "tier", "tags"]
    ticked = re.findall(r'name="column" value="(\w+)" checked', html)
    assert ticked == ["tier", "tags"]
    assert not Preferences.objects.exists()


@pytest.mark.parametrize(
    "form",
    [
        {"column": ["nonsense"], "act": "save"},
        {"order": ["nonsense"], "act": "save"},
        {"act": "up:nonsense"},
        {"act": "nonsense"},
        {"density": "tiny", "act": "save"},
    ],
)
def test_wrong_choice_is_refused_and_nothing_written(form):
    client = as_role()
    before = checksum.database()
    response = client.post(COLUMNS, form)
    assert response.status_code == 400
    assert re.search("nonsense|comfortable", text_of(response))
    assert checksum.database() == before


def test_fragment_of_the_form_is_for_the_dialog():
    client = as_role()
    assert b"<html" not in client.get(COLUMNS, headers=HTMX).content
    assert b"<html" in client.get(COLUMNS).content


def lines(response):
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_export_follows_the_screen_or_holds_all():
    make_known()
    client = as_role()
    url = f"{reverse('users:export')}?q=ana&columns=tags,legacy_id,second_factor,sessions"
    [line] = lines(client.post(url, {"columns": "shown"}))
    del line["Export"]  # which export it is
    assert line == {
        "Username": "ana",
        "Tags": "<b>bold, vip",
        "CoAI ID": "77",
        "Second factor": "on",
        "Sessions": "1",
    }
    [line] = lines(client.post(url, {"columns": "all"}))
    assert {
        "Username",
        "Email",
        "Credits",
        "Tags",
        "Language",
        "Password changed (UTC)",
    } <= line.keys()
    assert line["Password changed (UTC)"] == "2026-11-20 12:00:00"


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.READ_ONLY])
def test_masked_role_sees_no_more_by_choosing_columns(role):
    viewer = make_staff(role)
    masked = {column.name: sight for column, sight in USERS.offered(viewer)}
    assert masked["email"] is Sight.MASKED
    make_user("ana", email="ana@example.com")
    client = as_role(role)
    html = client.get(LIST, {"columns": "email,email_state"}).content.decode()
    assert "ana@example.com" not in html
    assert "a•••@e•••.com" in html
    assert User.objects.filter(email="ana@example.com").exists()
