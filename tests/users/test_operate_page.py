import uuid
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils.timezone import now

from audit import operations, selection
from audit.people import SYSTEM
from audit.registry import operations as registered
from billing.adjustments import ADJUST_CREDITS
from billing.services import adjust_credits
from tests.factories import make_staff, make_user, make_users
from users.models import User
from users.restrictions.forms import SuspendForm
from users.roles import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def support(client):
    client.force_login(make_staff(Role.SUPER_ADMIN))
    return client


def _look(client, url, **typed):
    """What the page fetches while the form is being filled in."""
    data = {"act": str(uuid.uuid4()), "step": "look", "reason": "", "ticket": "", **typed}
    return client.post(url, data, headers={"HX-Request": "true"}).content.decode()


def test_preview_of_a_wrong_amount_says_what_is_wrong(support):
    [target] = make_users(1)
    url = reverse("operate:one", args=[target, ADJUST_CREDITS.code])
    html = _look(support, url, delta="abc")
    assert "Credits: Write a plain number with a point" in html
    assert "This field is required" not in html
    assert "What will happen is shown here" in _look(support, url, delta="")


def test_preview_for_many_names_who_is_refused(support):
    ids = make_users(2)
    everybody = User.objects.filter(pk__in=ids)
    owner = User.objects.get(role=Role.SUPER_ADMIN)
    kept = selection.freeze(uuid.uuid4(), everybody, query="", owner=owner, now=now())
    url = reverse("operate:many", args=[kept.id, ADJUST_CREDITS.code])
    html = _look(support, url, delta="-1000")
    assert all(user.username in html for user in everybody)
    assert "Who is refused" in html


def test_suspend_asks_the_reason_before_what_few_fill_in():
    names = list(SuspendForm(now=now()).fields)
    assert names == ["reason_code", "ends_at", "reason", "ticket", "public_text", "internal_note"]


def test_page_of_an_act_says_its_parameters_and_each_change(support):
    credits = {"actor": SYSTEM, "reason": "Goodwill", "now": now()}
    adjust_credits(ids := make_users(2), delta=Decimal(5), **credits)
    receipts = adjust_credits(ids, delta=Decimal(20), **credits)
    html = support.get(reverse("operate:act", args=[receipts.act_id])).content.decode()
    assert html.index("Credits added") < html.index("Before and after")
    assert html.count("<del>5.00</del>") == html.count("<ins>25.00</ins>") == 2


def test_act_on_many_says_what_was_done(support):
    owner = User.objects.get(role=Role.SUPER_ADMIN)
    ids = User.objects.filter(pk__in=make_users(2))
    kept = selection.freeze(uuid.uuid4(), ids, query="", owner=owner, now=now())
    url = reverse("operate:many", args=[kept.id, ADJUST_CREDITS.code])
    typed = {"delta": "20", "reason": "Goodwill", "ticket": ""}
    attempt = support.post(url, typed | {"step": "preview"}).context["attempt"]
    sent = {"step": "confirm", "act": attempt.act_id, "previewed": attempt.fingerprint}
    page = support.post(url, typed | sent | {"seen": attempt.seen}, follow=True)
    assert "Added 20 credits to 2 users." in page.content.decode()


def test_list_counts_a_single_user_as_one(support):
    page = support.get(reverse("users:list")).content.decode()
    assert "<b>1</b> user</span>" in page


def test_menu_greys_verifying_an_address_that_is_verified_or_missing():
    boss = make_staff(Role.SUPER_ADMIN)
    people = {
        "The address is verified.": {"email_verified_at": now()},
        "Has no email address.": {"email": None},
        "": {},
    }
    verify = registered()["users.verify_email"]
    for why, facts in people.items():
        user = make_user()
        User.objects.filter(pk=user.pk).update(email_verified_at=None)
        User.objects.filter(pk=user.pk).update(**facts)
        items = operations.menus([verify], [user.pk], actor=boss, now=now())
        assert items[user.pk][0].refusal == why
