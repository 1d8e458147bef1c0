"""Service keys: made once, found by their token, ended; and what one may hold."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import AuditEntry
from audit.people import SYSTEM
from subscriptions import service_keys
from subscriptions.models import ServiceKey
from tests import checksum
from tests.factories import NOON, make_staff, make_users
from users import roles
from users.models import User
from users.roles import Role
from users.service_actor import READS, ServiceActor, acts, scopes

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def issue(*codes, name="gateway", actor=SYSTEM, now=NOON, days=30):
    return service_keys.create(
        name, codes or ("users.browse",), expires_at=now + days * DAY, actor=actor, now=now
    )


# Making and finding


def test_token_is_kept_nowhere():
    issued = issue()
    assert issued.token.startswith("csk_")
    assert issued.token.startswith(issued.key.prefix)
    assert len(issued.token) > 40
    with connection.cursor() as cursor:
        for table in ("subscriptions_servicekey", "audit_entry", "audit_personal"):
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
            assert issued.token[12:] not in cursor.fetchone()[0]


def test_making_a_key_is_recorded_without_its_token():
    admin = make_staff(Role.SUPER_ADMIN)
    issued = issue("users.suspend", "users.browse", actor=admin)
    entry = AuditEntry.objects.get(action="subscriptions.create_service_key")
    assert (entry.actor_id, entry.target_type, entry.target_id) == (
        admin.pk,
        "service_key",
        issued.key.pk,
    )
    assert entry.changes["scopes"] == "users.browse users.suspend"


@pytest.mark.parametrize(
    ("name", "codes", "days"),
    [
        (" ", ["users.browse"], 30),
        ("x" * 101, ["users.browse"], 30),
        ("gateway", [], 30),
        ("gateway", ["users.browse"], 0),
        ("gateway", ["users.browse"], -1),
        ("gateway", ["users.browse"], 401),
    ],
)
def test_key_without_a_name_permission_or_end_is_refused_and_nothing_written(name, codes, days):
    before = checksum.database()
    with pytest.raises(service_keys.KeyRefused):
        service_keys.create(name, codes, expires_at=NOON + days * DAY, actor=SYSTEM, now=NOON)
    assert checksum.database() == before


def test_key_is_found_by_its_whole_token_until_it_ends():
    issued = issue(days=30)
    assert service_keys.find(issued.token, now=NOON).pk == issued.key.pk
    assert service_keys.find(issued.token, now=NOON + 30 * DAY - DAY / 100).pk == issued.key.pk
    assert service_keys.find(issued.token, now=NOON + 30 * DAY) is None
    for wrong in ("", "csk_", issued.token[:-1], issued.token + "x", issued.key.prefix, "sk-1"):
        assert service_keys.find(wrong, now=NOON) is None


def test_revoked_key_is_found_no_more_and_revoking_twice_records_once():
    issued = issue()
    for _time in range(2):
        service_keys.revoke(issued.key.pk, actor=SYSTEM, now=NOON + DAY)
    assert service_keys.find(issued.token, now=NOON + DAY) is None
    assert AuditEntry.objects.filter(action="subscriptions.revoke_service_key").count() == 1
    assert service_keys.revoke(10**9, actor=SYSTEM, now=NOON) is None


def test_use_is_noted_once_a_minute():
    issued = issue()
    moments = [NOON, NOON + timedelta(seconds=59), NOON + timedelta(seconds=60)]
    counts = []
    for moment in moments:
        with CaptureQueriesContext(connection) as queries:
            service_keys.find(issued.token, now=moment)
        counts.append(len(queries))
    assert counts == [2, 1, 2]
    assert ServiceKey.objects.get().last_used_at == moments[2]


# What one may hold


def test_keys_hold_no_permission_that_needs_step_up_a_second_approver_or_a_cap():
    assert set(scopes()) == {*READS, *acts()}
    for code in acts():
        assert roles.grant(Role.USER_ADMIN, code) == "✔"
    for code in ("billing.adjust_credits", "users.lift_restriction", "audit.act_on_many"):
        assert code not in scopes()


def test_key_may_only_what_it_was_made_for_and_what_is_open_to_keys():
    key = issue("users.suspend", "billing.adjust_credits", "users.grant_role").key
    actor = ServiceActor(key)
    assert {code for code in roles.ROWS if actor.may(code)} == {"users.suspend"}


def test_key_ranks_above_customers_and_below_all_staff():
    from audit import operations
    from audit.registry import operations as registered

    actor = ServiceActor(issue("users.suspend").key)
    form = registered()["users.suspend"].form(
        {"reason_code": "spam", "ends_at": "3d", "reason": "x"}, now=NOON
    )
    assert form.is_valid()
    [customer] = make_users(1)
    for role in (Role.READ_ONLY, Role.SUPPORT, Role.USER_ADMIN, Role.SUPER_ADMIN):
        staff = make_staff(role)
        done = operations.perform(
            registered()["users.suspend"],
            [staff.pk],
            form.params,
            actor=actor,
            now=NOON,
            reason="x",
        )
        assert [row.refusal.sentence for row in done.refused] == ["Ranks at or above you."]
    done = operations.perform(
        registered()["users.suspend"], [customer], form.params, actor=actor, now=NOON, reason="x"
    )
    entry = AuditEntry.objects.select_related("personal").get(act_id=done.act_id)
    assert entry.actor_id is None
    assert entry.personal.actor_name == actor.username == f"gateway (key #{actor.key.pk})"


# The command


def command(*arguments):
    out = StringIO()
    call_command("create_service_key", *arguments, stdout=out)
    return out.getvalue()


def test_command_prints_the_token_once():
    from django.utils.timezone import now

    said = command("gateway", "--scope", "users.browse", "--expires", "90d")
    token = said.split()[-1]
    assert service_keys.find(token, now=now()).name == "gateway"
    assert AuditEntry.objects.get().actor_id is None


@pytest.mark.parametrize(
    ("scope", "expires", "why"),
    [
        ("billing.adjust_credits", "90d", "cannot hold"),
        ("users.browse", "401d", "within 400 days"),
        ("users.browse", "2020-01-01", "within 400 days"),
        ("users.browse", "soon", "neither"),
        ("users.browse", "2027-02-31", "neither"),
    ],
)
def test_command_refuses_what_no_key_may_hold_or_outlive(scope, expires, why):
    before = checksum.database()
    with pytest.raises(CommandError, match=why):
        command("gateway", "--scope", scope, "--expires", expires)
    assert checksum.database() == before


# The pages


@pytest.fixture
def admin(client):
    user = make_staff(Role.SUPER_ADMIN)
    client.force_login(user)
    return user


def test_page_makes_a_key_and_shows_its_token_once(client, admin):
    data = {"name": " the  gateway ", "reads": ["users.browse"], "acts": ["users.suspend"]}
    page = client.post(reverse("service_keys:new"), data | {"days": "30"})
    assert page.status_code == 200
    key = ServiceKey.objects.get()
    assert (key.name, key.scopes, key.created_by_id) == (
        "the gateway",
        ["users.browse", "users.suspend"],
        admin.pk,
    )
    token = page.context["issued"].token
    assert token in page.content.decode()
    assert page["Cache-Control"] == "no-store"
    listed = client.get(reverse("service_keys:list")).content.decode()
    assert key.prefix in listed
    assert token not in listed


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"reads": []},
        {"reads": ["users.purge"]},
        {"acts": ["billing.adjust_credits"]},
        {"days": "4000"},
    ],
)
def test_wrong_form_keeps_what_was_typed_and_makes_nothing(client, admin, wrong):
    before = checksum.database()
    data = {"name": "gateway", "reads": ["users.browse"], "days": "30"} | wrong
    page = client.post(reverse("service_keys:new"), data)
    assert page.status_code == 422
    assert page.context["form"].errors
    assert checksum.database() == before


def test_page_revokes_after_a_look(client, admin):
    issued = issue()
    address = reverse("service_keys:revoke", args=[issued.key.pk])
    assert issued.key.prefix in client.get(address).content.decode()
    assert service_keys.find(issued.token, now=NOON)
    assert client.post(address).status_code == 302
    assert service_keys.find(issued.token, now=NOON) is None
    assert client.get(reverse("service_keys:revoke", args=[10**9])).status_code == 404


@pytest.mark.parametrize("number", [1, 3])
def test_list_takes_a_constant_number_of_queries(client, admin, number, django_assert_num_queries):
    for one in range(number):
        issue(name=f"key {one}", actor=admin)
    client.get(reverse("service_keys:list"))
    with django_assert_num_queries(3):  # session, person, keys with their makers
        client.get(reverse("service_keys:list"))


@pytest.mark.parametrize("role", [Role.USER_ADMIN, Role.SUPPORT, Role.READ_ONLY])
def test_other_roles_have_no_keys(client, role):
    client.force_login(make_staff(role))
    issued = issue()
    before = checksum.database()
    for address in (
        reverse("service_keys:list"),
        reverse("service_keys:new"),
        reverse("service_keys:revoke", args=[issued.key.pk]),
    ):
        assert client.get(address).status_code == 403
        assert client.post(address, {"name": "x"}).status_code in (403, 405)
    assert checksum.database() == before
    assert User.objects.count() == 1
