"""Tiers, reason codes and settings: seen by those who may, changed by those who may, with whom it
affects before it is saved and what it was afterwards."""

import time
from datetime import UTC, datetime, timedelta

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
from users.console_settings import credit_limits, session_limits, shelf
from users.models import ReasonCode, Session, Setting
from users.restrictions import services
from users.roles import Role
from users.sessions.store import digest

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
    from users.restrictions.forms import SuspendForm

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


# Settings

LIMITS = {
    "per_act": "100",
    "per_day": "500",
    "acts_per_day": "",
    "per_user_a_month": "",
    "reason": "less trust",
}
MINUTES = {"idle_minutes": "10", "absolute_minutes": "60", "reason": "safer"}
SETTINGS = [
    ("settings:credit_limits", ["support"], LIMITS),
    ("settings:sessions", [], MINUTES),
]


@pytest.mark.parametrize("role", [Role.USER_ADMIN, Role.SUPPORT])
def test_settings_are_closed_to_those_who_may_not_see_them(role):
    assert client_of(role).get(reverse("settings:overview")).status_code == 403


@pytest.mark.parametrize("role", [Role.SUPER_ADMIN, Role.READ_ONLY])
def test_settings_show_what_is_set_and_no_secret(role, settings, django_assert_num_queries):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "mail.example", 587
    settings.EMAIL_HOST_USER = "mail-user"
    settings.EMAIL_HOST_PASSWORD = "hush-hush"
    client = client_of(role)
    client.get(reverse("settings:overview"))
    with django_assert_num_queries(3):
        html = client.get(reverse("settings:overview")).content.decode()
    assert "mail.example:587" in html
    assert "10,000.00" in html
    assert "hush-hush" not in html
    assert "mail-user" not in html
    assert settings.SECRET_KEY not in html
    assert (">Edit<" in html) == (role == Role.SUPER_ADMIN)


@pytest.mark.parametrize("role", [Role.USER_ADMIN, Role.SUPPORT, Role.READ_ONLY])
@pytest.mark.parametrize(("name", "arguments", "data"), SETTINGS)
def test_setting_is_denied_to_others_and_writes_nothing(role, name, arguments, data):
    client, url = client_of(role), reverse(name, args=arguments)
    before = checksum.database()
    assert client.post(url, data).status_code == 403
    assert checksum.database() == before


@pytest.mark.parametrize("role", ["super_admin", "nobody"])
def test_limits_of_roles_that_have_none_are_a_404(role):
    url = reverse("settings:credit_limits", args=[role])
    assert client_of(Role.SUPER_ADMIN).get(url).status_code == 404


def test_credit_limits_hold_as_soon_as_they_are_saved():
    make_staff(Role.SUPPORT)
    helper, url = make_staff(Role.SUPPORT), reverse("settings:credit_limits", args=["support"])
    assert helper.credit_limits.per_act == 50
    preview, _saved = save(client_of(Role.SUPER_ADMIN), url, LIMITS)
    assert "2 colleagues have this role." in preview.content.decode()
    assert helper.credit_limits.per_act == 100
    assert helper.credit_limits.acts_per_day is None
    assert not helper.credit_limits.may_take  # is no setting
    entry = last_entry()
    assert (entry.action, entry.target_type) == ("settings.edit", "setting")
    assert entry.changes["per_act"] == ["50", "100"]
    assert make_staff(Role.USER_ADMIN).credit_limits.per_act == 10_000
    assert make_staff(Role.SUPER_ADMIN).credit_limits is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_act": "-1"},
        {"per_act": "NaN"},
        {"per_act": "501"},
        {"per_day": "1e3"},
        {"acts_per_day": "1.5"},
        {"reason": ""},
    ],
)
def test_wrong_limits_are_refused_and_kept_on_the_page(wrong):
    client, url = client_of(Role.SUPER_ADMIN), reverse("settings:credit_limits", args=["support"])
    before = checksum.database()
    answer = client.post(url, LIMITS | wrong)
    assert answer.status_code == 422
    assert checksum.database() == before


def test_credit_limits_that_a_colleague_set_meanwhile_are_not_overwritten():
    client, url = client_of(Role.SUPER_ADMIN), reverse("settings:credit_limits", args=["support"])
    editing = client.post(url, LIMITS).context["editing"]
    save(client_of(Role.SUPER_ADMIN), url, LIMITS | {"per_act": "7"})
    answer = client.post(url, LIMITS | {"previewed": editing.previewed, "seen": editing.seen})
    assert "Somebody changed this" in answer.content.decode()
    assert credit_limits("support").per_act == 7


def test_what_another_process_set_holds_after_seconds(monkeypatch):
    shelf.forget()
    assert credit_limits("support").per_act == 50
    kept = {"per_act": "1", "per_day": "1", "acts_per_day": None, "per_user_a_month": None}
    Setting.objects.create(name="credit_limits.support", value=kept)
    assert credit_limits("support").per_act == 50
    late = time.monotonic() + 3.1
    monkeypatch.setattr("users.console_settings.time.monotonic", lambda: late)
    assert credit_limits("support").per_act == 1


def test_settings_are_read_once_in_a_while(django_assert_num_queries):
    shelf.forget()
    with django_assert_num_queries(1):
        for _n in range(50):
            credit_limits("support")
            session_limits()


def test_session_limits_end_those_that_are_over_them_and_bind_the_others():
    client, now = client_of(Role.SUPER_ADMIN), time_now()
    idle = client_of(Role.SUPPORT)
    Session.objects.filter(pk=digest(idle.session.session_key)).update(
        seen_at=now - timedelta(minutes=20)
    )
    url = reverse("settings:sessions")
    preview, saved = save(client, url, MINUTES)
    html = preview.content.decode()
    assert "2 sessions are open." in html
    assert "1 of them ends at once." in html
    assert saved.status_code == 302
    assert session_limits() == (timedelta(minutes=10), timedelta(minutes=60))
    assert idle.get(reverse("home")).status_code == 302
    mine = Session.objects.get(pk=digest(client.session.session_key))
    assert mine.expire_date <= mine.seen_at + timedelta(minutes=10)
    assert last_entry().changes == {"idle_minutes": [30, 10], "absolute_minutes": [720, 60]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"idle_minutes": "4"},
        {"idle_minutes": "61"},
        {"absolute_minutes": "59"},
        {"idle_minutes": ""},
    ],
)
def test_unsafe_session_limits_are_refused(wrong):
    client = client_of(Role.SUPER_ADMIN)
    before = checksum.database()
    assert client.post(reverse("settings:sessions"), MINUTES | wrong).status_code == 422
    assert checksum.database() == before
