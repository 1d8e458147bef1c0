"""Form fields that accept one spelling of a number."""

from decimal import Decimal

import pytest
from django import forms

from coai_admin.console.fields import BIGGEST, StrictDecimalField, StrictIntegerField

NO_NUMBERS = [
    *("１２", "١٢", "½", "²", "1_000", "1,000", "1 000", "1e3", "1E400", "0x7f"),
    *("NaN", "sNaN", "Infinity", "-Infinity", "-0", "00", "007", "+5", "--5", "5-"),
    *("1\n2", "\t5", "5\x00", "9" * 61, "five"),
    *(1.5, float("nan"), True, [1], {"a": 1}),
]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
@pytest.mark.parametrize("field", [StrictIntegerField(), StrictDecimalField()], ids=["int", "dec"])
def test_strict_field_refuses(field, value):
    with pytest.raises(forms.ValidationError):
        field.clean(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [("12", 12), ("-12", -12), ("0", 0), (" 7 ", 7), (7, 7), (BIGGEST, BIGGEST)],
)
def test_integer_field_accepts(value, number):
    assert StrictIntegerField().clean(value) == number


@pytest.mark.parametrize("value", ["1.0", "1.5", str(BIGGEST + 1), str(-BIGGEST - 1), 2**64])
def test_integer_field_refuses_fractions_and_what_a_bigint_cannot_hold(value):
    with pytest.raises(forms.ValidationError):
        StrictIntegerField().clean(value)


def test_integer_field_keeps_its_bounds():
    field = StrictIntegerField(min_value=1, max_value=12)
    assert field.clean("12") == 12
    for value in ("0", "13", "-1"):
        with pytest.raises(forms.ValidationError):
            field.clean(value)
    assert field.widget_attrs(field.widget) == {"min": 1, "max": 12}
    assert StrictIntegerField().widget_attrs(forms.NumberInput()) == {}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12.5", "12.5"),
        ("-0.000001", "-0.000001"),
        ("0", "0"),
        ("0.00", "0"),
        ("123456789012345678.123456", "123456789012345678.123456"),
        (Decimal("1.5"), "1.5"),
        (Decimal("1E+3"), "1000"),
        (50, "50"),
    ],
)
def test_decimal_field_accepts_exactly(value, number):
    assert StrictDecimalField().clean(value) == Decimal(number)


@pytest.mark.parametrize(
    "value",
    [".5", "5.", "-.5", "-0.00", "1.1234567", "1234567890123456789.0", "1.2.3", Decimal("NaN")],
    ids=repr,
)
def test_decimal_field_refuses_what_credits_cannot_be(value):
    with pytest.raises(forms.ValidationError):
        StrictDecimalField().clean(value)


@pytest.mark.parametrize("field", [StrictIntegerField, StrictDecimalField])
def test_strict_field_empty(field):
    assert field(required=False).clean("") is None
    with pytest.raises(forms.ValidationError, match="required"):
        field().clean("")
