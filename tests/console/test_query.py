"""The query language by itself: what it understands, and at which word it gives up."""

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coai_admin.console import query
from coai_admin.console.query import Bounds, Item, Pattern, QueryError, parse
from coai_admin.console.query_moments import Interval, interval

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


def shapes(text):
    """Every term as ("-word", values), without its places."""
    return [
        (
            ("-" if term.negated else "") + term.word,
            [item.operator + item.text for item in term.items],
        )
        for term in parse(text)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ", []),
        ("ana", [("", ["ana"])]),
        ("ana silva", [("", ["ana"]), ("", ["silva"])]),
        ('"ana silva"', [("", ["ana silva"])]),
        ('-"ana silva" x', [("-", ["ana silva"]), ("", ["x"])]),
        ("-ana", [("-", ["ana"])]),
        ("-", [("", ["-"])]),
        ("--", [("", ["--"])]),
        ("- ana", [("", ["-"]), ("", ["ana"])]),
        ("is:banned", [("is", ["banned"])]),
        ("IS:banned", [("is", ["banned"])]),
        ("-is:banned,closed", [("-is", ["banned", "closed"])]),
        ("credits:<=10", [("credits", ["<=10"])]),
        ('tag:"big one",vip', [("tag", ["big one", "vip"])]),
        ('name:="a b"', [("name", ["=a b"])]),
        ("2001:db8::1", [("", ["2001:db8::1"])]),
        ("fe80::1 cafe::1", [("", ["fe80::1"]), ("", ["cafe::1"])]),
        ("ip:2001:db8::1", [("ip", ["2001:db8::1"])]),
        ("joined:2026-01-01..", [("joined", ["2026-01-01.."])]),
        (
            "O'Neil 100% a\\b =cmd",
            [("", ["O'Neil"]), ("", ["100%"]), ("", ["a\\b"]), ("", ["=cmd"])],
        ),
        ("小明:x", [("", ["小明:x"])]),
        ('5"', [("", ['5"'])]),
    ],
)
def test_query_is_taken_apart(text, expected):
    assert shapes(text) == expected


@pytest.mark.parametrize(
    ("text", "word", "unfinished"),
    [
        ("is:", "is:", True),
        ("ana -tier: x", "tier:", True),
        ("credits:<", "credits:<", True),
        ("tier:2,", ",", True),
        ("tier:2, 3", ",", True),
        ('ana "open', '"open', True),
        ('tag:"open', '"open', True),
        ('""', '""', True),
        ('tag:"a"b', "b", False),
        (" ".join("abcdefghijklmnopqrstu"), "u", False),
    ],
)
def test_error_points_at_the_word(text, word, unfinished):
    with pytest.raises(QueryError) as refused:
        parse(text)
    wrong = refused.value
    assert text[wrong.start : wrong.end] == word
    assert wrong.unfinished is unfinished
    assert str(wrong).endswith(".")


def item(text):
    """The value behind a word, as the parser has it."""
    return parse(f"w:{text}")[0].items[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10", Bounds(Decimal(10), Decimal(10))),
        ("=10", Bounds(Decimal(10), Decimal(10))),
        ("-2.5", Bounds(Decimal("-2.5"), Decimal("-2.5"))),
        ("<10", Bounds(high=Decimal(10), high_open=True)),
        ("<=10", Bounds(high=Decimal(10))),
        (">10", Bounds(low=Decimal(10), low_open=True)),
        (">=0.000001", Bounds(low=Decimal("0.000001"))),
        ("10..50", Bounds(Decimal(10), Decimal(50))),
        ("10..", Bounds(low=Decimal(10))),
        ("..-1", Bounds(high=Decimal(-1))),
    ],
)
def test_number_is_read(text, expected):
    assert query.number(item(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "ten",
        "1e5",
        "NaN",
        "１２",
        "1_000",
        "..",
        "1..2..3",
        "<1..2",
        "0.0000001",
        "9" * 19,
        "--1",
        "1.",
    ],
)
def test_what_is_no_number_is_refused(text):
    with pytest.raises(QueryError):
        query.number(item(text))


def test_range_that_runs_backwards_is_turned_round():
    for read, text, turned in (
        (query.number, "50..10", "10..50"),
        (lambda one: interval(one, NOW), "2026-03..2026-01", "2026-01..2026-03"),
    ):
        with pytest.raises(QueryError) as refused:
            read(item(text))
        assert refused.value.suggestion == turned


DAY = (at(2026, 11, 20), at(2026, 11, 21))


@pytest.mark.parametrize(
    ("text", "ahead", "expected"),
    [
        ("2026-11-20", False, Interval(*DAY)),
        ("today", False, Interval(*DAY)),
        ("Yesterday", False, Interval(at(2026, 11, 19), DAY[0])),
        ("tomorrow", True, Interval(DAY[1], at(2026, 11, 22))),
        ("2026-02", False, Interval(at(2026, 2, 1), at(2026, 3, 1))),
        ("2026", False, Interval(at(2026, 1, 1), at(2027, 1, 1))),
        ("<2026-11-20", False, Interval(end=DAY[0])),
        ("<=2026-11-20", False, Interval(end=DAY[1])),
        (">2026-11-20", False, Interval(start=DAY[1])),
        (">=2026-11-20", False, Interval(start=DAY[0])),
        ("2026-01..2026-02", False, Interval(at(2026, 1, 1), at(2026, 3, 1))),
        ("2026-01..", False, Interval(start=at(2026, 1, 1))),
        ("..2026-01", False, Interval(end=at(2026, 2, 1))),
        ("30d", False, Interval(start=at(2026, 10, 21, 12))),
        ("<30d", False, Interval(start=at(2026, 10, 21, 12))),
        (">30d", False, Interval(end=at(2026, 10, 21, 12))),
        ("30d..60d", False, Interval(at(2026, 9, 21, 12), at(2026, 10, 21, 12))),
        ("30d..", False, Interval(end=at(2026, 10, 21, 12))),
        ("..30d", False, Interval(start=at(2026, 10, 21, 12))),
        ("12h", False, Interval(start=at(2026, 11, 20))),
        ("2w", False, Interval(start=at(2026, 11, 6, 12))),
        ("9m", False, Interval(start=at(2026, 2, 20, 12))),
        ("1y", False, Interval(start=at(2025, 11, 20, 12))),
        ("7d", True, Interval(NOW, at(2026, 11, 27, 12))),
        (">7d", True, Interval(start=at(2026, 11, 27, 12))),
        ("7d..14d", True, Interval(at(2026, 11, 27, 12), at(2026, 12, 4, 12))),
        ("2026-01-01..30d", False, Interval(at(2026, 1, 1), at(2026, 10, 21, 12))),
    ],
)
def test_moment_is_read(text, ahead, expected):
    assert interval(item(text), NOW, ahead=ahead) == expected


def test_month_that_lacks_the_day_ends_earlier():
    found = interval(item("1m"), at(2026, 3, 31), ahead=False)
    assert found.start == at(2026, 2, 28)


@pytest.mark.parametrize(
    "text",
    [
        "soon",
        "2026-13",
        "2026-02-30",
        "0000",
        "9999",
        "9999-12-31",
        "9999y",
        "30",
        "3x",
        "..",
        "-3d",
    ],
)
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(QueryError):
        interval(item(text), NOW)


def test_near_miss_is_suggested():
    with pytest.raises(QueryError) as refused:
        query.choice(item("baned"), {"banned": 1, "active": 2})
    assert refused.value.suggestion == "banned"
    with pytest.raises(QueryError) as refused:
        interval(item("todya"), NOW)
    assert refused.value.suggestion == "today"
    assert query.choice(item("BANNED"), {"banned": 1}) == "banned"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ana", Pattern(("", "ana", ""))),
        ("ana*", Pattern(("ana", ""))),
        ("a*", Pattern(("a", ""))),
        ("*@qq.com", Pattern(("", "@qq.com"))),
        ("*gmail*", Pattern(("", "gmail", ""))),
        ("a**b", Pattern(("a", "b"))),
        ("=a*b", Pattern(("a*b",), whole=True)),
        ('"a*b"', Pattern(("", "a*b", ""))),
    ],
)
def test_pattern_is_read(text, expected):
    assert query.pattern(item(text)) == expected


@pytest.mark.parametrize("text", ["*", "**", "*a", "*ab*", "%*", "*___*", "<ana", "a*b*c*d*e*f*g"])
def test_pattern_that_no_index_serves_is_refused(text):
    with pytest.raises(QueryError):
        query.pattern(item(text))


def test_term_is_taken_away():
    text = 'is:banned  "two words" -ana'
    first, second, third = parse(text)
    assert query.without(text, first) == '"two words" -ana'
    assert query.without(text, second) == "is:banned -ana"
    assert query.without(text, third) == 'is:banned  "two words"'
    assert query.without("ana", parse("ana")[0]) == ""


PIECES = st.sampled_from(
    [
        "is",
        ":",
        ",",
        '"',
        "-",
        " ",
        "<",
        ">",
        "=",
        "..",
        "*",
        "30d",
        "10",
        "2026-11",
        "ana",
        "@",
        "\t",
        "é",
        "::1",
    ]
)
TEXTS = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=30).map("".join))


def refusal(read):
    """The error with which something is refused; None when it is understood."""
    try:
        read()
    except QueryError as wrong:
        return wrong
    return None


@given(TEXTS)
def test_whatever_is_typed_is_understood_or_refused_at_a_place(text):
    wrong = refusal(lambda: parse(text))
    if wrong is not None:
        assert 0 <= wrong.start < wrong.end <= len(text)
        return
    terms = parse(text)
    assert all(term.start < term.end <= len(text) for term in terms)
    covered = "".join(text[term.start : term.end] for term in terms)
    assert "".join(covered.split()) == "".join(text.split())
    for term in terms:
        for one in term.items:
            read_every_way(one)


@given(TEXTS.filter(lambda text: text.strip()))
def test_whatever_a_value_holds_it_is_read_or_refused(text):
    read_every_way(Item(text, 0, len(text)))


def read_every_way(one):
    for read in (
        query.number,
        query.pattern,
        lambda item: query.number(item, places=0),
        lambda item: query.choice(item, {"banned": 1}),
        lambda item: interval(item, NOW),
        lambda item: interval(item, NOW, ahead=True),
    ):
        wrong = refusal(lambda read=read: read(one))
        assert wrong is None or (wrong.start, wrong.length) == (one.start, one.length)


@pytest.mark.parametrize(
    "garbage",
    [
        "a" * 10_000,
        "a:" * 5_000,
        '"' * 10_000,
        "-" * 10_000,
        "is:" + "a," * 5_000,
        " " * 10_000,
        "*a" * 5_000,
        "f:" * 5_000,
        "1" * 10_000,
    ],
)
def test_ten_kilobytes_of_garbage_are_quick(garbage):
    begun = time.perf_counter()
    if refusal(lambda: parse(garbage)) is None:
        for term in parse(garbage):
            for one in term.items:
                read_every_way(one)
    assert time.perf_counter() - begun < 0.5
