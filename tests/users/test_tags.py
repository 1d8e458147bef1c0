"""Tags: put on, taken off, undone exactly."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from audit import operations
from audit.models import Act
from audit.people import SYSTEM
from tests.factories import make_staff, make_user, make_users
from users.models import Tag, Tagging
from users.profile.forms import TagForm
from users.profile.operations import TAG
from users.profile.services import tag
from users.roles import Role
from users.templatetags.people import tagged

pytestmark = pytest.mark.django_db


def tags(user_id):
    return sorted(Tagging.objects.filter(user=user_id).values_list("tag__name", flat=True))


def clean(**data):
    form = TagForm({"reason": "x", **data}, now=now())
    return form.params if form.is_valid() else form.errors


def test_tags_are_separated_by_commas_and_told_apart_whatever_their_case():
    assert clean(add=" vip,  big   spender ,VIP,, ") == {
        "add": ["VIP", "big spender"],
        "remove": [],
    }


def test_tags_of_a_program_may_be_a_list():
    assert clean(add=["vip", "new"])["add"] == ["vip", "new"]


def test_tags_with_semicolons_of_before_can_be_taken_off():
    assert clean(remove="a;b")["remove"] == ["a;b"]


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "add"),
        ({"add": " , "}, "add"),
        ({"add": "x" * 41}, "add"),
        ({"add": "in\u202evisible"}, "add"),
        ({"add": ",".join(f"t{n}" for n in range(21))}, "add"),
        ({"add": ["a,b"]}, "add"),
        ({"add": "a;b"}, "add"),
        ({"add": 'say "hi"'}, "add"),
        ({"add": "vip", "remove": "VIP"}, "remove"),
    ],
)
def test_tags_that_make_no_sense_are_refused_beside_their_field(data, field):
    assert field in TagForm({"reason": "x", **data}, now=now()).errors


def test_tag_keeps_the_spelling_it_was_made_with():
    user = make_user()
    tag([user.pk], actor=SYSTEM, add=["Vip"], reason="x")
    receipts = tag([make_user().pk], actor=SYSTEM, add=["VIP"], reason="x")
    assert receipts.rows[0].after == {"tags": "Vip"}
    assert list(Tag.objects.values_list("name", flat=True)) == ["Vip"]


def test_tag_that_is_on_already_is_no_change():
    user = make_user()
    tag([user.pk], actor=SYSTEM, add=["vip"], reason="x")
    assert tag([user.pk], actor=SYSTEM, add=["VIP"], remove=["none"], reason="x").unchanged


def test_tag_undone_brings_back_exactly_what_was():
    plain, both = make_users(2)
    tag([both], actor=SYSTEM, add=["vip", "old"], reason="x")
    receipts = tag([plain, both], actor=SYSTEM, add=["vip", "new"], remove=["OLD"], reason="x")
    assert (tags(plain), tags(both)) == (["new", "vip"], ["new", "vip"])
    act = Act.objects.get(pk=receipts.act_id)
    boss = make_staff(Role.SUPER_ADMIN)
    assert len(operations.undo(TAG, act, actor=boss, now=now(), reason="undo").changed) == 2
    assert (tags(plain), tags(both)) == ([], ["old", "vip"])


def test_tag_undone_leaves_what_others_changed_since():
    user = make_user().pk
    receipts = tag([user], actor=SYSTEM, add=["a", "b"], reason="x")
    tag([user], actor=SYSTEM, add=["c"], remove=["a"], reason="meanwhile")
    act, boss = Act.objects.get(pk=receipts.act_id), make_staff(Role.SUPER_ADMIN)
    operations.undo(TAG, act, actor=boss, now=now(), reason="undo")
    assert tags(user) == ["c"]


def test_tag_undone_when_nothing_of_it_stands_is_refused():
    user = make_user().pk
    receipts = tag([user], actor=SYSTEM, add=["a"], reason="x")
    tag([user], actor=SYSTEM, remove=["a"], reason="meanwhile")
    act, boss = Act.objects.get(pk=receipts.act_id), make_staff(Role.SUPER_ADMIN)
    undone = operations.undo(TAG, act, actor=boss, now=now(), reason="undo")
    assert [row.refusal.sentence for row in undone.refused] == ["The tags were changed back since."]


@pytest.mark.parametrize("name", ["vip", "Big spender", "a:b", "-x", "日本", "it's"])
def test_tag_leads_from_the_user_page_to_everybody_who_has_it(name):
    user, other = make_user(), make_user()
    tag([user.pk], actor=SYSTEM, add=[name], reason="x")
    client = Client()
    client.force_login(make_staff(Role.SUPPORT))
    page = client.get(reverse("users:list") + tagged(name)).text
    assert f'id="row-{user.pk}"' in page
    assert f'id="row-{other.pk}"' not in page


def test_existing_tags_are_offered_as_they_are():
    Tag.objects.bulk_create(Tag(name=name) for name in ("Needs a call", "needy", "vip"))
    client = Client()
    client.force_login(make_staff(Role.SUPPORT))
    html = client.get(reverse("users:complete"), {"tag": " NEE"}).content.decode()
    assert re.findall(r'data-text="([^"]*)"', html) == ["Needs a call", "needy"]
    field = str(TagForm(now=now())["add"])
    assert f'data-completes="{reverse("users:complete")}?tag="' in field
