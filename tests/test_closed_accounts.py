"""What may still be done with the credits and the subscription of somebody who left: taking back
what is left, and ending what runs. By every door."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from audit import operations
from audit.models import Act
from audit.people import SYSTEM
from audit.registry import operations as registered
from billing import ledger
from billing.ledger import Posting
from billing.models import Account
from billing.services import adjust_credits, set_credits
from subscriptions.services import extend, set_expiry, set_tier
from tests import checksum
from tests.factories import make_staff, make_user
from users.profile import services as profile_services
from users.roles import Role

pytestmark = pytest.mark.django_db

END = datetime(2030, 1, 1, tzinfo=UTC)
HOW = {"actor": SYSTEM, "reason": "x"}
NOT_ADDED = "The account is closed: credits can be taken from it, not added."
ONLY_ENDED = "The account is closed: its subscription can only be ended, by setting its tier to 0."


def leaver(credits=0, tier=0):
    user = make_user()
    if credits:
        adjust_credits([user.pk], delta=Decimal(credits), **HOW)
    if tier:
        set_tier([user.pk], tier=tier, ends_at=END, **HOW)
    return close(user)


def close(user):
    assert profile_services.close([user.pk], **HOW).changed
    return user


def refusal(receipts):
    [row] = receipts.rows
    return row.refusal.sentence if row.refusal else None


def balance(user):
    return Account.objects.get(user=user).balance


def undo(done, operation):
    boss = make_staff(Role.SUPER_ADMIN)
    act = Act.objects.get(pk=done.act_id)
    return operations.undo(registered()[operation], act, actor=boss, now=now(), reason="undo")


def test_credits_of_a_closed_account_are_taken_and_not_added():
    user = leaver(credits=50)
    before = checksum.database()
    assert refusal(adjust_credits([user.pk], delta=Decimal(5), **HOW)) == NOT_ADDED
    assert refusal(set_credits([user.pk], balance=Decimal(51), **HOW)) == NOT_ADDED
    assert checksum.database() == before
    assert refusal(adjust_credits([user.pk], delta=Decimal(-20), **HOW)) is None
    taken = set_credits([user.pk], balance=Decimal(0), **HOW)
    assert balance(user) == 0
    sentence = "The account is closed, and no credits are left."
    assert refusal(undo(taken, "billing.set_credits")) == sentence
    assert refusal(adjust_credits([user.pk], delta=Decimal(-1), **HOW)) == sentence


def test_debt_of_a_closed_account_is_written_off():
    user = make_user()
    Account.objects.filter(user=user).update(overdraft_limit=100)
    account = Account.objects.get(user=user)
    ledger.post([Posting(account.pk, 200, Decimal(-30))], now=now(), actor_id=None)
    close(user)
    assert refusal(set_credits([user.pk], balance=Decimal(1), **HOW)) == NOT_ADDED
    assert refusal(set_credits([user.pk], balance=Decimal(0), **HOW)) is None
    assert balance(user) == 0


def test_credits_given_by_mistake_are_taken_back_after_closing():
    user = make_user()
    given = adjust_credits([user.pk], delta=Decimal(50), **HOW)
    close(user)
    assert refusal(undo(given, "billing.adjust_credits")) is None
    assert balance(user) == 0


def test_subscription_of_a_closed_account_is_ended_and_not_otherwise_changed():
    user = leaver(tier=1)
    before = checksum.database()
    assert refusal(set_tier([user.pk], tier=3, **HOW)) == ONLY_ENDED
    assert refusal(set_expiry([user.pk], ends_at=None, **HOW)) == ONLY_ENDED
    assert refusal(extend([user.pk], amount=1, **HOW)) == ONLY_ENDED
    assert checksum.database() == before
    ended = set_tier([user.pk], tier=0, **HOW)
    assert refusal(ended) is None
    assert refusal(undo(ended, "subscriptions.set_tier")) == ONLY_ENDED
    nothing = "The account is closed, and no subscription is running."
    assert refusal(set_tier([user.pk], tier=1, ends_at=END, **HOW)) == nothing


def test_subscription_given_by_mistake_is_taken_back_after_closing():
    user = make_user()
    started = set_tier([user.pk], tier=1, ends_at=END, **HOW)
    close(user)
    assert refusal(undo(started, "subscriptions.set_tier")) is None


@pytest.mark.parametrize(
    ("code", "params", "sentence"),
    [
        ("billing.adjust_credits", {"delta": "5"}, NOT_ADDED),
        ("subscriptions.set_tier", {"tier": 2}, ONLY_ENDED),
        ("subscriptions.extend", {"amount": 1, "unit": "months"}, ONLY_ENDED),
    ],
)
def test_page_and_api_say_why(code, params, sentence):
    user = leaver(credits=50, tier=1)
    client = Client()
    client.force_login(make_staff(Role.SUPER_ADMIN))
    url = reverse("operate:one", args=[user.pk, code])
    page = client.post(url, params | {"reason": "x", "step": "preview"})
    assert sentence in page.content.decode()
    body = json.dumps(params | {"users": [user.pk], "reason": "x"})
    done = client.post(
        f"/api/v1/operations/{code}/",
        body,
        content_type="application/json",
        headers={"Idempotency-Key": "k"},
    )
    assert done.json()["receipts"][0]["refusal"] == sentence


def menu_of(user):
    boss = make_staff(Role.SUPER_ADMIN)
    items = operations.menus(list(registered().values()), [user.pk], actor=boss, now=now())
    return {item.operation.code: item.refusal for item in items[user.pk]}


def test_menu_greys_of_a_closed_account_what_nothing_could_make_possible():
    menu = menu_of(leaver(credits=50, tier=1))
    assert menu["billing.adjust_credits"] == menu["subscriptions.set_tier"] == ""
    assert menu["subscriptions.extend"] == menu["subscriptions.set_expiry"] == ONLY_ENDED
    assert menu["users.suspend"] == menu["users.change_email"] == "The account is closed."
    assert menu["users.send_password_link"] == "The account is closed."
    menu = menu_of(leaver())
    assert menu["billing.set_credits"] == "The account is closed, and no credits are left."
    assert menu["subscriptions.set_tier"].endswith("no subscription is running.")


def test_menu_greys_extending_what_does_not_run_and_what_never_ends():
    nothing = "No subscription is running: set a tier with an end date to start one."
    user = make_user()
    menu = menu_of(user)
    assert menu["subscriptions.extend"] == menu["subscriptions.set_expiry"] == nothing
    assert menu["subscriptions.set_tier"] == ""
    set_tier([user.pk], tier=1, ends_at=END, **HOW)
    menu = menu_of(user)
    assert menu["subscriptions.extend"] == menu["subscriptions.set_expiry"] == ""
    set_expiry([user.pk], ends_at=None, **HOW)
    menu = menu_of(user)
    assert menu["subscriptions.extend"] == "It runs without end. To give it one, set its end."
    assert menu["subscriptions.set_expiry"] == ""
