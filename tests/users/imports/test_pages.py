"""The pages about imports."""

import pytest
from django.urls import reverse

from tests.factories import NOON, make_staff
from users.import_models import ImportRun, LegacyRow
from users.roles import Role

pytestmark = pytest.mark.django_db

REPORT = {
    "tables": {"auth": {"read": 3, "imported": 3, "kept": 0, "quarantined": 0}},
    "sums": {"quota": "1234.500000", "used": "0.000001"},
    "active_by_level": {"1": 2, "3": 1},
    "admins": 1,
    "banned": 0,
    "anomalies": {"negative_balance": 2, "orphan_row": 1, "null_email": 0},
}


@pytest.fixture
def run():
    made = ImportRun.objects.create(
        source="coai",
        location="chatnio.db",
        state=ImportRun.State.FINISHED,
        started_at=NOON,
        finished_at=NOON,
        as_of=NOON,
        source_tz="Asia/Shanghai",
        act_id="00000000-0000-0000-0000-000000000001",
        report=REPORT,
    )
    LegacyRow.objects.create(
        source="coai",
        table_name="conversation",
        key="7",
        row={},
        digest=b"x" * 32,
        state=LegacyRow.State.QUARANTINED,
        reason="orphan",
        run=made,
    )
    return made


def test_imports_page_leads_to_the_report(client, run):
    client.force_login(make_staff(Role.READ_ONLY))
    page = client.get(reverse("imports:list")).content.decode()
    assert reverse("imports:detail", args=[run.pk]) in page


def test_imports_page_without_any_says_how_to_import(client):
    client.force_login(make_staff(Role.SUPER_ADMIN))
    assert "import_coai" in client.get(reverse("imports:list")).content.decode()


def test_report_shows_sums_tables_oddities_and_what_was_quarantined(client, run):
    client.force_login(make_staff(Role.USER_ADMIN))
    page = client.get(reverse("imports:detail", args=[run.pk])).content.decode()
    assert "1,234.50" in page
    assert "tier 1: 2, tier 3: 1" in page
    assert f"{reverse('users:list')}?flag=negative_balance" in page
    assert "No email address" not in page
    assert "its user does not exist" in page


def test_report_of_an_unknown_import_is_a_404(client):
    client.force_login(make_staff(Role.SUPER_ADMIN))
    assert client.get(reverse("imports:detail", args=[1])).status_code == 404


def test_support_sees_no_imports(client, run):
    client.force_login(make_staff(Role.SUPPORT))
    assert client.get(reverse("imports:list")).status_code == 403
    assert client.get(reverse("imports:detail", args=[run.pk])).status_code == 403


@pytest.mark.parametrize("state", ["running", "failed"])
def test_report_of_an_unfinished_import_says_what_to_do(client, run, state):
    ImportRun.objects.filter(pk=run.pk).update(state=state, finished_at=None)
    client.force_login(make_staff(Role.SUPER_ADMIN))
    page = client.get(reverse("imports:detail", args=[run.pk])).content.decode()
    assert "Start the same command again" in page or "start the same command again" in page


def test_report_names_conflicts_what_vanished_and_what_failed(client, run):
    run.report = {
        **REPORT,
        "conflicts": {"username": 3},
        "vanished": {"apikey": 2},
        "source": {"warnings": ["Not transactional: quota."]},
        "error": "The wire was cut.",
    }
    run.state = ImportRun.State.FAILED
    run.save()
    client.force_login(make_staff(Role.USER_ADMIN))
    page = client.get(reverse("imports:detail", args=[run.pk])).content.decode()
    for words in ("Username changed there and here", "apikey", "Not transactional", "wire was cut"):
        assert words in page


def test_report_of_a_real_import_links_to_its_people_and_its_act(client, deployment):
    from tests.users.imports.deployments import run as import_it

    deployment.person(1, "ana", quota=-5)
    import_it(deployment)
    made = ImportRun.objects.get()
    client.force_login(make_staff(Role.SUPER_ADMIN))
    page = client.get(reverse("imports:detail", args=[made.pk])).content.decode()
    assert f"{reverse('users:list')}?flag=negative_balance" in page
    people = client.get(reverse("users:list"), {"flag": "negative_balance"})
    assert "ana" in people.content.decode()
    assert client.get(reverse("operate:act", args=[made.act_id])).status_code == 200


@pytest.mark.parametrize("number", [1, 3])
def test_imports_page_asks_the_same_number_of_queries(
    client, run, number, django_assert_num_queries
):
    for _run in range(number - 1):
        run.pk = None
        run.save()
    client.force_login(make_staff(Role.SUPER_ADMIN))
    client.get(reverse("imports:list"))
    with django_assert_num_queries(3):
        client.get(reverse("imports:list"))
