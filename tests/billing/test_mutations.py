"""Tests of the tests: each of these faults, put into the ledger, must be noticed by one of them."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from billing import idempotency, ledger, services
from tests.billing import test_guards, test_ledger, test_services, test_statistics
from tests.billing.holders import sql
from tests.billing.machine import LedgerMachine

pytestmark = [pytest.mark.django_db, pytest.mark.storm]


def walk(examples=100):
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
            database=None,
            derandomize=True,
        ),
    )


# In the function that posts a transfer: what stands there, what is put there.
_SPENT = "a.status = 1 AND a.balance - a.held + NEW.delta >= -a.overdraft_limit"
RULE = {
    "no floor": (_SPENT, "a.status = 1"),
    "no floor by hand": ("THEN a.balance - a.held + NEW.delta >= 0", "THEN true"),
    "held credits are free": ("a.balance - a.held + NEW.delta", "a.balance + NEW.delta"),
    "by hand into the overdraft": (
        "a.balance - a.held + NEW.delta >= 0",
        "a.balance - a.held + NEW.delta >= -a.overdraft_limit",
    ),
    "no overdraft": (_SPENT, "a.status = 1 AND a.balance - a.held + NEW.delta >= 0"),
    "frozen accounts spend": ("a.status = 1 AND ", ""),
    "no slack": ("-(a.overdraft_limit + a.settle_slack)", "-a.overdraft_limit"),
    "closed accounts move": ("AND a.status <> 3", ""),
    "off by one at the floor": ("NEW.delta >= ", "NEW.delta > "),
    "used never shrinks": ("IN (200, 210, 211, 250, 260) THEN", "IN (200, 210, 211) THEN"),
    "everything counts as used": (
        "CASE WHEN NEW.code IN (200, 210, 211, 250, 260) THEN",
        "CASE WHEN true THEN",
    ),
    "version stands still": ("version = a.version + 1", "version = a.version"),
    "version jumps": ("version = a.version + 1", "version = a.version + 2"),
    "credits and debits swapped": (
        "credited_total = a.credited_total + greatest(NEW.delta, 0)",
        "credited_total = a.credited_total + abs(NEW.delta)",
    ),
    "reversal not counted": (
        "SET reversed = cap.reversed + excluded.reversed",
        "SET reversed = excluded.reversed",
    ),
    "any direction reverses": (
        "AND sign(t.delta) = -sign(NEW.delta)",
        "",
    ),
}
CODE_RULES = {
    "codes move both ways": ("NEW.code IN (300, 401,", "NEW.code IN (100, 300, 401,"),
    "others' transfers are reversed": ("AND t.account_id = NEW.account_id", ""),
    "reversals are reversed": ("AND t.reverses_id IS NULL", ""),
}
CODE_PROOFS = {
    "codes move both ways": lambda: test_ledger.test_post_refuses_codes_that_do_not_move_that_way(
        100, -1
    ),
    "others' transfers are reversed": test_ledger.test_reversal_stays_on_the_account,
    "reversals are reversed": test_ledger.test_reversal_cannot_be_reversed,
}


def _rewrite(old, new):
    [(function,)] = sql("SELECT pg_get_functiondef('billing_post_transfer'::regproc)")
    assert old in function
    sql(function.replace(old, new).replace("%", "%%"))


def test_the_walk_finds_nothing_in_the_ledger_as_it_is():
    walk()


@pytest.mark.parametrize("fault", RULE)
def test_fault_in_the_rule_is_noticed_by_the_walk(fault):
    _rewrite(*RULE[fault])
    with pytest.raises(BaseException):  # noqa: B017, PT011 (whatever it is that notices)
        walk()


@pytest.mark.parametrize("fault", CODE_RULES)
def test_fault_in_what_a_transfer_may_refer_to_is_noticed(fault):
    CODE_PROOFS[fault]()
    _rewrite(*CODE_RULES[fault])
    with pytest.raises(BaseException):  # noqa: B017, PT011
        CODE_PROOFS[fault]()


GUARDS = {
    "ALTER TABLE billing_reversal_cap DROP CONSTRAINT reversal_capped": (
        test_ledger.test_reversal_of_more_than_was_moved_is_refused_at_once
    ),
    "ALTER TABLE billing_account DROP CONSTRAINT account_sum_and_floor": (
        test_guards.test_limits_cannot_be_drawn_in_below_the_balance
    ),
    "DROP TRIGGER billing_account_figures ON billing_account": lambda: (
        test_guards.test_figures_of_an_account_move_only_by_transfers({"used_total": 1})
    ),
    "DROP TRIGGER billing_account_opens_empty ON billing_account": lambda: (
        test_guards.test_account_opens_empty("used_total")
    ),
    "DROP TRIGGER billing_account_kind ON billing_account": lambda: (
        test_guards.test_account_columns_stay_within_their_bounds("user_id = NULL")
    ),
    "DROP TRIGGER billing_account_stays ON billing_account": (
        test_guards.test_account_with_transfers_stays
    ),
    "DROP TRIGGER billing_account_no_truncate ON billing_account": (
        test_guards.test_account_with_transfers_stays
    ),
    "DROP TRIGGER billing_transfer_append_only ON billing_transfer": lambda: (
        test_guards.test_transfer_can_neither_be_changed_nor_removed(
            "billing_transfer_default", "DELETE FROM {}"
        )
    ),
    "DROP TRIGGER billing_transfer_no_truncate ON billing_transfer_default": lambda: (
        test_guards.test_transfer_can_neither_be_changed_nor_removed(
            "billing_transfer_default", "TRUNCATE {}"
        )
    ),
}


@pytest.mark.parametrize("statement", GUARDS)
def test_guard_that_is_gone_is_missed(statement):
    GUARDS[statement]()
    sql(statement)
    with pytest.raises(BaseException):  # noqa: B017, PT011
        GUARDS[statement]()


def test_hash_that_is_not_compared_is_noticed(monkeypatch):
    for module in (ledger, idempotency):
        monkeypatch.setattr(module, "digest", lambda *parts: b"same")
    with pytest.raises(BaseException):  # noqa: B017, PT011
        walk()


def test_opening_without_room_for_debt_is_noticed(monkeypatch):
    monkeypatch.setattr(services, "_set_openings", lambda differing: None)
    with pytest.raises(BaseException):  # noqa: B017, PT011
        walk()


def test_undo_that_ignores_what_was_spent_is_noticed(monkeypatch):
    from dataclasses import replace

    from billing import adjustments

    blind = replace(
        adjustments.UNDO_ADJUST_CREDITS,
        decide=lambda row, params, now: adjustments._decide_undo(
            replace(row, balance=10**9), params, now
        ),
    )
    monkeypatch.setattr(adjustments, "UNDO_ADJUST_CREDITS", blind)
    with pytest.raises(BaseException):  # noqa: B017, PT011
        test_services.test_undo_skips_who_spent_since_and_says_why()


def test_copy_that_lets_older_figures_win_is_noticed(monkeypatch):
    from billing import statistics

    blind = statistics._CHANGED.replace("old.version < a.version", "true")
    blind = blind.replace("s.version < excluded.version", "true")
    monkeypatch.setattr(statistics, "_CHANGED", blind)
    with pytest.raises(BaseException):  # noqa: B017, PT011
        test_statistics.test_copy_never_puts_older_figures_over_newer()


def test_mark_that_does_not_wait_is_noticed(monkeypatch):
    from billing.statistics import _Mark

    monkeypatch.setattr(
        _Mark, "moved", lambda mark, last_id, oldest, unused: _Mark(last_id, last_id, unused)
    )
    with pytest.raises(BaseException):  # noqa: B017, PT011
        test_statistics.test_mark_passes_no_id_that_may_still_come()
