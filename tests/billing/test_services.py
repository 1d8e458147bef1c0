"""Opening, adjusting and undoing: what is written, what is refused, in how many statements."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.execution import execute
from audit.models import Act, AuditEntry, Receipt
from audit.people import SYSTEM
from billing import adjustments, ledger, reports, services
from billing.ledger import AccountUnavailable
from billing.models import Account, Statistics, Transfer
from billing.services import Opening
from subscriptions.services import open_standings
from tests.billing.holders import NOON, defects, deltas, figures, give, holder, take
from tests.factories import make_staff, make_user, make_users
from users.models import User

pytestmark = pytest.mark.django_db


def adjust(accounts, delta, **more):
    return services.adjust_credits(
        [account.user_id for account in accounts],
        **{"actor": SYSTEM, "delta": Decimal(delta), "reason": "why", "now": NOON} | more,
    )


def undo(receipts):
    kept = dict(
        Receipt.objects.filter(act=receipts.act_id, outcome=Receipt.Outcome.CHANGED).values_list(
            "target_id", "undo"
        )
    )
    return execute(
        adjustments.UNDO_ADJUST_CREDITS,
        kept,
        {"act": receipts.act_id, "receipts": kept},
        actor=SYSTEM,
        now=NOON + timedelta(hours=1),
        reason="a mistake",
        undoes=receipts.act_id,
    )


def refusals(receipts):
    return {row.target_id: row.refusal.sentence for row in receipts.refused}


# Opening accounts


def test_account_is_opened_empty_with_its_statistics():
    user = User.objects.create(username="nobody", password="!")
    services.open_accounts([user.pk], now=NOON, overdraft_limit=Decimal(7))
    account = Account.objects.get(user=user)
    assert account.pk >= 1_000
    assert (account.balance, account.version, account.overdraft_limit) == (0, 0, 7)
    assert account.updated_at == NOON
    assert Statistics.objects.get(user=user).balance == 0
    assert defects(but={"standing"}) == []


def test_account_that_is_open_stays_as_it_is():
    account = holder(5)
    services.open_accounts([account.user_id], now=NOON, overdraft_limit=Decimal(7))
    assert figures(account)[0] == 5
    assert account.overdraft_limit == 0


# Adjusting


def test_adjust_adds_and_leaves_a_transfer_a_receipt_and_an_entry():
    account, actor = holder("12.5"), make_staff()
    receipts = adjust([account], "37.5", actor=actor, ticket="T-1")

    assert figures(account) == (50, 0, 2)
    transfer = Transfer.objects.get(account=account, code=ledger.ADJUST_UP)
    assert (transfer.group_id, transfer.actor_id) == (receipts.act_id, actor.pk)
    assert (transfer.delta, transfer.reason, transfer.created_at) == (Decimal("37.5"), "why", NOON)
    act = Act.objects.get(pk=receipts.act_id)
    assert (act.code, act.ticket, act.params) == (
        "billing.adjust_credits",
        "T-1",
        {"delta": "37.5"},
    )
    entry = AuditEntry.objects.get(act_id=act.pk)
    assert entry.changes == {"credits": ["12.5", "50"]}
    assert defects() == []


def test_adjust_takes_down_to_zero():
    account = holder("12.5")
    assert len(adjust([account], "-12.5").changed) == 1
    assert figures(account) == (0, 0, 2)
    assert Transfer.objects.get(account=account, delta__lt=0).code_id == ledger.ADJUST_DOWN


def test_adjust_below_zero_is_refused_with_the_sentence_an_admin_reads():
    poor, rich = holder("12.5"), holder(80)
    receipts = adjust([poor, rich], -50)
    assert refusals(receipts) == {poor.user_id: "The balance is 12.50; 50 cannot be taken from it."}
    assert receipts.refused_by_reason == {"The balance is too small.": 1}
    assert (figures(poor)[0], figures(rich)[0]) == (Decimal("12.5"), 30)


@pytest.mark.parametrize("delta", ["-0.000001", "-1"])
def test_adjust_of_a_debt_takes_no_more(delta):
    account = holder(overdraft_limit=100)
    take(account, 37, ledger.USAGE)
    assert refusals(adjust([account], delta))
    assert len(adjust([account], 10).changed) == 1
    assert figures(account)[0] == -27


def test_adjust_leaves_held_credits_alone():
    account = holder(10, held=4)
    assert "of which 4.00 is held" in refusals(adjust([account], -7))[account.user_id]
    assert adjust([account], -6).changed


def test_adjust_of_a_closed_account_is_refused():
    account = holder(10)
    Account.objects.filter(pk=account.pk).update(status=Account.Status.CLOSED)
    assert refusals(adjust([account], 5)) == {account.user_id: "The credit account is closed."}


def test_adjust_by_nothing_leaves_no_trace():
    account = holder(10)
    receipts = adjust([account], 0)
    assert (receipts.act_id, len(receipts.unchanged)) == (None, 1)
    assert not Act.objects.exists()


def test_adjust_refuses_amounts_that_the_ledger_would_round():
    account = holder(10)
    with pytest.raises(ValueError, match="6 places"):
        adjust([account], "0.0000001")


def test_adjust_of_a_user_without_account_is_refused():
    user = User.objects.create(username="nobody", password="!")
    receipts = services.adjust_credits(
        [user.pk], actor=SYSTEM, delta=Decimal(1), reason="why", now=NOON
    )
    assert len(receipts.refused) == 1


def test_adjust_takes_as_many_statements_for_one_as_for_a_thousand():
    one, thousand = make_users(1), make_users(1_000)
    counts = []
    for ids in (one, thousand):
        with CaptureQueriesContext(connection) as queries:
            receipts = services.adjust_credits(
                ids, actor=SYSTEM, delta=Decimal(5), reason="why", now=NOON
            )
        assert len(receipts.changed) == len(ids)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert defects() == []


# Undoing


def test_undo_reverses_and_edits_nothing():
    up, down = holder(10), holder(100)
    added = adjust([up], 50)
    taken = adjust([down], -30)

    for receipts in (added, taken):
        assert len(undo(receipts).changed) == 1

    assert (deltas(up), deltas(down)) == ([10, 50, -50], [100, -30, 30])
    back = Transfer.objects.get(account=up, account_version=3)
    first = Transfer.objects.get(account=up, account_version=2)
    assert (back.reverses_id, back.reverses_at) == (first.pk, first.created_at)
    assert (figures(up)[0], figures(down)[0]) == (10, 100)
    assert defects() == []


def test_undo_skips_who_spent_since_and_says_why():
    spender, saver = holder(), holder()
    receipts = adjust([spender, saver], 50)
    take(spender, "37.5", ledger.USAGE)

    undone = undo(receipts)

    assert refusals(undone) == {
        spender.user_id: "Spent since: the balance is 12.50; 50 cannot be taken back."
    }
    assert [row.target_id for row in undone.changed] == [saver.user_id]
    assert (figures(spender)[0], figures(saver)[0]) == (Decimal("12.5"), 0)
    assert defects() == []


def test_undo_of_what_was_reversed_already_is_refused():
    account = holder()
    receipts = adjust([account], 50)
    added = Transfer.objects.get(account=account)
    take(account, 20, reverses=(added.pk, added.created_at))
    give(account, 100)
    assert refusals(undo(receipts)) == {account.user_id: "It was reversed already."}
    assert figures(account)[0] == 130


def test_undo_on_a_closed_account_is_refused():
    account = holder()
    receipts = adjust([account], 50)
    Account.objects.filter(pk=account.pk).update(status=Account.Status.CLOSED)
    assert refusals(undo(receipts)) == {account.user_id: "The credit account is closed."}


def test_undo_takes_as_many_statements_for_one_as_for_many():
    counts = []
    for ids in (make_users(1), make_users(300)):
        receipts = services.adjust_credits(
            ids, actor=SYSTEM, delta=Decimal(5), reason="why", now=NOON
        )
        with CaptureQueriesContext(connection) as queries:
            assert len(undo(receipts).changed) == len(ids)
        counts.append(len(queries) - 1)
    assert counts[0] == counts[1]


# What users bring along


def openings(*rows, now=NOON):
    return services.post_opening_balances(
        [Opening(account.user_id, Decimal(b), Decimal(u)) for account, b, u in rows],
        now=now,
        actor=SYSTEM,
        reason="import",
    )


def test_opening_is_one_transfer_and_used_credits_are_shown_but_not_booked():
    account = holder()
    assert openings((account, "12.345678", "1000.5")) == (1, 0, 0)
    assert deltas(account) == [Decimal("12.345678")]
    facts = reports.account_facts([account.user_id])[account.user_id]
    assert (facts.balance, facts.used) == (Decimal("12.345678"), Decimal("1000.5"))
    assert figures(account)[1] == 0
    statistics = Statistics.objects.get(user=account.user_id)
    assert (statistics.balance, statistics.used) == (facts.balance, facts.used)
    assert defects() == []


def test_opening_below_zero_gets_an_overdraft_limit_to_fit():
    account = holder()
    openings((account, "-37.25", 0))
    assert (figures(account)[0], account.overdraft_limit) == (Decimal("-37.25"), Decimal("37.25"))
    assert take(account, "0.01", ledger.USAGE) is None
    assert defects() == []


def test_opening_of_nothing_books_nothing():
    account = holder()
    assert openings((account, 0, 0)) == (0, 0, 1)
    assert deltas(account) == []


def test_opening_repeated_changes_nothing():
    account = holder()
    openings((account, 10, 3))
    assert openings((account, 10, 3), now=NOON + timedelta(1)) == (0, 0, 1)
    assert deltas(account) == [10]


def test_opening_that_changed_is_corrected_by_another_transfer():
    account = holder()
    openings((account, 10, 3))
    take(account, 4, ledger.USAGE)
    assert openings((account, 25, 5), now=NOON + timedelta(1)) == (0, 1, 0)
    assert openings((account, 2, 5), now=NOON + timedelta(2)) == (0, 1, 0)
    assert deltas(account) == [10, -4, 15, -23]
    assert figures(account)[0] == -2
    assert (account.overdraft_limit, account.opening_used) == (2, 5)
    assert Statistics.objects.get(user=account.user_id).used == 9
    assert defects() == []


def test_opening_whose_used_credits_changed_moves_nothing():
    account = holder()
    openings((account, 10, 3))
    assert openings((account, 10, 8)) == (0, 1, 0)
    assert deltas(account) == [10]
    assert Statistics.objects.get(user=account.user_id).used == 8


def test_opening_without_account_names_the_number():
    account = holder()
    user = User.objects.create(username="nobody", password="!")
    with pytest.raises(AccountUnavailable, match="1 users have no open credit account"):
        services.post_opening_balances(
            [Opening(pk, Decimal(1), Decimal(0)) for pk in (account.user_id, user.pk)],
            now=NOON,
            actor=SYSTEM,
            reason="import",
        )
    assert deltas(account) == []


def test_openings_take_as_many_statements_for_one_as_for_a_thousand():
    counts = []
    for ids in (make_users(1), make_users(1_000)):
        with CaptureQueriesContext(connection) as queries:
            services.post_opening_balances(
                [Opening(pk, Decimal(5), Decimal(1)) for pk in ids],
                now=NOON,
                actor=SYSTEM,
                reason="import",
            )
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert defects() == []


def test_new_users_bring_along_credits_debts_and_nothing():
    brought = [(Decimal("12.5"), Decimal(3)), (Decimal("-7.25"), Decimal(0)), (Decimal(0),) * 2]
    people = [User.objects.create(username=f"new{n}", password="!") for n in range(3)]
    open_standings([user.pk for user in people])
    rows = [Opening(user.pk, *each) for user, each in zip(people, brought, strict=True)]

    def open_them():
        return services.open_accounts_bringing(rows, now=NOON, actor=SYSTEM, reason="import")

    assert open_them() == (2, 0, 1)
    accounts = Account.objects.filter(user__in=people).order_by("pk")
    assert [(each.balance, each.opening_used) for each in accounts] == brought
    assert [each.overdraft_limit for each in accounts] == [0, Decimal("7.25"), 0]
    statistics = Statistics.objects.filter(user__in=people).order_by("user")
    assert [(each.balance, each.used) for each in statistics] == brought
    assert open_them() == (0, 0, 3)
    assert Transfer.objects.filter(account__in=accounts).count() == 2
    assert defects() == []


def test_new_user_has_an_account():
    user = make_user()
    assert reports.account_facts([user.pk])[user.pk].balance == 0
