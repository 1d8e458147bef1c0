"""Users over the API: the same list as the page's, for the eyes of whoever asks."""

import pytest
from django.urls import reverse

from tests.api.conftest import in_session, keyed
from tests.factories import make_staff, make_user, make_users
from users.roles import Role
from users.service_actor import READS

pytestmark = pytest.mark.django_db
USERS = "/api/v1/users/"


def test_list_holds_every_column_that_its_reader_sees(admin):
    ana = make_user("ana", email="ana@example.org")
    body = admin.get(USERS, {"username": "ana"}).json()
    [row] = body["results"]
    assert (row["id"], row["username"], row["email"]) == (ana.pk, "ana", "ana@example.org")
    assert (row["tier"], row["credits"], row["status"]) == (0, "0", "active")
    assert body["count"] == {"number": 1, "more": False}
    assert (body["next"], body["previous"]) == (None, None)


@pytest.mark.parametrize("who", ["key", Role.SUPPORT, Role.READ_ONLY])
def test_masked_readers_get_masked_addresses_everywhere(who):
    ana = make_user("ana", email="anabel@secret.example")
    caller = keyed("users.browse", "users.inspect") if who == "key" else in_session(who)
    for address in (f"{USERS}?username=ana", f"{USERS}{ana.pk}/"):
        text = caller.get(address).text
        assert "anabel" not in text
        assert "secret" not in text
        assert "••" in text


def test_masked_readers_cannot_sort_or_search_by_what_they_do_not_see():
    make_user("ana", email="anabel@secret.example")
    caller = keyed("users.browse")
    for query in ("sort=email", "email=anabel", "sort=role", "role=super_admin"):
        answer = caller.get(f"{USERS}?{query}")
        assert answer.status_code == 400, query
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_staff_facts_are_for_those_who_may_see_staff():
    ana = make_staff(Role.SUPPORT)
    assert in_session().get(f"{USERS}{ana.pk}/").json()["role"] == "support"
    for caller in (keyed("users.inspect"), in_session(Role.SUPPORT)):
        assert "role" not in caller.get(f"{USERS}{ana.pk}/").json()


@pytest.mark.parametrize("query", ["", "sort=username", "sort=-credits", "q=many"])
def test_pages_are_those_of_the_table(admin, query):
    make_users(120)
    seen, link, shown = [], f"{USERS}?{query}", []
    page = f"{reverse('users:list')}?{query}"
    while link:
        body = admin.get(link).json()
        seen += [row["id"] for row in body["results"]]
        context = admin.get(page).context
        shown += [row.pk for row in context["rows"]]
        following = context["page"].next
        assert (body["next"] or "").partition("?")[2] == following.removeprefix("?")
        page = f"{reverse('users:list')}{following}"
        link = body["next"]
    assert seen == shown
    assert len(set(seen)) >= 120
    back = admin.get(f"{USERS}?before=end&{query}").json()
    assert [row["id"] for row in back["results"]][-1] == seen[-1]


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("teir=1", "teir"),
        ("tier=9", "tier"),
        ("credits_min=many", "credits_min"),
        ("sort=password", "password"),
        ("after=xyz", "after"),
        ("sort=joined&sort=id", "sort"),
        ("selection=1", "selection"),
        ("count=all", "count"),
    ],
)
def test_wrong_parameter_is_a_400_that_names_it(admin, query, word):
    answer = admin.get(f"{USERS}?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert word in answer.json()["detail"]


def test_wrong_filter_names_its_parameter(admin):
    [mistake] = admin.get(f"{USERS}?credits_min=many").json()["errors"]
    assert mistake["parameter"] == "credits_min"


def test_one_user_with_restrictions(admin):
    from datetime import timedelta

    from django.utils.timezone import now

    from audit.people import SYSTEM
    from users.restrictions.services import suspend

    ana = make_user("ana")
    suspend(
        [ana.pk],
        actor=SYSTEM,
        reason_code="spam",
        ends_at=now() + timedelta(days=3),
        reason="x",
        public_text="You sent spam.",
        internal_note="a secret note",
    )
    answer = admin.get(f"{USERS}{ana.pk}/")
    [held] = answer.json()["restrictions"]
    assert (held["kind"], held["reason"], held["holds"]) == ("suspension", "spam", True)
    assert answer.json()["status"] == "suspended"
    assert "secret note" not in answer.text


@pytest.mark.parametrize("user_id", [10**15, 2**63 - 1, 2**63, 10**30])
def test_user_who_does_not_exist_is_a_404(admin, user_id):
    answer = admin.get(f"{USERS}{user_id}/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_unknown_parameter_of_one_user_is_a_400(admin):
    ana = make_user("ana")
    assert admin.get(f"{USERS}{ana.pk}/?x=1").status_code == 400
    assert admin.get(f"{USERS}{ana.pk}/?tab=audit").status_code == 400


@pytest.mark.parametrize("number", [1, 3])
def test_list_takes_a_constant_number_of_queries(number, django_assert_num_queries):
    make_users(number)
    caller = keyed("users.browse")
    caller.get(USERS)
    with django_assert_num_queries(4):  # the key, the count, the places, the rows
        caller.get(USERS)


@pytest.mark.parametrize("scope", READS)
def test_every_reading_scope_of_a_key_opens_something(scope):
    ana = make_user("ana")
    reader, nobody = keyed(scope), keyed("users.suspend")
    places = (USERS, f"{USERS}{ana.pk}/", "/api/v1/audit/")
    opened = [place for place in places if reader.get(place).status_code == 200]
    assert opened
    assert all(nobody.get(place).status_code == 403 for place in opened)
