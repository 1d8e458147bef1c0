"""Tier, end and months of a subscription, changed by hand in every order."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import operations
from audit.models import Act
from audit.people import SYSTEM
from audit.registry import operations as registered
from subscriptions import services
from subscriptions.loading import LoadedPeriod, LoadedSubscription, load_subscriptions
from subscriptions.models import Event, Period, Standing, Subscription, Tier
from subscriptions.months import add_months
from tests.factories import make_staff, make_user
from users.roles import Role

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def act(name, user, now=NOON, **params):
    """Do it to one user; what became of it."""
    service = getattr(services, name)
    receipts = service([user.pk], actor=SYSTEM, reason="because", now=now, **params)
    [row] = receipts.rows
    return row


def done(*args, **params):
    row = act(*args, **params)
    assert row.refusal is None, row.refusal
    return row


def refused(*args, **params):
    row = act(*args, **params)
    assert row.refusal is not None, row
    return row.refusal.sentence


def subscribed(tier=1, months=3, now=NOON):
    user = make_user()
    done("set_tier", user, now, tier=tier, ends_at=add_months(now, months))
    return user


def standing(user):
    row = Standing.objects.get(pk=user.pk)
    return row.tier, row.ends_at, row.months


def periods(user):
    rows = Period.objects.filter(user=user).order_by("span")
    return [(row.tier_id, row.span.lower, row.span.upper, row.months) for row in rows]


def everything(user):
    """All facts of a user's subscriptions that an undo must bring back."""
    return (
        Standing.objects.filter(pk=user.pk)
        .values_list("subscription", "tier", "ends_at", "months", "legacy_months")
        .get(),
        list(Subscription.objects.filter(user=user).order_by("pk").values_list()),
        list(Period.objects.filter(user=user).order_by("pk").values_list()),
    )


# subscriptions.set_tier


def test_set_tier_without_subscription_starts_one():
    user = make_user()
    end = add_months(NOON, 3)
    row = done("set_tier", user, tier=2, ends_at=end)
    assert (row.before, row.after) == (
        {"tier": 0, "expires": None, "months": 0},
        {"tier": 2, "expires": end, "months": 3},
    )
    assert standing(user) == (2, end, 3)
    assert periods(user) == [(2, NOON, end, 3)]
    assert Subscription.objects.get(user=user).source == Subscription.Source.GRANT


def test_set_tier_without_subscription_needs_an_end():
    assert "say until when" in refused("set_tier", make_user(), tier=2)


@pytest.mark.parametrize(
    ("ends_at", "words"), [(NOON, "is past"), (NOON + 4_000 * DAY, "10 years ahead")]
)
def test_set_tier_with_an_impossible_end_is_refused(ends_at, words):
    assert words in refused("set_tier", make_user(), tier=2, ends_at=ends_at)


def test_set_tier_changes_the_running_one_and_keeps_its_end_and_months():
    user = subscribed(months=3)
    later = NOON + 40 * DAY  # the second month has begun
    row = done("set_tier", user, later, tier=3, ends_at=NOON + 1_000 * DAY)
    assert standing(user) == (3, add_months(NOON, 3), 3)
    assert periods(user) == [(1, NOON, later, 2), (3, later, add_months(NOON, 3), 1)]
    assert row.after["expires"] == row.before["expires"]
    assert Subscription.objects.get(user=user).tier_id == 3


def test_set_tier_again_at_the_same_instant_leaves_one_period():
    user = subscribed()
    done("set_tier", user, tier=3)
    done("set_tier", user, tier=2)
    assert periods(user) == [(2, NOON, add_months(NOON, 3), 3)]


def test_set_tier_to_the_same_changes_nothing():
    user = subscribed()
    assert act("set_tier", user, NOON + DAY, tier=1).outcome.name == "UNCHANGED"
    assert act("set_tier", make_user(), tier=0).outcome.name == "UNCHANGED"


def test_set_tier_0_ends_it_now_and_counts_the_months_begun():
    user = subscribed(months=12)
    later = NOON + 40 * DAY
    row = done("set_tier", user, later, tier=0)
    assert row.after == {"tier": 0, "expires": later, "months": 2}
    assert periods(user) == [(1, NOON, later, 2)]
    assert Subscription.objects.get(user=user).ended_at == later
    assert Standing.objects.get(pk=user.pk).effective_tier(later) == 0


def test_set_tier_after_it_ran_out_starts_another_and_closes_the_old():
    user = subscribed(months=1)
    later = NOON + 60 * DAY
    end = add_months(later, 1)
    done("set_tier", user, later, tier=1, ends_at=end)
    old, new = Subscription.objects.filter(user=user).order_by("pk")
    assert (old.ended_at, new.ended_at) == (add_months(NOON, 1), None)
    assert standing(user) == (1, end, 2)


def test_set_tier_to_one_that_is_not_offered_is_refused():
    Tier.objects.filter(level=3).update(active=False)
    assert "not offered" in refused("set_tier", subscribed(), tier=3)


# subscriptions.set_expiry


def test_set_expiry_later_adds_a_period_with_its_whole_months():
    user = subscribed(months=1)
    end = datetime(2026, 4, 1, tzinfo=UTC)
    done("set_expiry", user, ends_at=end)
    assert standing(user) == (1, end, 2)
    assert periods(user)[1] == (1, add_months(NOON, 1), end, 1)


def test_set_expiry_earlier_cuts_and_drops_periods():
    user = subscribed(months=1)
    done("extend", user, amount=5)
    end = NOON + 10 * DAY
    done("set_expiry", user, ends_at=end)
    assert standing(user) == (1, end, 1)
    assert periods(user) == [(1, NOON, end, 1)]


def test_set_expiry_without_end_and_back():
    user = subscribed(months=1)
    row = done("set_expiry", user, ends_at=None)
    assert row.after["expires"] == "no end"
    assert standing(user) == (1, None, 1)
    assert "without end" in refused("extend", user, amount=1)
    done("set_expiry", user, ends_at=add_months(NOON, 2))
    assert standing(user) == (1, add_months(NOON, 2), 1)


def test_set_expiry_in_the_past_is_refused_with_the_remedy():
    sentence = refused("set_expiry", subscribed(), NOON + DAY, ends_at=NOON)
    assert "set its tier to 0" in sentence
    form = registered()["subscriptions.set_expiry"].form(
        {"ends_at": "2020-01-01 00:00", "reason": "x"}, now=NOON
    )
    assert "set its tier to 0" in form.errors["ends_at"][0]


@pytest.mark.parametrize(
    ("name", "params"), [("set_expiry", {"ends_at": NOON}), ("extend", {"amount": 1})]
)
def test_acts_on_nobody_s_subscription_are_refused_with_the_remedy(name, params):
    assert "set a tier with an end date" in refused(name, make_user(), **params)


# subscriptions.extend


@pytest.mark.parametrize(
    ("months", "end"),
    [
        (1, datetime(2026, 3, 31, 12, tzinfo=UTC)),
        (2, datetime(2026, 4, 30, 12, tzinfo=UTC)),
        (3, datetime(2026, 5, 31, 12, tzinfo=UTC)),
        (12, datetime(2027, 2, 28, 12, tzinfo=UTC)),
        (24, datetime(2028, 2, 29, 12, tzinfo=UTC)),
    ],
)
def test_extend_counts_from_the_anchor(months, end):
    user = subscribed(months=1)
    assert standing(user)[1] == datetime(2026, 2, 28, 12, tzinfo=UTC)
    done("extend", user, amount=months)
    assert standing(user) == (1, end, 1 + months)


def test_extend_after_an_end_by_hand_counts_from_that():
    user = subscribed(months=1)
    done("set_expiry", user, ends_at=datetime(2026, 3, 5, tzinfo=UTC))
    done("extend", user, amount=1)
    assert standing(user)[1] == datetime(2026, 4, 5, tzinfo=UTC)


def test_extend_by_a_negative_amount_shortens():
    user = subscribed(months=3)
    row = done("extend", user, amount=-1)
    assert standing(user) == (1, add_months(NOON, 2), 2)
    assert row.after["months"] == 2
    assert "is past" in refused("extend", user, NOON + 40 * DAY, amount=-1)


def test_extend_by_days_counts_no_month():
    user = subscribed(months=1)
    done("extend", user, amount=5, unit="days")
    assert standing(user) == (1, add_months(NOON, 1) + 5 * DAY, 1)
    done("extend", user, amount=-5, unit="days")
    assert standing(user) == (1, add_months(NOON, 1), 1)


def test_extend_beyond_ten_years_is_refused():
    user = subscribed()
    done("set_expiry", user, ends_at=NOON + 3_600 * DAY)
    assert "10 years" in refused("extend", user, amount=12)


def test_extend_what_an_import_set_to_the_end_of_time_is_refused():
    user = make_user()
    never = datetime(9999, 12, 31, tzinfo=UTC)
    load_subscriptions(
        [LoadedSubscription(user.pk, 1, "import", NOON, None, (LoadedPeriod(NOON, never, 0),))]
    )
    assert "10 years" in refused("extend", user, amount=1)
    done("set_expiry", user, ends_at=NOON + 30 * DAY)
    assert standing(user) == (1, NOON + 30 * DAY, 0)


# Support


def extend_as(role, user, now=NOON, **params):
    operation = registered()["subscriptions.extend"]
    data = {"reason": "x", "unit": "days", **params}
    form = operation.form(data, now=now)
    assert form.is_valid(), form.errors
    return operations.perform(
        operation, [user.pk], form.params, actor=make_staff(role), now=now, reason="x"
    )


@pytest.mark.parametrize("params", [{"amount": 8}, {"amount": -1}, {"amount": 1, "unit": "months"}])
def test_support_extends_by_no_more_than_seven_days(params):
    user = subscribed()
    with pytest.raises(operations.OperationRefused, match="at most 7 days"):
        extend_as(Role.SUPPORT, user, **params)
    assert extend_as(Role.USER_ADMIN, user, **params).changed


def test_support_extends_nobody_twice_in_thirty_days():
    user = subscribed()
    first = extend_as(Role.SUPPORT, user, amount=7)
    with pytest.raises(operations.OperationRefused, match="within the last 30 days"):
        extend_as(Role.SUPPORT, user, NOON + 29 * DAY, amount=1)
    assert extend_as(Role.SUPPORT, user, NOON + 31 * DAY, amount=1).changed
    other = subscribed()
    first = extend_as(Role.SUPPORT, other, amount=7)
    operations.undo(
        registered()["subscriptions.extend"],
        Act.objects.get(pk=first.act_id),
        actor=make_staff(Role.SUPER_ADMIN),
        now=NOON,
        reason="wrong user",
    )
    assert extend_as(Role.SUPPORT, other, amount=1).changed


# Every order of acts

ACTS = st.one_of(
    st.tuples(st.just("set_tier"), st.integers(0, 3), st.integers(1, 400)),
    st.tuples(st.just("set_expiry"), st.integers(-2, 500) | st.none(), st.none()),
    st.tuples(st.just("extend"), st.integers(-14, 14), st.sampled_from(["months", "days"])),
)
STEPS = st.lists(st.tuples(ACTS, st.sampled_from([0, 1, 17, 30, 31, 200])), max_size=9)


def perform(user, step, now):
    name, first, second = step
    if name == "set_tier":
        return act(name, user, now, tier=first, ends_at=now + second * DAY)
    if name == "set_expiry":
        return act(name, user, now, ends_at=None if first is None else now + first * DAY)
    return act(name, user, now, amount=first, unit=second)


def check(user, now):
    """What always holds: one live subscription at most, periods apart, months their sum, and the
    standing what the newest subscription says."""
    facts = Standing.objects.get(pk=user.pk)
    rows = list(Period.objects.filter(user=user).order_by("span"))
    assert Subscription.objects.filter(user=user, ended_at=None).count() <= 1
    assert facts.months == sum(row.months for row in rows)
    for earlier, later in itertools.pairwise(rows):
        assert earlier.span.upper <= later.span.lower
    newest = Subscription.objects.filter(user=user).order_by("-created_at", "-pk").first()
    assert facts.subscription_id == (newest and newest.pk)
    if newest is None:
        return
    assert facts.tier == newest.tier_id
    mine = [row for row in rows if row.subscription_id == newest.pk]
    if newest.ended_at:
        assert facts.ends_at == newest.ended_at
    else:
        assert facts.ends_at == mine[-1].span.upper
        assert mine[-1].tier_id == newest.tier_id
    # The effective tier is that of the period that holds now.
    holding = [row.tier_id for row in rows if holds(row, now)]
    assert facts.effective_tier(now) == (holding[0] if holding else 0)


def holds(row, now):
    return row.span.lower <= now and (row.span.upper is None or now < row.span.upper)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_any_acts_in_any_order_keep_everything_in_step(steps):
    with transaction.atomic():
        user, now = make_user(), NOON
        for step, days in steps:
            now += days * DAY
            before, events = everything(user), Event.objects.filter(user=user).count()
            row = perform(user, step, now)
            check(user, now)
            changed = row.outcome.name == "CHANGED"
            assert (everything(user) != before) == changed
            assert Event.objects.filter(user=user).count() == events + changed
            if changed:
                assert (
                    Event.objects.filter(user=user).latest("pk").after["months"]
                    == (row.after["months"])
                )
        transaction.set_rollback(True)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS.filter(bool))
def test_undo_of_the_last_act_restores_exactly(steps):
    with transaction.atomic():
        user, now, boss = make_user(), NOON, make_staff(Role.SUPER_ADMIN)
        for step, days in steps:
            now += days * DAY + timedelta(microseconds=7)
            before = everything(user)
            row = perform(user, step, now)
            if row.outcome.name != "CHANGED":
                continue
            act_row = Act.objects.order_by("created_at").last()
            undone = operations.undo(
                registered()[act_row.code], act_row, actor=boss, now=now, reason="undo"
            )
            assert len(undone.changed) == 1
            assert everything(user) == before
            perform(user, step, now)
        transaction.set_rollback(True)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(a=st.integers(1, 18), b=st.integers(1, 18), day=st.integers(0, 400))
def test_extend_by_a_then_b_is_extend_by_both(a, b, day):
    with transaction.atomic():
        start = NOON + day * DAY
        once, twice = subscribed(now=start), subscribed(now=start)
        done("extend", once, start, amount=a + b)
        done("extend", twice, start, amount=a)
        done("extend", twice, start, amount=b)
        assert standing(once) == standing(twice)
        done("extend", twice, start, amount=-b)
        done("extend", twice, start, amount=-a)
        assert standing(twice) == (1, add_months(start, 3), 3)
        transaction.set_rollback(True)


def test_undo_after_another_act_is_refused():
    user, boss = subscribed(), make_staff(Role.SUPER_ADMIN)
    done("extend", user, amount=1)
    first = Act.objects.order_by("created_at").last()
    done("extend", user, NOON + DAY, amount=1)
    before = everything(user)
    undone = operations.undo(
        registered()["subscriptions.extend"], first, actor=boss, now=NOON + DAY, reason="undo"
    )
    assert [row.refusal.sentence for row in undone.refused] == ["The subscription changed since."]
    assert everything(user) == before


def test_events_are_append_only():
    subscribed()
    for statement in (
        "DELETE FROM subscriptions_event",
        "UPDATE subscriptions_event SET kind = 'x'",
    ):
        with pytest.raises(Exception, match="append-only"), transaction.atomic():
            connection.cursor().execute(statement)


def test_a_second_live_subscription_is_refused_by_the_database():
    user = subscribed()
    with pytest.raises(IntegrityError), transaction.atomic():
        Subscription.objects.create(user=user, tier_id=2)
