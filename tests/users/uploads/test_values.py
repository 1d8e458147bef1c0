"""What a cell says: one meaning, or a sentence."""

import pytest

from tests.factories import make_staff
from users.roles import Role
from users.uploads import fields, values
from users.uploads.values import COMMA, POINT, Manner, Unfit

TIERS = {"0": 0, "1": 1, "2": 2, "pro": 2}


def read(field, cell, decimal=POINT):
    return getattr(values, field)(cell, Manner(decimal, TIERS))


@pytest.mark.parametrize(
    ("field", "cell", "decimal", "value"),
    [
        ("credits", "1234.5", POINT, "1234.5"),
        ("credits", "1,234.50", POINT, "1234.5"),
        ("credits", "1 234 567.5", POINT, "1234567.5"),
        ("credits", "1’234.5", POINT, "1234.5"),
        ("credits", "1.234", POINT, "1.234"),
        ("credits", "1,234", POINT, "1234"),
        ("credits", "1.234,5", COMMA, "1234.5"),
        ("credits", "1,234", COMMA, "1.234"),
        ("credits", "1.234", COMMA, "1234"),
        ("credits", "+5", POINT, "5"),
        ("credits", "0", POINT, "0"),
        ("credits", ["1.234"], COMMA, "1.234"),
        ("credits", ["0.000001"], POINT, "0.000001"),
        ("expires", "2027-03-01", POINT, "2027-03-01T00:00:00+00:00"),
        ("expires", "2027-03-01 14:30:00", POINT, "2027-03-01T14:30:00+00:00"),
        ("expires", "2027-03-01T14:30Z", POINT, "2027-03-01T14:30:00+00:00"),
        ("expires", "2027/3/1", POINT, "2027-03-01T00:00:00+00:00"),
        ("expires", "01.03.2027", POINT, "2027-03-01T00:00:00+00:00"),
        ("expires", "2028-02-29", POINT, "2028-02-29T00:00:00+00:00"),
        ("username", "007", POINT, "007"),
        ("username", ["7"], POINT, "7"),
        ("username", "'=ana", POINT, "=ana"),
        ("username", "'ana", POINT, "'ana"),
        ("user_id", "42", POINT, 42),
        ("user_id", ["42"], POINT, 42),
        ("country", "de", POINT, "DE"),
        ("locale", "zh_CN", POINT, "zh-CN"),
        ("tags", "a; B, b ,c d", POINT, ["a", "b", "c d"]),
        ("tier", "PRO", POINT, 2),
        ("tier", ["1"], POINT, 1),
    ],
)
def test_value_is_understood(field, cell, decimal, value):
    assert read(field, cell, decimal) == value


@pytest.mark.parametrize(
    ("field", "cell", "decimal"),
    [
        *(("credits", text, POINT) for text in ("1.234,5", "12,34", "1,23,456", "1e3", "NaN", "")),
        *(("credits", text, POINT) for text in ("Infinity", "0x7f", "1_000", "１２", "-5", "−5")),
        *(("credits", text, POINT) for text in ("0.1234567", "1" * 19, "5" * 5_000)),
        *(("credits", text, COMMA) for text in ("1,234.5", "12.5", "1.23.456")),
        *(("credits", text, POINT) for text in ("0,500", "00,500", "012,345.6")),
        *(("credits", text, COMMA) for text in ("0.500", "00.500", "012.345,6")),
        ("credits", {"bad": "formula"}, POINT),
        ("credits", {"bad": "error"}, POINT),
        *(("expires", text, POINT) for text in ("3/1/2027", "01/03/27", "2027-02-29", "tomorrow")),
        *(("expires", text, POINT) for text in ("0000-00-00", "10000-01-01", "2027-03-01 25:00")),
        ("expires", ["46000"], POINT),
        ("expires", {"bad": "date"}, POINT),
        *(("user_id", text, POINT) for text in ("007", "-1", "1.0", "0", "9" * 19, "９", "x")),
        ("user_id", {"bad": "digits"}, POINT),
        *(("country", text, POINT) for text in ("DEU", "D", "1A", "ДЕ")),
        *(("locale", text, POINT) for text in ("english language", "e", "a" * 17)),
        *(("time_zone", text, POINT) for text in ("Mars/Phobos", "../../etc/localtime", "CET+1")),
        *(("email", text, POINT) for text in ("x", "a@b", "ａ@example.org", "a•••@e•••.org")),
        ("tags", 'with "quotes"', POINT),
        ("tags", "x" * 41, POINT),
        *(("tier", text, POINT) for text in ("3", "-1", "gold", "1.5")),
        ("note", "x" * 4_001, POINT),
        *((field, "a\x00b", POINT) for field in ("username", "note", "tags", "email")),
        *((field, "a\ud800", POINT) for field in ("username", "note", "tags", "email")),
    ],
)
def test_value_is_refused_in_a_sentence(field, cell, decimal):
    with pytest.raises(Unfit) as refused:
        read(field, cell, decimal)
    assert str(refused.value)
    assert len(str(refused.value)) < 300
    assert refused.value.kind


@pytest.mark.django_db
def test_every_field_is_known_by_its_own_label():
    labels = [str(field.label) for field in fields.FIELDS.values()]
    found = fields.guessed(labels, make_staff(Role.SUPER_ADMIN))
    assert found == {name: place for place, name in enumerate(fields.FIELDS)}
