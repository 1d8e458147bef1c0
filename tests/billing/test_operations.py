"""The form and the words of billing.adjust_credits; what holds for every operation is in
tests/test_operations.py."""

from decimal import Decimal

import pytest

from billing.forms import AdjustCreditsForm
from billing.operations import ADJUST_CREDITS
from tests.billing.holders import NOON


def form(delta, **more):
    return AdjustCreditsForm({"delta": delta, "reason": "why"} | more, now=NOON)


@pytest.mark.parametrize(
    "text",
    ["50", "-50", "0.000001", "-0.000001", "1000000", "-1000000", "12.500000", "0", 50, Decimal(5)],
)
def test_delta_of_plain_digits_is_taken_exactly(text):
    filled = form(text)
    assert filled.is_valid(), filled.errors
    assert filled.params == {"delta": Decimal(text)}
    assert isinstance(filled.params["delta"], Decimal)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+5",
        "1_000",
        "1,000",
        "1e3",
        "٥٠",
        "５０",
        "NaN",
        "Infinity",
        "-0",
        "-0.0",
        ".5",
        "5.",
        "0x10",
        "0.0000001",
        "1000000.000001",
        "-1000000.000001",
        "9" * 70,
        1.5,
        True,
        [],
        "5\x00",
        "--5",
    ],
)
def test_delta_in_any_other_spelling_is_refused(text):
    filled = form(text)
    assert not filled.is_valid()
    assert list(filled.errors) == ["delta"]


def test_reason_is_mandatory():
    assert list(form("5", reason=" ").errors) == ["reason"]


@pytest.mark.parametrize(
    ("delta", "number", "sentence", "done"),
    [
        ("50", 1, "Add 50 credits to 1 user", "Added 50 credits to 1 user."),
        (
            "12.5",
            1200,
            "Add 12.50 credits to 1,200 users",
            "Added 12.50 credits to 1,200 users.",
        ),
        ("-3", 2, "Take 3 credits from 2 users", "Took 3 credits from 2 users."),
    ],
)
def test_words_say_what_will_happen_and_what_did(delta, number, sentence, done):
    params = {"delta": Decimal(delta)}
    assert ADJUST_CREDITS.sentence(params, number) == sentence
    assert ADJUST_CREDITS.done(params, number) == done
