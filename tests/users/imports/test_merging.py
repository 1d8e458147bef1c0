from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from users.imports.merging import Here, Person, Settings, Standing, merge

NOW = datetime(2026, 11, 20, 4, tzinfo=UTC)
JOINED = datetime(2024, 3, 1, tzinfo=UTC)
SETTINGS = Settings(now=NOW, as_of=NOW)
FACTS = {
    "username": "Bob",
    "email": "bob@x.org",
    "admin": False,
    "banned": False,
    "password": "hash",
    "quota": "10.500000",
    "used": "2.000000",
    "joined_at": "2024-03-01T00:00:00+00:00",
    "flags": [],
}
PLAN = {
    "level": 2,
    "ends_at": "2027-01-01T00:00:00+00:00",
    "since": "2026-01-01T00:00:00+00:00",
    "months": 3,
}
BASE = {**FACTS, "given_name": "Bob", "given_email": "bob@x.org", "given_role": "none"}
HERE = Here("Bob", "bob@x.org", "none", JOINED, 0, None, 0, 0, None)


def new(settings=SETTINGS, **facts):
    person = Person(1, {**FACTS, **facts}, name="Bob", email="bob@x.org", password="mac")
    return merge(person, settings)


def known(here=HERE, settings=SETTINGS, base=(), given=(), **facts):
    before = {**BASE, **dict(base)}
    person = Person(1, {**before, **facts}, before, 7, here=here, **dict(given))
    return merge(person, settings)


def test_new_person():
    outcome = new()
    assert (outcome.username, outcome.legacy_username, outcome.email) == ("Bob", None, "bob@x.org")
    assert (outcome.role, outcome.joined_at) == ("none", JOINED)
    assert outcome.opening == (Decimal("10.5"), Decimal(2))
    assert outcome.standing == Standing(0, None, None, 0, over=False)
    assert not outcome.suspend


def test_new_person_who_was_renamed_keeps_the_exact_old_name():
    person = Person(5, {**FACTS, "username": "BOB"}, name="BOB~5", password="mac")
    assert merge(person, SETTINGS).legacy_username == "BOB"


def test_new_person_without_a_credit_row_joined_now():
    facts = {name: FACTS[name] for name in FACTS if name not in ("quota", "used", "joined_at")}
    outcome = merge(Person(1, facts, name="Bob"), SETTINGS)
    assert outcome.joined_at == NOW
    assert outcome.opening == (Decimal(0), Decimal(0))


@pytest.mark.parametrize(("admin", "role"), [(True, "support"), (False, "none")])
def test_new_admin_gets_the_role_that_was_asked_for(admin, role):
    outcome = new(replace(SETTINGS, map_admins="support"), admin=admin)
    assert outcome.role == outcome.given["given_role"] == role


def test_new_subscription():
    outcome = new(**PLAN)
    assert outcome.standing == Standing(
        2, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), 3, over=False
    )


@pytest.mark.parametrize(
    ("plan", "tier"),
    [({"ends_at": None}, 0), ({"level": 0}, 0), ({"level": 0, "ends_at": None, "months": -4}, 0)],
)
def test_new_subscription_needs_tier_and_end(plan, tier):
    standing = new(**{**PLAN, **plan}).standing
    assert (standing.tier, standing.ends_at) == (tier, None)
    assert standing.months == plan.get("months", 3)


@pytest.mark.parametrize("since", [None, "2027-01-01T00:00:00+00:00", "2028-01-01T00:00:00+00:00"])
def test_new_subscription_without_a_usable_beginning_has_a_period_all_the_same(since):
    standing = new(**{**PLAN, "since": since}).standing
    assert standing.starts_at < standing.ends_at


def test_new_subscription_that_is_over():
    assert new(**{**PLAN, "ends_at": "2026-11-20T04:00:00+00:00"}).standing.over


def test_nothing_changed_writes_nothing():
    outcome = known()
    assert not outcome.touches_user
    assert outcome.opening is None
    assert outcome.standing is None
    assert outcome.conflicts == []


def test_credits_changed_at_the_source_are_told_anew_whatever_was_done_here():
    assert known(quota="12.000000").opening == (Decimal(12), Decimal(2))


def test_credits_of_a_closed_account_stay():
    outcome = known(replace(HERE, account_closed=True), quota="12.000000")
    assert outcome.opening is None
    assert outcome.conflicts == ["credits"]


def test_name_changed_at_the_source_is_taken():
    outcome = known(username="Rob", given={"name": "Rob", "renamed": True})
    assert outcome.username == outcome.given["given_name"] == "Rob"


def test_name_changed_there_and_here_stays_as_it_is_here():
    here = replace(HERE, username="Robert")
    outcome = known(here, username="Rob", given={"name": "Rob", "renamed": True})
    assert outcome.username is None
    assert outcome.conflicts == ["username"]


def test_name_changed_only_here_stays():
    assert not known(replace(HERE, username="Robert")).touches_user


def test_address_changed_at_the_source_is_taken():
    outcome = known(email="new@x.org", given={"email": "new@x.org", "readdressed": True})
    assert (outcome.set_email, outcome.email) == (True, "new@x.org")


def test_address_changed_there_and_here_stays_as_it_is_here():
    here = replace(HERE, email="own@x.org")
    outcome = known(here, email="new@x.org", given={"email": "new@x.org", "readdressed": True})
    assert not outcome.set_email
    assert outcome.conflicts == ["email"]


def test_ban_at_the_source_suspends_unless_a_suspension_holds():
    assert known(banned=True).suspend
    assert not known(replace(HERE, suspended=True), banned=True).suspend


def test_ban_lifted_at_the_source_lifts_what_the_import_imposed():
    here = replace(HERE, suspended=True, suspensions=(3,))
    assert known(here, base={"banned": True}, banned=False).lift == (3,)


def test_ban_lifted_here_stays_lifted():
    assert not known(base={"banned": True}, banned=True).suspend


def test_admin_made_at_the_source_gets_the_role_only_where_none_is_held():
    settings = replace(SETTINGS, map_admins="support")
    assert known(settings=settings, admin=True).role == "support"
    other = known(replace(HERE, role="user_admin"), settings, admin=True)
    assert (other.role, other.conflicts) == (None, ["role"])


def test_admin_imported_before_gets_the_role_once_one_is_named():
    settings = replace(SETTINGS, map_admins="support")
    assert known(settings=settings, base={"admin": True}).role == "support"
    assert known(settings=replace(settings, grant=False), base={"admin": True}).role is None


def test_admin_unmade_at_the_source_loses_the_role_that_the_import_gave():
    base = {"admin": True, "given_role": "support"}
    assert known(replace(HERE, role="support"), base=base, admin=False).role == "none"
    promoted = known(replace(HERE, role="super_admin"), base=base, admin=False)
    assert (promoted.role, promoted.conflicts) == (None, ["role"])


def test_subscription_changed_at_the_source_is_told_anew():
    here = replace(
        HERE, tier=2, ends_at=datetime(2027, 1, 1, tzinfo=UTC), legacy_months=3, subscription_id=9
    )
    outcome = known(here, base=PLAN, level=3, months=4)
    assert (outcome.standing.tier, outcome.standing.months) == (3, 4)


def test_subscription_changed_there_and_here_stays_as_it_is_here():
    here = replace(HERE, tier=3, ends_at=datetime(2028, 1, 1, tzinfo=UTC), legacy_months=3)
    outcome = known(here, base=PLAN, level=1)
    assert outcome.standing is None
    assert outcome.conflicts == ["subscription"]


def test_key_reset_at_the_source_replaces_the_old_one():
    base = {"key": "aa", "key_prefix": "sk-a", "key_at": None}
    here = replace(HERE, keys=frozenset({"aa"}))
    outcome = known(here, base=base, key="bb", key_prefix="sk-b")
    assert (outcome.revoke_key, outcome.key) == ("aa", ("bb", "sk-b", None))


def test_key_that_another_account_has_is_not_taken():
    outcome = known(key="bb", key_prefix="sk-b", key_at=None, given={"key_taken": True})
    assert outcome.key is None


def test_flags_set_and_cleared_here_stay():
    here = replace(HERE, flags=("by_staff",))
    outcome = known(
        here, base={"flags": ["null_email", "renamed"]}, flags=["null_email", "was_admin"]
    )
    assert outcome.flags == ["by_staff", "was_admin"]
