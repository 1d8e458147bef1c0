"""“May Ana suspend ivan?”: the answer is what acting then does."""

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from audit.execution import OperationRefused
from audit.models import Receipt
from audit.people import SYSTEM
from audit.registry import operations as registered
from tests.factories import make_staff, make_user, make_users
from tests.test_operations import SAMPLES, perform, sample
from users import roles
from users.evaluator import Rule, evaluate
from users.models import User
from users.restrictions import services
from users.restrictions.operations import LIFT_RESTRICTION, SUSPEND
from users.roles import Role

pytestmark = pytest.mark.django_db

TARGETS = {
    "a user": lambda actor: make_user(),
    "oneself": lambda actor: actor,
    "read-only": lambda actor: make_staff(Role.READ_ONLY),
    "support": lambda actor: make_staff(Role.SUPPORT),
    "a user admin": lambda actor: make_staff(Role.USER_ADMIN),
    "a super admin": lambda actor: make_staff(Role.SUPER_ADMIN),
}


@pytest.mark.parametrize("code", sorted(SAMPLES))
@pytest.mark.parametrize("role", list(Role))
def test_evaluator_answers_as_acting_does(code, role):
    """On every kind of target, prepared so that there is something to do, and unprepared."""
    kinds = TARGETS if code in roles.permissions(role) else ["a user"]
    for kind in kinds:
        for prepared in (True, False):
            with transaction.atomic():
                _compare(code, role, kind, prepared=prepared)
                transaction.set_rollback(True)


def _compare(code, role, kind, *, prepared):
    actor = make_user(role=role)
    target = TARGETS[kind](actor)
    operation, form = sample(code, [target.pk] if prepared else make_users(1))
    actor.refresh_from_db()
    target.refresh_from_db()
    [answer] = evaluate(actor, operation, [target], now=now())
    outcome, why = act(operation, target, form.params, actor)
    if answer.allowed and prepared:
        assert outcome != Receipt.Outcome.REFUSED, (kind, why)
    if not answer.allowed:
        assert outcome != Receipt.Outcome.CHANGED, (kind, answer)
        assert answer.sentence == why or answer.rule in (Rule.STATE, Rule.SIGN_IN), (kind, answer)


def act(operation, target, params, actor):
    """What became of it, and the sentence if it was refused."""
    try:
        receipts = perform(operation, [target.pk], params, actor=actor, now=now(), reason="x")
    except (PermissionDenied, OperationRefused) as refusal:
        return Receipt.Outcome.REFUSED, str(refusal)
    [row] = receipts.rows
    return row.outcome, row.refusal.sentence if row.refusal else ""


@pytest.mark.parametrize(
    ("role", "target", "rule"),
    [
        (Role.NONE, Role.NONE, Rule.MATRIX),
        (Role.READ_ONLY, Role.NONE, Rule.MATRIX),
        (Role.USER_ADMIN, Role.USER_ADMIN, Rule.RANK),
        (Role.USER_ADMIN, Role.SUPPORT, Rule.STAFF),
        (Role.SUPER_ADMIN, Role.SUPER_ADMIN, Rule.RANK),
    ],
)
def test_evaluator_names_the_rule_that_decides(role, target, rule):
    [answer] = evaluate(make_user(role=role), SUSPEND, [make_user(role=target)], now=now())
    assert (answer.allowed, answer.rule) == (False, rule)


def test_evaluator_names_self_state_and_conditions():
    boss, support, user = make_staff(Role.SUPER_ADMIN), make_staff(Role.SUPPORT), make_user()
    [answer] = evaluate(boss, SUSPEND, [boss], now=now())
    assert answer.rule == Rule.SELF
    [answer] = evaluate(boss, LIFT_RESTRICTION, [user], now=now())
    assert (answer.rule, answer.sentence) == (Rule.STATE, "Not restricted.")
    [answer] = evaluate(support, SUSPEND, [user], now=now())
    assert [rule for rule, _text in answer.conditions] == [Rule.LIMITS]
    services.suspend([user.pk], actor=SYSTEM, reason_code="spam", ends_at=None, reason="x")
    [answer] = evaluate(boss, LIFT_RESTRICTION, [user], now=now())
    assert [rule for rule, _text in answer.conditions] == [Rule.STEP_UP]


def test_evaluator_lets_nobody_act_who_is_kept_out():
    user = make_user()
    closed = make_staff(Role.SUPER_ADMIN, closed_at=now())
    due = make_staff(Role.SUPER_ADMIN, must_change_password=True)
    held = make_staff(Role.SUPER_ADMIN)
    services.suspend([held.pk], actor=SYSTEM, reason_code="spam", ends_at=None, reason="x")
    for actor in (closed, due, held):
        [answer] = evaluate(actor, SUSPEND, [user], now=now())
        assert (answer.allowed, answer.rule) == (False, Rule.SIGN_IN)


def test_evaluator_answers_several_in_as_many_statements_as_one(django_assert_max_num_queries):
    boss, people = make_staff(Role.SUPER_ADMIN), [make_user() for _ in range(10)]
    with django_assert_max_num_queries(4):
        evaluate(boss, LIFT_RESTRICTION, people[:1], now=now())
    with django_assert_max_num_queries(4):
        assert len(evaluate(boss, LIFT_RESTRICTION, people, now=now())) == 10


@pytest.mark.parametrize("code", sorted(SAMPLES))
def test_evaluator_says_of_a_closed_account_what_the_act_says(code):
    target = make_user()
    operation, form = sample(code, [target.pk])
    User.objects.filter(pk=target.pk).update(closed_at=now())
    boss = make_staff(Role.SUPER_ADMIN)
    [answer] = evaluate(boss, operation, [target], now=now())
    outcome, sentence = act(operation, target, form.params, boss)
    if answer.allowed:
        assert outcome == Receipt.Outcome.CHANGED or code in ONLY_DOWN, sentence
    else:
        assert outcome != Receipt.Outcome.CHANGED
        assert answer.rule == Rule.STATE
        assert answer.sentence == sentence or outcome == Receipt.Outcome.UNCHANGED


# What a closed account still allows, though not what the samples ask for: taking, and ending.
ONLY_DOWN = {"billing.adjust_credits", "billing.set_credits", "subscriptions.set_tier"}


def test_evaluator_says_no_to_all_that_would_give_a_closed_account_something():
    left, boss = make_user(), make_staff(Role.SUPER_ADMIN)
    User.objects.filter(pk=left.pk).update(closed_at=now())
    for code in (*ONLY_DOWN, "subscriptions.extend", "subscriptions.set_expiry", "users.suspend"):
        [answer] = evaluate(boss, registered()[code], [left], now=now())
        assert (answer.allowed, answer.rule) == (False, Rule.STATE), code
        assert answer.sentence.startswith("The account is closed")


def test_evaluator_refuses_several_to_who_acts_on_one():
    [answer] = evaluate(make_staff(Role.SUPPORT), SUSPEND, [make_user(), make_user()], now=now())
    assert (answer.target, answer.rule) == (None, Rule.MANY)


# The page


def ask(role=Role.SUPER_ADMIN, **question):
    client = Client()
    client.force_login(make_staff(role))
    return client.get(reverse("may"), question)


def test_page_answers_by_names_and_ids_at_an_address_that_can_be_shared():
    make_staff(Role.USER_ADMIN, username="Ana")
    ivan = make_user("ivan")
    make_staff(Role.SUPPORT, username="mei")
    response = ask(actor="ana", act="users.suspend", users=f"{ivan.pk}, MEI")
    answers = {one.target.username: one.allowed for one in response.context["answers"]}
    assert answers == {"ivan": True, "mei": False}
    assert "Only a super admin restricts staff." in response.text
    assert f"{reverse('roles')}#staff" in response.text
    assert f"{reverse('roles')}#users.suspend" in response.text


def test_every_rule_is_explained_on_the_page_of_roles():
    client = Client()
    client.force_login(make_staff(Role.SUPER_ADMIN))
    page = client.get(reverse("roles")).text
    for rule in Rule:
        assert f'id="{rule.value}"' in page


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"actor": "", "act": "users.suspend", "users": "ivan"}, "actor"),
        ({"actor": "nobody<i>", "act": "users.suspend", "users": "ivan"}, "actor"),
        ({"actor": "ivan", "act": "users.conquer", "users": "ivan"}, "act"),
        ({"actor": "ivan", "act": "users.suspend", "users": "9" * 40}, "users"),
        ({"actor": "ivan", "act": "users.suspend", "users": " , "}, "users"),
        (
            {"actor": "ivan", "act": "users.suspend", "users": ",".join("abcdefghijklmnopqrstu")},
            "users",
        ),
        ({"act": "users.suspend"}, "actor"),
    ],
)
def test_page_says_what_is_wrong_beside_the_field(question, field):
    make_user("ivan")
    response = ask(**question)
    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert "nobody<i>" not in response.text


def test_page_names_a_word_it_does_not_know():
    assert ask(nonsense="1").status_code == 400


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.NONE])
def test_page_is_not_for_who_may_not_see_the_staff(role):
    assert ask(role, actor="ivan", act="users.suspend", users="ivan").status_code == 403


def test_every_operation_can_be_asked_about():
    response = ask()
    assert [code for code, _label in response.context["form"].fields["act"].choices] == list(
        registered()
    )
    assert set(registered()) <= set(roles.ROWS)
