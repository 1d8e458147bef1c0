"""A random walk over the ledger and a plain one in Python."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests import storms
from tests.billing.machine import LedgerMachine

pytestmark = pytest.mark.django_db
_ALWAYS = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


def test_ledger_agrees_with_a_plain_one_after_every_step():
    run_state_machine_as_test(
        LedgerMachine, settings=settings(max_examples=40, stateful_step_count=25, **_ALWAYS)
    )


@pytest.mark.storm
def test_ledger_agrees_with_a_plain_one_for_long():
    for _part in storms.take(range(50)):
        run_state_machine_as_test(
            LedgerMachine, settings=settings(max_examples=20, stateful_step_count=40, **_ALWAYS)
        )
