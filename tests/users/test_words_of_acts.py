"""Recorded changes in the words that people read."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit import record
from audit.people import SYSTEM
from tests.factories import make_staff, make_user
from users.models import ReasonCode
from users.restrictions import services
from users.roles import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin():
    client = Client()
    client.force_login(make_staff(Role.SUPER_ADMIN))
    return client


def places_that_tell(user, act_id):
    """Where the changes of an act are shown."""
    return [
        reverse("audit"),
        reverse("user", args=[user.pk]),
        reverse("user", args=[user.pk]) + "?tab=audit",
        reverse("operate:act", args=[act_id]),
    ]


def test_a_reason_is_called_as_it_is_called_today_wherever_changes_are_shown(admin):
    user = make_user()
    done = services.suspend(
        [user.pk], actor=SYSTEM, reason_code="api_abuse", ends_at=None, reason="x"
    )
    ReasonCode.objects.filter(pk="api_abuse").update(label="Abuse of the <API>")
    for place in places_that_tell(user, done.act_id):
        html = admin.get(place).content.decode()
        assert "Abuse of the &lt;API&gt; for good" in html, place


def test_parameters_of_an_act_tell_the_code_by_which_people_search(admin):
    user = make_user()
    done = services.suspend(
        [user.pk], actor=SYSTEM, reason_code="api_abuse", ends_at=None, reason="x"
    )
    html = admin.get(reverse("operate:act", args=[done.act_id])).content.decode()
    assert "API abuse (api_abuse)" in html


def test_parameters_of_an_act_tell_a_moment_as_people_read_it(admin):
    user = make_user()
    ends_at = time_now().replace(microsecond=38_000) + timedelta(days=7)
    done = services.suspend(
        [user.pk], actor=SYSTEM, reason_code="api_abuse", ends_at=ends_at, reason="x"
    )
    html = admin.get(reverse("operate:act", args=[done.act_id])).content.decode()
    assert f"<dd>{ends_at:%-d %b %Y, %H:%M} UTC</dd>" in html


def test_a_preview_names_the_reason_and_not_its_code(admin):
    user = make_user()
    data = {"reason_code": "api_abuse", "ends_at": "for_good", "reason": "x", "step": "preview"}
    page = admin.post(reverse("operate:one", args=[user.pk, "users.suspend"]), data)
    assert "<ins>API abuse for good</ins>" in page.content.decode()


def test_a_reason_that_is_gone_is_shown_in_plain_words(admin):
    user = make_user()
    changes = {"suspension": ["old-reason2 until 2027-01-01T10:00Z", "long_gone, permanent"]}
    record.entry(
        "users.suspend",
        actor=SYSTEM,
        now=time_now(),
        target=("user", user.pk, user.username),
        changes=changes,
    )
    html = admin.get(reverse("audit")).content.decode()
    assert "old-reason2 until 1 Jan 2027, 10:00 UTC" in html
    assert "long gone for good" in html


def test_labels_of_reasons_are_read_once_a_page(admin, django_assert_num_queries):
    def suspended():
        services.suspend(
            [make_user().pk], actor=SYSTEM, reason_code="spam", ends_at=None, reason="x"
        )

    suspended()
    admin.get(reverse("audit"))
    with django_assert_num_queries(7):
        admin.get(reverse("audit"))
    suspended()
    suspended()
    with django_assert_num_queries(7):
        admin.get(reverse("audit"))
