"""Selections: exact, frozen, versioned, one's own, for a day."""

import uuid
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from django.db import connection

from audit import selection
from audit.models import Selection
from audit.selection import NoSelection
from tests.factories import make_staff, make_users
from users.models import User

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def ids_of(kept):
    return Selection.objects.get(pk=kept.id).ids


@pytest.fixture
def owner():
    return make_staff()


def pick(owner, shown, picked, *, to=None, now=NOW):
    return selection.pick(to or uuid.uuid4(), shown=shown, picked=picked, owner=owner, now=now)


@pytest.mark.django_db
def test_pick_makes_a_selection_once(owner):
    kept = pick(owner, [3, 1, 2], [2, 1, 2])
    assert (ids_of(kept), kept.count, kept.version) == ([1, 2], 2, 1)
    assert kept.expires_at == NOW + timedelta(hours=24)


@pytest.mark.django_db
def test_pick_replaces_what_was_shown_and_keeps_the_rest(owner):
    kept = pick(owner, [1, 2, 3], [1, 2, 3])
    kept = pick(owner, [3, 4, 5], [5], to=kept.id)
    assert (ids_of(kept), kept.version) == ([1, 2, 5], 2)


@pytest.mark.django_db
def test_version_grows_only_with_a_change(owner):
    kept = pick(owner, [1, 2], [1])
    assert pick(owner, [1, 2], [1], to=kept.id).version == 1
    assert pick(owner, [1, 2], [2], to=kept.id).version == 2
    assert selection.freeze(kept.id, nobody(), query="", owner=owner, now=NOW).version == 2


def nobody():
    return User.objects.filter(pk=-1).values_list("pk", flat=True)


@pytest.mark.django_db
def test_freeze_takes_all_as_they_are_now(owner):
    first = make_users(30)
    everybody = User.objects.filter(pk__in=[*first, 10**9]).values_list("pk", flat=True)
    kept = selection.freeze(uuid.uuid4(), everybody, query="tier=2", owner=owner, now=NOW)
    make_users(2)
    assert (ids_of(kept), kept.count) == (first, 30)
    assert Selection.objects.get(pk=kept.id).query == "tier=2"


@pytest.mark.django_db
def test_freeze_costs_one_statement(owner, django_assert_num_queries):
    make_users(200)
    with django_assert_num_queries(1):
        selection.freeze(
            uuid.uuid4(), User.objects.values_list("pk", flat=True), query="", owner=owner, now=NOW
        )


@pytest.mark.django_db
def test_look_tells_what_of_it_is_here(owner):
    kept = pick(owner, [1, 2, 3], [1, 3])
    seen = selection.look(kept.id, [3, 4], owner=owner, now=NOW)
    assert (seen.count, seen.version, seen.here) == (2, 1, frozenset({3}))


@pytest.mark.django_db
def test_members_are_a_subquery(owner):
    ids = make_users(3)
    kept = pick(owner, ids, ids[:2])
    chosen = User.objects.filter(pk__in=selection.members(kept.id, owner=owner, now=NOW))
    assert sorted(chosen.values_list("pk", flat=True)) == ids[:2]


@pytest.mark.django_db
def test_only_the_owner_may_look_change_or_use_it(owner):
    other = make_staff()
    ids = make_users(2)
    kept = pick(owner, ids, ids)
    with pytest.raises(NoSelection, match="not yours"):
        selection.look(kept.id, ids, owner=other, now=NOW)
    with pytest.raises(NoSelection):
        pick(other, ids, [], to=kept.id)
    with pytest.raises(NoSelection):
        selection.freeze(
            kept.id, User.objects.values_list("pk", flat=True), query="", owner=other, now=NOW
        )
    assert not selection.members(kept.id, owner=other, now=NOW).exists()
    assert ids_of(kept) == ids


@pytest.mark.django_db
def test_selection_is_over_after_a_day(owner):
    kept = pick(owner, [1], [1])
    almost, over = NOW + timedelta(hours=24, seconds=-1), NOW + timedelta(hours=24)
    assert selection.look(kept.id, [1], owner=owner, now=almost).count == 1
    with pytest.raises(NoSelection):
        selection.look(kept.id, [1], owner=owner, now=over)
    with pytest.raises(NoSelection):
        pick(owner, [1], [], to=kept.id, now=over)
    assert not selection.members(kept.id, owner=owner, now=over).exists()
    assert selection.expire(almost) == 0
    assert selection.expire(over) == 1
    assert not Selection.objects.exists()


@pytest.mark.django_db
def test_two_selections_do_not_mix(owner):
    one, two = pick(owner, [1, 2], [1]), pick(owner, [1, 2], [2])
    assert (ids_of(one), ids_of(two)) == ([1], [2])


@pytest.mark.django_db(transaction=True)
def test_ticks_of_two_tabs_at_once_are_both_kept(owner):
    chosen = uuid.uuid4()
    pick(owner, [0], [0], to=chosen)

    def tick(number):
        pick(owner, [number], [number], to=chosen)
        connection.close()

    threads = [Thread(target=tick, args=[number]) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = Selection.objects.get(pk=chosen)
    assert found.ids == list(range(9))
    assert found.version == 9
