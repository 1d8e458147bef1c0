"""Tiers, reason codes and settings: seen by those who may, changed by those who may, with whom it
affects before it is saved and what it was afterwards."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit.models import AuditEntry
from audit.people import SYSTEM
from subscriptions.models import Tier
from subscriptions.services import set_tier
from tests import checksum
from tests.factories import make_staff, make_user, make_users
from users import services
from users.models import ReasonCode
from users.roles import Role

pytestmark = pytest.mark.django_db

END = datetime(2030, 1, 1, tzinfo=UTC)
TIER = {"name": "Plus", "description": "More of it", "active": "on", "reason": "a new name"}
CODE = {
    "label": "Spam",
    "public_text": "You sent spam.",
    "default_days": "10",
    "appealable": "on",
    "active": "on",
    "position": "1",
    "reason": "clearer",
}


def client_of(role, *, confirmed=True):
    client = Client()
    client.force_login(make_staff(role))
    if not confirmed:
        session = client.session
        del session["stepped_up_at"]
        session.save()
    return client


def save(client, url, data):
    """Preview, and save what was previewed."""
    page = client.post(url, data)
    assert page.status_code == 200, page.content.decode()
    editing = page.context["editing"]
    return page, client.post(url, data | {"previewed": editing.previewed, "seen": editing.seen})


def subscribe(number, tier):
    ids = make_users(number)
    set_tier(ids, actor=SYSTEM, tier=tier, ends_at=END, reason="x")
    return ids


def last_entry():
    return AuditEntry.objects.select_related("personal").order_by("-pk").first()


# Who


@pytest.mark.parametrize("role", [role for role in Role if role != Role.NONE])
@pytest.mark.parametrize("name", ["tiers:list", "reason_codes:list"])
def test_lists_are_open_to_all_staff_and_offer_editing_to_super_admins(role, name):
    page = client_of(role).get(reverse(name))
    assert page.status_code == 200
    assert (b">Edit<" in page.content) == (role == Role.SUPER_ADMIN)


PLACES = [
    ("tiers:edit", [2], TIER),
    ("reason_codes:edit", ["spam"], CODE),
    ("reason_codes:new", [], CODE | {"code": "new_one"}),
]


@pytest.mark.parametrize("role", [Role.USER_ADMIN, Role.SUPPORT, Role.READ_ONLY])
@pytest.mark.parametrize(("name", "arguments", "data"), PLACES)
def test_editing_is_denied_to_others_and_writes_nothing(role, name, arguments, data):
    client, url = client_of(role), reverse(name, args=arguments)
    before = checksum.database()
    assert client.get(url).status_code == 403
    assert client.post(url, data).status_code == 403
    assert checksum.database() == before


@pytest.mark.parametrize(("name", "arguments", "data"), PLACES)
def test_editing_asks_who_it_is_and_writes_nothing(name, arguments, data):
    client, url = client_of(Role.SUPER_ADMIN, confirmed=False), reverse(name, args=arguments)
    before = checksum.database()
    response = client.post(url, data)
    assert response.status_code == 302
    assert reverse("account:confirm") in response["Location"]
    assert checksum.database() == before


# Tiers


@pytest.mark.parametrize("number", [1, 3])
def test_tiers_are_counted_in_a_known_number_of_statements(number, django_assert_num_queries):
    subscribe(number, 2)
    client = client_of(Role.SUPER_ADMIN)
    client.get(reverse("tiers:list"))
    with django_assert_num_queries(5):
        page = client.get(reverse("tiers:list"))
    counts = {tier.level: count for tier, count, _url in page.context["rows"]}
    assert counts == {0: 1, 1: 0, 2: number, 3: 0}


def test_a_tier_is_previewed_with_who_is_affected_and_saved_with_an_entry():
    subscribe(3, 2)
    client, url = client_of(Role.SUPER_ADMIN), reverse("tiers:edit", args=[2])
    before = checksum.database()
    preview = client.post(url, TIER)
    assert checksum.database() == before
    assert "3 users are in this tier." in preview.content.decode()
    assert f"{reverse('users:list')}?tier=2" in preview.content.decode()

    _page, saved = save(client, url, TIER)

    assert saved["Location"] == reverse("tiers:list")
    assert Tier.objects.get(pk=2).name == "Plus"
    entry = last_entry()
    assert entry.action == "subscriptions.edit_tiers"
    assert entry.changes["name"] == ["Standard", "Plus"]
    assert "active" not in entry.changes
    assert (entry.reason, entry.target_type, entry.target_id) == ("a new name", "tier", 2)


def test_a_tier_that_somebody_else_changed_meanwhile_is_not_overwritten():
    client, url = client_of(Role.SUPER_ADMIN), reverse("tiers:edit", args=[2])
    editing = client.post(url, TIER).context["editing"]
    Tier.objects.filter(pk=2).update(description="by a colleague")
    before = checksum.database()
    answer = client.post(url, TIER | {"previewed": editing.previewed, "seen": editing.seen})
    assert "Somebody changed this" in answer.content.decode()
    assert "by a colleague" in answer.content.decode()
    assert checksum.database() == before
    again = answer.context["editing"]
    client.post(url, TIER | {"previewed": again.previewed, "seen": again.seen})
    assert Tier.objects.get(pk=2).name == "Plus"


def test_a_tier_is_saved_only_as_it_was_previewed():
    client, url = client_of(Role.SUPER_ADMIN), reverse("tiers:edit", args=[2])
    editing = client.post(url, TIER).context["editing"]
    answer = client.post(
        url, TIER | {"name": "Other", "previewed": editing.previewed, "seen": editing.seen}
    )
    assert answer.context["editing"].changes["name"] == ["Standard", "Other"]
    assert Tier.objects.get(pk=2).name == "Standard"


def test_a_tier_with_wrong_words_says_so_and_keeps_what_was_typed():
    client, url = client_of(Role.SUPER_ADMIN), reverse("tiers:edit", args=[2])
    answer = client.post(url, TIER | {"name": "Pro", "description": "kept as typed"})
    assert answer.status_code == 422
    assert "Another tier has this name." in answer.content.decode()
    assert "kept as typed" in answer.content.decode()


def test_a_tier_that_is_not_offered_takes_nobody_new():
    client, [user] = client_of(Role.SUPER_ADMIN), subscribe(1, 1)
    data = {key: value for key, value in TIER.items() if key != "active"}
    save(client, reverse("tiers:edit", args=[3]), data)
    done = set_tier([user], actor=SYSTEM, tier=3, reason="x")
    assert "not offered" in done.refused[0].refusal.sentence


def test_tier_0_is_always_offered():
    client, url = client_of(Role.SUPER_ADMIN), reverse("tiers:edit", args=[0])
    assert "active" not in client.get(url).context["form"].fields
    save(client, url, {"name": "Everybody", "description": "", "reason": "x"})
    assert Tier.objects.get(pk=0).active


@pytest.mark.parametrize("address", ["/admin/tiers/7/", "/admin/reason-codes/code/nothing/"])
def test_what_does_not_exist_is_a_404(address):
    assert client_of(Role.SUPER_ADMIN).get(address).status_code == 404


# Reason codes


@pytest.mark.parametrize("number", [1, 3])
def test_reason_codes_are_counted_in_a_known_number_of_statements(
    number, django_assert_num_queries
):
    services.suspend(make_users(number), actor=SYSTEM, reason_code="spam", ends_at=END, reason="x")
    client = client_of(Role.SUPER_ADMIN)
    client.get(reverse("reason_codes:list"))
    with django_assert_num_queries(5):
        page = client.get(reverse("reason_codes:list"))
    assert [(used, live) for code, used, live in page.context["rows"] if code.pk == "spam"] == [
        (number, number)
    ]


def test_a_reason_code_is_changed_with_an_entry_and_past_restrictions_stay():
    user = make_user()
    services.suspend(
        [user.pk],
        actor=SYSTEM,
        reason_code="spam",
        ends_at=END,
        reason="x",
        public_text="as it was",
    )
    client = client_of(Role.SUPER_ADMIN)
    page, saved = save(client, reverse("reason_codes:edit", args=["spam"]), CODE)
    assert "1 restrictions hold for it now" in page.content.decode()
    assert saved.status_code == 302
    code = ReasonCode.objects.get(pk="spam")
    assert (code.public_text, code.default_days) == ("You sent spam.", 10)
    assert user.restrictions.get().public_text == "as it was"
    entry = last_entry()
    assert entry.action == "users.edit_reason_codes"
    assert entry.changes["default_days"] == [7, 10]


def test_a_reason_code_that_is_not_offered_cannot_be_chosen():
    client = client_of(Role.SUPER_ADMIN)
    data = {key: value for key, value in CODE.items() if key != "active"}
    save(client, reverse("reason_codes:edit", args=["spam"]), data)
    assert not ReasonCode.objects.get(pk="spam").active
    from users.forms import SuspendForm

    form = SuspendForm({"reason_code": "spam", "reason": "x"}, now=time_now())
    assert "reason_code" in form.errors


def test_a_new_reason_code_is_made_once_with_an_entry():
    client, url = client_of(Role.SUPER_ADMIN), reverse("reason_codes:new")
    data = CODE | {"code": "bot_farm", "label": "Bot farm"}
    assert client.post(url, data).status_code == 302
    assert ReasonCode.objects.get(pk="bot_farm").label == "Bot farm"
    assert last_entry().changes["label"] == [None, "Bot farm"]
    again = client.post(url, data)
    assert again.status_code == 422
    assert "exists already" in again.content.decode()


@pytest.mark.parametrize("code", ["Bot", "a-b", "ж", "a b", ""])
def test_a_reason_code_of_other_letters_is_refused(code):
    client = client_of(Role.SUPER_ADMIN)
    before = checksum.database()
    assert client.post(reverse("reason_codes:new"), CODE | {"code": code}).status_code == 422
    assert checksum.database() == before
