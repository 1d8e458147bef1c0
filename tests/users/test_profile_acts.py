"""Renaming, ending sessions, requiring a new password, closing, reopening: the rules of each."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from audit import operations
from audit.execution import OperationRefused
from audit.models import Act, AuditEntry
from audit.people import SYSTEM
from billing.services import adjust_credits
from subscriptions.services import set_tier
from tests import checksum
from tests.billing.holders import at_once
from tests.factories import PASSWORD, make_key, make_session, make_staff, make_user, make_users
from users.models import ApiKey, Restriction, Session, User
from users.profile.names import look, why_not_a_name
from users.profile.operations import CLOSE, RENAME, REOPEN
from users.profile.services import close, rename, reopen
from users.restrictions import services
from users.restrictions.operations import SUSPEND
from users.roles import Role
from users.sessions.services import end_sessions, require_password_change

pytestmark = pytest.mark.django_db

END = datetime(2030, 1, 1, tzinfo=UTC)


def undo(receipts, operation, **more):
    act = Act.objects.get(pk=receipts.act_id)
    actor = more.get("actor") or make_staff(Role.SUPER_ADMIN)
    return operations.undo(operation, act, actor=actor, now=now(), reason="undo")


def refusals(receipts):
    return [row.refusal.sentence for row in receipts.refused]


# users.rename


@pytest.mark.parametrize(
    "name",
    ["bob", "bob-2", "Ana_Silva", "o'brien", "漢字", "Łukasz", "анна", "Ελένη", "42", "a" * 64],
)
def test_name_of_any_script_is_accepted(name):
    assert why_not_a_name(name) == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "needed"),
        ("a" * 65, "at most 64"),
        ("zero\u200bwidth", "nobody can see"),
        ("right\u202eleft", "nobody can see"),
        ("bell\x07", "nobody can see"),
        ("private\ue000", "nobody can see"),
        ("two words", "no spaces"),
        ("no\u00a0break", "no spaces"),
        ("ｗｉｄｅ", "ordinary letters: wide"),
        ("ﬁn", "ordinary letters: fin"),
        ("cafe\u0301", "ordinary letters: café"),
        ("ana@example.org", "no “@”"),
        ("...", "a letter or a digit"),
        ("\u0301a", "starts with no accent"),
        ("аdmin", "scripts that look alike"),
        ("Νina", "scripts that look alike"),
    ],
)
def test_name_that_deceives_is_refused(name, why):
    assert why in why_not_a_name(name)


def test_name_looks_like_its_latin_twin():
    assert look("асе") == "ace"
    assert look("ana") == "ana"


def test_rename_takes_the_name_and_records_it_as_personal_data():
    user = make_user("ana")
    receipts = rename([user.pk], actor=SYSTEM, username="anna", reason="married")
    user.refresh_from_db()
    assert user.username == "anna"
    entry = AuditEntry.objects.get(act_id=receipts.act_id)
    assert entry.changes == {}
    assert entry.personal.changes == {"username": ["ana", "anna"]}


def test_rename_to_the_same_name_in_another_case_is_a_change():
    user = make_user("ana")
    assert rename([user.pk], actor=SYSTEM, username="Ana", reason="x").changed
    assert rename([user.pk], actor=SYSTEM, username="Ana", reason="x").unchanged


@pytest.mark.parametrize("wanted", ["ben", "BEN", "Old.Ben"])
def test_rename_to_a_name_that_somebody_signs_in_by_is_refused(wanted):
    user = make_user("ana")
    make_user("Ben", legacy_username="Old.Ben")
    before = checksum.database()
    receipts = rename([user.pk], actor=SYSTEM, username=wanted, reason="x")
    assert refusals(receipts) == [f"{wanted} is taken: Ben signs in by it."]
    assert checksum.database() == before


def test_rename_that_would_pass_for_somebody_is_refused():
    user = make_user("ana")
    make_user("ace")
    receipts = rename([user.pk], actor=SYSTEM, username="асе", reason="x")
    assert refusals(receipts) == ["It would pass for the username ace."]


def test_rename_lower_cases_as_the_database_does():
    """Python and PostgreSQL disagree about İ; the unique index has the last word."""
    user = make_user("ana")
    make_user("İpek")
    with_dot = rename([user.pk], actor=SYSTEM, username="i̇pek", reason="x")
    assert with_dot.refused or with_dot.changed  # never a 500
    again = rename([user.pk], actor=SYSTEM, username="İpek", reason="x")
    assert again.refused


def test_rename_of_a_name_that_changed_since_it_was_seen_is_refused():
    user, actor = make_user("ana"), make_staff(Role.USER_ADMIN)
    params = {"username": "anna"}
    seen = operations.preview(RENAME, [user.pk], params, actor=actor, now=now())
    versions = {row.target_id: row.version for row in seen.rows}
    rename([user.pk], actor=SYSTEM, username="anita", reason="meanwhile")
    receipts = operations.perform(
        RENAME, [user.pk], params, actor=actor, now=now(), reason="x", seen=versions
    )
    assert refusals(receipts) == ["Something changed since you looked; look again before you act."]


def test_rename_undone_needs_the_old_name_free():
    user = make_user("ana")
    receipts = rename([user.pk], actor=SYSTEM, username="anna", reason="x")
    other = make_user("ANA")
    assert refusals(undo(receipts, RENAME)) == ["ana is taken: ANA signs in by it."]
    rename([other.pk], actor=SYSTEM, username="somebody", reason="x")
    assert undo(receipts, RENAME).changed
    user.refresh_from_db()
    assert user.username == "ana"


def test_rename_undone_after_a_second_one_is_refused():
    user = make_user("ana")
    receipts = rename([user.pk], actor=SYSTEM, username="anna", reason="x")
    rename([user.pk], actor=SYSTEM, username="anita", reason="x")
    assert refusals(undo(receipts, RENAME)) == ["The username was changed again since."]


def test_rename_page_says_what_is_wrong_beside_the_field():
    user, client = make_user("ana"), Client()
    client.force_login(make_staff(Role.SUPPORT))
    url = reverse("operate:one", args=[user.pk, "users.rename"])
    response = client.post(url, {"username": "two words", "reason": "x", "step": "preview"})
    assert response.context["form"].errors["username"] == ["A username contains no spaces."]
    assert "two words" in response.text


@pytest.mark.django_db(transaction=True)
def test_rename_of_two_to_one_name_at_once_gives_it_to_one():
    people = [make_user("ana"), make_user("ben")]
    results = at_once(
        *(
            lambda pk=user.pk: rename([pk], actor=SYSTEM, username="Wanted", reason="race")
            for user in people
        )
    )
    won = [result for result in results if not isinstance(result, Exception) and result.changed]
    lost = [result for result in results if result not in won]
    assert len(won) == 1
    assert isinstance(lost[0], OperationRefused) or lost[0].refused
    assert User.objects.named("wanted").count() == 1


# users.end_sessions


def test_sessions_all_end_and_keys_stay():
    user = make_user()
    make_key(user)
    make_session(user)
    make_session(user)
    other = make_session(make_user())
    assert end_sessions([user.pk], actor=SYSTEM, reason="x").changed
    assert list(Session.objects.all()) == [other]
    assert ApiKey.objects.filter(user=user, revoked_at=None).count() == 1


def test_sessions_of_somebody_who_has_none_are_no_change():
    user = make_user()
    before = checksum.database()
    assert end_sessions([user.pk], actor=SYSTEM, reason="x").unchanged
    assert checksum.database() == before


# users.require_password_change


def test_password_change_is_asked_for_at_the_next_page():
    user = make_staff(Role.SUPPORT, password=PASSWORD)
    client = Client()
    client.force_login(user)
    assert require_password_change([user.pk], actor=SYSTEM, reason="leaked").changed
    response = client.get(reverse("home"))
    assert response["Location"] == reverse("account:password")


def test_password_change_without_a_password_is_refused():
    [user] = make_users(1)
    receipts = require_password_change([user], actor=SYSTEM, reason="x")
    assert refusals(receipts) == ["There is no password to change; send a password link instead."]


def test_password_change_of_a_closed_account_is_refused():
    user = make_user(password=PASSWORD, closed_at=now())
    receipts = require_password_change([user.pk], actor=SYSTEM, reason="x")
    assert refusals(receipts) == ["The account is closed."]


def test_password_change_undone_after_a_new_password_is_refused():
    from users.passwords.checking import set_password
    from users.sessions.operations import REQUIRE_PASSWORD_CHANGE

    user = make_user(password=PASSWORD)
    receipts = require_password_change([user.pk], actor=SYSTEM, reason="x")
    set_password(user, "another good password", now=now())
    require_password_change([user.pk], actor=SYSTEM, reason="again")
    undone = undo(receipts, REQUIRE_PASSWORD_CHANGE)
    assert refusals(undone) == ["The password was changed since."]


# users.close


def test_close_ends_sessions_and_keys_and_undo_gives_the_keys_back():
    user = make_user()
    make_session(user)
    kept, revoked = make_key(user), make_key(user)
    ApiKey.objects.filter(pk=revoked.pk).update(revoked_at=now())
    receipts = close([user.pk], actor=SYSTEM, reason="asked to")
    user.refresh_from_db()
    assert user.closed_at is not None
    assert not user.sessions.exists()
    assert not user.api_keys.filter(revoked_at=None).exists()
    undo(receipts, CLOSE)
    user.refresh_from_db()
    assert user.closed_at is None
    assert list(user.api_keys.filter(revoked_at=None)) == [kept]


def test_close_of_staff_is_refused():
    user = make_staff(Role.SUPPORT)
    receipts = close([user.pk], actor=SYSTEM, reason="x")
    assert refusals(receipts) == ["Staff: revoke the role first."]


def test_close_warns_of_credits_before_it_is_done():
    user, client = make_user(), Client()
    adjust_credits([user.pk], actor=SYSTEM, delta=250, reason="x")
    client.force_login(make_staff(Role.SUPER_ADMIN))
    url = reverse("operate:one", args=[user.pk, "users.close"])
    page = client.post(url, {"reason": "asked to", "step": "preview"})
    assert "250.00 credits stay there" in page.text


def test_close_undone_gives_no_key_back_that_another_act_revoked():
    """Suspended and closed: neither undo alone opens the door, both in either order do."""
    for first, second in ((CLOSE, SUSPEND), (SUSPEND, CLOSE)):
        user, boss = make_user(), make_staff(Role.SUPER_ADMIN)
        make_key(user)
        acts = {
            SUSPEND: services.suspend(
                [user.pk], actor=boss, reason_code="spam", ends_at=None, reason="x"
            ),
            CLOSE: close([user.pk], actor=boss, reason="x"),
        }
        undo(acts[first], first, actor=boss)
        assert not user.api_keys.filter(revoked_at=None).exists()
        undo(acts[second], second, actor=boss)
        assert user.api_keys.filter(revoked_at=None).count() == 1
        assert not Restriction.objects.live(now()).filter(user=user).exists()


def test_close_undone_after_it_was_undone_and_done_again_is_refused():
    user = make_user()
    first = close([user.pk], actor=SYSTEM, reason="x")
    User.objects.filter(pk=user.pk).update(closed_at=None)
    close([user.pk], actor=SYSTEM, reason="again")
    assert refusals(undo(first, CLOSE)) == ["The account was reopened since."]


# users.reopen


def test_reopen_lets_credits_and_subscription_be_used_and_leaves_restrictions_and_keys():
    user, boss = make_user(), make_staff(Role.SUPER_ADMIN)
    make_key(user)
    adjust_credits([user.pk], actor=SYSTEM, delta=50, reason="x")
    services.suspend([user.pk], actor=SYSTEM, reason_code="spam", ends_at=None, reason="x")
    close([user.pk], actor=boss, reason="asked to")

    assert reopen([user.pk], actor=boss, reason="came back").changed

    user.refresh_from_db()
    assert user.closed_at is None
    assert Restriction.objects.live(now()).filter(user=user).exists()
    assert not user.api_keys.filter(revoked_at=None).exists()
    assert adjust_credits([user.pk], actor=SYSTEM, delta=5, reason="x").changed
    assert set_tier([user.pk], actor=SYSTEM, tier=1, ends_at=END, reason="x").changed


def test_reopen_of_an_open_account_changes_nothing():
    assert not reopen([make_user().pk], actor=SYSTEM, reason="x").changed


def test_reopen_undone_closes_since_when_it_was_closed_and_ends_access():
    user = make_user()
    close([user.pk], actor=SYSTEM, reason="x")
    user.refresh_from_db()
    closed_at = user.closed_at
    reopened = reopen([user.pk], actor=SYSTEM, reason="x")
    make_session(user)
    make_key(user)
    undo(reopened, REOPEN)
    user.refresh_from_db()
    assert user.closed_at == closed_at
    assert not user.sessions.exists()
    assert not user.api_keys.filter(revoked_at=None).exists()


def test_reopen_undone_is_refused_where_it_was_closed_since_or_a_role_was_granted():
    user, helper = make_user(), make_user()
    close([user.pk, helper.pk], actor=SYSTEM, reason="x")
    reopened = reopen([user.pk, helper.pk], actor=SYSTEM, reason="x")
    close([user.pk], actor=SYSTEM, reason="again")
    User.objects.filter(pk=helper.pk).update(role=Role.SUPPORT)
    assert refusals(undo(reopened, REOPEN)) == [
        "The account was closed since.",
        "Staff: revoke the role first.",
    ]


def test_close_undone_after_the_account_was_reopened_is_refused():
    user = make_user()
    closed = close([user.pk], actor=SYSTEM, reason="x")
    reopen([user.pk], actor=SYSTEM, reason="x")
    assert refusals(undo(closed, CLOSE)) == ["The account was reopened since."]


def test_reopen_is_offered_to_closed_accounts_alone():
    user, boss = make_user(), make_staff(Role.SUPER_ADMIN)
    offered = {}
    for state in ("open", "closed"):
        menu = operations.menus([REOPEN, CLOSE], [user.pk], actor=boss, now=now())
        offered[state] = [item.refusal for item in menu[user.pk]]
        close([user.pk], actor=SYSTEM, reason="x")
    assert offered == {"open": ["The account is open.", ""], "closed": ["", "Closed already."]}
