"""The copy that lists sort and filter by. What happens between transactions is in test_races."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import services, tasks
from billing.ledger import USAGE
from billing.models import Account, Statistics
from billing.statistics import _Mark
from tests.billing.holders import NOON, defects, give, holder, sql, take

pytestmark = pytest.mark.django_db


def copy(**more):
    return services.copy_statistics(now=NOON, **more)


def copied(account):
    return Statistics.objects.filter(user=account.user_id).values_list("balance", "used").get()


def test_copy_takes_what_moved_and_only_that():
    moved, still = holder(), holder(5)
    copy()
    give(moved, 20)
    take(moved, 8, USAGE)
    assert copy() == 1
    assert (copied(moved), copied(still)) == ((12, 8), (5, 0))
    assert copy() == 0
    assert defects() == []


def test_copy_says_when_it_ran():
    copy()
    assert sql("SELECT copied_at FROM billing_statistics_mark") == [(NOON,)]


def test_copy_makes_a_row_that_is_missing():
    account = holder(5)
    Statistics.objects.filter(user=account.user_id).delete()
    assert copy() == 1
    assert copied(account) == (5, 0)


def test_full_copy_mends_what_is_wrong():
    account, other = holder(5), holder(6)
    copy()
    Statistics.objects.filter(user=account.user_id).update(balance=77)
    Account.objects.filter(pk=other.pk).update(opening_used=Decimal("3.5"))
    assert copy() == 0
    assert copy(full=True) == 2
    assert (copied(account), copied(other)) == ((5, 0), (6, Decimal("3.5")))
    assert defects() == []


def test_copy_never_puts_older_figures_over_newer():
    account = holder(5)
    Statistics.objects.filter(user=account.user_id).update(balance=99, version=7)
    copy()
    assert copied(account) == (99, 0)


def test_copy_is_a_task_that_runs_as_the_system():
    account = holder(5)
    tasks.copy_statistics()
    assert copied(account) == (5, 0)
    assert tasks.copy_statistics.runs_as == "system"


@given(st.data())
def test_mark_passes_no_id_that_may_still_come(data):
    """Transactions draw ids and end in any order; copies happen in between. Whatever the mark has
    passed was committed, or given up, before the copy that passed it read the journal."""
    mark, next_xid, next_id = _Mark(0, 0, 0), 1, 1
    running, missed = {}, []
    for step in data.draw(st.lists(st.sampled_from("bdec"), max_size=60)):
        if step == "b":
            running[next_xid] = []
            next_xid += 1
        elif step == "d" and running:
            running[data.draw(st.sampled_from(sorted(running)))].append(next_id)
            next_id += 1
        elif step == "e" and running:
            del running[data.draw(st.sampled_from(sorted(running)))]
        elif step == "c":
            mark = mark.moved(next_id - 1, min(running, default=next_xid), next_xid)
            missed += [i for ids in running.values() for i in ids if i <= mark.read_to]
    assert not missed


def test_mark_of_a_restored_database_starts_again():
    assert _Mark(5, 9, 10**9).moved(12, 700, 800) == _Mark(5, 12, 800)
