"""JSON as this site accepts it."""

from decimal import Decimal

import pytest

from coai_admin.console.json import NotAccepted, parse


def nested(depth, opening="[", closing="]"):
    return (opening * depth + closing * depth).encode()


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1, "b": [true, null, "x"]}', {"a": 1, "b": [True, None, "x"]}),
        (b'{"delta": 0.1}', {"delta": Decimal("0.1")}),
        (b"1e3", Decimal("1E+3")),
        ('"\\ud83d\\ude00 é 名"'.encode(), "😀 é 名"),
        (nested(32), None),
    ],
)
def test_json_is_parsed(body, value):
    found = parse(body)
    assert value is None or found == value


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (nested(33), "too deeply"),
        (nested(100_000), "too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too deeply"),
        (b'{"a": 1, "b": 2, "a": 3}', "“a” stands twice"),
        (b'[{"x": {"y": 1, "y": 2}}]', "“y” stands twice"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b"[Infinity]", "Infinity is not a number"),
        (b"[-Infinity]", "-Infinity is not a number"),
        (b'["\\u0000"]', "NUL"),
        (b'{"a\\u0000b": 1}', "NUL"),
        (b'["\x00"]', "not valid JSON"),
        (b'["\\ud800"]', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'["\xff"]', "not UTF-8"),
        (b'["\xed\xa0\x80"]', "not UTF-8"),
        ('["x"]'.encode("utf-16"), "not UTF-8"),
        (b"\xef\xbb\xbf[]", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"{'a': 1}", "not valid JSON"),
        (b"[1,]", "not valid JSON"),
        (b"[1] [2]", "not valid JSON"),
        (b"[" + b"9" * 5_000 + b"]", "not valid JSON"),
        (b"[0." + b"1" * 5_000 + b"]", "too long"),
        (b"[1e" + b"9" * 200 + b"]", "too long"),
    ],
    ids=lambda value: None if isinstance(value, str) else repr(value[:24]),
)
def test_json_is_refused(body, why):
    with pytest.raises(NotAccepted, match=why):
        parse(body)
